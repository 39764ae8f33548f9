#pragma once
/// \file
/// A vocabulary small enough for constant evaluation.

#include <loquat/tokenizer/sentencepiece_bpe.hpp>

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace test {

/// A vocabulary that can be changed before it is used.
struct toy_vocabulary {
  std::vector<std::string_view> pieces;
  std::vector<float> scores;
  std::vector<loquat::token_kind> kinds;
  std::vector<char> byte_names; // "<0x00><0x01>…"

  constexpr loquat::token add(std::string_view piece, float score = 0,
                              loquat::token_kind kind = loquat::token_kind::normal) {
    pieces.push_back(piece);
    scores.push_back(score);
    kinds.push_back(kind);
    return static_cast<loquat::token>(pieces.size()) - 1;
  }
  /// "<unk>" 0, "<s>" 1, "</s>" 2.
  constexpr void add_marks() {
    add("<unk>", 0, loquat::token_kind::unknown);
    add("<s>", 0, loquat::token_kind::control);
    add("</s>", 0, loquat::token_kind::control);
  }
  /// All byte tokens, as 256 tokens in a row.
  constexpr void add_bytes() {
    constexpr std::string_view hex = "0123456789ABCDEF";
    byte_names.clear();
    for (unsigned i = 0; i < 256; ++i)
      for (char const c : {'<', '0', 'x', hex[i / 16], hex[i % 16], '>'}) byte_names.push_back(c);
    for (std::size_t i = 0; i < 256; ++i) add({byte_names.data() + 6 * i, 6}, 0, loquat::token_kind::byte);
  }
  constexpr loquat::vocabulary_spec spec() const {
    return {.pieces = pieces, .scores = scores, .kinds = kinds, .begin = 1, .end = 2, .unknown = 0};
  }
};

/// Some words, spaces, two user-defined pieces and byte tokens from 3 on.
constexpr toy_vocabulary toy() {
  toy_vocabulary v;
  v.add_marks();
  v.add_bytes();
  float score = 0;
  for (auto const piece : {"\u2581a", "\u2581\u2581", "he", "ll", "llo", "hello", "\u2581hello", "wo", "rld",
                           "\u2581wo", "\u2581world", "or", "ld", "aa", "aaaa", "é", "中", "日本"})
    v.add(piece, score -= 1);
  for (auto const piece : {"\u2581", "a", "h", "e", "l", "o", "w", "r", "d", "日"}) v.add(piece, score -= 1);
  v.add("<tab>", 0, loquat::token_kind::user_defined);
  v.add("<tab><tab>", 0, loquat::token_kind::user_defined);
  return v;
}

} // namespace test
