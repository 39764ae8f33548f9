#pragma once
/// \file
/// The characters of the words that a tokenizer is trained on.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/train/counts.hpp>
#include <loquat/tokenizer/train/key_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

/// A character and how often it occurs.
struct character_count {
  char32_t character = 0;
  std::uint64_t count = 0;
};

namespace detail {

/// Calls `f(char32_t)` for the characters of `word`, or for its bytes. A byte that is no UTF-8 is U+FFFD.
template <class F> constexpr void each_character(std::string_view word, bool bytes, F f) {
  while (!word.empty()) {
    auto const c = bytes ? utf8::character{static_cast<unsigned char>(word[0]), 1, true} : utf8::decode(word);
    f(c.code_point);
    word.remove_prefix(c.length);
  }
}

/// All characters of `counts`, the most frequent first, of equals the smallest.
constexpr std::vector<character_count> count_characters(word_counts const& counts) {
  key_index index;
  std::vector<character_count> out;
  for (std::size_t i = 0; i < counts.size(); ++i)
    each_character(counts[i].word, false, [&](char32_t c) {
      auto const at = index.add(c);
      if (at == out.size()) out.push_back({c, 0});
      out[at].count += counts[i].count;
    });
  std::sort(out.begin(), out.end(), [](character_count const& a, character_count const& b) {
    return a.count != b.count ? a.count > b.count : a.character < b.character;
  });
  return out;
}

} // namespace detail
} // namespace loquat
