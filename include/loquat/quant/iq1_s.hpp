/// \file
/// IQ1_S: 256 weights as a binary16 scale d, 32 bytes, and a word of 16 bits for every 32 weights;
/// weight = d/8 · (2s + 1) · (q − 9). 1.5625 bits per weight. A byte and three of a word's low bits are the number of
/// eight q (2, 10 or 18) in a codebook; above them stand the three bits of s, and a bit that is set if all q are
/// less by 2. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ1_S_HPP
#define LOQUAT_QUANT_IQ1_S_HPP

#include <loquat/quant/codebooks/iq1.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// in the words: the high bits of 32 numbers, and s
inline constexpr auto iq1_s_high_bits = fields_at<2>([](std::size_t i) { return i / 4 * 16 + i % 4 * 3; });
inline constexpr auto iq1_s_scales = fields_at<1>([](std::size_t i) { return i % 8 * 16 + 12; });
// their high bytes, twice
inline constexpr auto iq1_s_high_bytes = [] {
  std::array<std::int8_t, 32> bytes{};
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::int8_t>(i % 16 / 2 * 2 + 1);
  return bytes;
}();

} // namespace detail

/// Eight ternary weights at once from a codebook of 2048, shifted by ±1/8, a 3-bit scale per 32.
struct iq1_s {
  static constexpr tensor_type type = tensor_type::iq1_s;
  static constexpr std::string_view name = "IQ1_S";
  static constexpr std::size_t block_length = 256, block_bytes = 50;
  static constexpr integer_layout integer{.activations = 256, .highest = 18, .offset = 9};
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
      detail::store_less(detail::iq1_codebook[detail::entry_number(block[2 + i], high << 8)], word >> 15 << 1,
                         q + i * 8);
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
struct opened_iq1_s {
  std::uint16_t numbers[32];
  i16x16 less; // by how much q are less than the entries, a byte for eight
};
LOQUAT_INLINE opened_iq1_s opened(iq1_s, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq1_s_high_bits;
  i8x32 const words = load_twice(block + 34), high = load_bytes(loquat::detail::iq1_s_high_bytes.data());
  opened_iq1_s all;
  store_bytes(all.numbers, numbers<3>(block + 2, fields(f[0], words)));
  store_bytes(all.numbers + 16, numbers<3>(block + 18, fields(f[1], words)));
  all.less = as_words(moved_bits<1, 1>(7, shuffled(words, high)));
  return all;
}
LOQUAT_INLINE i16x16 vector_scales(iq1_s, std::byte const* block) noexcept {
  return odd_scales<3>(fields(loquat::detail::iq1_s_scales[0], load_twice(block + 34)));
}
LOQUAT_INLINE i8x32 load_quants(iq1_s, opened_iq1_s const& b, std::size_t step) noexcept {
  return minus(entries<std::uint32_t>(loquat::detail::iq1_codebook, b.numbers + step * 4), bytes_of_step(b.less, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
