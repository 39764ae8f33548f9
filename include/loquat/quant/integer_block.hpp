#pragma once
/// \file
/// A block of an integer format taken apart, and what follows from its parts alone: the weights as floats, and the
/// product with activations that were rounded to 8 bits. This is the definition of the integer kernels' numerics; the
/// vector kernels give the same bits.

#include <loquat/core/math.hpp>
#include <loquat/quant/block.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace loquat {

/// A block's integers and scales, see `integer_layout`. g and m are 1 where the format has none.
template <integer_format F> struct integer_block {
  static constexpr integer_layout layout = F::integer;                             ///< of the format
  static constexpr std::size_t groups = F::block_length / layout.group;            ///< in a block
  using group_scale = std::conditional_t<layout.float_scales, float, std::int8_t>; ///< type of g

  std::array<std::int8_t, F::block_length> quants{}; ///< q
  float scale = 0, minimum = 0;                      ///< s, e
  std::array<group_scale, groups> group_scales{};    ///< g
  std::array<std::int32_t, groups> group_minima{};   ///< m

  /// Takes a block apart.
  constexpr explicit integer_block(std::byte const* block) noexcept : scale(F::scale(block)) {
    F::quants(block, quants.data());
    group_scales.fill(1);
    group_minima.fill(1);
    if constexpr (layout.minima != 0) minimum = F::minimum(block);
    if constexpr (groups > 1) {
      group_scales = F::group_scales(block);
      if constexpr (layout.minima != 0) std::ranges::copy(F::group_minima(block), group_minima.begin());
    }
  }
};

/// `unpack` of an integer format: s · g · (q − offset) ± e · m, every operation rounded by itself.
template <integer_format F>
LOQUAT_NO_CONTRACT_FUNCTION constexpr void unpack_integers(std::byte const* block, float* weights) noexcept {
  LOQUAT_NO_CONTRACT
  integer_block<F> const b(block);
  for (std::size_t i = 0; i < F::block_length; ++i) {
    std::size_t const g = i / b.layout.group;
    weights[i] = b.scale * static_cast<float>(b.group_scales[g]) * static_cast<float>(b.quants[i] - b.layout.offset);
    if constexpr (F::integer.minima != 0)
      weights[i] += b.minimum * static_cast<float>(F::integer.minima * b.group_minima[g]);
  }
}

/// N activations rounded to 8 bits: x ≈ scale · quant, and the sums of every sixteen quants. The roundings are those
/// that other engines share: with N = 32 the scale is rounded to binary16, and so is the sum of all (`total`), as in
/// Q8_0 and Q8_1; with N = 256 the scale is a float, as in Q8_K.
template <std::size_t N> struct rounded_activations {
  static_assert(N == 32 || N == 256);
  std::array<std::int8_t, N> quants{};     ///< in [−127, 127]
  std::array<std::int16_t, N / 16> sums{}; ///< of sixteen quants each
  float scale = 0;                         ///< of all
  float total = 0;                         ///< Σx, for N = 32

  /// Rounds x[N] to the nearest, ties to even. Magnitudes below 1e-30 are zero.
  constexpr explicit rounded_activations(float const* x) noexcept {
    float largest = 0;
    for (std::size_t i = 0; i < N; ++i) largest = std::max(largest, x[i] < 0 ? -x[i] : x[i]);
    if (largest < 1e-30f) return;
    float const inverse = 127.0f / largest;
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < N; ++i) {
      quants[i] = static_cast<std::int8_t>(math::nearest(x[i] * inverse));
      sums[i / 16] = static_cast<std::int16_t>(sums[i / 16] + quants[i]);
      sum += quants[i];
    }
    scale = scale_of(largest);
    if constexpr (N == 32) total = total_of(largest, sum);
  }
  static constexpr float scale_of(float largest) noexcept { ///< of a block's largest magnitude
    return N == 32 ? rounded_to_half(largest / 127.0f) : 1.0f / (127.0f / largest);
  }
  /// Of a block's largest magnitude and the sum of its quants.
  static constexpr float total_of(float largest, std::int32_t sum) noexcept {
    return rounded_to_half(largest / 127.0f * static_cast<float>(sum));
  }

 private:
  static constexpr float rounded_to_half(float x) noexcept { return float_from_half(half_from_float(x)); }
};

/// sum + the product of the activation block's weights `first`, … of b with rounded activations. Σ g · (dot product of
/// a group) is an exact integer; where g are floats it is a chain of fused multiply-adds. It enters the sum by a fused
/// multiply-add with s · scale, and so do the minima.
template <integer_format F>
constexpr float plus_product(float sum, integer_block<F> const& b, std::size_t first, std::int8_t const* quants,
                             std::int16_t const* sums, float scale, float x_total) noexcept {
  constexpr integer_layout layout = F::integer;
  std::conditional_t<std::integral<typename integer_block<F>::group_scale>, std::int32_t, float> total = 0;
  std::int32_t minima = 0;
  for (std::size_t i = 0; i < layout.activations; i += layout.group) {
    std::int32_t dot = 0, x = 0;
    for (std::size_t j = i; j < i + layout.group; ++j) dot += (b.quants[first + j] - layout.offset) * quants[j];
    for (std::size_t j = i; j < i + layout.group; j += 16) x += sums[j / 16];
    auto const g = b.group_scales[(first + i) / layout.group];
    if constexpr (std::integral<decltype(total)>)
      total += g * dot;
    else
      total = math::fma(static_cast<float>(dot), g, total);
    minima += b.group_minima[(first + i) / layout.group] * x;
  }
  sum = math::fma(static_cast<float>(total), b.scale * scale, sum);
  if constexpr (layout.minima == 0) return sum;
  if constexpr (layout.activations == 32) return math::fma(static_cast<float>(layout.minima) * x_total, b.minimum, sum);
  return math::fma(static_cast<float>(layout.minima * minima), b.minimum * scale, sum);
}

} // namespace loquat
