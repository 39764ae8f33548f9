/// \file
/// IQ1_M: 256 weights as 32 bytes, 32 nibbles and four words of 16 bits; weight = d/8 · (2s + 1) · (q − 9). 1.75 bits
/// per weight. A byte and three bits of a nibble are the number of eight q (2, 10 or 18) in a codebook; the nibble's
/// high bit is set if they are less by 2. A word has four times the three bits of s, one per 16 weights, and a
/// quarter of the binary16 scale d in its high four bits. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ1_M_HPP
#define LOQUAT_QUANT_IQ1_M_HPP

#include <loquat/quant/codebooks/iq1.hpp>
#include <loquat/quant/integer_block.hpp>

namespace loquat {
namespace detail {

// the high bits of 32 numbers in the nibbles
inline constexpr auto iq1_m_high_bits = fields_at<2>([](std::size_t i) { return i * 4; });
// the nibbles in the order of `evens_and_odds`, twice
inline constexpr auto iq1_m_nibbles = [] {
  std::array<std::int8_t, 32> bytes{};
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::int8_t>(group_at(i / 2));
  return bytes;
}();
// s in the last half of 16 bytes
inline constexpr auto iq1_m_scales =
    fields_at<1>([](std::size_t i) { return 64 + group_at(i) / 4 * 16 + group_at(i) % 4 * 3; });

} // namespace detail

/// Eight ternary weights at once from a codebook of 2048, shifted by ±1/8 each eight, a 3-bit scale per 16.
struct iq1_m {
  static constexpr tensor_type type = tensor_type::iq1_m;
  static constexpr std::string_view name = "IQ1_M";
  static constexpr std::size_t block_length = 256, block_bytes = 56;
  static constexpr integer_layout integer{.group = 16, .activations = 256, .highest = 18, .offset = 9};

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
      detail::store_less(detail::iq1_codebook[detail::entry_number(block[i], high << 8)], nibble >> 2 & 2, q + i * 8);
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
struct opened_iq1_m {
  std::uint16_t numbers[32];
  i16x16 less; // by how much q are less than the entries, a byte for eight
};
LOQUAT_INLINE opened_iq1_m opened(iq1_m, std::byte const* block) noexcept {
  auto const& f = loquat::detail::iq1_m_high_bits;
  i8x32 const nibbles = load_twice(block + 32), low = broadcast_word(0x00ff), high = broadcast_word(0xff00);
  i8x32 const twice = shuffled(nibbles, load_bytes(loquat::detail::iq1_m_nibbles.data()));
  opened_iq1_m all;
  store_bytes(all.numbers, numbers<3>(block, fields(f[0], nibbles)));
  store_bytes(all.numbers + 16, numbers<3>(block + 16, fields(f[1], nibbles)));
  all.less = as_words(either(both(moved_bits<1, 1>(3, twice), low), both(moved_bits<1, 1>(7, twice), high)));
  return all;
}
LOQUAT_INLINE i16x16 vector_scales(iq1_m, std::byte const* block) noexcept {
  return odd_scales<3>(fields(loquat::detail::iq1_m_scales[0], load_twice(block + 40)));
}
LOQUAT_INLINE i8x32 load_quants(iq1_m, opened_iq1_m const& b, std::size_t step) noexcept {
  return minus(entries<std::uint32_t>(loquat::detail::iq1_codebook, b.numbers + step * 4), bytes_of_step(b.less, step));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
