#pragma once
/// \file
/// The definition of attention: what the `reference` backend does with one tile of a key-value cache, and how tiles are
/// merged (the running softmax of M. Milakov, N. Gimelshein, 2018).

#include <loquat/backend/kv_cache.hpp>
#include <loquat/core/math.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace loquat::detail {

/// Sixteen lanes of a float sum.
struct lane_sums {
  std::array<float, 16> lanes{};

  constexpr void add_product(std::size_t i, float a, float b) { lanes[i % 16] = math::fma(a, b, lanes[i % 16]); }
  constexpr void add(std::size_t i, float a) { lanes[i % 16] += a; }
  constexpr float total() const {
    auto sums = lanes;
    for (std::size_t width = 8; width > 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
    return sums[0];
  }
};

/// Floats rounded to 16 bits with one scale, which is the largest magnitude divided by 32767; 0 for NaN.
struct rounded_16 {
  std::vector<int> quants;
  float scale = 0;

  constexpr explicit rounded_16(std::span<float const> x) {
    float largest = 0;
    for (float v : x) largest = std::max(largest, v < 0 ? -v : v);
    for (float v : x) quants.push_back(math::nearest(v * (32767.0f / largest)));
    scale = largest / 32767.0f;
  }
};

// f(block, its first element, the last's successor) where elements have scales
template <class F> constexpr void each_block(kv_cache const& cache, F f) {
  for (std::size_t b = 0; has_scales(cache.type) && b < cache.layout().blocks(); ++b)
    f(b, b * kv_layout::block, std::min(cache.head_dim, (b + 1) * kv_layout::block));
}

/// The attention of a query to positions `from` … `n` of a tile: scores, capped if `cap` is not 0, plus `bias` [n] if
/// it is not empty, their maximum, weights exp(score − maximum), the sum of the weights, and the sum of values times
/// weights. Float sums are taken in ascending order with fused multiply-adds, that of the weights over sixteen lanes.
/// With a cache of integers, queries and weights (times the scales of the values) are rounded to 16 bits per block of
/// elements; products of integers are summed exactly.
struct tile_attention {
  std::vector<float> mixed;
  float maximum = 0, sum = 0;

  constexpr tile_attention() = default;
  constexpr tile_attention(kv_cache const& cache, std::size_t tile, std::size_t from, std::size_t n,
                           std::span<float const> query, float cap, std::span<float const> bias)
      : mixed(query.size(), 0.0f) {
    kv_layout const in_tile = cache.layout();
    auto const key = [&](std::size_t p, std::size_t d) {
      return cache.element(cache.keys_offset(tile) + in_tile.key(p, d));
    };
    auto const value = [&](std::size_t p, std::size_t d) {
      return cache.element(cache.values_offset(tile) + in_tile.value(p, d));
    };
    std::vector<float> scores(n, 0.0f); // clang cannot evaluate vector(n) of libstdc++ 12
    each_block(cache, [&](std::size_t b, std::size_t first, std::size_t last) {
      rounded_16 const q(query.subspan(first, last - first));
      for (std::size_t p = 0; p < n; ++p) {
        int dot = 0;
        for (std::size_t d = first; d < last; ++d) dot += q.quants[d - first] * static_cast<int>(key(p, d));
        float const scale = cache.scale(cache.key_scales_offset(tile) + in_tile.key_scale(p, b)) * q.scale;
        scores[p] = math::fma(static_cast<float>(dot), scale, scores[p]);
      }
    });
    if (!has_scales(cache.type))
      for (std::size_t p = 0; p < n; ++p)
        for (std::size_t d = 0; d < query.size(); ++d) scores[p] = math::fma(query[d], key(p, d), scores[p]);

    if (cap != 0)
      for (float& s : scores) s = math::tanh(s * (1.0f / cap)) * cap;
    for (std::size_t p = 0; p < bias.size(); ++p) scores[p] += bias[p];
    std::fill_n(scores.begin(), from, -std::numeric_limits<float>::infinity()); // weight 0
    maximum = *std::max_element(scores.begin(), scores.end());
    lane_sums weights;
    for (std::size_t p = 0; p < n; ++p) weights.add(p, scores[p] = math::exp(scores[p] - maximum));
    sum = weights.total();

    each_block(cache, [&](std::size_t b, std::size_t first, std::size_t last) {
      auto scaled = scores;
      for (std::size_t p = 0; p < n; ++p)
        scaled[p] *= cache.scale(cache.value_scales_offset(tile) + in_tile.value_scale(p, b));
      rounded_16 const w(scaled);
      for (std::size_t d = first; d < last; ++d) {
        int total = 0;
        for (std::size_t p = 0; p < n; ++p) total += w.quants[p] * static_cast<int>(value(p, d));
        mixed[d] = static_cast<float>(total) * w.scale;
      }
    });
    if (!has_scales(cache.type))
      for (std::size_t d = 0; d < query.size(); ++d)
        for (std::size_t p = 0; p < n; ++p) mixed[d] = math::fma(scores[p], value(p, d), mixed[d]);
  }

  /// The same with one more key, of that score, whose value is zero.
  constexpr void add_sink(float score) {
    float const top = std::max(maximum, score), a = math::exp(maximum - top);
    for (float& x : mixed) x *= a;
    sum = math::fma(sum, a, math::exp(score - top));
    maximum = top;
  }

  constexpr void merge(tile_attention const& next) {
    float const top = std::max(maximum, next.maximum);
    float const a = math::exp(maximum - top), b = math::exp(next.maximum - top);
    for (std::size_t d = 0; d < mixed.size(); ++d) mixed[d] = math::fma(next.mixed[d], b, mixed[d] * a);
    sum = math::fma(next.sum, b, sum * a);
    maximum = top;
  }
};

} // namespace loquat::detail
