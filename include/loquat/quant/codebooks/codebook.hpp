#pragma once
/// \file
/// Codebooks of the IQ formats: a weight index stands for eight (or four) small magnitudes at once. A codebook is a set
/// of such tuples. It is written down as a bitmap: bit c is set if the tuple with the number c is a member, where the
/// digits of c, the lowest one first, choose the magnitudes. Members are numbered in ascending order.

#include <loquat/quant/block.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace loquat::detail {

// the members of a codebook, one byte per magnitude, the first one in the lowest byte
template <class Entry, std::size_t Size, std::size_t Words, std::size_t Base>
constexpr std::array<Entry, Size> expand_codebook(std::uint64_t const (&members)[Words],
                                                  std::int8_t const (&magnitudes)[Base]) noexcept {
  std::array<Entry, Size> book{};
  std::size_t size = 0;
  for (std::size_t code = 0; code < Words * 64; ++code) {
    if ((members[code / 64] >> code % 64 & 1) == 0) continue;
    Entry entry = 0;
    std::size_t digits = code;
    for (std::size_t shift = 0; shift < 8 * sizeof(Entry); shift += 8, digits /= Base)
      entry |= static_cast<Entry>(Entry{static_cast<std::uint8_t>(magnitudes[digits % Base])} << shift);
    book[size++] = entry;
  }
  return book;
}

// the magnitudes of an entry, negative where the bit of their number is set in `signs`
constexpr void store_signed(std::uint64_t entry, std::uint32_t signs, std::int8_t* q) noexcept {
  for (std::size_t i = 0; i < 8; ++i) {
    int const magnitude = static_cast<int>(entry >> 8 * i & 0xff);
    q[i] = static_cast<std::int8_t>((signs >> i & 1) != 0 ? -magnitude : magnitude);
  }
}
// the signed magnitudes of an entry, all shifted
constexpr void store_shifted(std::uint64_t entry, int shift, std::int8_t* q) noexcept {
  for (std::size_t i = 0; i < 8; ++i)
    q[i] = static_cast<std::int8_t>(static_cast<std::int8_t>(entry >> 8 * i & 0xff) + shift);
}

// the number of an entry: a byte and bits above it
constexpr std::size_t entry_number(std::byte low, std::uint32_t high = 0) noexcept {
  return std::to_integer<std::size_t>(low) | high;
}

// seven sign bits and an eighth that makes the number of ones even
constexpr std::uint32_t even_signs(std::uint32_t seven) noexcept {
  return seven | (static_cast<std::uint32_t>(std::popcount(seven)) & 1) << 7;
}
// the same as bytes, −1 for a sign bit that is set
inline constexpr auto even_sign_masks = [] {
  std::array<std::uint64_t, 128> masks{};
  for (std::uint32_t i = 0; i < 1024; ++i)
    masks[i / 8] |= (even_signs(i / 8) >> i % 8 & 1) * (std::uint64_t{0xff} << i % 8 * 8);
  return masks;
}();

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
