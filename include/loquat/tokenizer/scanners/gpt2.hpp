#pragma once
/// \file
/// The words of GPT-2:
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

#include <loquat/tokenizer/scanners/short_words.hpp>

#include <cstddef>
#include <string_view>

namespace loquat::scanners {

struct gpt2 {
  /// See `short_words.hpp`.
  static constexpr short_word short_words(char first, unsigned what) noexcept {
    if ((what & letter) != 0) return {ascii, ascii};
    if (what == number) return {ascii & ~number, 0};
    if (first == ' ') return {0, ascii};
    if ((what & white) != 0) return {number | other | quote, 0};
    return {number | white, 0};
  }

  /// The end of the word that begins at `from`, which is before the end of the text.
  [[gnu::always_inline]] static constexpr std::size_t next(std::string_view text, std::size_t from) noexcept {
    if (auto const size = short_word_at<gpt2>(text, from); size != 0) return from + size;
    auto c = look(text, from);
    std::size_t at = from + c.length;
    if (text[from] == ' ') { // goes with what follows, unless that is white space, too
      c = look(text, at);
      if (c.what == 0) return at;
      if ((c.what & white) != 0) return white_space<space_rule{}>(text, from);
      at += c.length;
    } else if (text[from] == '\'') {
      if (auto const end = contraction<false>(text, from); end != from) return end;
    } else if ((c.what & white) != 0) {
      return white_space<space_rule{}>(text, from);
    }
    if ((c.what & letter) != 0) return run_of_letters<true>(text, at, letter);
    return run(text, at, c.what == number ? unsigned{number} : mark | other);
  }
};

} // namespace loquat::scanners
