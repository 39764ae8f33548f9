/// \file
/// Vectors that are stored many times: all copies are found, and so is what lies beside them.
#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>

#include <concepts>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace index_duplicates_test {

using namespace loquat;
using test::random_rows;

constexpr std::size_t d = 8;

// `copies` of each of `groups` vectors, keys by group, among `others` of their own; in an order that mixes them
struct crowd {
  std::size_t copies, groups, others;
  std::vector<std::uint64_t> keys{};
  std::vector<float> rows{};

  crowd(std::size_t c, std::size_t g, std::size_t o) : copies(c), groups(g), others(o) {
    auto const some = random_rows(g + o, d, 5);
    std::size_t const n = c * g + o;
    std::size_t step = n / 3 * 2 + 1;
    auto const divides = [&](std::size_t a, std::size_t b) {
      while (b != 0) a = std::exchange(b, a % b);
      return a != 1;
    };
    while (divides(step, n)) ++step;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint64_t const key = i * step % n;
      keys.push_back(key);
      std::size_t const source = key < c * g ? key % g : g + key - c * g;
      rows.insert(rows.end(), some.begin() + static_cast<std::ptrdiff_t>(source * d),
                  some.begin() + static_cast<std::ptrdiff_t>((source + 1) * d));
    }
  }
  std::span<float const> row(std::size_t i) const { return std::span(rows).subspan(i * d, d); }
};

constexpr search_options walking(std::size_t ef = 0) { return {.ef = ef, .strategy = filter_strategy::walk}; }

// every copy is among as many nearest of its vector as there are, and every other vector is the nearest to itself
template <class Index> void check_found(Index const& index, crowd const& all, auto left) {
  std::vector<hit> found(all.copies + 10);
  std::size_t lost = 0;
  std::set<std::size_t> checked;
  for (std::size_t i = 0; i < all.keys.size(); ++i) {
    bool const copy = all.keys[i] < all.copies * all.groups;
    if (copy && checked.insert(all.keys[i] % all.groups).second) {
      std::size_t expected = 0;
      for (std::size_t c = 0; c < all.copies; ++c)
        expected += left(c * all.groups + all.keys[i] % all.groups) ? 1u : 0u;
      std::size_t const n =
          index.search(all.row(i), std::span(found).first(std::max<std::size_t>(expected, 1)), walking()).value();
      std::set<std::uint64_t> keys;
      for (auto const& h : std::span(found).first(n))
        if (h.key < all.copies * all.groups && h.key % all.groups == all.keys[i] % all.groups) keys.insert(h.key);
      CHECK(keys.size() == expected);
    } else if (!copy && left(all.keys[i])) {
      std::size_t const n = index.search(all.row(i), std::span(found).first(1), walking(all.copies + 64)).value();
      lost += n != 1 || found[0].key != all.keys[i];
    }
  }
  CHECK(lost == 0);
}
constexpr auto all_left = [](std::uint64_t) { return true; };

template <class M, class... Parts> void check_many(crowd const& all) {
  hnsw<M, Parts...> index{{.dimensions = d, .m = 8, .ef_construction = 60}};
  REQUIRE(index.insert(all.keys, all.rows, pool(2)));
  check_found(index, all, all_left);
}

TEST_CASE("thousands of copies, in one batch") {
  crowd const all(5000, 1, 300);
  check_many<l2>(all);
  check_many<cosine, sq8>(all);
}
TEST_CASE("copies of several vectors, of two, and of every one") {
  check_many<l2>(crowd(300, 7, 300));
  check_many<l2, sq8, rerank<f32>>(crowd(2, 300, 300));
  check_many<l2>(crowd(3, 500, 0));
}
TEST_CASE("one by one") {
  crowd const all(1000, 2, 300);
  hnsw<l2> index{{.dimensions = d, .m = 2, .ef_construction = 60}};
  for (std::size_t i = 0; i < all.keys.size(); ++i) REQUIRE(index.insert(all.keys[i], all.row(i)));
  std::vector<hit> found(all.keys.size());
  CHECK(index.search(all.row(0), found, walking()).value() >= all.keys.size() - 30); // m = 2 loses a few others
}

TEST_CASE("copies under an inner product: of vectors that are nearest to themselves") {
  crowd all(500, 1, 200);
  for (std::size_t i = 0; i < all.keys.size(); ++i)
    if (all.keys[i] < 500)
      for (std::size_t j = 0; j < d; ++j) all.rows[i * d + j] *= 4;
  hnsw<inner_product> index{{.dimensions = d}};
  REQUIRE(index.insert(all.keys, all.rows, pool(1)));
  std::vector<hit> found(500);
  std::size_t i = 0;
  while (all.keys[i] >= 500) ++i;
  REQUIRE(index.search(all.row(i), found, walking()).value() == 500);
  for (auto const& h : found) CHECK(h.key < 500);
}

// elements that are zero, with either sign, or become it
template <class M, class C> constexpr bool signs_of_zero_are_no_difference() {
  detail::vectors<M, C, std::allocator<std::byte>> codes(4, {});
  codes.grow(3);
  float const a[]{0.0f, 1.0f, -0.0f, 0.0f}, b[]{-0.0f, 1.0f, 0.0f, -0.0f}, c[]{0.0f, -1.0f, 0.0f, 0.0f};
  codes.write(0, a), codes.write(1, b), codes.write(2, c);
  typename decltype(codes)::one single;
  codes.write(single, b);
  return codes.same(0, 1) && codes.same(single, 0) && codes.hash(0) == codes.hash(1) && !codes.same(0, 2);
}
static_assert(signs_of_zero_are_no_difference<l2, f32>());
static_assert(signs_of_zero_are_no_difference<l2, f16>() && signs_of_zero_are_no_difference<cosine, f16>());
static_assert(signs_of_zero_are_no_difference<l2, bf16>() && signs_of_zero_are_no_difference<l2, sq8>());

template <class C> void check_zeros() {
  crowd all(700, 1, 100);
  for (std::size_t i = 0; i < all.keys.size(); ++i)
    if (all.keys[i] < 700)
      for (std::size_t j = 0; j < d; ++j) {
        float const tiny = (all.keys[i] >> j & 1) != 0 ? 1e-30f : 0.0f; // none under f16
        float const zero = std::same_as<C, f16> ? tiny : 0.0f;
        all.rows[i * d + j] = j < 2 ? 0.5f : (all.keys[i] >> (j + 1) & 1) != 0 ? -zero : zero;
      }
  check_many<l2, C>(all);
}
TEST_CASE("copies of which zeros have different signs") {
  check_zeros<f32>();
  check_zeros<f16>();
  check_zeros<bf16>();
}

// bits of eight elements are of 256 kinds
template <class... Parts> std::size_t found_of_bits() {
  std::size_t const n = 2000;
  hnsw<hamming, Parts...> index{{.dimensions = d}};
  auto const rows = random_rows(n, d, 3);
  for (std::size_t i = 0; i < n; ++i) REQUIRE(index.insert(i, std::span(rows).subspan(i * d, d)));
  std::vector<hit> found(n);
  return index.search(std::span(rows).first(d), found, walking()).value();
}
TEST_CASE("different vectors that a codec or a metric cannot tell apart") {
  CHECK(found_of_bits<binary>() == 2000);
  CHECK(found_of_bits<f16>() == 2000);
}

TEST_CASE("copies that stay are found after others were erased, with any number of threads") {
  crowd const all(400, 3, 300);
  auto const stays = [](std::uint64_t key) { return key * 0x9e3779b97f4a7c15u >> 60 >= 6; };
  hnsw<l2> one{{.dimensions = d, .compact_at = 1}}, four{{.dimensions = d, .compact_at = 1}};
  for (auto* index : {&one, &four}) {
    REQUIRE(index->insert(all.keys, all.rows, pool(index == &one ? 1 : 3)));
    for (std::uint64_t const key : all.keys)
      if (!stays(key)) CHECK(index->erase(key));
  }
  check_found(one, all, stays);
  std::size_t last = 0;
  one.compact();
  four.compact(pool(4), [&](std::size_t done) { last = done; });
  CHECK(last == all.keys.size());
  check_found(one, all, stays);
  for (std::size_t i = 0; i < 60; ++i) {
    hit a[20], b[20];
    REQUIRE(one.search(all.row(i), a, walking(20)).value() == 20);
    REQUIRE(four.search(all.row(i), b, walking(20)).value() == 20);
    for (std::size_t j = 0; j < 20; ++j) CHECK(a[j] == b[j]); // the same graph
  }
  for (std::size_t i = 0; i < all.keys.size(); ++i)
    if (!stays(all.keys[i])) REQUIRE(one.insert(all.keys[i], all.row(i)));
  check_found(one, all, all_left);
}

} // namespace index_duplicates_test
