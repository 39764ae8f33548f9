/// \file
/// Attention over every type of cache: the reference against a plain softmax in double, and the vector kernels against
/// the reference, bit for bit, around the borders of tiles, for every target, thread count and split of a batch.
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace kernel_attention_test {

using namespace loquat;

namespace {

using small_cpu = basic_cpu<type_list<f32>>; // attention knows no weights
using small_reference = basic_reference<type_list<f32>>;

constexpr std::array all_types{kv_type::f32, kv_type::f16, kv_type::q8_0, kv_type::q4_0};

struct shape {
  std::size_t group, kv_heads, dim;
  constexpr std::size_t heads() const { return group * kv_heads; }
};

// what a token sees
struct view {
  std::size_t window = 0;
  float cap = 0;
  bool causal = true, biased = false, sinks = false;
};
constexpr std::array all_views{view{},
                               view{1},
                               view{5, 2},
                               view{100},
                               view{256, 9},
                               view{300},
                               view{0, 3},
                               view{0, 0, false},
                               view{7, 1.5f, false},
                               view{0, 0, true, true},
                               view{0, 0, false, true},
                               view{9, 2, true, true, true},
                               view{0, 0, true, false, true}};

// a cache with random keys and values at every position, and queries for some tokens
template <class B> struct filled {
  static constexpr std::size_t layer = 1, tokens = 40;

  constexpr filled(B const& backend, kv_type type, shape s, std::size_t positions)
      : sizes(s), cache{type, 2, s.kv_heads, s.dim, positions} {
    arena_size size;
    cache.reserve(size);
    backend.reserve(limits(), size);
    memory = arena::make(size.bytes()).value();
    cache.take(memory);
    work = backend.make_workspace(limits(), memory);
    test::random_floats random;
    keys = random(positions * s.kv_heads * s.dim);
    values = random(keys.size());
    queries = random(std::min(tokens, positions) * s.heads() * s.dim);
    for (float& q : queries) q *= 4; // some weights near 0 and some near 1
    biases = random(s.heads() * (2 * reach() - 1));
    sinks = random(s.heads());
    for (float& z : sinks) z *= 5; // some above all scores
    std::size_t const first = positions / 3 * s.kv_heads * s.dim;
    backend.store_kv(work, cache, layer, 0, std::span(keys).first(first), std::span(values).first(first));
    backend.store_kv(work, cache, layer, positions / 3, std::span(keys).subspan(first),
                     std::span(values).subspan(first));
  }
  constexpr std::size_t reach() const { return cache.capacity + 3; }
  constexpr workspace_limits limits() const {
    return {tokens, sizes.heads() * sizes.dim, cache.capacity, sizes.dim, sizes.heads()};
  }
  // n tokens of which the last sees `length` positions
  constexpr std::vector<float> attention(B const& backend, std::size_t n, std::size_t length, view seen = {}) {
    std::vector<float> out(n * sizes.heads() * sizes.dim, 0.0f);
    backend.attention(work, cache,
                      {.queries = std::span(queries).first(out.size()),
                       .output = out,
                       .layer = layer,
                       .n = n,
                       .heads = sizes.heads(),
                       .length = length,
                       .scale = 0.25f,
                       .window = seen.window,
                       .cap = seen.cap,
                       .causal = seen.causal,
                       .bias = seen.biased ? std::span<float const>(biases) : std::span<float const>(),
                       .bias_reach = reach(),
                       .sinks = seen.sinks ? std::span<float const>(sinks) : std::span<float const>()});
    return out;
  }

  shape sizes;
  kv_cache cache;
  arena memory;
  typename B::workspace work{};
  std::vector<float> keys, values, queries, biases, sinks;
};

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_kernels(kv_type type, shape s, std::vector<std::size_t> const& lengths,
                   std::span<view const> views = std::span(all_views).first(1)) {
  CAPTURE(static_cast<int>(type));
  CAPTURE(s.group);
  CAPTURE(s.kv_heads);
  CAPTURE(s.dim);
  std::size_t const positions = *std::max_element(lengths.begin(), lengths.end());
  small_reference const plain;
  filled expected(plain, type, s, positions);
  struct wanted {
    std::size_t n, length;
    view seen;
    std::vector<float> out;
  };
  std::vector<wanted> all;
  for (std::size_t length : lengths)
    for (std::size_t n : {1u, 3u, 18u})
      for (auto const& seen : views)
        if (n <= length) all.push_back({n, length, seen, expected.attention(plain, n, length, seen)});
  for (auto target : simd::all_targets)
    for (unsigned threads : {1u, 3u}) {
      if (target > simd::detect()) continue;
      small_cpu const machine({threads, target});
      filled cached(machine, type, s, positions);
      for (auto const& w : all) {
        INFO("target ", std::string(name(target)), ", threads ", threads, ", ", w.n, " tokens of ", w.length,
             ", window ", w.seen.window, ", cap ", w.seen.cap, w.seen.causal ? "" : ", all",
             w.seen.biased ? ", biased" : "", w.seen.sinks ? ", sinks" : "");
        CHECK(same_bits(cached.attention(machine, w.n, w.length, w.seen), w.out));
      }
    }
}

// one value of the definition, in double, from keys and values that were not rounded
double exact(filled<small_reference> const& f, std::size_t query, std::size_t head, std::size_t length, std::size_t d,
             view seen = {}, std::size_t position = 0) {
  std::size_t const dim = f.sizes.dim, width = f.sizes.kv_heads * dim, kv = head / f.sizes.group * dim;
  std::vector<double> p(length);
  double largest = -1e30, sum = 0, mixed = 0;
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t i = 0; i < dim; ++i)
      p[t] += static_cast<double>(f.queries[query * dim + i]) * static_cast<double>(f.keys[t * width + kv + i]) * 0.25;
    if (seen.cap != 0) p[t] = std::tanh(p[t] / static_cast<double>(seen.cap)) * static_cast<double>(seen.cap);
    if (seen.biased) p[t] += static_cast<double>(f.biases[head * (2 * f.reach() - 1) + f.reach() - 1 + t - position]);
    bool const far =
        seen.causal ? t + seen.window < length : t + seen.window / 2 < position || t > position + seen.window / 2;
    if (seen.window != 0 && far) p[t] = -1e30;
    largest = std::max(largest, p[t]);
  }
  if (seen.sinks) {
    double const sink = static_cast<double>(f.sinks[head]);
    largest = std::max(largest, sink);
    sum += std::exp(sink - largest);
  }
  for (double& x : p) sum += x = std::exp(x - largest);
  for (std::size_t t = 0; t < length; ++t) mixed += p[t] / sum * static_cast<double>(f.values[t * width + kv + d]);
  return mixed;
}

TEST_CASE("kernels equal the reference for windows, caps, attention to all, biases and sinks") {
  for (auto type : all_types) check_kernels(type, {2, 1, 20}, {21, 256, 280, 530}, all_views);
}

TEST_CASE("windows, caps, attention to all, biases and sinks are what they say") {
  shape const s{2, 2, 16};
  filled f(small_reference{}, kv_type::f32, s, 600);
  for (auto const& seen : all_views)
    for (std::size_t length : {5u, 256u, 600u}) {
      auto const out = f.attention(small_reference{}, 3, length, seen);
      double worst = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        std::size_t const query = i / 16, t = query / s.heads(), end = seen.causal ? length - 2 + t : length;
        worst = std::max(worst, std::fabs(static_cast<double>(out[i]) -
                                          exact(f, query, query % s.heads(), end, i % 16, seen, length - 3 + t)));
      }
      CHECK(worst < 5e-6);
    }
}

TEST_CASE("the reference's attention is near a softmax in double") {
  for (auto [type, tolerance] : {std::pair{kv_type::f32, 2e-6}, std::pair{kv_type::f16, 1e-3},
                                 std::pair{kv_type::q8_0, 2e-2}, std::pair{kv_type::q4_0, 0.3}})
    for (std::size_t dim : {16u, 33u, 128u}) {
      CAPTURE(static_cast<int>(type));
      CAPTURE(dim);
      shape const s{2, 2, dim};
      filled f(small_reference{}, type, s, 600);
      double worst = 0;
      for (std::size_t length : {5u, 256u, 600u}) {
        auto const out = f.attention(small_reference{}, 3, length);
        for (std::size_t i = 0; i < out.size(); ++i) {
          std::size_t const query = i / dim, t = query / s.heads();
          worst = std::max(worst, std::fabs(static_cast<double>(out[i]) -
                                            exact(f, query, query % s.heads(), length - 2 + t, i % dim)));
        }
      }
      CHECK(worst < tolerance);
      CHECK(worst > tolerance / 50); // or the tolerance says nothing
    }
}

TEST_CASE("attention equals the reference for every head size and type of cache") {
  for (auto type : all_types)
    for (std::size_t dim : {1u, 16u, 33u, 80u, 128u, 256u}) check_kernels(type, {4, 2, dim}, {270});
}
TEST_CASE("attention equals the reference for every number of query heads to a key-value head") {
  for (auto type : all_types)
    for (std::size_t group : {1u, 3u, 5u, 8u, 20u}) check_kernels(type, {group, 1, 40}, {19, 260});
}
TEST_CASE("attention equals the reference around the borders of rows, tiles and shared work") {
  for (auto type : all_types) {
    check_kernels(type, {3, 1, 32}, {1, 2, 15, 16, 17, 33, 255, 256, 257, 273, 513, 770});
    check_kernels(type, {1, 17, 48}, {700}); // so many heads that threads do not share tiles
  }
}

TEST_CASE("a token's attention depends neither on its batch nor on later positions of the cache") {
  for (auto type : all_types) {
    filled f(small_reference{}, type, {2, 2, 24}, 600);
    for (std::size_t length : {30u, 258u, 530u}) {
      auto const batch = f.attention(small_reference{}, 20, length);
      auto const all = f.queries;
      std::size_t const width = f.sizes.heads() * f.sizes.dim;
      for (std::size_t t = 0; t < 20; ++t) {
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(t * width), width, f.queries.begin());
        auto const one = f.attention(small_reference{}, 1, length - 19 + t);
        CHECK(std::equal(one.begin(), one.end(), batch.begin() + static_cast<std::ptrdiff_t>(t * width)));
      }
      f.queries = all;
    }
  }
}

TEST_CASE("a position that no token sees may hold anything") {
  auto const nan = std::nanf("");
  for (auto type : {kv_type::f32, kv_type::f16}) {
    small_cpu const machine({2});
    filled f(machine, type, {1, 1, 20}, 300);
    auto const before = f.attention(machine, 6, 290);
    std::vector<float> const bad(10 * 20, nan);
    machine.store_kv(f.work, f.cache, f.layer, 290, bad, bad);
    CHECK(same_bits(f.attention(machine, 6, 290), before));
    auto const after = f.attention(machine, 6, 291); // the last of six sees one of them
    CHECK(std::isnan(after.back()));
    CHECK(std::none_of(after.begin(), after.end() - 20, [](float x) { return std::isnan(x); }));
  }
}

TEST_CASE("elements of a cache are those of the weight formats, and stay when neighbours are written") {
  auto const check = []<BlockFormat F>(F, kv_type type) {
    shape const s{1, 2, 70};
    filled f(small_reference{}, type, s, 300);
    std::vector<float> const other(s.kv_heads * s.dim, 9.0f);
    for (std::size_t p : {3u, 12u, 299u}) small_reference{}.store_kv(f.work, f.cache, f.layer, p, other, other);
    kv_layout const in_tile = f.cache.layout();
    std::size_t different = 0;
    for (std::size_t p = 0; p < 300; ++p)
      for (std::size_t head = 0; head < 2; ++head) {
        bool const overwritten = p == 3 || p == 12 || p == 299;
        std::array<float, 96> padded{}, key{}, value{};
        std::array<std::byte, row_bytes<F>(96)> row{};
        auto const from = [&](std::vector<float> const& x, std::array<float, 96>& out) {
          auto const at = x.begin() + static_cast<std::ptrdiff_t>((p * 2 + head) * 70);
          std::copy_n(overwritten ? other.begin() : at, 70, padded.begin());
          pack_row<F>(padded.data(), row.data(), 96);
          unpack_row<F>(row.data(), out.data(), 96);
        };
        from(f.keys, key);
        from(f.values, value);
        std::size_t const tile = f.cache.tile(f.layer, head, p), at = p % kv_layout::positions;
        for (std::size_t d = 0; d < 70; ++d) {
          auto const stored = [&](std::size_t element, std::size_t scale) {
            return f.cache.element(element) * f.cache.scale(scale);
          };
          different += stored(f.cache.keys_offset(tile) + in_tile.key(at, d),
                              f.cache.key_scales_offset(tile) + in_tile.key_scale(at, d / 32)) != key[d];
          different += stored(f.cache.values_offset(tile) + in_tile.value(at, d),
                              f.cache.value_scales_offset(tile) + in_tile.value_scale(at, d / 32)) != value[d];
        }
      }
    CHECK(different == 0);
  };
  check(f32{}, kv_type::f32);
  check(f16{}, kv_type::f16);
  check(q8_0{}, kv_type::q8_0);
  check(q4_0{}, kv_type::q4_0);
}

TEST_CASE("a cache is as large as its type says") {
  auto const bytes = [](kv_type type) { return kv_cache{type, 3, 2, 64, 512}.bytes(); };
  std::uint64_t const elements = 3 * 2 * 2 * 64 * 512;
  CHECK(bytes(kv_type::f32) == elements * 4);
  CHECK(bytes(kv_type::f16) == elements * 2);
  CHECK(bytes(kv_type::q8_0) == elements * 34 / 32);
  CHECK(bytes(kv_type::q4_0) == elements * 18 / 32);
}

constexpr std::vector<float> at_compile_time(kv_type type) {
  filled f(small_reference{}, type, {2, 1, 3}, 5);
  return f.attention(small_reference{}, 2, 5);
}
template <kv_type Type>
constexpr std::array<float, 12> constant = [] {
  std::array<float, 12> out{};
  std::ranges::copy(at_compile_time(Type), out.begin());
  return out;
}();
template <kv_type Type> void check_constant() {
  static_assert(constant<Type>[0] != 0);
  CHECK(std::ranges::equal(at_compile_time(Type), constant<Type>));
}

TEST_CASE("attention is the same at compile time") {
  check_constant<kv_type::f32>();
  check_constant<kv_type::f16>();
  check_constant<kv_type::q8_0>();
  check_constant<kv_type::q4_0>();
}

} // namespace

} // namespace kernel_attention_test
