/// \file
/// Q6_K: 256 weights as sixteen groups of 16; weight = d · g · (q − 32) with q of six bits and g a signed byte. 6.5625
/// bits per weight. 128 bytes with the low nibbles of q, 64 bytes with its high pairs, sixteen g, binary16 d. The first
/// half of both parts is weights 0…127, the second 128…255: of a half, the low nibbles of the 64 bytes are 64 weights
/// and the high ones the next 64; the high pairs lie as in Q2_K. Part one is the format, part two its load for the
/// kernels.
#ifndef LOQUAT_QUANT_Q6_K_HPP
#define LOQUAT_QUANT_Q6_K_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/super_block.hpp>

namespace loquat {

/// 6-bit weights around 32, one scale per 16.
struct q6_k {
  static constexpr tensor_type type = tensor_type::q6_k;
  static constexpr std::string_view name = "Q6_K";
  static constexpr std::size_t block_length = 256, block_bytes = 210;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .highest = 63, .offset = 32};
  static constexpr std::size_t scale_at = 208;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block + 208); }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    return detail::bytes_of(detail::load_u64(block + 192), detail::load_u64(block + 200));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 256; ++i) {
      int const low = std::to_integer<int>(block[i / 128 * 64 + i % 64]) >> i / 64 % 2 * 4 & 15;
      int const high = std::to_integer<int>(block[128 + i / 128 * 32 + i % 32]) >> i / 32 % 4 * 2 & 3;
      q[i] = static_cast<std::int8_t>(low | high << 4);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q6_k>(block, weights);
  }
  /// Least squares, see `super_block.hpp`.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    detail::super_block<q6_k> const b(weights, importance, -128, 127);
    for (std::size_t i = 0; i < 128; ++i) {
      int const* const q = b.quants.data() + i / 64 * 128 + i % 64;
      block[i] = static_cast<std::byte>((q[0] & 15) | (q[64] & 15) << 4);
    }
    for (std::size_t i = 0; i < 64; ++i) {
      int const* const q = b.quants.data() + i / 32 * 128 + i % 32;
      block[128 + i] = static_cast<std::byte>(q[0] >> 4 | q[32] >> 4 << 2 | q[64] >> 4 << 4 | q[96] >> 4 << 6);
    }
    for (std::size_t i = 0; i < 16; ++i) block[192 + i] = static_cast<std::byte>(b.group_scales[i] & 0xff);
    detail::store_u16(block + 208, b.scale);
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
LOQUAT_INLINE i8x32 load_quants(q6_k, std::byte const* block, std::size_t step) noexcept {
  i8x32 const low = moved_bits<0, 4>(step / 2 % 2 * 4, load_bytes(block + step / 4 * 64 + step % 2 * 32));
  i8x32 const high = moved_bits<4, 2>(step % 4 * 2, load_bytes(block + 128 + step / 4 * 32));
  return either(low, high);
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
