/// \file
/// IQ3_XXS: 256 weights as a binary16 scale d, 64 bytes, each the number of four magnitudes in a codebook, and eight
/// words, one per 32 weights, with four times seven signs (the eighth makes the number of negative weights even) below
/// the four bits of s; weight = d/4 · (2s + 1) · (q − 62). 3.0625 bits per weight. Part one is the format, part two its
/// load for the kernels.
#ifndef LOQUAT_QUANT_IQ3_XXS_HPP
#define LOQUAT_QUANT_IQ3_XXS_HPP

#include <loquat/quant/codebooks/iq3_xxs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// the signs of four groups in 16 bytes, in the order of `evens_and_odds`
inline constexpr auto iq3_xxs_signs =
    fields_at<1>([](std::size_t i) { return i % 8 / 2 * 32 + i / 8 * 14 + i % 2 * 7; });
// their s as the first or the second four words
inline constexpr auto iq3_xxs_scales =
    fields_at<2>([](std::size_t i) { return i % 8 / 4 == i / 16 ? i % 4 * 32 + 28 : no_field; });

} // namespace detail

/// Four magnitudes at once from a codebook of 256, signs of even parity, a 4-bit scale per 32.
struct iq3_xxs {
  static constexpr tensor_type type = tensor_type::iq3_xxs;
  static constexpr std::string_view name = "IQ3_XXS";
  static constexpr std::size_t block_length = 256, block_bytes = 98;
  static constexpr integer_layout integer{.activations = 256, .highest = 124, .offset = 62};
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
      detail::store_levels(detail::iq3_xxs_levels, half(block[2 + i * 2]) | half(block[3 + i * 2]) << 32, signs,
                           q + i * 8);
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
struct opened_iq3_xxs {
  std::byte const* block;
  i16x16 signs;
};
LOQUAT_INLINE opened_iq3_xxs opened(iq3_xxs, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq3_xxs_signs[0];
  i8x32 const a = fields(f, load_twice(block + 66)), b = fields(f, load_twice(block + 82));
  return {block, as_words(even_signs(bits<0, 7>(high_bytes(a, b))))};
}
LOQUAT_INLINE i16x16 vector_scales(iq3_xxs, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq3_xxs_scales;
  return odd_scales<4>(either(fields(f[0], load_twice(block + 66)), fields(f[1], load_twice(block + 82))));
}
LOQUAT_INLINE i8x32 load_quants(iq3_xxs, opened_iq3_xxs const& b, std::size_t step) noexcept {
  i8x32 const codes = entries<std::uint16_t>(loquat::detail::iq3_xxs_codebook, b.block + 2 + step * 8);
  return signed_levels(loquat::detail::iq3_xxs_levels, codes, bits_of_step(b.signs, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
