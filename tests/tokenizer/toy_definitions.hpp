#pragma once
/// \file
/// A small tokenizer of each kind, for constant expressions and for texts of any bytes.

#include <loquat/tokenizer/definition.hpp>

#include <array>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

using loquat::token, loquat::token_kind, loquat::tokenizer_definition, loquat::vocabulary;

constexpr void add_pieces(vocabulary& to, std::initializer_list<std::string_view> pieces,
                          token_kind kind = token_kind::normal) {
  for (auto const piece : pieces) (void)to.add(piece, kind);
}
/// All bytes, 0 … 255.
constexpr void add_bytes(vocabulary& to) {
  for (unsigned b = 0; b < 256; ++b) {
    char const byte = static_cast<char>(b);
    (void)to.add({&byte, 1}, token_kind::normal);
  }
}

/// GPT-2's kind: 256 "he", 257 "ll", 258 "hell", 259 "hello", 260 " w", 261 "or", 262 "ld", 263 " wor", 264 " world";
/// 265 is the special token "<|end|>".
constexpr tokenizer_definition toy_bpe() {
  loquat::token_model::bpe model{.bytes = true};
  add_bytes(model.pieces);
  add_pieces(model.pieces, {"he", "ll", "hell", "hello", " w", "or", "ld", " wor", " world"});
  model.merges = {{'h', 'e'}, {'l', 'l'}, {256, 257}, {258, 'o'}, {' ', 'w'},
                  {'o', 'r'}, {'l', 'd'}, {260, 261}, {263, 262}};
  tokenizer_definition d;
  d.model = std::move(model);
  d.pretokenizers.push_back(loquat::pretokenize::byte_level{.add_prefix_space = false});
  d.decoders.push_back(loquat::decode_step::byte_level{});
  d.added.push_back({.content = std::string_view("<|end|>"), .special = true});
  return d;
}
/// tiktoken's kind, with the same pieces.
constexpr tokenizer_definition toy_ranked() {
  auto d = toy_bpe();
  auto& model = d.model.get<loquat::token_model::bpe>();
  model.merges.clear();
  model.ranked = model.whole_words = true;
  return d;
}
/// SentencePiece's BPE: 0 <unk>, 1 <s>, 2 </s>, byte tokens from 3 on, then pieces from 259 on.
constexpr tokenizer_definition toy_sentencepiece() {
  loquat::token_model::scored_bpe model;
  add_pieces(model.pieces, {"<unk>"}, token_kind::unknown);
  add_pieces(model.pieces, {"<s>", "</s>"}, token_kind::control);
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (unsigned b = 0; b < 256; ++b) {
    std::array<char, 6> const name{'<', '0', 'x', hex[b / 16], hex[b % 16], '>'};
    (void)model.pieces.add({name.data(), name.size()}, token_kind::byte);
  }
  add_pieces(model.pieces, {"\u2581a",     "\u2581\u2581",
                            "he",          "ll",
                            "llo",         "hello",
                            "\u2581hello", "wo",
                            "rld",         "\u2581wo",
                            "\u2581world", "ld",
                            "aa",          "aaaa",
                            "é",           "日本",
                            "\u2581",      "a",
                            "h",           "e",
                            "l",           "o",
                            "w",           "r",
                            "d",           "日"});
  add_pieces(model.pieces, {"<tab>"}, token_kind::user_defined);
  for (std::size_t i = 0; i < model.pieces.size(); ++i) model.scores.push_back(i < 259 ? 0 : -static_cast<float>(i));
  model.unknown = 0;
  tokenizer_definition d;
  d.model = std::move(model);
  d.normalizers.push_back(loquat::normalize::sentencepiece{.remove_extra = false});
  using enum loquat::postprocess::item::kind;
  loquat::postprocess::template_processing t;
  t.single = {{special, 0, {1}}, {first, 0, {}}};
  t.pair = {{special, 0, {1}}, {first, 0, {}}, {special, 1, {1}}, {second, 1, {}}};
  d.postprocessors.push_back(std::move(t));
  return d;
}
/// SentencePiece's CHAR: 0 <unk>, 1 "▁", 2 "a", 3 "b".
constexpr tokenizer_definition toy_characters() {
  loquat::token_model::characters model{.unknown = 0};
  add_pieces(model.pieces, {"<unk>"}, token_kind::unknown);
  add_pieces(model.pieces, {"\u2581", "a", "b"});
  tokenizer_definition d;
  d.model = std::move(model);
  d.normalizers.push_back(loquat::normalize::sentencepiece{});
  return d;
}
/// BERT's: 0 [UNK], 1 [CLS], 2 [SEP], 3 "un", 4 "##aff", 5 "##able", 6 "a", 7 ",", 8 "café" without its accent.
constexpr tokenizer_definition toy_wordpiece() {
  loquat::token_model::wordpiece model{.unknown = 0};
  add_pieces(model.pieces, {"[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "a", ",", "cafe"});
  tokenizer_definition d;
  d.model = std::move(model);
  d.normalizers.push_back(loquat::normalize::bert{});
  d.pretokenizers.push_back(loquat::pretokenize::bert{});
  d.postprocessors.push_back(loquat::postprocess::bert(1, 2));
  d.decoders.push_back(loquat::decode_step::wordpiece{});
  for (auto const name : {"[UNK]", "[CLS]", "[SEP]"})
    d.added.push_back({.content = std::string_view(name), .special = true});
  return d;
}
/// T5's kind: 0 <unk>, 1 "▁", 2 "a", 3 "▁a", 4 "aa", 5 "b".
constexpr tokenizer_definition toy_unigram() {
  loquat::token_model::unigram model{.scores = {0, -2, -3, -2.5, -4, -3}, .unknown = 0};
  add_pieces(model.pieces, {"<unk>"}, token_kind::unknown);
  add_pieces(model.pieces, {"\u2581", "a", "\u2581a", "aa", "b"});
  tokenizer_definition d;
  d.model = std::move(model);
  d.pretokenizers.push_back(loquat::pretokenize::metaspace{});
  d.decoders.push_back(loquat::decode_step::metaspace{});
  return d;
}
/// 0 <unk>, 1 "one", 2 "two".
constexpr tokenizer_definition toy_words() {
  loquat::token_model::word_level model{.unknown = 0};
  add_pieces(model.pieces, {"<unk>", "one", "two"});
  tokenizer_definition d;
  d.model = std::move(model);
  d.pretokenizers.push_back(loquat::pretokenize::whitespace{});
  return d;
}
/// RWKV's: all bytes, 256 "ab", 257 "abc".
constexpr tokenizer_definition toy_longest() {
  loquat::token_model::longest_match model;
  add_bytes(model.pieces);
  add_pieces(model.pieces, {"ab", "abc"});
  tokenizer_definition d;
  d.model = std::move(model);
  return d;
}

} // namespace test
