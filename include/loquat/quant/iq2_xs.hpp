/// \file
/// IQ2_XS: 256 weights as a binary16 scale d, 32 words of 16 bits and 16 nibbles s, one per 16 weights;
/// weight = d/8 · (2s + 1) · q. 2.3125 bits per weight. A word is the 9-bit number of eight magnitudes in a codebook
/// and seven signs above it; the eighth makes the number of negative weights even. Part one is the format, part two its
/// load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_XS_HPP
#define LOQUAT_QUANT_IQ2_XS_HPP

#include <loquat/quant/codebooks/iq2_xs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Eight magnitudes at once from a codebook of 512, signs of even parity, a 4-bit scale per 16.
struct iq2_xs {
  static constexpr tensor_type type = tensor_type::iq2_xs;
  static constexpr std::string_view name = "IQ2_XS";
  static constexpr std::size_t block_length = 256, block_bytes = 74;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .lowest = -43, .highest = 43};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales(detail::load_u64(block + 66));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      std::uint32_t const word = detail::load_u16(block + 2 + i * 2);
      detail::store_signed(detail::iq2_xs_codebook[word & 511], detail::even_signs(word >> 9), q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq2_xs>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq2_xs, std::byte const* block, std::size_t step) noexcept {
  auto const& book = loquat::detail::iq2_xs_codebook;
  auto const& masks = loquat::detail::even_sign_masks;
  std::uint64_t const words = loquat::detail::load_u64(block + 2 + step * 8);
  return negated_where(
      from_u64(masks[words >> 9 & 127], masks[words >> 25 & 127], masks[words >> 41 & 127], masks[words >> 57]),
      from_u64(book[words & 511], book[words >> 16 & 511], book[words >> 32 & 511], book[words >> 48 & 511]));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
