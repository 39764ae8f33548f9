#pragma once
/// \file
/// A word is a token, or unknown: Hugging Face tokenizers' `WordLevel`.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>

#include <cstddef>
#include <string_view>
#include <utility>

namespace loquat {

/// A word-level model. Immutable, so that threads can share it.
class word_level {
 public:
  struct workspace {}; ///< nothing; all models have one

  /// Takes over the definition. Of equal pieces the last is used; pieces of the kinds `control`, `unknown`, `unused`
  /// and `byte` are never found in a text. Error: `errc::malformed` for an unknown token out of range.
  static constexpr result<word_level> make(token_model::word_level definition) {
    word_level out;
    out.model_ = std::move(definition);
    auto const& [pieces, unknown] = out.model_;
    if (unknown != no_token && !pieces.contains(unknown))
      return fail(errc::malformed, "word level: the unknown token is ", unknown, ", but there are ", pieces.size(),
                  " tokens");
    out.index_ = piece_index(pieces);
    return out;
  }

  constexpr vocabulary const& pieces() const noexcept { return model_.pieces; } ///< bytes and kinds by id
  /// The token of this piece, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(model_.pieces, piece); }

  /// Encodes one word. Calls `emit(token id, std::size_t begin, std::size_t end)` once; not at all for an empty word,
  /// and for an unknown one if there is no unknown token.
  template <class Emit> constexpr void encode(std::string_view word, workspace&, Emit emit) const {
    token id = find(word);
    if (id == no_token || !is_text(model_.pieces.kind(id))) id = model_.unknown;
    if (id != no_token && !word.empty()) emit(id, std::size_t{0}, word.size());
  }

 private:
  token_model::word_level model_;
  piece_index index_;
};

} // namespace loquat
