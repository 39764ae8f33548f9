#pragma once
/// \file
/// All models of tokenizers as one type: what `token_model::any` describes, built. A new model is a struct in
/// `definition.hpp`, a file in this folder, and its name in the two lists below.

#include <loquat/core/one_of.hpp>
#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/bpe.hpp>
#include <loquat/tokenizer/models/characters.hpp>
#include <loquat/tokenizer/models/longest_match.hpp>
#include <loquat/tokenizer/models/scored_bpe.hpp>
#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/models/word_level.hpp>
#include <loquat/tokenizer/models/wordpiece.hpp>

#include <tuple>
#include <utility>

namespace loquat {

/// One of the models, in the order of `token_model::any`.
using any_token_model = one_of<bpe, scored_bpe, characters, wordpiece, unigram, word_level, longest_match>;

/// A workspace for any of them.
using token_model_workspace =
    std::tuple<bpe::workspace, scored_bpe::workspace, characters::workspace, wordpiece::workspace, unigram::workspace,
               word_level::workspace, longest_match::workspace>;

/// Builds what `definition` describes; the errors are those of the model's `make`.
constexpr result<any_token_model> make_token_model(token_model::any definition) {
  return definition.visit([]<class Definition>(Definition& d) {
    using model = any_token_model::type<token_model::any::index_of<Definition>>;
    return model::make(std::move(d)).transform([](model&& m) { return any_token_model(std::move(m)); });
  });
}

} // namespace loquat
