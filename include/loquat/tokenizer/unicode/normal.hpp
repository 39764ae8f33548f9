#pragma once
/// \file
/// What normalization forms (UAX #15) need to know of characters: canonical combining classes, full decompositions,
/// compositions, and the quick checks. Hangul is computed; all else is one look-up (Unicode 15.0), which can be
/// restricted to the characters of Unicode 9.0.

#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/normal_data.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace loquat::unicode {

/// The normalization forms.
enum class normal_form : unsigned char {
  nfc,  ///< composed
  nfd,  ///< decomposed
  nfkc, ///< compatibility characters replaced, composed
  nfkd, ///< compatibility characters replaced, decomposed
};

/// True for the forms that compose.
constexpr bool composes(normal_form f) noexcept { return f == normal_form::nfc || f == normal_form::nfkc; }
/// True for the forms that replace compatibility characters.
constexpr bool is_compatible(normal_form f) noexcept { return f == normal_form::nfkc || f == normal_form::nfkd; }

namespace detail {

inline constexpr char32_t syllables = 0xAC00, leads = 0x1100, vowels = 0x1161, trails = 0x11A7;
inline constexpr char32_t lead_count = 19, vowel_count = 21, trail_count = 28;

constexpr bool is_syllable(char32_t c) noexcept {
  return c - syllables < lead_count * vowel_count * trail_count; // wraps around below
}
constexpr unsigned normal_value(char32_t c) noexcept { return c < normal_table.end ? normal_table[c] : 0; }
constexpr bool is_later(unsigned value) noexcept {
  return value < normal_records ? (normal_kinds[value] >> 9 & 1) != 0 : normal_pool[value - normal_records] >> 15 != 0;
}
/// The same, with nothing to do for characters that the version does not have.
constexpr unsigned normal_value(char32_t c, version v) noexcept {
  auto const value = normal_value(c);
  return v != version::newest && is_later(value) ? 0 : value;
}
/// True if a character with this value is the same in a form, and nothing else decomposes into it.
constexpr bool keeps(unsigned value, normal_form f) noexcept {
  switch (f) {
  case normal_form::nfc:
    return value < normal_nfc;
  case normal_form::nfkc:
    return value < normal_nfkc;
  case normal_form::nfd:
    return value < normal_records || (value >= normal_compatible && value < normal_nfc);
  default:
    return value < normal_records;
  }
}

} // namespace detail

/// What a form has to know of a character before it touches it.
class normal_property {
 public:
  constexpr normal_property() = default; ///< of a character that the form has nothing to do with
  constexpr normal_property(bool stays, bool starts, unsigned combining_class) noexcept
      : bits_(combining_class | (stays ? 0 : 0x100u) | (starts ? 0 : 0x200u)) {}

  /// It is part of the form wherever it stands, in the order of combining classes.
  constexpr bool stays() const noexcept { return (bits_ & 0x100) == 0; }
  /// Nothing before it and nothing from it on can change each other.
  constexpr bool starts() const noexcept { return (bits_ & 0x200) == 0; }
  constexpr unsigned combining_class() const noexcept { return bits_ & 0xFF; } ///< of a character that stays
  constexpr bool is_inert() const noexcept { return bits_ == 0; }              ///< stays, starts and is of class 0

 private:
  unsigned bits_ = 0; // one word, which is returned and tested in a register
};

namespace detail {

/// The property of a character with a value in the table.
constexpr normal_property normal_of(unsigned value, normal_form f, version v) noexcept {
  if (value >= normal_records && keeps(value, f)) return {};
  if (v != version::newest && is_later(value)) return {};
  if (value >= normal_records) { // it starts if its decomposition does
    auto const* const record = normal_pool + (value - normal_records);
    unsigned const skip = is_compatible(f) && (*record >> 4 & 0x1F) != 0 ? *record & 0xFu : 0;
    auto const first = normal_value(record[1 + skip]);
    unsigned const kind = first < normal_records ? normal_kinds[first] : 0;
    return {false, (kind & (composes(f) ? 0x1FFu : 0xFFu)) == 0, 0};
  }
  unsigned const kind = normal_kinds[value];
  bool const combines = composes(f) && (kind & 0x100) != 0;
  return {!combines, !combines && (kind & 0xFF) == 0, kind & 0xFF};
}

} // namespace detail

/// The properties of a code point for form `f`, with the characters of version `v` (9.0 or newest).
constexpr normal_property normal(char32_t c, normal_form f, version v = version::newest) noexcept {
  auto const value = detail::normal_value(c);
  if (value != 0) return detail::normal_of(value, f, v);
  return {composes(f) || !detail::is_syllable(c), true, 0};
}

/// Bytes of the character that begins at `at`, if it is a valid one of two or three bytes in a block of 64 that form
/// `f` has nothing to do with: all stay, all start. Else 0, and the character has to be looked at.
constexpr std::size_t inert_length(std::string_view text, std::size_t at, normal_form f) noexcept {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  auto const& blocks = detail::normal_inert[static_cast<std::size_t>(f)];
  std::size_t const left = text.size() - at;
  if (left >= 3 && (byte(0) & 0xF0) == 0xE0) {
    unsigned const block = (byte(0) & 0xFu) << 6 | (byte(1) & 0x3Fu);
    bool const valid = (byte(1) & 0xC0) == 0x80 && (byte(2) & 0xC0) == 0x80;
    return valid && (blocks[1 + block / 64] >> (block % 64) & 1) != 0 ? 3 : 0;
  }
  if (left >= 2 && (byte(0) & 0xE0) == 0xC0)
    return (byte(1) & 0xC0) == 0x80 && (blocks[0] >> (byte(0) & 0x1F) & 1) != 0 ? 2 : 0;
  return 0;
}

/// The canonical combining class of a code point.
constexpr unsigned char combining_class(char32_t c, version v = version::newest) noexcept {
  auto const value = detail::normal_value(c, v);
  return value < detail::normal_records ? static_cast<unsigned char>(detail::normal_kinds[value] & 0xFF) : 0;
}

/// Calls `emit` with each character of the full decomposition of `c`, or with `c` if it has none.
template <class Emit> constexpr void decompose(char32_t c, bool compatible, version v, Emit emit) {
  using namespace detail;
  if (is_syllable(c)) {
    auto const i = c - syllables;
    emit(leads + i / (vowel_count * trail_count));
    emit(vowels + i / trail_count % vowel_count);
    if (i % trail_count != 0) emit(trails + i % trail_count);
    return;
  }
  auto const value = normal_value(c, v);
  if (value < normal_records) return emit(c);
  auto const* unit = normal_pool + (value - normal_records);
  unsigned const lengths = *unit++, canonical = lengths & 0xF, other = lengths >> 4 & 0x1F;
  bool const replace = compatible && other != 0;
  if (!replace && canonical == 0) return emit(c);
  if (replace) unit += canonical;
  for (auto const* const end = unit + (replace ? other : canonical); unit != end; ++unit) {
    char32_t d = *unit;
    if (d >= 0xD800 && d < 0xDC00) d = 0x10000 + ((d - 0xD800) << 10) + (*++unit - 0xDC00u);
    emit(d);
  }
}

/// The character that two compose to, or 0. A version restricts what `second` may be.
constexpr char32_t compose(char32_t first, char32_t second, version v = version::newest) noexcept {
  using namespace detail;
  if (first - leads < lead_count && second - vowels < vowel_count)
    return syllables + ((first - leads) * vowel_count + (second - vowels)) * trail_count;
  if (is_syllable(first) && (first - syllables) % trail_count == 0 && second - trails - 1 < trail_count - 1)
    return first + (second - trails);
  auto const value = normal_value(second, v);
  if (value == 0 || value >= normal_records || (normal_kinds[value] & 0x100) == 0) return 0;
  if (first > 0xFFFF || second > 0xFFFF) {
    for (std::size_t i = 0; i < std::size(large_compositions); i += 3)
      if (large_compositions[i] == first && large_compositions[i + 1] == second) return large_compositions[i + 2];
    return 0;
  }
  auto const pair = static_cast<std::uint32_t>(first << 16 | second);
  auto const found = std::lower_bound(std::begin(composition_pairs), std::end(composition_pairs), pair);
  return found != std::end(composition_pairs) && *found == pair ? compositions[found - composition_pairs] : 0;
}

} // namespace loquat::unicode
