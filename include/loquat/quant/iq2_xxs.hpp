/// \file
/// IQ2_XXS: 256 weights as a binary16 scale d and eight groups of 32; weight = d/8 · (2s + 1) · q. 2.0625 bits per
/// weight. A group is four bytes, each the number of eight magnitudes in a codebook, and a word with four times seven
/// signs (the eighth makes the number of negative weights even) below the four bits of s. Part one is the format, part
/// two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_XXS_HPP
#define LOQUAT_QUANT_IQ2_XXS_HPP

#include <loquat/quant/codebooks/iq2_xxs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Eight magnitudes at once from a codebook of 256, signs of even parity, a 4-bit scale per 32.
struct iq2_xxs {
  static constexpr tensor_type type = tensor_type::iq2_xxs;
  static constexpr std::string_view name = "IQ2_XXS";
  static constexpr std::size_t block_length = 256, block_bytes = 66;
  static constexpr integer_layout integer{.activations = 256, .lowest = -43, .highest = 43};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 8> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales<8>(block + 9);
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      std::byte const* const group = block + 2 + i / 4 * 8;
      std::uint32_t const signs = detail::even_signs(detail::load_u32(group + 4) >> i % 4 * 7 & 127);
      detail::store_signed(detail::iq2_xxs_codebook[detail::entry_number(group[i % 4])], signs, q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq2_xxs>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq2_xxs, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq2_xxs_codebook;
  auto const& masks = loquat::detail::even_sign_masks;
  std::byte const* const group = block + 2 + step * 8;
  std::uint32_t const signs = loquat::detail::load_u32(group + 4);
  return negated_where(
      from_u64(masks[signs & 127], masks[signs >> 7 & 127], masks[signs >> 14 & 127], masks[signs >> 21 & 127]),
      from_u64(book[entry_number(group[0])], book[entry_number(group[1])], book[entry_number(group[2])],
               book[entry_number(group[3])]));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
