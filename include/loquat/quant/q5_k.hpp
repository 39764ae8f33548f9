/// \file
/// Q5_K: 256 weights as eight groups of 32; weight = d · g · q − e · m with q of five bits and g, m of six. 5.5 bits
/// per weight. Binary16 d, binary16 e, twelve bytes of g and m (see `scale_pairs.hpp`), 32 bytes with the high bits of
/// q, 128 bytes with its low nibbles. Byte i of the high bits has, from its low bit up, weights i, i + 32, … i + 224;
/// the low nibbles lie as in Q4_K. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q5_K_HPP
#define LOQUAT_QUANT_Q5_K_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/scale_pairs.hpp>
#include <loquat/quant/super_block.hpp>

namespace loquat {

/// 5-bit weights above minima, one scale and minimum per 32.
struct q5_k {
  static constexpr tensor_type type = tensor_type::q5_k;
  static constexpr std::string_view name = "Q5_K";
  static constexpr std::size_t block_length = 256, block_bytes = 176;
  static constexpr integer_layout integer{.activations = 256, .highest = 31, .minima = -1};
  static constexpr std::size_t scale_at = 0, minimum_at = 2;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr float minimum(std::byte const* block) noexcept { return detail::load_half(block + 2); }
  static constexpr auto group_scales(std::byte const* block) noexcept { return detail::six_bit_scales(block + 4); }
  static constexpr auto group_minima(std::byte const* block) noexcept { return detail::six_bit_minima(block + 4); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 256; ++i) {
      int const low = std::to_integer<int>(block[48 + i / 64 * 32 + i % 32]) >> i / 32 % 2 * 4 & 15;
      int const high = std::to_integer<int>(block[16 + i % 32]) >> i / 32 & 1;
      q[i] = static_cast<std::int8_t>(low | high << 4);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q5_k>(block, weights);
  }
  /// Least squares, see `super_block.hpp`.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    detail::super_block<q5_k> const b(weights, importance, 0, 63);
    detail::store_u16(block, b.scale);
    detail::store_u16(block + 2, b.minimum);
    detail::store_six_bit_pairs(b.group_scales, b.group_minima, block + 4);
    for (std::size_t i = 0; i < 32; ++i) {
      int high = 0;
      for (std::size_t j = 0; j < 8; ++j) high |= b.quants[32 * j + i] >> 4 << j;
      block[16 + i] = static_cast<std::byte>(high);
    }
    for (std::size_t i = 0; i < 128; ++i) {
      int const* const q = b.quants.data() + i / 32 * 64 + i % 32;
      block[48 + i] = static_cast<std::byte>((q[0] & 15) | (q[32] & 15) << 4);
    }
  }
  /// The same for weights that all matter the same.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    pack(weights, detail::equal_importance.data(), block);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(q5_k, std::byte const* block, std::size_t step) noexcept {
  i8x32 const low = moved_bits<0, 4>(step % 2 * 4, load_bytes(block + 48 + step / 2 * 32));
  return either(low, moved_bits<4, 1>(step, load_bytes(block + 16)));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
