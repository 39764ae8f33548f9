#pragma once
/// \file
/// Scanners against the regular expressions that they stand for.

#include <loquat/tokenizer/regex.hpp>
#include <loquat/tokenizer/scanners/scanners.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace test {

/// A pattern that has a scanner.
struct scanner_pattern {
  std::string_view text;
  loquat::regex_syntax syntax;
};

inline constexpr auto rust = loquat::regex_syntax::rust, oniguruma = loquat::regex_syntax::oniguruma;
// clang-format off
inline constexpr scanner_pattern scanner_patterns[]{
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", oniguruma},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", rust},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)", rust},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", oniguruma},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)", rust},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)", rust},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", oniguruma},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", oniguruma},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)", rust},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)", oniguruma},
};
// clang-format on

/// The ends of the matches of a regex that are one behind the other; an end beyond the text where they are not.
inline std::vector<std::size_t> regex_ends(loquat::regex const& regex, std::string_view text,
                                           loquat::regex_cache& cache) {
  std::vector<std::size_t> ends;
  std::size_t behind = 0;
  regex.for_each(text, cache, [&](std::size_t begin, std::size_t end) {
    ends.push_back(begin == behind ? end : text.size() + 1);
    behind = end;
  });
  if (behind != text.size()) ends.push_back(text.size() + 1);
  return ends;
}

/// True if a scanner finds the words that end at `ends`.
inline bool scanner_finds(loquat::scanner which, std::string_view text, std::vector<std::size_t> const& ends) {
  bool good = false;
  loquat::with_scanner(which, [&](auto s) {
    good = true;
    std::size_t at = 0;
    for (std::size_t const end : ends) {
      good = good && at < text.size() && s.next(text, at) == end;
      if (!good) return;
      at = end;
    }
    good = at == text.size();
  });
  return good;
}

/// True if all scanners find in `text` what their patterns do.
inline bool scanners_agree(std::string_view text) {
  struct pair {
    loquat::scanner which;
    loquat::regex regex;
    loquat::regex_cache cache;
  };
  static auto pairs = [] {
    std::vector<pair> all;
    for (auto const& p : scanner_patterns)
      all.push_back({loquat::scanner_of(p.text, p.syntax), loquat::regex::compile(p.text, p.syntax).value(), {}});
    return all;
  }();
  for (auto& p : pairs)
    if (!scanner_finds(p.which, text, regex_ends(p.regex, text, p.cache))) return false;
  return true;
}

} // namespace test
