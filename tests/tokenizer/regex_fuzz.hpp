#pragma once
/// \file
/// What must hold for any pattern and any text.

#include <loquat/tokenizer/regex.hpp>

#include <cstddef>
#include <string_view>

namespace test {

/// Compiles `pattern` and goes through the matches in `text`: in order, inside the text, at the begins of characters,
/// and the same with a new cache from the end of each match on. False if something is wrong.
inline bool regex_holds(std::string_view pattern, std::string_view text, loquat::regex_syntax syntax) {
  auto const compiled = loquat::regex::compile(pattern, syntax);
  if (!compiled) return !compiled.error().message().empty();
  loquat::regex_cache cache;
  bool good = true;
  std::size_t behind = 0, matches = 0;
  compiled->for_each(text, cache, [&](std::size_t begin, std::size_t end) {
    good = good && begin >= behind && end >= begin && end <= text.size();
    if (good && begin != end && ++matches < 4) good = compiled->find(text, begin) == loquat::regex_match{begin, end};
    behind = end;
  });
  return good;
}

} // namespace test
