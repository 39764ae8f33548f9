#pragma once
/// \file
/// Which patterns have a scanner: hand-written, and many times faster than the regex, whose matches it finds one behind
/// the other without gaps. A pattern is recognised by its text.

#include <loquat/tokenizer/regex/reader.hpp>
#include <loquat/tokenizer/scanners/cl100k.hpp>
#include <loquat/tokenizer/scanners/gpt2.hpp>
#include <loquat/tokenizer/scanners/o200k.hpp>

#include <string_view>
#include <utility>

namespace loquat {

/// Scanners by name.
enum class scanner : unsigned char { none, gpt2, cl100k, cl100k_tail, qwen2, qwen3_5, o200k, tekken };

/// The scanner that finds what `pattern` matches; `none` if there is none.
constexpr scanner scanner_of(std::string_view pattern, regex_syntax syntax = regex_syntax::oniguruma) noexcept {
  struct row {
    std::string_view pattern;
    scanner which;
    bool rust_only = false; // elsewhere {1,3}+ and $ say something else
  };
  constexpr row rows[]{
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", scanner::gpt2},
      {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", scanner::gpt2},
      {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)", scanner::gpt2, true},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       scanner::cl100k},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
       scanner::cl100k},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
       scanner::cl100k_tail, true},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       scanner::qwen2},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       scanner::qwen3_5},
      {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       scanner::o200k},
      {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       scanner::tekken},
  };
  for (auto const& r : rows)
    if (pattern == r.pattern && (!r.rust_only || syntax == regex_syntax::rust)) return r.which;
  return scanner::none;
}

/// Calls `f` with the type of a scanner (`S::next(text, from)` is the end of the word at `from`), for loops that have
/// it inline. False, and nothing is called, for `none`.
template <class F> constexpr bool with_scanner(scanner which, F&& f) {
  switch (which) {
  case scanner::none:
    return false;
  case scanner::gpt2:
    return std::forward<F>(f)(scanners::gpt2{}), true;
  case scanner::cl100k:
    return std::forward<F>(f)(scanners::cl100k<>{}), true;
  case scanner::cl100k_tail:
    return std::forward<F>(f)(scanners::cl100k<scanners::cl100k_options{.whole_tail = true}>{}), true;
  case scanner::qwen2:
    return std::forward<F>(f)(scanners::cl100k<scanners::cl100k_options{.digits = 1}>{}), true;
  case scanner::qwen3_5:
    return std::forward<F>(f)(scanners::cl100k<scanners::cl100k_options{.digits = 1, .marks = true}>{}), true;
  case scanner::o200k:
    return std::forward<F>(f)(scanners::o200k<>{}), true;
  case scanner::tekken:
    return std::forward<F>(f)(scanners::o200k<scanners::o200k_options{.digits = 1, .contractions = false}>{}), true;
  }
  return false;
}

} // namespace loquat
