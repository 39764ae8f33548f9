#pragma once
/// \file
/// What the scanners of word patterns share: the class of a character, and runs of one class, ASCII letters and spaces
/// eight bytes at a time.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/unicode/category.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace loquat::scanners {

/// Classes of characters, one bit each; every character is in one of them.
enum : unsigned char {
  lower = 1,    ///< Ll
  upper = 2,    ///< Lu, Lt
  caseless = 4, ///< Lm, Lo
  mark = 8,     ///< M
  number = 16,  ///< N
  space = 32,   ///< White_Space but for the next
  newline = 64, ///< carriage return and line feed
  other = 128,
  letter = lower | upper | caseless, ///< L
  white = space | newline,           ///< White_Space
};

namespace detail {

inline constexpr auto category_classes = [] {
  using enum unicode::general_category;
  std::array<unsigned char, 32> table{};
  for (unsigned i = 0; i < table.size(); ++i) {
    auto const g = static_cast<unicode::general_category>(i);
    table[i] = unicode::marks.contains(g)        ? mark
               : unicode::numbers.contains(g)    ? number
               : unicode::separators.contains(g) ? space
                                                 : other;
  }
  table[static_cast<unsigned>(ll)] = lower;
  table[static_cast<unsigned>(lu)] = table[static_cast<unsigned>(lt)] = upper;
  table[static_cast<unsigned>(lm)] = table[static_cast<unsigned>(lo)] = caseless;
  return table;
}();

constexpr unsigned char class_of(char32_t c) noexcept {
  if (c == '\r' || c == '\n') return newline;
  if (c == 0x85 || (c >= '\t' && c < '\r')) return space; // white space that is no separator
  return category_classes[static_cast<unsigned>(unicode::category(c))];
}

/// The same, of characters beyond ASCII.
constexpr unsigned char class_beyond_ascii(char32_t c) noexcept {
  return c == 0x85 ? static_cast<unsigned char>(space) : category_classes[static_cast<unsigned>(unicode::category(c))];
}

inline constexpr auto ascii_classes = [] {
  std::array<unsigned char, 128> table{};
  for (char32_t c = 0; c < 128; ++c) table[c] = class_of(c);
  return table;
}();

inline constexpr std::uint64_t each = 0x0101010101010101u, high_bits = 0x80 * each;

/// Eight bytes, the first in the lowest bits. Only where there are eight.
constexpr std::uint64_t load(std::string_view text, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    if (!std::is_constant_evaluated()) {
      std::memcpy(&word, text.data() + at, sizeof word);
      return word;
    }
  }
  for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{static_cast<unsigned char>(text[at + i])} << (8 * i);
  return word;
}
/// The high bit of every byte of `word` from `low` to `high`, both ASCII.
constexpr std::uint64_t between(std::uint64_t word, unsigned char low, unsigned char high) noexcept {
  std::uint64_t const seven = word & ~high_bits;
  return (seven + (0x80u - low) * each) & ~(seven + (0x7Fu - high) * each) & ~word & high_bits;
}
/// The high bit of every byte that is a lower-case letter, with `Upper` an upper-case one, too.
template <bool Upper> constexpr std::uint64_t ascii_letters(std::uint64_t word) noexcept {
  return between(Upper ? word | 0x20 * each : word, 'a', 'z');
}
/// How many of eight bytes in a row, from the first on, have their bit in `hits`.
constexpr unsigned leading(std::uint64_t hits) noexcept {
  return static_cast<unsigned>(std::countr_zero(hits ^ high_bits)) / 8; // 8 if all do
}

} // namespace detail

/// A character's class and length in bytes.
struct character {
  unsigned char what = 0; ///< 0 at the end of the text
  unsigned char length = 0;
};

namespace detail {

[[gnu::noinline, gnu::flatten]] constexpr character look_beyond_ascii(std::string_view text, std::size_t at) noexcept {
  auto const c = utf8::detail::decode_at(text, at);
  return {class_beyond_ascii(c.code_point), static_cast<unsigned char>(c.length)};
}

constexpr bool is_ascii(std::string_view text, std::size_t at) noexcept { return (text[at] & 0x80) == 0; }

/// The end of the run of characters of `classes` that begins at `at`, up to the first that is ASCII.
[[gnu::noinline, gnu::flatten]] constexpr std::size_t run_beyond_ascii(std::string_view text, std::size_t at,
                                                                       unsigned classes) noexcept {
  while (at < text.size() && !is_ascii(text, at)) {
    auto const c = utf8::detail::decode_at(text, at);
    if ((class_beyond_ascii(c.code_point) & classes) == 0) break;
    at += c.length;
  }
  return at;
}

} // namespace detail

/// The character at `at`. A byte that is no UTF-8 is U+FFFD.
[[gnu::always_inline]] constexpr character look(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size()) return {};
  auto const byte = static_cast<unsigned char>(text[at]);
  if (byte < 128) return {detail::ascii_classes[byte], 1};
  return detail::look_beyond_ascii(text, at);
}

/// The end of the run of characters of `classes` that begins at `at`.
[[gnu::always_inline]] constexpr std::size_t run(std::string_view text, std::size_t at, unsigned classes) noexcept {
  for (;;) {
    auto const c = look(text, at);
    if ((c.what & classes) == 0) return at;
    at += c.length;
  }
}

/// The same for `classes` that have the lower-case letters of ASCII, with `Upper` the upper-case ones, and no more of
/// it.
template <bool Upper>
[[gnu::always_inline]] constexpr std::size_t run_of_letters(std::string_view text, std::size_t at,
                                                            unsigned classes) noexcept {
  for (;;) {
    if (at == text.size()) return at;
    if (!detail::is_ascii(text, at)) {
      auto const end = detail::run_beyond_ascii(text, at, classes);
      if (end == text.size() || !detail::is_ascii(text, end)) return end;
      at = end;
    }
    if ((detail::ascii_classes[static_cast<unsigned char>(text[at])] & classes) == 0) return at;
    if (text.size() - at < 8) ++at;
    for (unsigned n = 8; n == 8 && text.size() - at >= 8; at += n)
      n = detail::leading(detail::ascii_letters<Upper>(detail::load(text, at)));
  }
}

/// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `at`, or `at`.
template <bool AnyCase> constexpr std::size_t contraction(std::string_view text, std::size_t at) noexcept {
  if (text.size() - at < 2 || text[at] != '\'') return at;
  auto const letter_at = [&](std::size_t i) -> char {
    if (i >= text.size()) return '\0';
    return AnyCase && text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + ('a' - 'A')) : text[i];
  };
  char const a = letter_at(at + 1), b = letter_at(at + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if ((a == 'l' && b == 'l') || ((a == 'r' || a == 'v') && b == 'e')) return at + 3;
  if (AnyCase && text.substr(at + 1, 2) == "\xC5\xBF") return at + 3; // U+017F, a form of s
  return at;
}

/// How white space is cut.
struct space_rule {
  bool newlines = false;   ///< `\s*[\r\n]+` comes first: up to the last newline of the run
  bool whole_tail = false; ///< `\s+$` comes before that: all of it at the end of the text
};

/// The end of a word of white space: `\s*[\r\n]+|\s+(?!\S)|\s+`.
template <space_rule Rule> constexpr std::size_t white_space(std::string_view text, std::size_t at) noexcept {
  std::size_t const begin = at;
  std::size_t last = at, behind_newline = at;
  for (;;) {
    while (text.size() - at >= 9 && detail::load(text, at) == ' ' * detail::each) last = (at += 8) - 1;
    auto const c = look(text, at);
    if ((c.what & white) == 0) break;
    last = at;
    at += c.length;
    if (c.what == newline) behind_newline = at;
  }
  bool const ends = at == text.size();
  if (Rule.whole_tail && ends) return at;
  if (Rule.newlines && behind_newline != begin) return behind_newline;
  return ends || last == begin ? at : last;
}

} // namespace loquat::scanners
