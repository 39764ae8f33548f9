/// \file
/// The graph index against the exact one; insertion, erasing, constant evaluation, memory.
#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/vector_index.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/allocations.hpp>
#include <support/random_rows.hpp>

#include <limits>
#include <set>
#include <string>
#include <vector>

namespace index_hnsw_test {

using namespace loquat;
using test::keys_below, test::random_rows;

static_assert(VectorIndex<hnsw<l2>> && VectorIndex<hnsw<cosine, rabitq<4>, rerank<f16>, dims<8>>>);

constexpr bool finds_the_nearest() {
  hnsw<l2, dims<2>> points{{.m = 2, .ef_construction = 8}};
  for (int i = 0; i < 40; ++i) {
    float const at[]{static_cast<float>(i % 8), static_cast<float>(i / 8)};
    if (!points.insert(static_cast<std::uint64_t>(i), at)) return false;
  }
  hit found[2];
  float const x[]{3.9f, 2};
  auto const n = points.search(x, found);
  bool const erased = points.erase(20) && points.size() == 39 && points.search(x, found).value() == 2;
  return n && *n == 2 && erased && found[0].key != 20;
}
static_assert(finds_the_nearest());

// the share of the ten nearest that an index finds, of those that `flat` finds
template <class M, class Index>
double recall(Index const& index, std::vector<float> const& rows, std::size_t d, search_options options = {}) {
  flat<M> exact{{.dimensions = d}};
  index.for_each_key([&](std::uint64_t key) { exact.insert(key, std::span(rows).subspan(key * d, d)).value(); });
  auto const queries = random_rows(50, d, 7);
  std::size_t hits = 0, all = 0;
  for (std::size_t q = 0; q < 50; ++q) {
    auto const x = std::span(queries).subspan(q * d, d);
    hit truth[10], found[10];
    std::size_t const n = exact.search(x, truth).value(), m = index.search(x, found, options).value();
    REQUIRE(m == n);
    std::set<std::uint64_t> keys;
    for (std::size_t i = 0; i < m; ++i) {
      if (i > 0) CHECK(found[i - 1].distance <= found[i].distance);
      keys.insert(found[i].key);
    }
    CHECK(keys.size() == m);
    for (auto const& t : std::span(truth).first(n)) hits += keys.contains(t.key);
    all += n;
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

template <class M, class... Parts> double recall_of_new(std::size_t n = 1500, std::size_t d = 24) {
  auto const rows = random_rows(n, d);
  hnsw<M, Parts...> index{{.dimensions = d, .ef_construction = 100}};
  REQUIRE(index.insert(keys_below(n), rows, pool(1)));
  CHECK(index.size() == n);
  return recall<M>(index, rows, d, {.ef = 100});
}

TEST_CASE("the graph finds what the exact index finds, with every metric and codec") {
  CHECK(recall_of_new<l2>() >= 0.98);
  CHECK(recall_of_new<inner_product>() >= 0.9);
  CHECK(recall_of_new<cosine>() >= 0.98);
  CHECK(recall_of_new<l2, f16>() >= 0.97);
  CHECK(recall_of_new<cosine, sq8>() >= 0.95);
  CHECK(recall_of_new<l2, sq8, rerank<f32>>() >= 0.98);
  CHECK(recall_of_new<cosine, rabitq<4>, rerank<f32>>() >= 0.97);
  CHECK(recall_of_new<l2, rabitq<1>, rerank<f16>>() >= 0.7);
  CHECK(recall_of_new<cosine, pq<12>, rerank<f16>>() >= 0.9);
  CHECK(recall_of_new<l2, pq<12>>() >= 0.6);
}

TEST_CASE("one by one in any order, or many at once") {
  std::size_t const n = 1200, d = 16;
  auto const rows = random_rows(n, d);
  hnsw<l2> singly{{.dimensions = d}}, once{{.dimensions = d}};
  for (std::size_t i = n; i-- > 0;) REQUIRE(singly.insert(i, std::span(rows).subspan(i * d, d)));
  REQUIRE(once.insert(keys_below(n), rows, pool(1)));
  CHECK(recall<l2>(singly, rows, d) >= 0.98);
  CHECK(recall<l2>(once, rows, d) >= 0.98);
}

TEST_CASE("erased vectors are not found, their slots are used again, and the rest stays findable") {
  std::size_t const n = 2000, d = 16;
  auto rows = random_rows(2 * n, d);
  hnsw<l2, sq8, rerank<f32>> index{{.dimensions = d, .capacity = n + n / 2}};
  REQUIRE(index.insert(keys_below(n), std::span(rows).first(n * d), pool(1)));
  double const fresh = recall<l2>(index, rows, d);
  std::size_t const memory = index.memory_bytes();
  for (int round = 0; round < 4; ++round) {
    std::size_t const first = static_cast<std::size_t>(round) * n / 4;
    for (std::size_t i = first; i < first + n * 3 / 10; ++i) CHECK(index.erase((i * 7) % n));
    CHECK(!index.erase(first * 7 % n));
    CHECK(index.size() == n - n * 3 / 10);
    CHECK(recall<l2>(index, rows, d) >= fresh - 0.01);
    for (std::size_t i = first; i < first + n * 3 / 10; ++i)
      REQUIRE(index.insert((i * 7) % n, std::span(rows).subspan((i * 7) % n * d, d)));
    CHECK(recall<l2>(index, rows, d) >= fresh - 0.005);
  }
  CHECK(index.memory_bytes() == memory);
  for (std::size_t i = 0; i < n; ++i) CHECK(index.erase(i));
  hit found[3];
  CHECK(index.search(std::span(rows).first(d), found).value() == 0);
  REQUIRE(index.insert(5, std::span(rows).first(d)));
  CHECK(index.search(std::span(rows).first(d), found).value() == 1);
  index.compact();
  CHECK(index.search(std::span(rows).first(d), found).value() == 1);
  CHECK(index.erase(5));
  index.compact();
  CHECK(index.empty());
  REQUIRE(index.insert(6, std::span(rows).first(d)));
  CHECK(index.search(std::span(rows).first(d), found).value() == 1);
}

TEST_CASE("a key's vector can be replaced, read, and stand beside others of the key") {
  hnsw<l2> index{{.dimensions = 2}};
  float const a[]{0, 0}, b[]{5, 5};
  REQUIRE(index.insert(1, a));
  CHECK(index.insert(1, b).error().message().find("key 1 is in the index already") != std::string_view::npos);
  REQUIRE(index.update(1, b));
  REQUIRE(index.update(2, a)); // or added
  CHECK(index.size() == 2);
  hit found[4];
  CHECK(index.search(b, found).value() == 2);
  CHECK(found[0] == hit{1, 0});
  float x[2];
  CHECK(index.read(1, x));
  CHECK(x[1] == 5);
  CHECK(!index.read(3, x));
  CHECK(index.contains(2));
  CHECK(!index.contains(3));

  hnsw<l2> several{{.dimensions = 2, .several = true}};
  for (int i = 0; i < 5; ++i) REQUIRE(several.insert(9, i % 2 == 0 ? a : b));
  CHECK(several.search(a, found).value() == 4);
  CHECK(several.erase(9));
  CHECK(several.empty());
}

TEST_CASE("the same vector many times, and fewer than asked for") {
  hnsw<cosine> index{{.dimensions = 3, .m = 4}};
  float const x[]{1, 2, 3}, y[]{-1, 0, 0};
  for (std::uint64_t i = 0; i < 500; ++i) REQUIRE(index.insert(i, x));
  REQUIRE(index.insert(1000, y));
  hit found[600];
  CHECK(index.search(y, std::span(found).first(1)).value() == 1);
  CHECK(found[0].key == 1000);
  CHECK(index.search(x, std::span(found).first(10)).value() == 10);
  CHECK(index.search(x, found, {.ef = 600}).value() == 501);
}

TEST_CASE("bad options and vectors are errors that say so, and change nothing") {
  std::vector<float> const rows{1, 2, 3, 4, 5, std::numeric_limits<float>::quiet_NaN()};
  CHECK(!hnsw<l2>().insert(1, std::span(rows).first(2)));
  CHECK(!hnsw<l2>{{.dimensions = 2, .m = 1}}.insert(1, std::span(rows).first(2)));
  CHECK(!hnsw<l2>{{.dimensions = 2, .ef_construction = 0}}.insert(1, std::span(rows).first(2)));
  CHECK(!hnsw<l2, dims<3>>{{.dimensions = 2}}.insert(1, std::span(rows).first(2)));
  hnsw<l2> index{{.dimensions = 2, .most = 3}};
  std::uint64_t const keys[]{1, 2, 3};
  CHECK(index.insert(keys, rows, pool(1)).error().message().find("vector 2: element 1") != std::string_view::npos);
  CHECK(!index.insert(keys, std::span(rows).first(4), pool(1))); // three keys, two vectors
  std::uint64_t const twice[]{1, 1};
  CHECK(!index.insert(twice, std::span(rows).first(4), pool(1)));
  CHECK(index.empty());
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(index.insert(i, std::span(rows).first(2)));
  CHECK(index.insert(3, std::span(rows).first(2)).error().code() == errc::capacity);
  hit found[1];
  CHECK(!index.search(std::span(rows).first(3), found));
  CHECK(!index.search(std::span(rows).last(2), found));
}

TEST_CASE("the most neighbours an index may have, and erasing among them") {
  std::size_t const n = 600, d = 8;
  auto const rows = random_rows(n, d);
  hnsw<l2> index{{.dimensions = d, .m = 256, .ef_construction = 600, .compact_at = 1}};
  REQUIRE(index.insert(keys_below(n), rows, pool(1)));
  for (std::uint64_t i = 0; i < n; i += 4) CHECK(index.erase(i));
  index.compact();
  hit found[10];
  for (std::uint64_t i = 1; i < n; i += 40) {
    CHECK(index.search(std::span(rows).subspan(i * d, d), found).value() == 10);
    CHECK(found[0].key == i);
  }
}

TEST_CASE("a search allocates nothing once its workspace has grown, and memory is what was said") {
  std::size_t const n = 1000, d = 64;
  auto const rows = random_rows(n, d);
  hnsw<cosine, rabitq<4>, rerank<f16>> index{{.dimensions = d, .capacity = n}};
  REQUIRE(index.insert(keys_below(n), rows, pool(1)));
  decltype(index)::workspace w;
  hit found[10];
  CHECK(index.search(std::span(rows).first(d), found, w).value() == 10);
  auto const before = test::allocations();
  for (std::size_t i = 0; i < 100; ++i) CHECK(index.search(std::span(rows).subspan(i * d, d), found, w).value() == 10);
  CHECK(test::allocations() == before);
  // codes, factors, halves, keys, and the edges in ten bits each
  CHECK(index.memory_bytes() >= n * (d / 2 + 8 + 2 * d + 8 + 32 * 10 / 8));
  CHECK(index.memory_bytes() <= n * (d / 2 + 8 + 2 * d + 8 + 32 * 10 / 8 + 20) + 1000);

  hnsw<hamming> sets{{.dimensions = d}}; // a metric that is no product, on floats
  REQUIRE(sets.insert(keys_below(n), rows, pool(1)));
  decltype(sets)::workspace of_sets;
  CHECK(sets.search(std::span(rows).first(d), found, of_sets).value() == 10);
  auto const then = test::allocations();
  for (std::size_t i = 0; i < 20; ++i)
    CHECK(sets.search(std::span(rows).subspan(i * d, d), found, of_sets).value() == 10);
  CHECK(test::allocations() == then);
}

TEST_CASE("a codec of code books learns from the first vectors, or says that it must") {
  std::size_t const n = 400, d = 8;
  auto const rows = random_rows(n, d);
  using index = hnsw<l2, pq<4>, rerank<pq<8>>>;
  index single{{.dimensions = d}};
  CHECK(single.insert(1, std::span(rows).first(d)).error().message().find("pq4 learns from vectors first") !=
        std::string_view::npos);
  std::uint64_t const one[]{1};
  CHECK(!single.insert(one, std::span(rows).first(d), pool(1)));
  CHECK(single.empty());
  hit found[1];
  CHECK(single.search(std::span(rows).first(d), found).value() == 0);
  REQUIRE(single.train(rows));
  CHECK(single.insert(1, std::span(rows).first(d)));
  // what was learned stays: a batch of few vectors does not replace it
  index many{{.dimensions = d}}, few{{.dimensions = d}};
  REQUIRE(many.train(rows));
  REQUIRE(many.insert(keys_below(2), std::span(rows).first(2 * d), pool(1)));
  REQUIRE(few.insert(keys_below(2), std::span(rows).first(2 * d), pool(1)));
  auto const x = std::span(rows).subspan(9 * d, d);
  hit of_many[1], of_few[1];
  CHECK(many.search(x, of_many).value() == 1);
  CHECK(few.search(x, of_few).value() == 1);
  CHECK(of_many[0].distance != of_few[0].distance);
}

} // namespace index_hnsw_test
