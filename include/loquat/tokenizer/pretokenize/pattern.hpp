#pragma once
/// \file
/// `split`: a pattern finds the words, or what is between them. Patterns of known families have a scanner, others run
/// as a regex; what is no regex is looked for as it is.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/pretokenize/characters.hpp>
#include <loquat/tokenizer/regex.hpp>
#include <loquat/tokenizer/scanners/scanners.hpp>

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace loquat::pretokenize {

/// Appends the words of `text`, all of which the scanner `S` finds, each moved by `offset`.
template <class S> constexpr void scan(std::string_view text, std::size_t offset, words& out) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const end = S::next(text, at);
    detail::add(out, offset + at, offset + end);
    at = end;
  }
}

/// A compiled `split`.
class pattern_split {
 public:
  /// Compiles the pattern.
  static constexpr result<pattern_split> make(split const& definition, regex_syntax syntax) {
    pattern_split made;
    made.step_ = definition;
    std::string_view const text = definition.pattern.text;
    if (definition.pattern.is_regex) made.scanner_ = scanner_of(text, syntax);
    if (made.scanner_ == scanner::none && (definition.pattern.is_regex || text.empty())) {
      auto compiled = regex::compile(text, syntax); // the empty text, too: it is found between all characters
      if (!compiled) return compiled.error().within("split");
      made.regex_ = *std::move(compiled);
    }
    return made;
  }

  /// The scanner that finds all words one behind the other, if this is no more than that.
  constexpr scanner sole_scanner() const noexcept { return keeps_all() ? scanner_ : scanner::none; }

  /// Appends the parts of a word of `text`.
  constexpr void cut(std::string_view text, byte_range word, words& out, regex_cache& cache) const {
    auto const part = text.substr(word.begin, word.size());
    if (keeps_all() && with_scanner(scanner_, [&](auto s) { scan<decltype(s)>(part, word.begin, out); })) return;

    splitter to(step_.behavior, step_.invert, out);
    std::size_t behind = 0;
    auto const matched = [&](std::size_t begin, std::size_t end) {
      if (behind != begin) to.part(word.begin + behind, word.begin + begin, false);
      to.part(word.begin + begin, word.begin + end, true);
      behind = end;
    };
    if (regex_) {
      regex_->for_each(part, cache, matched);
    } else if (scanner_ != scanner::none) {
      with_scanner(scanner_, [&](auto s) {
        while (behind < part.size()) matched(behind, s.next(part, behind));
      });
    } else {
      std::string_view const what = step_.pattern.text;
      for (auto at = part.find(what); at != part.npos; at = part.find(what, behind)) matched(at, at + what.size());
    }
    if (behind != part.size()) to.part(word.begin + behind, word.end, false);
    to.finish();
  }

 private:
  constexpr bool keeps_all() const noexcept { // matches, which a scanner finds without gaps
    return step_.behavior == behavior::isolated || (step_.behavior == behavior::removed && step_.invert);
  }

  split step_;
  scanner scanner_ = scanner::none;
  std::optional<regex> regex_; // if neither a scanner nor the text itself
};

} // namespace loquat::pretokenize
