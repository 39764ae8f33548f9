/// \file
/// IQ3_XXS: 256 weights as a binary16 scale d, 64 bytes, each the number of four magnitudes in a codebook, and eight
/// words, one per 32 weights, with four times seven signs (the eighth makes the number of negative weights even) below
/// the four bits of s; weight = d/4 · (2s + 1) · q. 3.0625 bits per weight. Part one is the format, part two its load
/// for the kernels.
#ifndef LOQUAT_QUANT_IQ3_XXS_HPP
#define LOQUAT_QUANT_IQ3_XXS_HPP

#include <loquat/quant/codebooks/iq3_xxs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Four magnitudes at once from a codebook of 256, signs of even parity, a 4-bit scale per 32.
struct iq3_xxs {
  static constexpr tensor_type type = tensor_type::iq3_xxs;
  static constexpr std::string_view name = "IQ3_XXS";
  static constexpr std::size_t block_length = 256, block_bytes = 98;
  static constexpr integer_layout integer{.activations = 256, .lowest = -62, .highest = 62};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.25f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 8> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales<4>(block + 69);
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    auto const half = [](std::byte number) { // of the eight magnitudes
      return std::uint64_t{detail::iq3_xxs_codebook[detail::entry_number(number)]};
    };
    for (std::size_t i = 0; i < 32; ++i) {
      std::uint32_t const signs = detail::even_signs(detail::load_u32(block + 66 + i / 4 * 4) >> i % 4 * 7 & 127);
      detail::store_signed(half(block[2 + i * 2]) | half(block[3 + i * 2]) << 32, signs, q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq3_xxs>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq3_xxs, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq3_xxs_codebook;
  auto const& masks = loquat::detail::even_sign_masks;
  std::byte const* const i = block + 2 + step * 8;
  std::uint32_t const signs = loquat::detail::load_u32(block + 66 + step * 4);
  return negated_where(
      from_u64(masks[signs & 127], masks[signs >> 7 & 127], masks[signs >> 14 & 127], masks[signs >> 21 & 127]),
      from_u32(book[entry_number(i[0])], book[entry_number(i[1])], book[entry_number(i[2])], book[entry_number(i[3])],
               book[entry_number(i[4])], book[entry_number(i[5])], book[entry_number(i[6])], book[entry_number(i[7])]));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
