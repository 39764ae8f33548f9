/// \file
/// Searches with filters of every selectivity and strategy, sets of keys, and searches within a radius.
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/allocations.hpp>
#include <support/random_rows.hpp>

#include <limits>
#include <set>
#include <vector>

namespace index_filter_test {

using namespace loquat;
using test::keys_below, test::random_rows;

static_assert(KeyFilter<every_key> && KeyFilter<key_set> && KeyFilter<sorted_keys>);
static_assert(KeyList<key_set> && KeyList<sorted_keys> && !KeyList<every_key>);

constexpr bool sets_know_their_keys() {
  std::uint64_t const near[]{7, 3, 3, 200}, far[]{~std::uint64_t{0}, 5, std::uint64_t{1} << 40};
  key_set const dense{near}, sparse{far}, none;
  return dense(3) && dense(7) && dense(200) && !dense(0) && !dense(4) && !dense(201) && !dense(~std::uint64_t{0}) &&
         sparse(5) && sparse(~std::uint64_t{0}) && !sparse(6) && !none(0) && dense.keys().size() == 3;
}
static_assert(sets_know_their_keys());

// keys in step with slots must not be in step with what is asked
constexpr bool shares_are_estimated() {
  for (double const share : {0.5, 0.1, 0.04}) {
    auto const every = static_cast<std::uint32_t>(1 / share);
    double const guess = detail::passing_share(20000, [&](std::uint32_t slot) { return slot % every == 3 % every; });
    if (guess < share * 0.6 || guess > share * 1.6) return false;
  }
  return detail::passing_share(100000, [](std::uint32_t) { return false; }) < 0.002;
}
static_assert(shares_are_estimated());

constexpr filter_strategy chosen(double share, std::size_t slots, std::size_t code_bytes) {
  return detail::filter_case{share, slots, 16, 64, 10, code_bytes, false}.cheapest();
}
static_assert(chosen(0.5, 100000, 512) == filter_strategy::walk && chosen(0.001, 100000, 512) == filter_strategy::scan);
static_assert(chosen(0.5, 300, 512) == filter_strategy::scan, "a small index");
static_assert(chosen(0.05, 10000000, 6144) == filter_strategy::hop, "distances are expensive");

constexpr std::size_t n = 2000, d = 16, queries = 12;
std::vector<float> const& rows() {
  static std::vector<float> const all = random_rows(n, d);
  return all;
}
std::span<float const> row(std::size_t i) { return std::span(rows()).subspan(i * d, d); }
template <class Index> Index filled() {
  Index index{{.dimensions = d, .ef_construction = 80}};
  REQUIRE(index.insert(keys_below(n), rows(), pool(1)));
  return index;
}
hnsw<l2> const& graph_of_rows() {
  static auto const index = filled<hnsw<l2>>();
  return index;
}
flat<l2> const& exact() {
  static flat<l2> const index = [] {
    flat<l2> all{{.dimensions = d}};
    for (std::size_t i = 0; i < n; ++i) all.insert(i, row(i)).value();
    return all;
  }();
  return index;
}

template <class Index, class Filter>
double recall(Index const& index, Filter const& passes, search_options options = {}) {
  auto const asked = random_rows(queries, d, 7);
  std::size_t hits = 0, all = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    auto const x = std::span(asked).subspan(q * d, d);
    hit truth[10], found[10];
    std::size_t const count = exact().search(x, truth, {}, passes).value();
    std::size_t const m = index.search(x, found, options, passes).value();
    if (options.strategy == filter_strategy::automatic) CHECK(m == count);
    std::set<std::uint64_t> keys;
    for (std::size_t i = 0; i < m; ++i) {
      CHECK(passes(found[i].key));
      if (i > 0) CHECK(found[i - 1].distance <= found[i].distance);
      keys.insert(found[i].key);
    }
    CHECK(keys.size() == m);
    for (auto const& t : std::span(truth).first(count)) hits += keys.contains(t.key);
    all += count;
  }
  return all == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(all);
}

struct every {
  std::uint64_t count;
  bool operator()(std::uint64_t key) const {
    return key * 0x9e3779b97f4a7c15u >> 32 < (std::uint64_t{1} << 32) / count;
  }
};

TEST_CASE("filters that half, a tenth, a hundredth, a thousandth pass") {
  for (std::uint64_t const count : {1u, 2u, 10u, 30u, 100u, 1000u}) {
    CAPTURE(count);
    CHECK(recall(graph_of_rows(), every{count}) >= 0.95);
    CHECK(recall(graph_of_rows(), every{count}, {.strategy = filter_strategy::scan}) == 1);
    if (count <= 100) CHECK(recall(graph_of_rows(), every{count}, {.strategy = filter_strategy::walk}) >= 0.95);
    if (count <= 10)
      CHECK(recall(graph_of_rows(), every{count}, {.ef = 100, .strategy = filter_strategy::hop}) >= 0.95);
  }
  CHECK(recall(filled<hnsw<l2, rabitq<4>, rerank<f32>>>(), every{10}) >= 0.95);
}

TEST_CASE("filters that pass far from the query") {
  for (float const least : {0.0f, 0.8f, 0.95f}) { // of one element of the vector
    auto const passes = [&](std::uint64_t key) { return rows()[key * d + 3] >= least; };
    CHECK(recall(graph_of_rows(), passes) >= 0.95);
  }
}

TEST_CASE("sets of keys find what predicates find") {
  for (std::uint64_t const count : {2u, 10u, 200u}) {
    std::vector<std::uint64_t> in;
    for (std::uint64_t key = 0; key < n; ++key)
      if (every{count}(key)) in.push_back(key);
    CHECK(recall(graph_of_rows(), sorted_keys(in)) >= 0.95);
    in.push_back(n + 5), in.push_back(~std::uint64_t{0}); // of no vector
    CHECK(recall(graph_of_rows(), key_set(in)) >= 0.95);
    CHECK(recall(graph_of_rows(), key_set(in), {.strategy = filter_strategy::scan}) == 1);
  }
  CHECK(recall(graph_of_rows(), key_set()) == 1); // finds nothing
}

TEST_CASE("all that pass are found when fewer do than asked for, and erased ones are not") {
  auto index = filled<hnsw<l2>>();
  std::vector<hit> found(50);
  auto const few = [](std::uint64_t key) { return key % 500 == 7; };
  CHECK(index.search(row(0), found, {}, few).value() == 4);
  CHECK(index.search(row(0), found, {}, [](std::uint64_t) { return false; }).value() == 0);
  CHECK(index.erase(1007));
  CHECK(index.search(row(0), found, {}, few).value() == 3);
  std::uint64_t const keys[]{507, 1007, 1507};
  CHECK(index.search(row(0), found, {}, sorted_keys(keys)).value() == 2);

  hnsw<l2> several{{.dimensions = d, .ef_construction = 40, .several = true}};
  for (std::size_t i = 0; i < 1500; ++i) REQUIRE(several.insert(i % 1500 < 1000 ? 1 : i, row(i)));
  std::vector<hit> all(1200);
  std::uint64_t const one[]{1};
  hnsw<l2>::workspace w;
  CHECK(several.search(row(0), all, w, {}, sorted_keys(one)).value() == 1000);
  CHECK(several.search(row(0), all, w, {}, [](std::uint64_t key) { return key == 1; }).value() == 1000);
}

TEST_CASE("a search with a filter allocates nothing once its workspace has grown") {
  auto const& index = graph_of_rows();
  std::vector<std::uint64_t> in;
  for (std::uint64_t key = 0; key < n; key += 20) in.push_back(key);
  key_set const set(in);
  for (auto const strategy :
       {filter_strategy::automatic, filter_strategy::walk, filter_strategy::hop, filter_strategy::scan}) {
    hnsw<l2>::workspace w;
    hit found[10];
    std::size_t before = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      if (i == 30) before = test::allocations();
      for (std::uint64_t const count : {2u, 10u, 100u})
        (void)index.search(row(i % 30), found, w, {.strategy = strategy}, every{count}).value();
      (void)index.search(row(i % 30), found, w, {.strategy = strategy}, set).value();
    }
    CHECK(test::allocations() == before);
  }
}

template <class Index, class Filter = every_key>
double recall_within(Index const& index, float radius, Filter const& passes = {}) {
  auto const asked = random_rows(queries, d, 7);
  std::vector<hit> truth, found;
  std::size_t hits = 0, all = 0;
  typename Index::workspace w;
  for (std::size_t q = 0; q < queries; ++q) {
    auto const x = std::span(asked).subspan(q * d, d);
    std::vector<hit> everything(n);
    everything.resize(exact().search(x, everything, {}, passes).value());
    std::erase_if(everything, [&](hit const& h) { return h.distance > radius; });
    REQUIRE(exact().search_within(x, radius, truth, {}, passes));
    CHECK(truth == everything);
    std::size_t const inside = index.search_within(x, radius, found, w, {}, passes).value();
    CHECK(inside == found.size());
    std::set<std::uint64_t> keys;
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK((found[i].distance <= radius && passes(found[i].key)));
      if (i > 0) CHECK(found[i - 1].distance <= found[i].distance);
      keys.insert(found[i].key);
    }
    for (auto const& t : truth) hits += keys.contains(t.key);
    all += truth.size();
  }
  return all == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(all);
}

TEST_CASE("all vectors within a radius") {
  CHECK(recall_within(graph_of_rows(), -1) == 1);
  for (float const radius : {2.5f, 4.0f, 6.0f}) {
    CAPTURE(radius);
    CHECK(recall_within(graph_of_rows(), radius) >= 0.97);
    CHECK(recall_within(graph_of_rows(), radius, every{10}) >= 0.95);
  }
  CHECK(recall_within(graph_of_rows(), 100) == 1);
  CHECK(recall_within(filled<hnsw<l2, rabitq<4>, rerank<f32>>>(), 4) >= 0.95);
  std::vector<hit> found{{1, 1}};
  CHECK(!graph_of_rows().search_within(row(0), std::numeric_limits<float>::quiet_NaN(), found));
  CHECK(hnsw<l2>{{.dimensions = d}}.search_within(row(0), 1, found).value() == 0);
  CHECK(found.empty());
}

} // namespace index_filter_test
