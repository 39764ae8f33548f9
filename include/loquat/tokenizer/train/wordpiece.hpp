#pragma once
/// \file
/// Training a WordPiece model the way Hugging Face tokenizers do: with the trainer of byte-pair encodings, whose pieces
/// inside of words carry a prefix. (M. Schuster and K. Nakajima merged by likelihood; their trainer is not public.)

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/train/bpe.hpp>

#include <utility>

namespace loquat {

/// Trains a WordPiece model: `train_bpe` with `how`, whose `continuing_prefix` is "##" if it is empty. Only the pieces
/// are kept, since WordPiece cuts words by the longest of them. Errors: those of `train_bpe`; `errc::argument` for
/// bytes and for a suffix, which the model does not know.
template <TrainObserver F = no_observer>
constexpr result<tokenizer_definition> train_wordpiece(word_counts const& counts, bpe_training how, F observer = {}) {
  if (how.bytes || !how.word_suffix.empty())
    return fail(errc::argument, "training: a WordPiece model has neither bytes nor a suffix");
  if (how.continuing_prefix.empty()) how.continuing_prefix = "##";
  auto bpe = train_bpe_model(counts, how, std::move(observer));
  if (!bpe) return bpe.error();
  token_model::wordpiece model;
  model.pieces = std::move(bpe->pieces);
  model.unknown = bpe->unknown;
  model.continuing_prefix = std::move(bpe->continuing_prefix);
  return detail::define(how.special, std::move(model));
}

} // namespace loquat
