#pragma once
/// \file
/// SentencePiece's `.model` files: the message `ModelProto` of github.com/google/sentencepiece,
/// `src/sentencepiece_model.proto`.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>
#include <loquat/tokenizer/sources/protobuf.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// What of a `ModelProto` matters.
struct sentencepiece_proto {
  enum model_type : std::uint64_t { unigram = 1, bpe = 2, word = 3, character = 4 };

  vocabulary pieces;
  std::vector<float> scores;
  std::uint64_t type = unigram;
  bool byte_fallback = false;
  token unknown = 0, begin = 1, end = 2;
  normalize::sentencepiece normalizer;

  static constexpr token id_of(std::uint64_t value) noexcept {
    return static_cast<token>(static_cast<std::int64_t>(value));
  }

  constexpr bool read_trainer(std::string_view message) {
    protobuf::reader in(message);
    for (auto f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 3) type = f.value;
      if (f.number == 24) normalizer.suffix = f.value != 0;
      if (f.number == 35) byte_fallback = f.value != 0;
      if (f.number == 40) unknown = id_of(f.value);
      if (f.number == 41) begin = id_of(f.value);
      if (f.number == 42) end = id_of(f.value);
    }
    return !in.failed();
  }
  constexpr bool read_normalizer(std::string_view message) {
    protobuf::reader in(message);
    for (auto f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 2) normalizer.charsmap.assign(f.bytes.begin(), f.bytes.end());
      if (f.number == 3) normalizer.add_prefix = f.value != 0;
      if (f.number == 4) normalizer.remove_extra = f.value != 0;
    }
    return !in.failed();
  }
  constexpr result<void> read_piece(std::string_view message) {
    protobuf::reader in(message);
    std::string_view piece;
    float score = 0;
    std::uint64_t kind = 1;
    for (auto f = in.next(); f.number != 0; f = in.next()) {
      if (f.number == 1) piece = f.bytes;
      if (f.number == 2) score = f.as_float();
      if (f.number == 3) kind = f.value;
    }
    if (in.failed() || kind > static_cast<std::uint64_t>(token_kind::byte))
      return fail(errc::malformed, "SentencePiece model: piece ", pieces.size(), " is malformed");
    if (!pieces.add(piece, static_cast<token_kind>(kind)))
      return fail(errc::unsupported, "SentencePiece model: pieces of 4 GiB and more");
    scores.push_back(score);
    return {};
  }
};

} // namespace detail

/// Reads a SentencePiece model. Begin and end tokens are not added to texts, as in the library itself; `begin_token`
/// and `end_token` of the post-processor's template are for those who do. Errors: `errc::malformed`, which names the
/// piece or byte; `errc::unsupported` for a kind of model that is not known.
constexpr result<tokenizer_definition> read_sentencepiece_model(std::string_view bytes) {
  detail::sentencepiece_proto model;
  protobuf::reader in(bytes);
  for (auto f = in.next(); f.number != 0; f = in.next()) {
    bool good = true;
    if (f.number == 1)
      if (auto const read = model.read_piece(f.bytes); !read) return read.error();
    if (f.number == 2) good = model.read_trainer(f.bytes);
    if (f.number == 3) good = model.read_normalizer(f.bytes);
    if (!good)
      return fail(errc::malformed, "SentencePiece model: the ", f.number == 2 ? "trainer" : "normalizer",
                  " specification before byte ", in.offset(), " is malformed");
  }
  if (in.failed()) return fail(errc::malformed, "SentencePiece model: expected a field before byte ", in.offset());
  if (model.pieces.size() == 0) return fail(errc::malformed, "SentencePiece model: there are no pieces");

  tokenizer_definition out;
  out.normalizers.push_back(std::move(model.normalizer));
  using type = detail::sentencepiece_proto::model_type;
  std::vector<double> const scores(model.scores.begin(), model.scores.end());
  if (model.type == type::unigram)
    out.model = token_model::unigram{std::move(model.pieces), scores, model.unknown, model.byte_fallback, true};
  else if (model.type == type::bpe)
    out.model = token_model::scored_bpe{std::move(model.pieces), std::move(model.scores), model.unknown};
  else if (model.type == type::character)
    out.model = token_model::characters{std::move(model.pieces), model.unknown};
  else if (model.type == type::word) {
    auto pieces = with_plain_spaces(std::move(model.pieces)); // as in normalized text
    if (!pieces) return pieces.error().within("SentencePiece model");
    out.model = token_model::word_level{*std::move(pieces), model.unknown};
    out.pretokenizers.push_back(pretokenize::split{{owned_text(" ")}, pretokenize::behavior::merged_with_next});
  } else
    return fail(errc::unsupported, "SentencePiece model: kind of model ", model.type, " is not known");
  return out;
}

} // namespace loquat
