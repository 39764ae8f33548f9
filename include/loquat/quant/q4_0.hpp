/// \file
/// Q4_0: 32 weights as a binary16 scale d and 32 nibbles q; weight = d · (q − 8). 4.5 bits per weight. The low nibbles
/// of the 16 bytes are weights 0…15, the high ones 16…31. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q4_0_HPP
#define LOQUAT_QUANT_Q4_0_HPP

#include <loquat/core/float16.hpp>
#include <loquat/quant/block.hpp>

#include <algorithm>

namespace loquat {

/// 4-bit weights around 8, one scale per 32.
struct q4_0 {
  static constexpr tensor_type type = tensor_type::q4_0;
  static constexpr std::string_view name = "Q4_0";
  static constexpr std::size_t block_length = 32, block_bytes = 18;
  static constexpr bool signed_quants = false; ///< integer kernel: nibbles are unsigned …
  static constexpr int offset = 8;             ///< … and stand for q − 8

  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    float const d = float_from_half(detail::load_u16(block));
    for (std::size_t i = 0; i < 16; ++i) {
      auto const pair = std::to_integer<int>(block[2 + i]);
      weights[i] = d * static_cast<float>((pair & 15) - 8);
      weights[i + 16] = d * static_cast<float>((pair >> 4) - 8);
    }
  }
  /// The weight of largest magnitude becomes q = 0, whatever its sign.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    float extreme = 0;
    for (std::size_t i = 0; i < 32; ++i)
      if (std::max(weights[i], -weights[i]) > std::max(extreme, -extreme)) extreme = weights[i];
    float const d = extreme / -8, inverse = d != 0 ? 1 / d : 0;
    detail::store_u16(block, half_from_float(d));
    auto const nearest = [inverse](float weight) {
      float const q = weight * inverse;
      return detail::truncate(static_cast<double>(q) + 8.5, 0, 15);
    };
    for (std::size_t i = 0; i < 16; ++i)
      block[2 + i] = static_cast<std::byte>(nearest(weights[i]) | nearest(weights[i + 16]) << 4);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_TARGET_NS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q4_0, std::byte const* block) noexcept { return load_nibbles(block + 2); }
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
