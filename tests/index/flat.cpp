/// \file
/// Every metric with every codec: what an exact index finds, errors, constant evaluation.
#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/vector_index.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace index_flat_test {

using namespace loquat;
using test::random_rows;

// The smallest metric of a program's own.
struct manhattan {
  static constexpr std::string_view name = "manhattan";
  constexpr float operator()(std::span<float const> a, std::span<float const> b) const noexcept {
    float sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    return sum;
  }
};

static_assert(Metric<l2> && Metric<inner_product> && Metric<cosine> && Metric<hamming> && Metric<jaccard> &&
              Metric<manhattan>);
static_assert(VectorIndex<flat<l2>> && VectorIndex<flat<manhattan, f16>>);

constexpr bool finds_the_nearest() {
  flat<l2, dims<2>> points;
  float const at[][2]{{0, 0}, {3, 4}, {1, 1}, {-2, 0}};
  for (std::uint64_t i = 0; i < 4; ++i)
    if (!points.insert(10 + i, at[i])) return false;
  hit found[3];
  float const x[]{1, 0};
  auto const n = points.search(x, found);
  return n && *n == 3 && found[0] == hit{10, 1} && found[1] == hit{12, 1} && found[2] == hit{13, 9} &&
         points.erase(10) && !points.erase(10) && points.size() == 3;
}
static_assert(finds_the_nearest());

// in double
template <class M> double true_distance(std::span<float const> a, std::span<float const> b) {
  double ab = 0, aa = 0, bb = 0, squares = 0, sum = 0;
  int apart = 0, both = 0, either = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    ab += x * y, aa += x * x, bb += y * y, squares += (x - y) * (x - y), sum += std::abs(x - y);
    apart += (x > 0) != (y > 0), both += x > 0 && y > 0, either += x > 0 || y > 0;
  }
  if constexpr (std::same_as<M, l2>) return squares;
  if constexpr (std::same_as<M, inner_product>) return -ab;
  if constexpr (std::same_as<M, cosine>) return 1 - ab / std::sqrt(aa * bb);
  if constexpr (std::same_as<M, hamming>) return apart;
  if constexpr (std::same_as<M, jaccard>) return either == 0 ? 0 : 1 - static_cast<double>(both) / either;
  return sum;
}

// how far stored distances are from true ones, at most, as a share of their spread; neighbours in order
template <class M, class C> void check_codec(double tolerance, std::size_t d = 100) {
  CAPTURE(std::string(M::name));
  std::size_t const n = 300;
  auto const rows = random_rows(n, d);
  flat<M, C> index{{.dimensions = d}};
  if constexpr (requires { index.train(rows); }) REQUIRE(index.train(rows));
  for (std::size_t i = 0; i < n; ++i) REQUIRE(index.insert(i, std::span(rows).subspan(i * d, d)));
  auto const queries = random_rows(5, d, 7);
  for (std::size_t q = 0; q < 5; ++q) {
    auto const x = std::span(queries).subspan(q * d, d);
    std::vector<hit> found(n);
    REQUIRE(index.search(x, found).value() == n);
    std::vector<double> truths;
    for (std::size_t i = 0; i < n; ++i) truths.push_back(true_distance<M>(x, std::span(rows).subspan(i * d, d)));
    auto const [low, high] = std::minmax_element(truths.begin(), truths.end());
    double const spread = *high - *low;
    std::set<std::uint64_t> keys;
    for (std::size_t i = 0; i < n; ++i) {
      if (i > 0) CHECK(found[i - 1].distance <= found[i].distance);
      CHECK(std::abs(static_cast<double>(found[i].distance) - truths[found[i].key]) <= tolerance * spread);
      keys.insert(found[i].key);
    }
    CHECK(keys.size() == n);
  }
}
template <class C> void check_linear(double tolerance, std::size_t d = 100) {
  CAPTURE(std::string(C::name));
  check_codec<l2, C>(tolerance, d);
  check_codec<inner_product, C>(tolerance, d);
  check_codec<cosine, C>(tolerance, d);
}
template <class C> void check_others() {
  CAPTURE(std::string(C::name));
  check_codec<hamming, C>(0);
  check_codec<jaccard, C>(1e-6);
}

TEST_CASE("distances of every codec are near the true ones") {
  check_linear<f32>(1e-5);
  check_linear<f16>(2e-3);
  check_linear<bf16>(2e-2);
  check_linear<sq8>(1e-2);
  check_linear<sq8>(1e-2, 33);
  check_linear<rabitq<8>>(1e-2);
  check_linear<rabitq<4>>(0.1);
  check_linear<rabitq<4>>(0.1, 64);
  check_linear<rabitq<2>>(0.35);
  check_linear<rabitq<2>>(0.35, 257);
  check_linear<rabitq<1>>(0.7, 257);
  check_linear<binary>(0.9, 257);
  check_linear<pq<16>>(0.3);
  check_linear<pq<64>>(0.05, 33); // a part for each element
}
TEST_CASE("metrics that are no products work on decoded vectors, and on bits") {
  check_codec<manhattan, f32>(1e-5);
  check_codec<manhattan, f16>(2e-3);
  check_codec<manhattan, sq8>(2e-2);
  check_others<f32>();
  check_others<bf16>();
  check_others<binary>();
  check_codec<manhattan, pq<64>>(0.1);
}

TEST_CASE("what cannot be measured is an error that says so") {
  flat<cosine> index{{.dimensions = 3}};
  CHECK(index.insert(1, std::vector<float>{1, 2}).error().message().find("2 elements, where the index has 3") !=
        std::string_view::npos);
  float const nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  CHECK(!index.insert(1, std::vector<float>{1, nan, 0}));
  CHECK(!index.insert(1, std::vector<float>{1, 0, infinity}));
  CHECK(!index.insert(1, std::vector<float>{0, 0, 0}));
  CHECK(!index.insert(1, std::vector<float>{3e38f, 3e38f, 0}));
  REQUIRE(index.insert(1, std::vector<float>{1, 0, 0}));
  CHECK(!index.insert(1, std::vector<float>{0, 1, 0})); // the same key
  hit found[4];
  CHECK(!index.search(std::vector<float>{1, nan, 0}, found));
  CHECK(!index.search(std::vector<float>{1, 0}, found));
  CHECK(index.search(std::vector<float>{1, 1, 0}, found).value() == 1); // fewer than asked for
  CHECK(flat<l2>{{.dimensions = 3}}.search(std::vector<float>{1, 1, 0}, found).value() == 0);
  CHECK(!flat<l2>{}.insert(1, std::vector<float>{1}));
}

TEST_CASE("a filter lets only its keys pass, and erased vectors are gone") {
  auto const rows = random_rows(1000, 8);
  flat<l2> index{{.dimensions = 8, .several = true}};
  for (std::size_t i = 0; i < 1000; ++i) REQUIRE(index.insert(i % 500, std::span(rows).subspan(i * 8, 8)));
  std::vector<hit> found(1000);
  CHECK(index.search(std::span(rows).first(8), found, {}, [](std::uint64_t key) { return key % 10 == 3; }).value() ==
        100);
  for (std::size_t i = 0; i < 100; ++i) CHECK(found[i].key % 10 == 3);
  for (std::uint64_t key = 0; key < 500; key += 2) CHECK(index.erase(key));
  CHECK(index.size() == 500);
  CHECK(index.search(std::span(rows).first(8), found).value() == 500);
  for (std::size_t i = 0; i < 500; ++i) CHECK(found[i].key % 2 == 1);
}

TEST_CASE("product quantization: what its code books must hold") {
  std::size_t const n = 1000, d = 10; // parts of 3, 3 and 4 elements
  auto const rows = random_rows(n, d);
  detail::pq_coder<l2, 3> coder(d);
  CHECK(!coder.ready());
  coder.train(rows);
  REQUIRE(coder.ready());
  REQUIRE(coder.learned().size() == 256 * d);

  SUBCASE("codes name the nearest centroids, and k-means has made the errors small") {
    double error = 0, spread = 0;
    std::vector<float> decoded(d);
    for (std::size_t i = 0; i < n; ++i) {
      std::uint8_t code[3];
      detail::pq_coder<l2, 3>::factors none;
      coder.encode(&rows[i * d], code, none);
      coder.decode(code, none, decoded.data());
      std::size_t const ends[]{0, 3, 6, 10};
      for (std::size_t p = 0; p < 3; ++p) {
        double least = 1e9, own = 0;
        for (std::size_t c = 0; c < 256; ++c) {
          double distance = 0;
          for (std::size_t e = ends[p]; e < ends[p + 1]; ++e)
            distance += std::pow(static_cast<double>(rows[i * d + e] - coder.learned()[e * 256 + c]), 2);
          least = std::min(least, distance);
          if (c == code[p]) own = distance;
        }
        CHECK(own <= least * 1.0001);
      }
      for (std::size_t e = 0; e < d; ++e) {
        error += std::pow(static_cast<double>(rows[i * d + e] - decoded[e]), 2);
        spread += std::pow(static_cast<double>(rows[i * d + e] - 0.3f), 2);
      }
    }
    CHECK(error < 0.035 * spread); // centroids at random vectors: 0.05
  }
  SUBCASE("stored vectors are measured like queries, bit for bit") {
    std::vector<std::uint8_t> codes(n * 3);
    detail::pq_coder<l2, 3>::factors none;
    for (std::size_t i = 0; i < n; ++i) coder.encode(&rows[i * d], &codes[i * 3], none);
    detail::pq_coder<l2, 3>::query by_table, directly;
    std::vector<float> decoded(d), a(n), b(n);
    coder.decode(&codes[21], none, decoded.data());
    coder.prepare(decoded.data(), by_table);
    coder.prepare_code(&codes[21], none, directly);
    coder.distances(by_table, codes.data(), nullptr, nullptr, n, a.data());
    coder.distances(directly, codes.data(), nullptr, nullptr, n, b.data());
    CHECK(a == b);
    CHECK(a[7] == 0);
  }
  SUBCASE("what was learned can be stored") {
    detail::pq_coder<l2, 3> other(d);
    CHECK(!other.relearn(coder.learned().first(5)));
    std::vector<float> broken(coder.learned().begin(), coder.learned().end());
    REQUIRE(other.relearn(broken));
    std::uint8_t a[3], b[3];
    detail::pq_coder<l2, 3>::factors none;
    coder.encode(rows.data(), a, none), other.encode(rows.data(), b, none);
    CHECK(std::equal(a, a + 3, b));
    broken[7] = std::numeric_limits<float>::quiet_NaN();
    CHECK(!other.relearn(broken));
  }
  SUBCASE("an index that has not learned says so") {
    flat<cosine, pq<4>> index{{.dimensions = d}};
    auto const added = index.insert(1, std::span(rows).first(d));
    REQUIRE(!added);
    CHECK(added.error().message().find("codec pq4 learns from vectors first") != std::string_view::npos);
    hit found[1];
    CHECK(index.search(std::span(rows).first(d), found).value() == 0);
    REQUIRE(index.train(rows));
    CHECK(index.insert(1, std::span(rows).first(d)));
  }
  SUBCASE("fewer vectors than centroids, all the same, zeros") {
    flat<l2, pq<4>> index{{.dimensions = d}};
    REQUIRE(index.train(std::vector<float>(3 * d)));
    REQUIRE(index.insert(1, std::vector<float>(d)));
    hit found[1];
    REQUIRE(index.search(std::vector<float>(d), found).value() == 1);
    CHECK(found[0] == hit{1, 0});
  }
}

constexpr bool pq_in_constants() {
  flat<l2, pq<2>, dims<2>> points;
  float const at[]{0, 0, 3, 4, 1, 1, -2, 0};
  if (points.insert(1, std::span(at).first(2)) || !points.train(at)) return false;
  for (std::uint64_t i = 0; i < 4; ++i)
    if (!points.insert(10 + i, std::span(at).subspan(2 * i, 2))) return false;
  hit found[2];
  float const x[]{3, 3};
  auto const n = points.search(x, found);
  return n && *n == 2 && found[0] == hit{11, 1} && found[1] == hit{12, 8};
}
static_assert(pq_in_constants());

} // namespace index_flat_test
