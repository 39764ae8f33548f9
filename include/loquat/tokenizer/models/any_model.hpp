#pragma once
/// \file
/// All models of tokenizers as one type: what `token_model::any` describes, built. A new model is a struct in
/// `definition.hpp`, a file in this folder, and its name in the two lists below.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/bpe.hpp>
#include <loquat/tokenizer/models/characters.hpp>
#include <loquat/tokenizer/models/longest_match.hpp>
#include <loquat/tokenizer/models/scored_bpe.hpp>
#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/models/word_level.hpp>
#include <loquat/tokenizer/models/wordpiece.hpp>

#include <cstddef>
#include <tuple>
#include <utility>
#include <variant>

namespace loquat {

/// One of the models, in the order of `token_model::any`.
using any_token_model = std::variant<bpe, scored_bpe, characters, wordpiece, unigram, word_level, longest_match>;

/// A workspace for any of them.
using token_model_workspace =
    std::tuple<bpe::workspace, scored_bpe::workspace, characters::workspace, wordpiece::workspace, unigram::workspace,
               word_level::workspace, longest_match::workspace>;

/// Builds what `definition` describes; the errors are those of the model's `make`.
template <std::size_t I = 0> constexpr result<any_token_model> make_token_model(token_model::any definition) {
  if constexpr (I + 1 < std::variant_size_v<any_token_model>)
    if (definition.index() != I) return make_token_model<I + 1>(std::move(definition));
  auto made = std::variant_alternative_t<I, any_token_model>::make(std::get<I>(std::move(definition)));
  if (!made) return std::move(made).error();
  return any_token_model(std::in_place_index<I>, *std::move(made));
}

} // namespace loquat
