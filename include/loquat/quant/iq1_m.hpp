/// \file
/// IQ1_M: 256 weights as 32 bytes, 32 nibbles and four words of 16 bits; weight = d/8 · (2s + 1) · (q ± 1). 1.75 bits
/// per weight. A byte and three bits of a nibble are the number of eight q (−8, 0 or 8) in a codebook; the nibble's
/// high bit is the sign of the shift, set for −1. A word has four times the three bits of s, one per 16 weights, and a
/// quarter of the binary16 scale d in its high four bits. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ1_M_HPP
#define LOQUAT_QUANT_IQ1_M_HPP

#include <loquat/quant/codebooks/iq1.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// the shifts of 32 weights by four sign bits
inline constexpr auto iq1_m_shifts = [] {
  std::array<std::array<std::uint64_t, 4>, 16> shifts{};
  for (std::size_t i = 0; i < 64; ++i)
    shifts[i / 4][i % 4] = (i / 4 >> i % 4 & 1) != 0 ? ~std::uint64_t{0} : 0x0101010101010101;
  return shifts;
}();

} // namespace detail

/// Eight ternary weights at once from a codebook of 2048, shifted by ±1/8 each eight, a 3-bit scale per 16.
struct iq1_m {
  static constexpr tensor_type type = tensor_type::iq1_m;
  static constexpr std::string_view name = "IQ1_M";
  static constexpr std::size_t block_length = 256, block_bytes = 56;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .lowest = -9, .highest = 9};

  static constexpr float scale(std::byte const* block) noexcept {
    std::uint64_t const words = detail::load_u64(block + 48);
    std::uint64_t const d = (words >> 12 & 0xf) | (words >> 24 & 0xf0) | (words >> 36 & 0xf00) | (words >> 48 & 0xf000);
    return float_from_half(static_cast<std::uint16_t>(d)) * 0.125f;
  }
  static constexpr std::array<std::int8_t, 16> group_scales(std::byte const* block) noexcept {
    auto const eight = [](std::uint64_t two_words) {
      std::uint64_t const words = (two_words | two_words << 16) & 0x0000ffff0000ffff;
      std::uint64_t const s = (words & 0x0000000700000007) | (words << 5 & 0x0000070000000700) |
                              (words << 10 & 0x0007000000070000) | (words << 15 & 0x0700000007000000);
      return s * 2 + 0x0101010101010101;
    };
    return detail::bytes_of(eight(detail::load_u32(block + 48)), eight(detail::load_u32(block + 52)));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned const nibble = std::to_integer<unsigned>(block[32 + i / 2]) >> i % 2 * 4, high = nibble & 7;
      int const shift = (nibble & 8) != 0 ? -1 : 1;
      detail::store_shifted(detail::iq1_codebook[detail::entry_number(block[i], high << 8)], shift, q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq1_m>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq1_m, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq1_codebook;
  std::byte const* const low = block + step * 4;
  std::uint32_t const nibbles = loquat::detail::load_u16(block + 32 + step * 2);
  i8x32 const q =
      from_u64(book[entry_number(low[0], nibbles << 8 & 0x700)], book[entry_number(low[1], nibbles << 4 & 0x700)],
               book[entry_number(low[2], nibbles & 0x700)], book[entry_number(low[3], nibbles >> 4 & 0x700)]);
  std::uint32_t const signs = (nibbles >> 3 & 0x1111) * 0x249 >> 9 & 15; // the nibbles' high bits side by side
  return plus(q, load_bytes(loquat::detail::iq1_m_shifts[signs].data()));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
