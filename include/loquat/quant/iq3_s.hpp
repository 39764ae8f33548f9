/// \file
/// IQ3_S: 256 weights as a binary16 scale d, 64 bytes and a bit each of 8 more bytes, the numbers of four magnitudes in
/// a codebook; 32 bytes of signs; and 8 nibbles s, one per 32 weights; weight = d · (2s + 1) · (q − 15). 3.4375 bits
/// per weight. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ3_S_HPP
#define LOQUAT_QUANT_IQ3_S_HPP

#include <loquat/quant/codebooks/iq3_s.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// the high bits of 64 numbers
inline constexpr auto iq3_s_high_bits = fields_at<4>([](std::size_t i) { return i; });
// s in the last four of 16 bytes
inline constexpr auto iq3_s_scales = fields_at<1>([](std::size_t i) { return 96 + i % 8 * 4; });

} // namespace detail

/// Four magnitudes at once from a codebook of 512, a sign each, a 4-bit scale per 32.
struct iq3_s {
  static constexpr tensor_type type = tensor_type::iq3_s;
  static constexpr std::string_view name = "IQ3_S";
  static constexpr std::size_t block_length = 256, block_bytes = 110;
  static constexpr integer_layout integer{.activations = 256, .highest = 30, .offset = 15};
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
      detail::store_levels(detail::iq3_s_levels, half(i * 2) | half(i * 2 + 1) << 32,
                           std::to_integer<std::uint32_t>(block[74 + i]), q + i * 8);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq3_s>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
struct opened_iq3_s {
  std::uint16_t numbers[64];
  i16x16 signs;
};
LOQUAT_INLINE opened_iq3_s opened(iq3_s, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq3_s_high_bits;
  i8x32 const high = load_twice(block + 66);
  opened_iq3_s all;
  LOQUAT_UNROLL
  for (std::size_t i = 0; i < 4; ++i)
    store_bytes(all.numbers + i * 16, numbers<1>(block + 2 + i * 16, fields(f[i], high)));
  all.signs = evens_and_odds(load_bytes(block + 74));
  return all;
}
LOQUAT_INLINE i16x16 vector_scales(iq3_s, std::byte const* block) noexcept {
  return odd_scales<4>(fields(loquat::detail::iq3_s_scales[0], load_twice(block + 94)));
}
LOQUAT_INLINE i8x32 load_quants(iq3_s, opened_iq3_s const& b, std::size_t step) noexcept {
  i8x32 const codes = entries<std::uint32_t>(loquat::detail::iq3_s_codebook, b.numbers + step * 8);
  return signed_levels(loquat::detail::iq3_s_levels, codes, bits_of_step(b.signs, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
