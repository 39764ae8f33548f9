/// \file
/// Q2_K: 256 weights as sixteen groups of 16; weight = d · g · q − e · m with q of two bits and g, m of four. 2.625
/// bits per weight. Sixteen bytes g | m << 4, then 64 bytes of q, binary16 d, binary16 e. The first 32 bytes of q are
/// weights 0…127, the others 128…255: byte i has, from its low bits up, weights i, i + 32, i + 64 and i + 96. Part one
/// is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_Q2_K_HPP
#define LOQUAT_QUANT_Q2_K_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/super_block.hpp>

namespace loquat {

/// 2-bit weights above minima, one scale and minimum per 16.
struct q2_k {
  static constexpr tensor_type type = tensor_type::q2_k;
  static constexpr std::string_view name = "Q2_K";
  static constexpr std::size_t block_length = 256, block_bytes = 84;
  static constexpr integer_layout integer{
      .group = 16, .activations = 256, .highest = 3, .minima = -1, .lowest_scale = 0, .highest_scale = 15};
  static constexpr std::size_t scale_at = 80, minimum_at = 82;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block + 80); }
  static constexpr float minimum(std::byte const* block) noexcept { return detail::load_half(block + 82); }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    constexpr std::uint64_t low = 0x0f0f0f0f0f0f0f0f;
    return detail::bytes_of(detail::load_u64(block) & low, detail::load_u64(block + 8) & low);
  }
  static constexpr std::array<std::int8_t, 16> group_minima(std::byte const* block) noexcept {
    constexpr std::uint64_t low = 0x0f0f0f0f0f0f0f0f;
    return detail::bytes_of(detail::load_u64(block) >> 4 & low, detail::load_u64(block + 8) >> 4 & low);
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 256; ++i)
      q[i] = static_cast<std::int8_t>(std::to_integer<int>(block[16 + i / 128 * 32 + i % 32]) >> i / 32 % 4 * 2 & 3);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<q2_k>(block, weights);
  }
  /// Least squares, see `super_block.hpp`.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    detail::super_block<q2_k> const b(weights, importance, 0, 15);
    for (std::size_t i = 0; i < 16; ++i) block[i] = static_cast<std::byte>(b.group_scales[i] | b.group_minima[i] << 4);
    for (std::size_t i = 0; i < 64; ++i) {
      int const* const q = b.quants.data() + i / 32 * 128 + i % 32;
      block[16 + i] = static_cast<std::byte>(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
    }
    detail::store_u16(block + 80, b.scale);
    detail::store_u16(block + 82, b.minimum);
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
LOQUAT_INLINE i8x32 load_quants(q2_k, std::byte const* block, std::size_t step) noexcept {
  return moved_bits<0, 2>(step % 4 * 2, load_bytes(block + 16 + step / 4 * 32));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
