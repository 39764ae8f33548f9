/// \file
/// Q3_K: 256 weights as sixteen groups of 16; weight = d · (g − 32) · (q − 4) with q of three bits and g of six. 3.4375
/// bits per weight. 32 bytes with the high bits of q, 64 bytes with the low pairs, twelve bytes of g, binary16 d.
/// Byte i of the first part has, from its low bit up, weights i, i + 32, … i + 224; the low pairs lie as in Q2_K. The
/// first eight bytes of g have the low nibbles of g 0…7 (low) and 8…15 (high); byte i of the last four has, from its
/// low bits up, the high pairs of g i, i + 4, i + 8 and i + 12. Part one is the format, part two its load for the
/// kernels.
#ifndef LOQUAT_QUANT_Q3_K_HPP
#define LOQUAT_QUANT_Q3_K_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/super_block.hpp>

namespace loquat {

/// 3-bit weights around 4, one scale per 16.
struct q3_k {
  static constexpr tensor_type type = tensor_type::q3_k;
  static constexpr std::string_view name = "Q3_K";
  static constexpr std::size_t block_length = 256, block_bytes = 110;
  static constexpr integer_layout integer{
      .group = 16, .activations = 256, .highest = 7, .offset = 4, .lowest_scale = -32, .highest_scale = 31};
  static constexpr std::size_t scale_at = 108;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block + 108); }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    constexpr std::uint64_t nibble = 0x0f0f0f0f0f0f0f0f, top = 0x3030303030303030;
    std::uint64_t const low = detail::load_u64(block + 96), four = detail::load_u32(block + 104);
    std::uint64_t const high = four | four << 30;   // bits 0, 1 of bytes 0…7 are of g 0…7, bits 4, 5 of g 8…15
    auto const minus_32 = [](std::uint64_t bytes) { // adding 96 carries into no other byte
      return (bytes + 0x6060606060606060) ^ 0x8080808080808080;
    };
    return detail::bytes_of(minus_32((low & nibble) | (high << 4 & top)), minus_32((low >> 4 & nibble) | (high & top)));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 256; ++i) {
      int const low = std::to_integer<int>(block[32 + i / 128 * 32 + i % 32]) >> i / 32 % 4 * 2 & 3;
      int const high = std::to_integer<int>(block[i % 32]) >> i / 32 & 1;
      q[i] = static_cast<std::int8_t>(low | high << 2);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q3_k>(block, weights);
  }
  /// Least squares, see `super_block.hpp`.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    detail::super_block<q3_k> const b(weights, importance, -32, 31);
    for (std::size_t i = 0; i < 32; ++i) {
      int high = 0;
      for (std::size_t j = 0; j < 8; ++j) high |= b.quants[32 * j + i] >> 2 << j;
      block[i] = static_cast<std::byte>(high);
    }
    for (std::size_t i = 0; i < 64; ++i) {
      int const* const q = b.quants.data() + i / 32 * 128 + i % 32;
      block[32 + i] = static_cast<std::byte>((q[0] & 3) | (q[32] & 3) << 2 | (q[64] & 3) << 4 | (q[96] & 3) << 6);
    }
    auto const g = [&b](std::size_t i) { return b.group_scales[i] + 32; };
    for (std::size_t i = 0; i < 8; ++i) block[96 + i] = static_cast<std::byte>((g(i) & 15) | (g(i + 8) & 15) << 4);
    for (std::size_t i = 0; i < 4; ++i)
      block[104 + i] =
          static_cast<std::byte>(g(i) >> 4 | g(i + 4) >> 4 << 2 | g(i + 8) >> 4 << 4 | g(i + 12) >> 4 << 6);
    detail::store_u16(block + 108, b.scale);
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
LOQUAT_INLINE i8x32 load_quants(q3_k, std::byte const* block, std::size_t step) noexcept {
  i8x32 const low = moved_bits<0, 2>(step % 4 * 2, load_bytes(block + 32 + step / 4 * 32));
  return either(low, moved_bits<2, 1>(step, load_bytes(block)));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
