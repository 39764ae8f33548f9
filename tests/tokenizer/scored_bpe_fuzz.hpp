#pragma once
/// \file
/// What must hold for any bytes that SentencePiece's normalizer and BPE see.

#include "tokenizer/reference_sentencepiece.hpp"

#include <loquat/tokenizer/models/scored_bpe.hpp>
#include <loquat/tokenizer/normalize/sentencepiece.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Some words, spaces, unused and user-defined pieces, and byte tokens if `bytes`.
inline loquat::token_model::scored_bpe small_scored_bpe(bool bytes) {
  using loquat::token_kind;
  loquat::token_model::scored_bpe out;
  auto const add = [&](std::string_view piece, token_kind kind) {
    (void)out.pieces.add(piece, kind);
    out.scores.push_back(-static_cast<float>(out.scores.size() / 2)); // pairs of equal scores
  };
  add("<unk>", token_kind::unknown);
  out.unknown = 0;
  for (auto const piece : {"\u2581a",     "\u2581\u2581",
                           "he",          "ll",
                           "llo",         "hello",
                           "\u2581hello", "wo",
                           "rld",         "or",
                           "\u2581wo",    "\u2581world",
                           "ld",          "aa",
                           "aaaa",        "é",
                           "日本",        "\u2581",
                           "a",           "h",
                           "e",           "l",
                           "o",           "w",
                           "r",           "d",
                           "日"})
    add(piece, token_kind::normal);
  for (auto const piece : {"el", "lle", "aaa"}) add(piece, token_kind::unused);
  for (auto const piece : {"<tab>", "<tab><tab>", "\u2581\u2581\u2581"}) add(piece, token_kind::user_defined);
  for (unsigned b = 0; b < 256 && bytes; ++b)
    add(loquat::byte_name(static_cast<unsigned char>(b)).view(), token_kind::byte);
  return out;
}

/// True if the obvious algorithms give the same tokens and offsets.
inline bool scored_bpe_holds(std::string_view text) {
  if (text.size() > 400) text = text.substr(0, 400); // they are slow
  static std::vector<loquat::scored_bpe> const models{loquat::scored_bpe::make(small_scored_bpe(false)).value(),
                                                      loquat::scored_bpe::make(small_scored_bpe(true)).value()};
  static loquat::scored_bpe::workspace room;
  for (bool const bytes : {false, true}) {
    auto const definition = small_scored_bpe(bytes);
    reference_sentencepiece const reference(definition.pieces, definition.scores, definition.unknown, true);
    for (bool const remove : {false, true}) {
      loquat::normalize::sentencepiece const how{.remove_extra = remove};
      auto const steps = loquat::normalize::sentencepiece_normalizer::make(how, definition.pieces).value();
      auto const normal = reference_normalize(how, {}, user_defined(definition.pieces), text);
      plain_text const plain(normal.bytes);
      loquat::aligned_text out, spare;
      out.assign(text, true);
      steps.apply(out, spare);
      if (out.bytes() != plain.bytes) return false;
      std::vector<placed_piece> have, want;
      models[bytes].encode(out.bytes(), room, [&](loquat::token id, std::size_t begin, std::size_t end) {
        auto const front = out.origin(begin).begin;
        have.push_back({id, front, begin == end ? front : out.origin(end - 1).end});
      });
      for (auto const& p : reference.encode(normal.bytes))
        want.push_back({p.id, normal.places[p.begin], normal.places[p.end]});
      if (have != want) return false;
    }
  }
  return true;
}

} // namespace test
