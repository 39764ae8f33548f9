/// \file
/// IQ2_S: 256 weights as a binary16 scale d, 32 bytes and two bits each of 8 more bytes, the numbers of eight
/// magnitudes in a codebook; 32 bytes of signs between them; and 16 nibbles s at the end, one per 16 weights; weight =
/// d/8 · (2s + 1) · (q − 43). 2.5625 bits per weight. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ2_S_HPP
#define LOQUAT_QUANT_IQ2_S_HPP

#include <loquat/quant/codebooks/iq2_s.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// in the last 16 bytes: the high bits of 32 numbers, and s
inline constexpr auto iq2_s_high_bits = fields_at<2>([](std::size_t i) { return i * 2; });
inline constexpr auto iq2_s_scales = fields_at<1>([](std::size_t i) { return 64 + group_at(i) * 4; });

} // namespace detail

/// Eight magnitudes at once from a codebook of 1024, a sign each, a 4-bit scale per 16.
struct iq2_s {
  static constexpr tensor_type type = tensor_type::iq2_s;
  static constexpr std::string_view name = "IQ2_S";
  static constexpr std::size_t block_length = 256, block_bytes = 82;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .highest = 86, .offset = 43};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    return detail::odd_scales(detail::load_u64(block + 74));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      std::uint32_t const high = std::to_integer<std::uint32_t>(block[66 + i / 4]) >> i % 4 * 2 & 3;
      detail::store_levels(detail::iq2_levels, detail::iq2_s_codebook[detail::entry_number(block[2 + i], high << 8)],
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
struct opened_iq2_s {
  std::uint16_t numbers[32];
  i16x16 signs;
};
LOQUAT_INLINE opened_iq2_s opened(iq2_s, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq2_s_high_bits;
  i8x32 const high = load_twice(block + 66);
  opened_iq2_s all;
  store_bytes(all.numbers, numbers<2>(block + 2, fields(f[0], high)));
  store_bytes(all.numbers + 16, numbers<2>(block + 18, fields(f[1], high)));
  all.signs = evens_and_odds(load_bytes(block + 34));
  return all;
}
LOQUAT_INLINE i16x16 vector_scales(iq2_s, std::byte const* block) noexcept {
  return odd_scales<4>(fields(loquat::detail::iq2_s_scales[0], load_twice(block + 66)));
}
LOQUAT_INLINE i8x32 load_quants(iq2_s, opened_iq2_s const& b, std::size_t step) noexcept {
  i8x32 const codes = entries<std::uint32_t>(loquat::detail::iq2_s_codebook, b.numbers + step * 4);
  return signed_levels(loquat::detail::iq2_levels, codes, bits_of_step(b.signs, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
