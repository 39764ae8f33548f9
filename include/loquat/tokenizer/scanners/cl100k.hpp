#pragma once
/// \file
/// The words of cl100k (GPT-4, Llama 3: three digits together) and of Qwen 2 (single digits):
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
///     ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+

#include <loquat/tokenizer/scanners/short_words.hpp>

#include <cstddef>
#include <string_view>

namespace loquat::scanners {

/// What the patterns of a family differ in.
struct cl100k_options {
  unsigned digits = 3;     ///< at most so many together
  bool marks = false;      ///< marks are letters
  bool whole_tail = false; ///< white space that ends the text is one word
};

template <cl100k_options Options = cl100k_options{}> struct cl100k {
  /// See `short_words.hpp`.
  static constexpr short_word short_words(char first, unsigned what) noexcept {
    if ((what & letter) != 0) return {ascii, ascii};
    if (what == number) return {Options.digits == 1 ? ascii : ascii & ~number, 0};
    if (what == newline) return {number | other | quote, 0};
    if (what == space) return {0, ascii};
    return {number | space, first == '\'' ? static_cast<unsigned char>(0) : ascii};
  }

  /// The end of the word that begins at `from`, which is before the end of the text.
  [[gnu::always_inline]] static constexpr std::size_t next(std::string_view text, std::size_t from) noexcept {
    if (auto const size = short_word_at<cl100k>(text, from); size != 0) return from + size;
    constexpr unsigned letters = Options.marks ? letter | mark : letter;
    constexpr unsigned symbols = (mark | other) & ~letters;
    auto const c = look(text, from);
    std::size_t at = from + c.length;
    if ((c.what & letters) != 0) return run_of_letters<true>(text, at, letters);
    if (c.what == number) {
      for (unsigned n = 1; n < Options.digits; ++n) {
        auto const d = look(text, at);
        if (d.what != number) break;
        at += d.length;
      }
      return at;
    }
    if (text[from] == '\'')
      if (auto const end = contraction<true>(text, from); end != from) return end;
    if (c.what != newline) {
      auto const d = look(text, at);
      if ((d.what & letters) != 0) return run_of_letters<true>(text, at + d.length, letters);
      if ((c.what & symbols) != 0 || (text[from] == ' ' && (d.what & symbols) != 0))
        return run(text, run(text, at, symbols), newline);
    }
    return white_space<space_rule{.newlines = true, .whole_tail = Options.whole_tail}>(text, from);
  }
};

} // namespace loquat::scanners
