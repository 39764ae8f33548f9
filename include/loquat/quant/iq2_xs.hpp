/// \file
/// IQ2_XS: 256 weights as a binary16 scale d, 32 words of 16 bits and 16 nibbles s, one per 16 weights;
/// weight = d/8 · (2s + 1) · (q − 43). 2.3125 bits per weight. A word is the 9-bit number of eight magnitudes in a
/// codebook and seven signs above it; the eighth makes the number of negative weights even. Part one is the format,
/// part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_XS_HPP
#define LOQUAT_QUANT_IQ2_XS_HPP

#include <loquat/quant/codebooks/iq2_xs.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// s in the last half of 16 bytes
inline constexpr auto iq2_xs_scales = fields_at<1>([](std::size_t i) { return 64 + group_at(i) * 4; });

} // namespace detail

/// Eight magnitudes at once from a codebook of 512, signs of even parity, a 4-bit scale per 16.
struct iq2_xs {
  static constexpr tensor_type type = tensor_type::iq2_xs;
  static constexpr std::string_view name = "IQ2_XS";
  static constexpr std::size_t block_length = 256, block_bytes = 74;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .highest = 86, .offset = 43};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales(detail::load_u64(block + 66));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      std::uint32_t const word = detail::load_u16(block + 2 + i * 2);
      detail::store_levels(detail::iq2_levels, detail::iq2_xs_codebook[word & 511], detail::even_signs(word >> 9),
                           q + i * 8);
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
struct opened_iq2_xs {
  std::uint16_t numbers[32];
  i16x16 signs;
};
LOQUAT_INLINE opened_iq2_xs opened(iq2_xs, std::byte const* block) noexcept {
  opened_iq2_xs all;
  store_bytes(all.numbers, both(load_bytes(block + 2), broadcast_word(511)));
  store_bytes(all.numbers + 16, both(load_bytes(block + 34), broadcast_word(511)));
  i8x32 const a = load_two(block + 2, block + 34), b = load_two(block + 18, block + 50);
  all.signs = evens_and_odds(even_signs(bits<1, 7>(high_bytes(a, b))));
  return all;
}
LOQUAT_INLINE i16x16 vector_scales(iq2_xs, std::byte const* block) noexcept {
  return odd_scales<4>(fields(loquat::detail::iq2_xs_scales[0], load_twice(block + 58)));
}
LOQUAT_INLINE i8x32 load_quants(iq2_xs, opened_iq2_xs const& b, std::size_t step) noexcept {
  i8x32 const codes = entries<std::uint32_t>(loquat::detail::iq2_xs_codebook, b.numbers + step * 4);
  return signed_levels(loquat::detail::iq2_levels, codes, bits_of_step(b.signs, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
