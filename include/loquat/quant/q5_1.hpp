/// \file
/// Q5_1: 32 weights as a binary16 scale d, a binary16 minimum m and 32 numbers q of five bits; weight = d · q + m. 6
/// bits per weight. After d and m come four bytes with the high bits of q, weight 0 lowest, then 16 bytes whose low
/// nibbles are weights 0…15, the high ones 16…31. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q5_1_HPP
#define LOQUAT_QUANT_Q5_1_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/search.hpp>

#include <algorithm>
#include <limits>

namespace loquat {

/// 5-bit weights above a minimum, one scale and minimum per 32.
struct q5_1 {
  static constexpr tensor_type type = tensor_type::q5_1;
  static constexpr std::string_view name = "Q5_1";
  static constexpr std::size_t block_length = 32, block_bytes = 24;
  static constexpr integer_layout integer{.highest = 31, .minima = 1};
  static constexpr std::size_t scale_at = 0, minimum_at = 2;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr float minimum(std::byte const* block) noexcept { return detail::load_half(block + 2); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    std::uint32_t const high = detail::load_u32(block + 4);
    for (std::size_t i = 0; i < 16; ++i) {
      auto const pair = std::to_integer<unsigned>(block[8 + i]);
      q[i] = static_cast<std::int8_t>((pair & 15) | (high >> i & 1) << 4);
      q[i + 16] = static_cast<std::int8_t>(pair >> 4 | (high >> (i + 16) & 1) << 4);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q5_1>(block, weights);
  }
  /// The lowest weight becomes q = 0, the highest q = 31.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    float lowest = std::numeric_limits<float>::max(), highest = -lowest;
    for (std::size_t i = 0; i < 32; ++i) {
      lowest = std::min(lowest, weights[i]);
      highest = std::max(highest, weights[i]);
    }
    float const d = (highest - lowest) / 31;
    round(weights, d, lowest, d != 0 ? 1 / d : 0, block);
  }
  /// The scale and minimum of least squared error, errors weighted by importance.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<32>(importance);
    auto const [scale, minimum] = detail::fit_line<32>(weights, w.data(), 31, false);
    float const d = float_from_half(detail::finite_half(scale));
    round(weights, d, float_from_half(detail::finite_half(minimum)), detail::inverse(d), block);
  }

 private:
  static constexpr void round(float const* weights, float d, float minimum, float inverse, std::byte* block) noexcept {
    detail::store_u16(block, half_from_float(d));
    detail::store_u16(block + 2, half_from_float(minimum));
    std::uint32_t high = 0;
    auto const low = [&](std::size_t i) {
      float const q = (weights[i] - minimum) * inverse;
      int const nearest = detail::truncate(static_cast<double>(q) + 0.5, 0, 31);
      high |= static_cast<std::uint32_t>(nearest >> 4) << i;
      return nearest & 15;
    };
    for (std::size_t i = 0; i < 16; ++i) block[8 + i] = static_cast<std::byte>(low(i) | low(i + 16) << 4);
    detail::store_u16(block + 4, static_cast<std::uint16_t>(high & 0xffff));
    detail::store_u16(block + 6, static_cast<std::uint16_t>(high >> 16));
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q5_1, std::byte const* block, std::size_t) noexcept {
  i8x32 const high = both(spread_bits(detail::load_u32(block + 4)), broadcast_byte(16));
  return either(load_nibbles(block + 8), high);
}
LOQUAT_INLINE two_rows load_two_rows(q5_1, std::byte const* a, std::byte const* b) noexcept {
  return with_fifth_bits(nibbles_of_two(a + 8, b + 8), loquat::detail::load_u32(a + 4), loquat::detail::load_u32(b + 4));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
