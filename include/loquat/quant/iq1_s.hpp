/// \file
/// IQ1_S: 256 weights as a binary16 scale d, 32 bytes, and a word of 16 bits for every 32 weights;
/// weight = d/8 · (2s + 1) · (q ± 1). 1.5625 bits per weight. A byte and three of a word's low bits are the number of
/// eight q (−8, 0 or 8) in a codebook; above them stand the three bits of s and the sign of the shift, set for −1. Part
/// one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ1_S_HPP
#define LOQUAT_QUANT_IQ1_S_HPP

#include <loquat/quant/codebooks/iq1.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {

/// Eight ternary weights at once from a codebook of 2048, shifted by ±1/8, a 3-bit scale per 32.
struct iq1_s {
  static constexpr tensor_type type = tensor_type::iq1_s;
  static constexpr std::string_view name = "IQ1_S";
  static constexpr std::size_t block_length = 256, block_bytes = 50;
  static constexpr integer_layout integer{.activations = 256, .lowest = -9, .highest = 9};
  static constexpr std::size_t scale_at = 0;
  static constexpr float scale_factor = 0.125f;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block) * scale_factor; }
  static constexpr std::array<std::int8_t, 8> group_scales(std::byte const* block) noexcept {
    auto const four = [block](std::size_t at) {
      std::uint64_t const words = detail::load_u64(block + at) >> 12 & 0x0007000700070007, pairs = words | words >> 8;
      return static_cast<std::uint32_t>((pairs & 0xffff) | (pairs >> 16 & 0xffff0000)) * 2 + 0x01010101;
    };
    return detail::bytes_of(four(34), four(42));
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned const word = detail::load_u16(block + 34 + i / 4 * 2), high = word >> i % 4 * 3 & 7;
      int const shift = word >> 15 != 0 ? -1 : 1;
      detail::store_shifted(detail::iq1_codebook[detail::entry_number(block[2 + i], high << 8)], shift, q + i * 8);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq1_s>(block, weights);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq1_s, std::byte const* block, std::size_t step) noexcept {
  using loquat::detail::entry_number;
  auto const& book = loquat::detail::iq1_codebook;
  std::byte const* const low = block + 2 + step * 4;
  std::uint32_t const word = loquat::detail::load_u16(block + 34 + step * 2);
  i8x32 const q =
      from_u64(book[entry_number(low[0], word << 8 & 0x700)], book[entry_number(low[1], word << 5 & 0x700)],
               book[entry_number(low[2], word << 2 & 0x700)], book[entry_number(low[3], word >> 1 & 0x700)]);
  return plus(q, broadcast_byte(1 - static_cast<int>(word >> 15) * 2));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
