/// \file
/// Q4_1: 32 weights as a binary16 scale d, a binary16 minimum m and 32 nibbles q; weight = d · q + m. 5 bits per
/// weight. The low nibbles of the 16 bytes are weights 0…15, the high ones 16…31. Part one is the format, part two its
/// load for the kernels.
#ifndef LOQUAT_QUANT_Q4_1_HPP
#define LOQUAT_QUANT_Q4_1_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/search.hpp>

#include <algorithm>
#include <limits>

namespace loquat {

/// 4-bit weights above a minimum, one scale and minimum per 32.
struct q4_1 {
  static constexpr tensor_type type = tensor_type::q4_1;
  static constexpr std::string_view name = "Q4_1";
  static constexpr std::size_t block_length = 32, block_bytes = 20;
  static constexpr integer_layout integer{.highest = 15, .minima = 1};
  static constexpr std::size_t scale_at = 0, minimum_at = 2;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr float minimum(std::byte const* block) noexcept { return detail::load_half(block + 2); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 16; ++i) {
      auto const pair = std::to_integer<int>(block[4 + i]);
      q[i] = static_cast<std::int8_t>(pair & 15);
      q[i + 16] = static_cast<std::int8_t>(pair >> 4);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q4_1>(block, weights);
  }
  /// The lowest weight becomes q = 0, the highest q = 15.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    float lowest = std::numeric_limits<float>::max(), highest = -lowest;
    for (std::size_t i = 0; i < 32; ++i) {
      lowest = std::min(lowest, weights[i]);
      highest = std::max(highest, weights[i]);
    }
    float const d = (highest - lowest) / 15;
    round(weights, d, lowest, d != 0 ? 1 / d : 0, block);
  }
  /// The scale and minimum of least squared error, errors weighted by importance.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<32>(importance);
    auto const [scale, minimum] = detail::fit_line<32>(weights, w.data(), 15, false);
    float const d = float_from_half(detail::finite_half(scale));
    round(weights, d, float_from_half(detail::finite_half(minimum)), detail::inverse(d), block);
  }

 private:
  static constexpr void round(float const* weights, float d, float minimum, float inverse, std::byte* block) noexcept {
    detail::store_u16(block, half_from_float(d));
    detail::store_u16(block + 2, half_from_float(minimum));
    auto const nearest = [&](std::size_t i) {
      float const q = (weights[i] - minimum) * inverse;
      return detail::truncate(static_cast<double>(q) + 0.5, 0, 15);
    };
    for (std::size_t i = 0; i < 16; ++i) block[4 + i] = static_cast<std::byte>(nearest(i) | nearest(i + 16) << 4);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q4_1, std::byte const* block, std::size_t) noexcept { return load_nibbles(block + 4); }
LOQUAT_INLINE two_rows load_two_rows(q4_1, std::byte const* a, std::byte const* b) noexcept {
  return nibbles_of_two(a + 4, b + 4);
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
