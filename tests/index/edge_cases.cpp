/// \file
/// Where indices begin, end and are tight: none, one and all vectors, one dimension, the fewest neighbours, erasing
/// nearly everything.
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>

#include <algorithm>
#include <set>
#include <vector>

namespace index_edge_cases_test {

using namespace loquat;
using test::random_rows;

// distinct keys that a search for as many as there is room for finds, in order
template <class Index>
std::size_t found_of(Index const& index, std::span<float const> x, std::size_t room, search_options o = {}) {
  std::vector<hit> found(room);
  found.resize(index.search(x, found, o).value());
  std::set<std::uint64_t> keys;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0) CHECK(found[i - 1].distance <= found[i].distance);
    keys.insert(found[i].key);
  }
  return keys.size();
}

TEST_CASE("an index of none, one and two; more asked for than there are; room for none") {
  float const a[]{1, 2}, b[]{3, 4};
  hnsw<l2> index{{.dimensions = 2}};
  CHECK(found_of(index, a, 5) == 0);
  CHECK(!index.erase(1));
  index.compact();
  REQUIRE(index.insert({}, {}, pool(1)));
  REQUIRE(index.insert(1, a));
  CHECK(found_of(index, b, 5) == 1);
  CHECK(found_of(index, b, 0) == 0);
  REQUIRE(index.insert(2, b));
  CHECK(found_of(index, b, 5) == 2);
}

TEST_CASE("all are found where as many are asked for, whatever the width") {
  std::size_t const n = 700, d = 6;
  auto const rows = random_rows(n, d);
  for (std::size_t const m : {2u, 3u, 16u}) {
    hnsw<l2, sq8> index{{.dimensions = d, .m = m, .ef_construction = 30}};
    for (std::size_t i = 0; i < n; ++i) REQUIRE(index.insert(i, std::span(rows).subspan(i * d, d)));
    CHECK(found_of(index, std::span(rows).first(d), n + 9) == n);
    CHECK(found_of(index, std::span(rows).first(d), n, {.ef = 1}) == n); // ef below k
    CHECK(found_of(index, std::span(rows).first(d), 20, {.ef = 1}) == 20);
  }
}

TEST_CASE("one dimension") {
  hnsw<l2> index{{.dimensions = 1, .m = 4}};
  for (std::uint64_t i = 0; i < 500; ++i) {
    float const x = static_cast<float>(i * 7 % 500);
    REQUIRE(index.insert(i * 7 % 500, {&x, 1}));
  }
  for (float const x : {-3.0f, 0.2f, 250.3f, 499.9f, 1e6f}) {
    hit found[3];
    REQUIRE(index.search({&x, 1}, found).value() == 3);
    CHECK(found[0].key == static_cast<std::uint64_t>(std::min(std::max(x + 0.5f, 0.0f), 499.0f)));
  }
}

TEST_CASE("a thousand vectors of a key") {
  std::size_t const n = 1000, d = 4;
  auto const rows = random_rows(n, d);
  hnsw<l2> index{{.dimensions = d, .ef_construction = 30, .several = true, .compact_at = 1}};
  std::vector<std::uint64_t> const same(n, 42);
  REQUIRE(index.insert(same, rows, pool(1)));
  REQUIRE(index.insert(43, std::span(rows).first(d)));
  std::vector<hit> found(n + 1);
  CHECK(index.search(std::span(rows).first(d), found).value() == n + 1);
  CHECK(index.erase(42));
  CHECK(index.size() == 1);
  CHECK(found_of(index, std::span(rows).last(d), 10) == 1);
  index.compact();
  CHECK(found_of(index, std::span(rows).last(d), 10) == 1);
  REQUIRE(index.insert(same, rows, pool(1)));
  CHECK(index.search(std::span(rows).first(d), found).value() == n + 1);
}

TEST_CASE("an index that is full takes more when something was erased and mended") {
  std::size_t const d = 4;
  auto const rows = random_rows(40, d);
  hnsw<l2> index{{.dimensions = d, .most = 30, .m = 2, .several = true, .compact_at = 1}};
  auto const insert = [&](std::size_t i) { return index.insert(i, std::span(rows).subspan(i * d, d)); };
  for (std::size_t i = 0; i < 30; ++i) REQUIRE(insert(i));
  CHECK(insert(30).error().code() == errc::capacity);
  CHECK(index.size() == 30);
  CHECK(found_of(index, std::span(rows).first(d), 50) == 30);
  for (std::size_t round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < 30; i += 1 + round % 3) CHECK(index.erase(i));
    CHECK(!insert(30)); // slots are free once nothing leads there
    index.compact();
    for (std::size_t i = 0; i < 30; i += 1 + round % 3)
      REQUIRE(index.insert(i, std::span(rows).subspan((i + round) % 40 * d, d)));
    CHECK(!insert(30));
    CHECK(found_of(index, std::span(rows).first(d), 50) == 30);
  }
  for (std::size_t i = 0; i < 30; ++i) CHECK(index.erase(i));
  index.compact();
  for (std::size_t i = 10; i < 40; ++i) REQUIRE(insert(i));
  CHECK(!insert(1));
  CHECK(found_of(index, std::span(rows).first(d), 50) == 30);
}

TEST_CASE("what is left of much is found: walks cross what was erased, and mending joins what it leaves apart") {
  std::size_t const n = 1500, d = 8;
  auto const rows = random_rows(n, d);
  std::vector<std::uint64_t> keys(n);
  for (std::size_t i = 0; i < n; ++i) keys[i] = i;
  for (std::size_t const every : {2u, 40u, 500u}) {
    hnsw<l2> index{{.dimensions = d, .m = 6, .ef_construction = 40, .compact_at = 1}};
    REQUIRE(index.insert(keys, rows, pool(1)));
    for (std::size_t i = 0; i < n; ++i)
      if (i % every != 0) CHECK(index.erase(i));
    std::size_t const left = (n + every - 1) / every;
    search_options const walking{.ef = n, .strategy = filter_strategy::walk};
    CHECK(found_of(index, std::span(rows).last(d), left, walking) == left);
    index.compact();
    CHECK(index.size() == left);
    CHECK(found_of(index, std::span(rows).last(d), left, walking) == left);
    for (std::size_t i = 0; i < n; ++i)
      if (i % every != 0) REQUIRE(index.insert(i, std::span(rows).subspan(i * d, d)));
    CHECK(found_of(index, std::span(rows).last(d), n, walking) >= n - 3);
  }
}

} // namespace index_edge_cases_test
