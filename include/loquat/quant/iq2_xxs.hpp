/// \file
/// IQ2_XXS: 256 weights as a binary16 scale d and eight groups of 32; weight = d/8 · (2s + 1) · (q − 43). 2.0625 bits
/// per weight. A group is four bytes, each the number of eight magnitudes in a codebook, and a word with four times
/// seven signs (the eighth makes the number of negative weights even) below the four bits of s. Part one is the format,
/// part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_XXS_HPP
#define LOQUAT_QUANT_IQ2_XXS_HPP

#include <loquat/quant/codebooks/iq2_xxs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// the signs of two groups in 16 bytes
inline constexpr auto iq2_xxs_signs = fields_at<1>([](std::size_t i) { return i % 8 / 4 * 64 + 32 + i % 4 * 7; });
// their s as the first or the second two of four words
inline constexpr auto iq2_xxs_scales =
    fields_at<2>([](std::size_t i) { return i % 8 / 2 == i / 16 ? i % 2 * 64 + 60 : no_field; });

} // namespace detail

/// Eight magnitudes at once from a codebook of 256, signs of even parity, a 4-bit scale per 32.
struct iq2_xxs {
  static constexpr tensor_type type = tensor_type::iq2_xxs;
  static constexpr std::string_view name = "IQ2_XXS";
  static constexpr std::size_t block_length = 256, block_bytes = 66;
  static constexpr integer_layout integer{.activations = 256, .highest = 86, .offset = 43};
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
      detail::store_levels(detail::iq2_levels, detail::iq2_xxs_codebook[detail::entry_number(group[i % 4])], signs,
                           q + i * 8);
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
struct opened_iq2_xxs {
  std::byte const* block;
  i16x16 signs;
};
LOQUAT_INLINE opened_iq2_xxs opened(iq2_xxs, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq2_xxs_signs[0];
  i8x32 const a = load_two(block + 2, block + 34), b = load_two(block + 18, block + 50);
  return {block, evens_and_odds(even_signs(bits<0, 7>(high_bytes(fields(f, a), fields(f, b)))))};
}
LOQUAT_INLINE i16x16 vector_scales(iq2_xxs, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq2_xxs_scales;
  i8x32 const a = load_two(block + 2, block + 34), b = load_two(block + 18, block + 50);
  return odd_scales<4>(first_words_twice(either(fields(f[0], a), fields(f[1], b))));
}
LOQUAT_INLINE i8x32 load_quants(iq2_xxs, opened_iq2_xxs const& b, std::size_t step) noexcept {
  i8x32 const codes = entries<std::uint16_t>(loquat::detail::iq2_xxs_codebook, b.block + 2 + step * 8);
  return signed_levels(loquat::detail::iq2_levels, codes, bits_of_step(b.signs, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
