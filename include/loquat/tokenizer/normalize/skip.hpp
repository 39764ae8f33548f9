#pragma once
/// \file
/// What makes normalizers quick where they have nothing to do: the first byte of a kind is looked for among eight bytes
/// at a time.

#include <loquat/core/utf8.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace loquat::normalize {

/// Kinds of bytes. `in` gives the top bit of each byte of the kind in eight bytes; only those below a byte that is no
/// ASCII are sure, so each kind has what is no ASCII in it.
namespace bytes {

inline constexpr std::uint64_t each = 0x0101010101010101; ///< a one in each byte
inline constexpr std::uint64_t top = 0x80 * each;         ///< the top bit of each byte

/// No ASCII.
struct foreign {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept { return w & top; }
};
/// A … Z, or no ASCII.
struct upper {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept {
    return (((w + (0x80 - 'A') * each) & ~(w + (0x7F - 'Z') * each)) | w) & top;
  }
};
/// A control character, or no ASCII.
struct control {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept { return (~(w + 0x60 * each) | (w + each) | w) & top; }
};
/// No letter and no digit of ASCII.
struct no_letter {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept {
    auto const lower = w | 0x20 * each; // no other character becomes a letter
    auto const letter = (lower + (0x80 - 'a') * each) & ~(lower + (0x7F - 'z') * each);
    auto const digit = (w + (0x80 - '0') * each) & ~(w + (0x7F - '9') * each);
    return (~(letter | digit) | w) & top;
  }
};
/// A space, a control character, or no ASCII.
struct blank {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept { return (~(w + 0x5F * each) | (w + each) | w) & top; }
};
/// One ASCII character, or no ASCII.
template <char C> struct is {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept {
    auto const other = w ^ static_cast<unsigned char>(C) * each; // zero where it is
    return (~((other & ~top) + ~top) & ~other & top) | (w & top);
  }
};
/// Either of two kinds.
template <class A, class B> struct either {
  /// The top bits of those.
  static constexpr std::uint64_t in(std::uint64_t w) noexcept { return A::in(w) | B::in(w); }
};

} // namespace bytes

/// The place of the first byte of a kind in `text`, from `at` on, where it is probably near; `text.size()` if there is
/// none.
template <class Kind> constexpr std::size_t find_near_byte(std::string_view text, std::size_t at) noexcept {
  if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
    for (; text.size() - at >= 8; at += 8) {
      std::uint64_t w = 0;
      std::memcpy(&w, text.data() + at, 8);
      if (auto const found = Kind::in(w); found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
    }
  }
  while (at < text.size() && (Kind::in(static_cast<unsigned char>(text[at])) & 0x80) == 0) ++at;
  return at;
}
/// The same where it may be far away.
template <class Kind> constexpr std::size_t find_byte(std::string_view text, std::size_t at) noexcept {
  if (at < text.size() && (Kind::in(static_cast<unsigned char>(text[at])) & 0x80) != 0) return at;
  if (!std::is_constant_evaluated()) {
    for (; text.size() - at >= 32; at += 32) { // four at once, while there are none
      std::uint64_t w[4];
      std::memcpy(w, text.data() + at, 32);
      if ((Kind::in(w[0]) | Kind::in(w[1]) | Kind::in(w[2]) | Kind::in(w[3])) != 0) break;
    }
  }
  return find_near_byte<Kind>(text, at);
}

/// A character of a text; a byte that is no UTF-8 is one of no class, `bad_byte` more than the byte.
struct text_character {
  char32_t code_point;
  unsigned length; ///< bytes
};
inline constexpr char32_t bad_byte = 0x110000; ///< beyond all characters

/// The character at `at`. Those of up to three bytes are read in line.
[[gnu::always_inline]] constexpr text_character decode_at(std::string_view text, std::size_t at) noexcept {
  auto const byte = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[at + i]); };
  std::size_t const left = text.size() - at;
  char32_t const first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first >= 0xC2 && first < 0xE0 && left >= 2) {
    if ((byte(1) & 0xC0) == 0x80) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  } else if ((first & 0xF0) == 0xE0 && left >= 3) {
    char32_t const c = (first & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    if ((byte(1) & 0xC0) == 0x80 && (byte(2) & 0xC0) == 0x80 && c >= 0x800 && (c & 0xF800) != 0xD800) return {c, 3};
  }
  auto const c = utf8::decode(text.substr(at));
  return {c.valid ? c.code_point : bad_byte + first, c.length};
}

/// Writes a character that `decode_at` read.
constexpr utf8::encoded encode(char32_t c) noexcept {
  if (c >= bad_byte) return {{static_cast<char>(c - bad_byte)}, 1};
  return utf8::encode(c);
}

/// Bytes of the character at `at`.
constexpr std::size_t character_length(std::string_view text, std::size_t at) noexcept {
  return static_cast<unsigned char>(text[at]) < 0x80 ? 1 : decode_at(text, at).length;
}

} // namespace loquat::normalize
