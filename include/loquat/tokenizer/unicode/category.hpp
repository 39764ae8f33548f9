#pragma once
/// \file
/// General categories of characters (Unicode 15.0, UAX #44) and what follows from them. Hugging Face tokenizers see
/// some things as older versions of Unicode had them: for those a version can be named.

#include <loquat/tokenizer/unicode/category_data.hpp>

#include <cstdint>

namespace loquat::unicode {

/// General categories by their two letters; `cn`: not assigned.
enum class general_category : unsigned char {
  cn, ///< not assigned
  cc, ///< control
  cf, ///< format
  co, ///< private use
  cs, ///< surrogate
  ll, ///< lower-case letter
  lm, ///< modifier letter
  lo, ///< other letter
  lt, ///< title-case letter
  lu, ///< upper-case letter
  mc, ///< spacing mark
  me, ///< enclosing mark
  mn, ///< nonspacing mark
  nd, ///< decimal digit
  nl, ///< letter number
  no, ///< other number
  pc, ///< connector punctuation
  pd, ///< dash
  pe, ///< close punctuation
  pf, ///< final quote
  pi, ///< initial quote
  po, ///< other punctuation
  ps, ///< open punctuation
  sc, ///< currency symbol
  sk, ///< modifier symbol
  sm, ///< mathematical symbol
  so, ///< other symbol
  zl, ///< line separator
  zp, ///< paragraph separator
  zs, ///< space
};

/// Versions of Unicode: what was assigned later is not assigned.
enum class version : unsigned char {
  v8_0,   ///< 8.0: marks and punctuation of BERT
  v9_0,   ///< 9.0: normalization forms, accents, scripts
  newest, ///< that of the tables: regular expressions
};

namespace detail {

/// The category of a character beyond the table.
constexpr general_category category_beyond(char32_t c) noexcept {
  if (c == 0xE0001 || (c >= 0xE0020 && c <= 0xE007F)) return general_category::cf;
  if (c >= 0xE0100 && c <= 0xE01EF) return general_category::mn;
  bool const is_private = c >= 0xF0000 && c <= 0x10FFFF && (c & 0xFFFE) != 0xFFFE;
  return is_private ? general_category::co : general_category::cn;
}

/// The category that an assigned character had in a version before the tables'. Of marks and punctuation all changes
/// are here; letters that became other letters are not.
constexpr general_category earlier(char32_t c, version v, general_category now) noexcept {
  switch (c) {
  case 0x166D:
  case 0x111C9:
    return general_category::po;
  case 0x1734:
    return general_category::mn;
  case 0x1885:
  case 0x1886:
    return v == version::v8_0 ? general_category::lo : now;
  case 0x1CF2:
  case 0x1CF3:
  case 0xA9BD:
    return general_category::mc;
  default:
    return now;
  }
}

} // namespace detail

/// The general category of a code point; `cn` for a number that is none.
constexpr general_category category(char32_t c) noexcept {
  if (c >= detail::category_table.end) return detail::category_beyond(c);
  return static_cast<general_category>(detail::category_table[c] & 0x1Fu);
}
/// The general category in a version of Unicode.
constexpr general_category category(char32_t c, version v) noexcept {
  if (v == version::newest || c >= detail::category_table.end) return category(c);
  unsigned const value = detail::category_table[c], later = value >> 5;
  if (later > static_cast<unsigned>(v)) return general_category::cn;
  return detail::earlier(c, v, static_cast<general_category>(value & 0x1F));
}
/// True if a version of Unicode has the character, or its range is one for private use.
constexpr bool is_assigned(char32_t c, version v = version::newest) noexcept {
  return category(c, v) != general_category::cn;
}

/// A set of categories that follow each other.
class category_set {
 public:
  constexpr category_set() = default;
  /// All from `first` to `last` in the order of the enumeration.
  constexpr category_set(general_category first, general_category last) noexcept
      : bits_((2u << static_cast<unsigned>(last)) - (1u << static_cast<unsigned>(first))) {}
  constexpr bool contains(general_category g) const noexcept { return bits_ >> static_cast<unsigned>(g) & 1; } ///< one

 private:
  std::uint32_t bits_ = 0;
};

inline constexpr category_set others{general_category::cn, general_category::cs};      ///< C, with what is not assigned
inline constexpr category_set letters{general_category::ll, general_category::lu};     ///< L
inline constexpr category_set marks{general_category::mc, general_category::mn};       ///< M
inline constexpr category_set numbers{general_category::nd, general_category::no};     ///< N
inline constexpr category_set punctuation{general_category::pc, general_category::ps}; ///< P
inline constexpr category_set symbols{general_category::sc, general_category::so};     ///< S
inline constexpr category_set separators{general_category::zl, general_category::zs};  ///< Z

/// L: `\p{L}`
constexpr bool is_letter(char32_t c) noexcept { return letters.contains(category(c)); }
/// M: `\p{M}`
constexpr bool is_mark(char32_t c, version v = version::newest) noexcept { return marks.contains(category(c, v)); }
/// N, also fractions and Roman numerals: `\p{N}`
constexpr bool is_number(char32_t c) noexcept { return numbers.contains(category(c)); }
/// P: `\p{P}`
constexpr bool is_punctuation(char32_t c, version v = version::newest) noexcept {
  return punctuation.contains(category(c, v));
}
/// Nd: `\d`
constexpr bool is_digit(char32_t c) noexcept { return category(c) == general_category::nd; }
/// The property White_Space: `\s`
constexpr bool is_whitespace(char32_t c) noexcept {
  if (c < 0x80) return c == 0x20 || (c >= 0x9 && c <= 0xD);
  if (c < 0x2000) return c == 0x85 || c == 0xA0 || c == 0x1680;
  return c <= 0x200A || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}
/// The property Alphabetic, a mark, a decimal digit or connecting punctuation: `\w`. (Oniguruma adds ² ³ ¹ ¼ ½ ¾, UTS
/// #18 U+200C and U+200D.)
constexpr bool is_word(char32_t c) noexcept {
  auto const g = category(c);
  if (g == general_category::so)
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189);
  return letters.contains(g) || marks.contains(g) || g == general_category::nd || g == general_category::nl ||
         g == general_category::pc;
}

} // namespace loquat::unicode
