/// \file
/// IQ2_S: 256 weights as a binary16 scale d, 32 bytes and two bits each of 8 more bytes, the numbers of eight
/// magnitudes in a codebook; 32 bytes of signs between them; and 16 nibbles s at the end, one per 16 weights; weight =
/// d/8 · (2s + 1) · q. 2.5625 bits per weight. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_S_HPP
#define LOQUAT_QUANT_IQ2_S_HPP

#include <loquat/quant/codebooks/iq2_s.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Eight magnitudes at once from a codebook of 1024, a sign each, a 4-bit scale per 16.
struct iq2_s {
  static constexpr tensor_type type = tensor_type::iq2_s;
  static constexpr std::string_view name = "IQ2_S";
  static constexpr std::size_t block_length = 256, block_bytes = 82;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .lowest = -43, .highest = 43};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales(detail::load_u64(block + 74));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      std::uint32_t const high = std::to_integer<std::uint32_t>(block[66 + i / 4]) >> i % 4 * 2 & 3;
      detail::store_signed(detail::iq2_s_codebook[detail::entry_number(block[2 + i], high << 8)],
                           std::to_integer<std::uint32_t>(block[34 + i]), q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq2_s>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq2_s, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq2_s_codebook;
  std::byte const* const low = block + 2 + step * 4;
  auto const high = std::to_integer<std::uint32_t>(block[66 + step]);
  return negated_where(
      spread_bits(loquat::detail::load_u32(block + 34 + step * 4)),
      from_u64(book[entry_number(low[0], high << 8 & 0x300)], book[entry_number(low[1], high << 6 & 0x300)],
               book[entry_number(low[2], high << 4 & 0x300)], book[entry_number(low[3], high << 2 & 0x300)]));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
