/// \file
/// Q4_0: 32 weights as a binary16 scale d and 32 nibbles q; weight = d · (q − 8). 4.5 bits per weight. The low nibbles
/// of the 16 bytes are weights 0…15, the high ones 16…31. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q4_0_HPP
#define LOQUAT_QUANT_Q4_0_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/search.hpp>

#include <algorithm>

namespace loquat {

/// 4-bit weights around 8, one scale per 32.
struct q4_0 {
  static constexpr tensor_type type = tensor_type::q4_0;
  static constexpr std::string_view name = "Q4_0";
  static constexpr std::size_t block_length = 32, block_bytes = 18;
  static constexpr integer_layout integer{.highest = 15, .offset = 8};
  static constexpr std::size_t scale_at = 0;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 16; ++i) {
      auto const pair = std::to_integer<int>(block[2 + i]);
      q[i] = static_cast<std::int8_t>(pair & 15);
      q[i + 16] = static_cast<std::int8_t>(pair >> 4);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q4_0>(block, weights);
  }
  /// The weight of largest magnitude becomes q = 0, whatever its sign.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    float extreme = 0;
    for (std::size_t i = 0; i < 32; ++i)
      if (std::max(weights[i], -weights[i]) > std::max(extreme, -extreme)) extreme = weights[i];
    float const d = extreme / -8;
    round(weights, d, d != 0 ? 1 / d : 0, block);
  }
  /// The scale of least squared error, errors weighted by importance.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<32>(importance);
    float const d = float_from_half(detail::finite_half(detail::fit_scale<32>(weights, w.data(), -8, 7)));
    round(weights, d, detail::inverse(d), block);
  }

 private:
  static constexpr void round(float const* weights, float d, float inverse, std::byte* block) noexcept {
    detail::store_u16(block, half_from_float(d));
    auto const nearest = [&](std::size_t i) {
      float const q = weights[i] * inverse;
      return detail::truncate(static_cast<double>(q) + 8.5, 0, 15);
    };
    for (std::size_t i = 0; i < 16; ++i) block[2 + i] = static_cast<std::byte>(nearest(i) | nearest(i + 16) << 4);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q4_0, std::byte const* block, std::size_t) noexcept { return load_nibbles(block + 2); }
LOQUAT_INLINE two_rows load_two_rows(q4_0, std::byte const* a, std::byte const* b) noexcept { return nibbles_of_two(a + 2, b + 2); }
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
