#pragma once
/// \file
/// The words of o200k (GPT-4o, Llama 4) and, with other options, of Mistral's Tekken. Words are cut in front of an
/// upper-case letter that follows a lower-case one:
///
///     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
///     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
///     \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+

#include <loquat/tokenizer/scanners/short_words.hpp>

#include <cstddef>
#include <string_view>

namespace loquat::scanners {

/// What the patterns of a family differ in.
struct o200k_options {
  unsigned digits = 3;      ///< at most so many together
  bool contractions = true; ///< stay with their word
};

template <o200k_options Options = o200k_options{}> struct o200k {
  static constexpr bool cuts_in_front_of_upper_case = true;
  /// See `short_words.hpp`.
  static constexpr short_word short_words(char, unsigned what) noexcept {
    constexpr unsigned char next = Options.contractions ? ascii & ~quote : ascii;
    if ((what & letter) != 0) return {next, next};
    if (what == number) return {Options.digits == 1 ? ascii : ascii & ~number, 0};
    if (what == newline) return {number | other | quote, 0};
    if (what == space) return {0, next};
    return {number | space, next};
  }

  /// The end of the word that begins at `from`, which is before the end of the text.
  [[gnu::always_inline]] static constexpr std::size_t next(std::string_view text, std::size_t from) noexcept {
    if (auto const size = short_word_at<o200k>(text, from); size != 0) return from + size;
    auto const c = look(text, from);
    std::size_t at = from + c.length;
    if ((c.what & letter) != 0) return with_contraction(text, letters(text, from).end);
    if (c.what == number) {
      for (unsigned n = 1; n < Options.digits; ++n) {
        auto const d = look(text, at);
        if (d.what != number) break;
        at += d.length;
      }
      return at;
    }
    if (c.what != newline) {
      auto const d = look(text, at);
      if ((d.what & (letter | mark)) != 0) {
        auto const [end, cased] = letters(text, at);
        // A mark can begin a word as well as come before one; it does if what follows is in upper case only.
        if (cased || c.what != mark) return with_contraction(text, end);
      }
      if (c.what == mark) return with_contraction(text, at);
      if (c.what == other || (text[from] == ' ' && d.what == other)) {
        at = run(text, at, mark | other);
        while (at < text.size() && (text[at] == '\r' || text[at] == '\n' || text[at] == '/')) ++at;
        return at;
      }
    }
    return white_space<space_rule{.newlines = true}>(text, from);
  }

 private:
  struct found {
    std::size_t end;
    bool cased; // by the first alternative
  };
  /// The letters and marks at `at`, of which there are some: up to the last that ends in one that is not upper case,
  /// or, in the second alternative, all of the upper case.
  [[gnu::always_inline]] static constexpr found letters(std::string_view text, std::size_t at) noexcept {
    std::size_t behind = at; // the last letter or mark without case
    bool any = false;
    for (;;) {
      auto const c = look(text, at);
      if (c.what == lower) return {run_of_letters<false>(text, at + c.length, lower | caseless | mark), true};
      if ((c.what & (upper | caseless | mark)) == 0) break;
      at += c.length;
      if (c.what != upper) {
        behind = at;
        any = true;
      }
    }
    return any ? found{behind, true} : found{at, false};
  }
  static constexpr std::size_t with_contraction(std::string_view text, std::size_t end) noexcept {
    return Options.contractions && end < text.size() ? contraction<true>(text, end) : end;
  }
};

} // namespace loquat::scanners
