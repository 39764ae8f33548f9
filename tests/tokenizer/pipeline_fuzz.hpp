#pragma once
/// \file
/// What must hold for any bytes as a text, with a tokenizer of each kind.

#include "toy_definitions.hpp"

#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/text.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Bytes, mostly pieces of the toy vocabularies; `valid`: UTF-8.
inline std::string random_bytes(std::mt19937& random, std::size_t length, bool valid) {
  constexpr std::string_view parts[]{"hello",   " ",       " world", "a",          "ab",           "<tab>", "<s>",
                                     "<|end|>", "[SEP]",   "\u2581", "\u00E9",     "\u65E5\u672C", "\n",    ",",
                                     "7",       "e\u0301", "UN",     "\U0001F600", "one"};
  std::string out;
  while (out.size() < length) {
    if (!valid && random() % 5 == 0)
      out.push_back(static_cast<char>(random()));
    else
      out += parts[random() % std::size(parts)];
  }
  return out;
}

/// True if the cursor, the count and the batch give the same ids, offsets are in order and within the text, and what
/// keeps every byte decodes to the text.
inline bool promises_hold(std::string_view text) {
  struct kind {
    loquat::tokenizer tok;
    bool keeps_bytes, keeps_order;
  };
  static auto const make = [](tokenizer_definition d) { return loquat::tokenizer::make(std::move(d)).value(); };
  static std::vector<kind> const kinds{{make(toy_bpe()), true, true},         {make(toy_ranked()), true, true},
                                       {make(toy_longest()), true, true},     {make(toy_sentencepiece()), false, true},
                                       {make(toy_characters()), false, true}, {make(toy_wordpiece()), false, true},
                                       {make(toy_unigram()), false, true},    {make(toy_words()), false, true}};
  loquat::tokenizer::workspace room;
  for (auto const& [tok, keeps_bytes, keeps_order] : kinds)
    for (auto const special : {loquat::special_text::plain, loquat::special_text::parse})
      for (auto const invalid : {loquat::invalid_utf8::replace, loquat::invalid_utf8::bytes}) {
        loquat::encode_options const options{.special = special, .invalid = invalid};
        auto const ids = loquat::encode(tok, text, options);
        if (!std::ranges::equal(ids, tok.encode(text, room, options))) return false;
        if (tok.count(text, room, options) != ids.size()) return false;
        auto const e = loquat::tokenize(tok, text, room, {.text = options}).value();
        if (e.ids != ids) return false;
        std::uint32_t last = 0;
        for (std::size_t i = 0; i < e.size(); ++i) {
          auto const [begin, end] = e.offsets[i];
          if (e.special[i]) continue;
          if (begin > end || end > text.size() || (keeps_order && begin < last)) return false;
          last = begin;
        }
        if (!keeps_bytes || invalid == loquat::invalid_utf8::replace) continue;
        if (loquat::decode(tok, ids, {.skip_special = false, .invalid = invalid}) != text) return false;
      }
  return true;
}

} // namespace test
