/// \file
/// Searches with filters of every selectivity and strategy, sets of keys, and searches within a radius.
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/allocations.hpp>
#include <support/random_rows.hpp>

#include <algorithm>
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
  return detail::filter_case{share, slots, 16, 64, 10, 0, code_bytes, false}.cheapest();
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

TEST_CASE("hops say where the filter is not the same around the query as everywhere") {
  using line = detail::graph<l2, detail::index_parts<dims<1>>>;
  constexpr std::uint32_t slots = 1000, m = 8;
  line g(1, m, {}); // of points in a row, each with edges to the m before it and the m after it
  g.fast.grow(slots), g.edges.grow(slots, 0);
  for (std::uint32_t i = 0; i < slots; ++i) {
    float const x = static_cast<float>(i);
    std::vector<std::uint32_t> near;
    for (std::uint32_t j = i < m ? 0 : i - m; j <= i + m && j < slots; ++j)
      if (j != i) near.push_back(j);
    g.edges.add(i, 0);
    g.fast.write(i, &x), g.edges.write(i, 0, near);
  }
  line::workspace w;
  float const x = 300;
  g.aim(w, &x);
  auto const found = [&](double share, auto const& accept) { return hop(g, w, 300, 64, slots, share, accept).size(); };
  auto const half = [](std::uint32_t slot) { return slot % 2 == 1; };
  auto const here = [](std::uint32_t slot) { return slot >= 200 && slot < 400; };
  auto const there = [](std::uint32_t slot) { return slot % 16 == 0 || slot >= 800; };
  CHECK(found(0.5, half) == 64);
  CHECK((found(0, here) == 64 && found(0.2, here) == 0));
  CHECK((found(0, there) == 64 && found(0.25, there) == 0));
}

// what passes, by the obvious loop
template <class Filter, class Live>
std::vector<std::uint32_t> passing(std::vector<std::uint64_t> const& keys, std::size_t limit, Filter passes,
                                   Live lives) {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < limit; ++slot)
    if (lives(slot) && passes(keys[slot])) slots.push_back(slot);
  return slots;
}
struct keys_by_slot {
  std::vector<std::uint64_t> const& keys;
  std::uint64_t const* data() const { return keys.data(); }
};

TEST_CASE("a scan asks the keys of all that live below its limit, and no others") {
  auto const own = [](std::uint32_t slot) { return std::uint64_t{slot} * 7 + 1; };
  for (std::size_t const limit : {1u, 63u, 64u, 65u, 127u, 128u, 192u, 255u, 256u, 257u, 300u, 1000u})
    for (std::uint64_t const erased : {0u, 1u, 2u, 5u, 64u, 200u}) // one in so many; 1: all
      for (std::uint64_t const count : {1u, 2u, 7u, 400u}) {
        std::vector<std::uint64_t> keys(limit); // exactly: what lies beyond must not be read
        for (std::uint32_t slot = 0; slot < limit; ++slot) keys[slot] = own(slot);
        auto const lives = [&](std::uint32_t slot) { return erased == 0 || slot % erased != 0; };
        bool others = false;
        auto const passes = [&](std::uint64_t key) {
          auto const slot = static_cast<std::uint32_t>(key / 7);
          others = others || key != own(slot) || slot >= limit || !lives(slot);
          return every{count}(key);
        };
        auto const live = [&](std::size_t word) {
          std::uint64_t bits = 0;
          for (std::uint32_t i = 0; i < 64; ++i)
            bits |= std::uint64_t{lives(static_cast<std::uint32_t>(word * 64) + i)} << i;
          return bits;
        };
        std::vector<std::uint32_t> numbers, found;
        detail::for_passing(keys_by_slot{keys}, limit, live, passes, numbers, [&](std::size_t m) {
          REQUIRE(m <= numbers.size());
          found.insert(found.end(), numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(m));
        });
        CHECK(!others);
        CHECK(found == passing(keys, limit, every{count}, lives));
      }
}

TEST_CASE("a list's keys give the slots that live below the limit, however many a key has") {
  detail::key_table<std::allocator<std::byte>> table({});
  table.grow(1000);
  for (std::uint32_t slot = 0; slot < 1000; ++slot) table.insert(slot, slot % 2 == 0 ? 0 : slot);
  std::uint64_t const listed[]{0, 5, 7, 801, 5000};
  std::vector<std::uint32_t> numbers, found;
  auto const live = [](std::size_t word) { return word == 0 ? ~std::uint64_t{1 << 7} : ~std::uint64_t{0}; };
  detail::for_passing(table, 800, live, sorted_keys(listed), numbers, [&](std::size_t m) {
    found.insert(found.end(), numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(m));
  });
  std::ranges::sort(found);
  auto const wanted = [](std::uint32_t slot) { return slot % 2 == 0 || slot == 5; };
  CHECK(found == passing(std::vector<std::uint64_t>(1000), 800, every_key(), wanted));
}

TEST_CASE("scans find what is left after erasures, in slots that are used again, and in the last ones") {
  for (std::size_t const size : {63u, 64u, 130u, 400u}) {
    CAPTURE(size);
    hnsw<l2> index{{.dimensions = d, .ef_construction = 20, .compact_at = 1}};
    flat<l2> truth{{.dimensions = d}};
    std::set<std::uint64_t> in;
    std::size_t next = 0;
    auto const insert = [&] {
      REQUIRE((index.insert(next, row(next)) && truth.insert(next, row(next))));
      in.insert(next++);
    };
    auto const erase = [&](std::uint64_t key) {
      REQUIRE((index.erase(key) && truth.erase(key) && in.erase(key) == 1));
    };
    auto const check = [&] {
      for (std::uint64_t const count : {1u, 3u, 20u}) {
        bool erased = false; // a key that is not in the index any more is not asked about
        auto const passes = [&](std::uint64_t key) {
          erased = erased || !in.contains(key);
          return key % count == 0;
        };
        std::vector<std::uint64_t> listed;
        for (std::uint64_t key = 0; key < 600; key += count) listed.push_back(key);
        for (std::size_t q = 0; q < 5; ++q) {
          std::vector<hit> wanted(600), found(600), of_list(600);
          wanted.resize(truth.search(row(q + 1000), wanted, {}, passes).value());
          CHECK(wanted.size() ==
                static_cast<std::size_t>(std::ranges::count_if(in, [&](auto key) { return key % count == 0; })));
          search_options const scan{.strategy = filter_strategy::scan};
          found.resize(index.search(row(q + 1000), found, scan, passes).value());
          CHECK(found == wanted);
          of_list.resize(index.search(row(q + 1000), of_list, scan, key_set(listed)).value());
          CHECK(of_list == wanted);
          of_list.resize(600);
          of_list.resize(truth.search(row(q + 1000), of_list, {}, sorted_keys(listed)).value());
          CHECK(of_list == wanted);
        }
        CHECK(!erased);
      }
    };
    while (next < size) insert();
    check();
    for (std::uint64_t key = 0; key < size; key += 9) erase(key);
    check();
    index.compact();
    check();
    for (std::size_t i = 0; i < 3; ++i) insert(); // to free slots
    check();
    while (next < size + 70) insert(); // to new ones as well
    check();
  }
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
  hnsw<l2> index{{.dimensions = d}}; // walks with a filter grow as well, and those past erased vectors
  for (std::size_t i = 0; i < 500; ++i) REQUIRE(index.insert(i, row(i)));
  auto const even = [](std::uint64_t key) { return key % 2 == 0; };
  CHECK(index.search_within(row(0), 100, found, {.strategy = filter_strategy::walk}, even).value() == 250);
  CHECK(index.erase(7));
  CHECK(index.search_within(row(0), 100, found).value() == 499);
  CHECK(!graph_of_rows().search_within(row(0), std::numeric_limits<float>::quiet_NaN(), found));
  CHECK(hnsw<l2>{{.dimensions = d}}.search_within(row(0), 1, found).value() == 0);
  CHECK(found.empty());
}

} // namespace index_filter_test
