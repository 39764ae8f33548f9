#pragma once
/// \file
/// Extended grapheme clusters (UAX #29 of Unicode 16, with the properties of 15.0): where one ends.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/unicode/grapheme_data.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::unicode {

/// What a character is to the rules for clusters: Grapheme_Cluster_Break, with Extended_Pictographic and
/// Indic_Conjunct_Break in the same property.
enum class grapheme_break : unsigned char {
  other,              ///< none of these
  cr,                 ///< carriage return
  lf,                 ///< line feed
  control,            ///< Control
  extend,             ///< Extend
  zwj,                ///< U+200D
  regional_indicator, ///< half of a flag
  prepend,            ///< Prepend
  spacing_mark,       ///< SpacingMark
  l,                  ///< a leading consonant of Hangul
  v,                  ///< a vowel of Hangul
  t,                  ///< a trailing consonant of Hangul
  lv,                 ///< a syllable without a trailing consonant
  lvt,                ///< a syllable with one
  pictographic,       ///< Extended_Pictographic
  consonant,          ///< Indic_Conjunct_Break: Consonant
  linker,             ///< Indic_Conjunct_Break: Linker; Extend, too
  nonjoiner,          ///< U+200C: Extend, but no part of a conjunct
};

/// The property of a code point.
constexpr grapheme_break grapheme(char32_t c) noexcept {
  if (c >= 0xAC00 && c < 0xD7A4) return (c - 0xAC00) % 28 == 0 ? grapheme_break::lv : grapheme_break::lvt;
  if (c < detail::grapheme_table.end) return static_cast<grapheme_break>(detail::grapheme_table[c]);
  if (c < 0xE0000 || c > 0xE0FFF) return grapheme_break::other;
  bool const extends = (c >= 0xE0020 && c <= 0xE007F) || (c >= 0xE0100 && c <= 0xE01EF);
  return extends ? grapheme_break::extend : grapheme_break::control;
}

/// Finds the boundaries: reads the characters of a text in order.
class grapheme_scanner {
 public:
  /// True if a cluster begins before `next`, the character that follows those given so far.
  constexpr bool breaks_before(grapheme_break next) noexcept {
    using enum grapheme_break;
    bool const result = breaks(next);
    bool const extends = next == extend || next == linker || next == nonjoiner;
    picture_ = next == pictographic         ? sequence::open
               : picture_ != sequence::open ? sequence::none
               : next == zwj                ? sequence::complete
               : extends                    ? sequence::open
                                            : sequence::none;
    if (next == consonant)
      conjunct_ = sequence::open;
    else if (next == linker && conjunct_ != sequence::none)
      conjunct_ = sequence::complete;
    else if (next != extend && next != zwj)
      conjunct_ = sequence::none;
    odd_flags_ = next == regional_indicator && !odd_flags_;
    last_ = next;
    return result;
  }

 private:
  enum class sequence : unsigned char { none, open, complete };

  constexpr bool breaks(grapheme_break next) const noexcept { // GB3 to GB999 in order
    using enum grapheme_break;
    if (last_ == cr && next == lf) return false;
    if (last_ == cr || last_ == lf || last_ == control || next == cr || next == lf || next == control) return true;
    switch (next) {
    case extend:
    case linker:
    case nonjoiner:
    case zwj:
    case spacing_mark:
      return false;
    default:
      break;
    }
    if (last_ == prepend) return false;
    switch (next) {
    case l:
    case lv:
    case lvt:
      return last_ != l;
    case v:
      return last_ != l && last_ != v && last_ != lv;
    case t:
      return last_ != v && last_ != t && last_ != lv && last_ != lvt;
    case consonant:
      return conjunct_ != sequence::complete;
    case pictographic:
      return picture_ != sequence::complete;
    case regional_indicator:
      return !odd_flags_;
    default:
      return true;
    }
  }

  grapheme_break last_ = grapheme_break::control; // as if the text began after a control character
  sequence picture_ = sequence::none;             // a picture, extended; and U+200D
  sequence conjunct_ = sequence::none;            // an Indic consonant, extended; and a virama
  bool odd_flags_ = false;                        // an odd number of halves of flags
};

/// Length in bytes of the first grapheme cluster of `text`; a byte that is no UTF-8 is a character of no class.
constexpr std::size_t grapheme_length(std::string_view text) noexcept {
  grapheme_scanner scanner;
  std::size_t at = 0;
  while (at < text.size()) {
    auto const c = utf8::decode(text.substr(at));
    auto const property = c.valid ? grapheme(c.code_point) : grapheme_break::other;
    if (scanner.breaks_before(property) && at != 0) break;
    at += c.length;
  }
  return at;
}

} // namespace loquat::unicode
