/// \file
/// IQ3_S: 256 weights as a binary16 scale d, 64 bytes and a bit each of 8 more bytes, the numbers of four magnitudes in
/// a codebook; 32 bytes of signs; and 8 nibbles s, one per 32 weights; weight = d · (2s + 1) · q. 3.4375 bits per
/// weight. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ3_S_HPP
#define LOQUAT_QUANT_IQ3_S_HPP

#include <loquat/quant/codebooks/iq3_s.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Four magnitudes at once from a codebook of 512, a sign each, a 4-bit scale per 32.
struct iq3_s {
  static constexpr tensor_type type = tensor_type::iq3_s;
  static constexpr std::string_view name = "IQ3_S";
  static constexpr std::size_t block_length = 256, block_bytes = 110;
  static constexpr integer_layout integer{.activations = 256, .lowest = -15, .highest = 15};
  static constexpr std::size_t scale_at = 0;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr std::array<std::int8_t, 8> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales(detail::load_u32(block + 106));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    auto const half = [block](std::size_t i) { // of eight magnitudes
      std::uint32_t const high = std::to_integer<std::uint32_t>(block[66 + i / 8]) >> i % 8 & 1;
      return std::uint64_t{detail::iq3_s_codebook[detail::entry_number(block[2 + i], high << 8)]};
    };
    for (std::size_t i = 0; i < 32; ++i)
      detail::store_signed(half(i * 2) | half(i * 2 + 1) << 32, std::to_integer<std::uint32_t>(block[74 + i]),
                           q + i * 8);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq3_s>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq3_s, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq3_s_codebook;
  std::byte const* const low = block + 2 + step * 8;
  auto const high = std::to_integer<std::uint32_t>(block[66 + step]);
  return negated_where(
      spread_bits(loquat::detail::load_u32(block + 74 + step * 4)),
      from_u32(book[entry_number(low[0], high << 8 & 256)], book[entry_number(low[1], high << 7 & 256)],
               book[entry_number(low[2], high << 6 & 256)], book[entry_number(low[3], high << 5 & 256)],
               book[entry_number(low[4], high << 4 & 256)], book[entry_number(low[5], high << 3 & 256)],
               book[entry_number(low[6], high << 2 & 256)], book[entry_number(low[7], high << 1 & 256)]));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
