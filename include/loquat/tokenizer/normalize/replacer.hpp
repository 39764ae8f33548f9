#pragma once
/// \file
/// Replaces what a text or a regular expression finds. What is new has the range of the last character that it
/// replaces.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/rewrite.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/regex.hpp>
#include <loquat/tokenizer/unicode/category.hpp>

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace loquat::normalize {

/// A pattern that is one character or `\\s`, repeated: `\\s+`, ` {2,}`. What tokenizers replace is mostly that, and
/// needs no automaton.
struct run_pattern {
  char character = '\0'; ///< ASCII; 0: white space
  std::size_t least = 1; ///< so many in a row, or more

  /// Reads a pattern, if it is such a one.
  static constexpr std::optional<run_pattern> read(std::string_view pattern) noexcept {
    run_pattern run;
    if (pattern.starts_with("\\s")) {
      pattern.remove_prefix(2);
    } else {
      if (pattern.empty() || static_cast<unsigned char>(pattern[0]) >= 0x80) return std::nullopt;
      if (std::string_view("\\^$.|?*+()[]{}").find(pattern[0]) != std::string_view::npos) return std::nullopt;
      run.character = pattern[0];
      pattern.remove_prefix(1);
    }
    if (pattern == "+") return run;
    bool const counted = pattern.size() == 4 && pattern[0] == '{' && pattern.substr(2) == ",}";
    if (!counted || pattern[1] < '1' || pattern[1] > '9') return std::nullopt;
    run.least = static_cast<std::size_t>(pattern[1] - '0');
    return run;
  }

  /// Calls `f(begin, end)` for all matches in turn.
  template <class F> constexpr void for_each(std::string_view text, F f) const {
    using white = bytes::either<bytes::either<bytes::control, bytes::foreign>, bytes::is<' '>>;
    for (std::size_t at = 0; at < text.size();) {
      at = character == '\0' ? find_byte<white>(text, at) : text.find(character, at);
      if (at >= text.size()) return;
      std::size_t end = at, count = 0;
      for (; end < text.size(); ++count) {
        auto const length = match(text, end);
        if (length == 0) break;
        end += length;
      }
      if (count != 0 && count >= least) f(at, end);
      at = count != 0 ? end : at + character_length(text, at);
    }
  }

 private:
  /// Bytes of the character at `at` if it is one of the run, else 0.
  constexpr std::size_t match(std::string_view text, std::size_t at) const noexcept {
    if (character != '\0') return text[at] == character ? 1 : 0;
    auto const c = decode_at(text, at);
    return unicode::is_whitespace(c.code_point) ? c.length : 0;
  }
};

/// A compiled `replace`.
class replacer {
 public:
  /// Compiles the pattern.
  static constexpr result<replacer> make(replace const& definition) {
    replacer made;
    made.definition_ = definition;
    if (!definition.what.is_regex && !definition.what.text.view().empty()) return made;
    if (definition.what.is_regex) made.run_ = run_pattern::read(definition.what.text);
    if (made.run_) return made;
    auto compiled = regex::compile(definition.what.text); // the empty text matches between all characters, too
    if (!compiled) return compiled.error().within("replace");
    made.regex_ = *std::move(compiled);
    return made;
  }

  /// True if `text` stays as it is. False may also be said of a text that does, if a regular expression is to know.
  constexpr bool leaves(std::string_view text) const noexcept {
    return text.empty() || (!definition_.what.is_regex && text.find(definition_.what.text) == text.npos);
  }

  /// Replaces all matches.
  constexpr void apply(aligned_text& text, aligned_text& spare, regex_cache& cache) const {
    auto const all = text.bytes();
    std::string_view const content = definition_.content;
    std::size_t kept = 0;
    bool changed = false;
    auto const matched = [&](std::size_t begin, std::size_t end) {
      // one byte that stays needs no copy, as of the spaces between words
      if (end - begin == 1 && content.size() == 1 && all[begin] == content[0]) return;
      if (!changed) spare.clear(text.aligned());
      changed = true;
      spare.append(text, kept, begin);
      spare.append(content, end > 0 ? text.origin(end - 1) : byte_range{});
      kept = end;
    };
    if (run_) {
      run_->for_each(all, matched);
    } else if (regex_) {
      regex_->for_each(all, cache, matched);
    } else {
      std::string_view const what = definition_.what.text;
      for (auto at = all.find(what); at != all.npos; at = all.find(what, at + what.size()))
        matched(at, at + what.size());
    }
    if (!changed) return;
    spare.append(text, kept, all.size());
    text.swap(spare);
  }

 private:
  replace definition_;
  std::optional<run_pattern> run_;
  std::optional<regex> regex_; // else the text is looked for
};

} // namespace loquat::normalize
