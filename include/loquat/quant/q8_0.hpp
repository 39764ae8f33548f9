/// \file
/// Q8_0: 32 weights as a binary16 scale d and 32 signed bytes q; weight = d · q. 8.5 bits per weight.
/// Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q8_0_HPP
#define LOQUAT_QUANT_Q8_0_HPP

#include <loquat/quant/integer_block.hpp>

#include <algorithm>

namespace loquat {

/// 8-bit weights, one scale per 32.
struct q8_0 {
  static constexpr tensor_type type = tensor_type::q8_0;
  static constexpr std::string_view name = "Q8_0";
  static constexpr std::size_t block_length = 32, block_bytes = 34;
  static constexpr integer_layout integer{.lowest = -128, .highest = 127};
  static constexpr std::size_t scale_at = 0;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) q[i] = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(block[2 + i]));
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept { unpack_integers<q8_0>(block, weights); }
  /// The largest magnitude becomes ±127; ties round away from zero.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, weights[i] < 0 ? -weights[i] : weights[i]);
    float const d = largest / 127, inverse = d > 0 ? 1 / d : 0;
    detail::store_u16(block, half_from_float(d));
    for (std::size_t i = 0; i < 32; ++i) {
      float const q = weights[i] * inverse;
      block[2 + i] =
          static_cast<std::byte>(detail::truncate(static_cast<double>(q) + (q < 0 ? -0.5 : 0.5), -128, 127) & 0xff);
    }
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q8_0, std::byte const* block, std::size_t) noexcept { return load_bytes(block + 2); }
LOQUAT_INLINE two_rows load_two_rows(q8_0, std::byte const* a, std::byte const* b) noexcept { return {load_two(a + 2, b + 2), load_two(a + 18, b + 18)}; }
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
