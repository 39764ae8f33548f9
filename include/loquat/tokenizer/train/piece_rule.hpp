#pragma once
/// \file
/// Which strings SentencePiece (github.com/google/sentencepiece) lets become pieces.

#include <loquat/tokenizer/unicode/script.hpp>

#include <cstddef>
#include <span>

namespace loquat {

inline constexpr char32_t space_sign = 0x2581; ///< stands for a space in pieces

/// Limits of the pieces that a training may make, with SentencePiece's defaults. A space sign is only at the front.
struct piece_rule {
  std::size_t longest = 16;  ///< characters
  bool split_scripts = true; ///< letters of different scripts are in different pieces; Hiragana and Katakana are Han
  bool split_numbers = true; ///< digits 0 … 9 are of a script of their own
  bool split_digits = false; ///< they are pieces by themselves

  /// True if `piece` may be one.
  constexpr bool allows(std::span<char32_t const> piece) const noexcept {
    if (piece.empty() || piece.size() > longest) return false;
    using unicode::script;
    constexpr int any = -1;
    int before = any;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      char32_t const c = piece[i];
      if (c == space_sign) {
        if (i > 0) return false;
        continue;
      }
      bool const is_digit = (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19);
      if (split_digits && is_digit && piece.size() > 1) return false;
      auto const own = unicode::script_of(c);
      bool const is_han = own == script::hiragana || own == script::katakana || c == 0x30FC;
      int now = static_cast<int>(is_han ? script::han : own);
      if (own == script::inherited && !is_han) now = before;
      if (!split_numbers && is_digit) now = any;
      if (split_scripts && now != any && before != any && now != before) return false;
      before = now;
    }
    return true;
  }
};

} // namespace loquat
