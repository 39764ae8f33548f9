/// \file
/// Codebooks of the IQ formats: a number stands for eight (or four) small codes at once. A codebook is a set of such
/// tuples. It is written down as a bitmap: bit c is set if the tuple with the number c is a member, where the digits of
/// c, the lowest one first, choose the codes. Members are numbered in ascending order. In IQ2 and IQ3 a code is an even
/// number of a level; the odd one above it is the level with the other sign. Part one is what the formats share, part
/// two the same for the kernels.
#ifndef LOQUAT_QUANT_CODEBOOKS_CODEBOOK_HPP
#define LOQUAT_QUANT_CODEBOOKS_CODEBOOK_HPP

#include <loquat/quant/block.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace loquat::detail {

// the members of a codebook, one byte per code, the first one in the lowest byte
template <class Entry, std::size_t Size, std::size_t Words, std::size_t Base>
constexpr std::array<Entry, Size> expand_codebook(std::uint64_t const (&members)[Words],
                                                  std::uint8_t const (&codes)[Base]) noexcept {
  std::array<Entry, Size> book{};
  std::size_t size = 0;
  for (std::size_t code = 0; code < Words * 64; ++code) {
    if ((members[code / 64] >> code % 64 & 1) == 0) continue;
    Entry entry = 0;
    std::size_t digits = code;
    for (std::size_t shift = 0; shift < 8 * sizeof(Entry); shift += 8, digits /= Base)
      entry |= static_cast<Entry>(Entry{codes[digits % Base]} << shift);
    book[size++] = entry;
  }
  return book;
}

// 43 ± 8, 25, 43: the levels of IQ2
inline constexpr std::int8_t iq2_levels[16]{51, 35, 68, 18, 86, 0};

// the levels of the codes of an entry, odd ones where the bit of their number is set in `signs`
constexpr void store_levels(std::int8_t const (&levels)[16], std::uint64_t entry, std::uint32_t signs,
                            std::int8_t* q) noexcept {
  for (std::size_t i = 0; i < 8; ++i) q[i] = levels[(entry >> 8 * i & 0xff) | (signs >> i & 1)];
}

// the codes of an entry, all less `by`
constexpr void store_less(std::uint64_t entry, unsigned by, std::int8_t* q) noexcept {
  for (std::size_t i = 0; i < 8; ++i) q[i] = static_cast<std::int8_t>((entry >> 8 * i & 0xff) - by);
}

// the number of an entry: a byte and bits above it
constexpr std::size_t entry_number(std::byte low, std::uint32_t high = 0) noexcept {
  return std::to_integer<std::size_t>(low) | high;
}

// seven sign bits and an eighth that makes the number of ones even
constexpr std::uint32_t even_signs(std::uint32_t seven) noexcept {
  return seven | (static_cast<std::uint32_t>(std::popcount(seven)) & 1) << 7;
}
// the eighth bit for four bits
inline constexpr std::int8_t eighth_bits[16]{0,    -128, -128, 0,    -128, 0,    0,    -128, //
                                             -128, 0,    0,    -128, 0,    -128, -128, 0};

// How to take sixteen fields of bits apart with words of 16 bits: two bytes in a half of 32, with which a field begins
// (or with the second, where it ends before), times a power of two have it in the high byte, from the lowest bit up.
struct bit_fields {
  std::array<std::int8_t, 32> bytes;
  std::array<std::uint16_t, 16> powers;
};
// fields 16 · n, … for every n below N, where field i begins at bit `first(i)` of the half, or is 0
inline constexpr std::size_t no_field = 128;
template <std::size_t N, class First> constexpr std::array<bit_fields, N> fields_at(First first) noexcept {
  std::array<bit_fields, N> all{};
  for (std::size_t i = 0; i < N * 16; ++i) {
    std::size_t const bit = first(i);
    if (bit == no_field) continue;
    all[i / 16].bytes[i % 16 * 2] = static_cast<std::int8_t>(bit / 8);
    all[i / 16].bytes[i % 16 * 2 + 1] = static_cast<std::int8_t>(bit / 8 < 15 ? bit / 8 + 1 : 15);
    all[i / 16].powers[i % 16] = static_cast<std::uint16_t>(1 << (8 - bit % 8));
  }
  return all;
}
// the number of a group of 16 weights in the order of `evens_and_odds`
constexpr std::size_t group_at(std::size_t i) noexcept { return i % 8 * 2 + i / 8; }

// 2s + 1 for the nibbles s of a word, the lowest one first
constexpr std::array<std::int8_t, 8> odd_scales(std::uint32_t nibbles) noexcept {
  return bytes_of(spread_nibbles(nibbles) * 2 + 0x0101010101010101);
}
constexpr std::array<std::int8_t, 16> odd_scales(std::uint64_t nibbles) noexcept {
  auto const eight = [](std::uint64_t s) {
    return spread_nibbles(static_cast<std::uint32_t>(s & 0xffffffff)) * 2 + 0x0101010101010101;
  };
  return bytes_of(eight(nibbles), eight(nibbles >> 32));
}
// 2s + 1 for the high nibbles s of eight bytes, Stride bytes apart
template <std::size_t Stride> constexpr std::array<std::int8_t, 8> odd_scales(std::byte const* bytes) noexcept {
  auto const s = [bytes](std::size_t i) { return std::to_integer<std::uint64_t>(bytes[i * Stride] >> 4) << i * 8; };
  return bytes_of((s(0) | s(1) | s(2) | s(3) | s(4) | s(5) | s(6) | s(7)) * 2 + 0x0101010101010101);
}

} // namespace loquat::detail

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

// the entries of the next four or eight numbers, which are taken in pairs
template <class Pair, class Entry, std::size_t Size>
LOQUAT_INLINE i8x32 entries(std::array<Entry, Size> const& book, void const* numbers) noexcept {
  constexpr int bits = sizeof(Pair) * 4;
  auto const pair = [&](std::size_t i) LOQUAT_INLINE_LAMBDA {
    Pair stored;
    std::memcpy(&stored, static_cast<std::byte const*>(numbers) + i * sizeof stored, sizeof stored);
    std::uint32_t const two = stored;
    return std::array{book[two & ((1u << bits) - 1)], book[two >> bits]};
  };
  auto const a = pair(0), b = pair(1);
  if constexpr (sizeof(Entry) == 8) {
    return from_u64(a[0], a[1], b[0], b[1]);
  } else {
    auto const c = pair(2), d = pair(3);
    return from_u32(a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]);
  }
}
// the levels of codes, odd ones where the sign bit is set
LOQUAT_INLINE i8x32 signed_levels(std::int8_t const (&levels)[16], i8x32 codes, i8x32 signs) noexcept {
  return lookup(levels, minus(codes, signs));
}

LOQUAT_INLINE i8x32 fields(loquat::detail::bit_fields const& f, i8x32 bytes) noexcept { // in high bytes
  return word_products(shuffled(bytes, load_bytes(f.bytes.data())), load_bytes(f.powers.data()));
}
// sixteen numbers: a byte each, and Bits bits above it from the high bytes of words
template <int Bits> LOQUAT_INLINE i8x32 numbers(std::byte const* low, i8x32 high) noexcept {
  static constexpr auto widened = [] { // the bytes 0 … 7, then 8 … 15, as words
    std::array<std::int8_t, 32> bytes{};
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::int8_t>(i % 2 == 0 ? i / 2 : 128);
    return bytes;
  }();
  return either(shuffled(load_twice(low), load_bytes(widened.data())),
                both(high, broadcast_word(((1 << Bits) - 1) << 8)));
}
// 2s + 1 for s of Bits bits in the high bytes of words
template <int Bits> LOQUAT_INLINE i16x16 odd_scales(i8x32 high) noexcept {
  return words_right<7>(either(both(high, broadcast_word(((1 << Bits) - 1) << 8)), broadcast_word(1 << 7)));
}
// seven sign bits and the eighth, of every byte
LOQUAT_INLINE i8x32 even_signs(i8x32 sevens) noexcept {
  auto const& eighth = loquat::detail::eighth_bits;
  return plus(sevens, plus(lookup(eighth, bits<0, 4>(sevens)), lookup(eighth, bits<4, 3>(sevens))));
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
