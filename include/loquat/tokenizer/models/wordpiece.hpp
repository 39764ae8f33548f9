#pragma once
/// \file
/// WordPiece (M. Schuster, K. Nakajima 2012, as in BERT): a word is the longest piece that it begins with, then the
/// longest of those pieces that continue a word, and so on; a word that cannot be cut so is unknown.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/longest_pieces.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A WordPiece model. Immutable, so that threads can share it.
class wordpiece {
 public:
  /// What encoding works in; one for each thread.
  struct workspace {
    std::vector<token> tokens;
  };

  /// Takes over the definition. Of equal pieces the last is used; pieces of the kinds `control`, `unknown`, `unused`
  /// and `byte` are never found in a word. Errors: `errc::malformed` for an unknown token out of range, those of
  /// `byte_trie::make`.
  static constexpr result<wordpiece> make(token_model::wordpiece definition);

  constexpr vocabulary const& pieces() const noexcept { return model_.pieces; } ///< bytes and kinds by id
  /// The token of this piece, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(model_.pieces, piece); }

  /// Encodes one word. Calls `emit(token id, std::size_t begin, std::size_t end)` with ranges of bytes of the word, in
  /// order; an unknown word is the unknown token, or nothing if there is none. Linear in the word; allocates only for
  /// words longer than those before.
  template <class Emit> constexpr void encode(std::string_view word, workspace& room, Emit emit) const {
    if (word.empty()) return;
    auto& tokens = room.tokens;
    tokens.clear();
    bool known = !is_long(word);
    if (known) {
      if (token const id = find(word); id != no_token && is_found(id)) return emit(id, std::size_t{0}, word.size());
      known = longest_.cut(word, tokens);
    }
    if (!known) {
      if (model_.unknown != no_token) emit(model_.unknown, std::size_t{0}, word.size());
      return;
    }
    std::size_t begin = 0;
    for (token const id : tokens) {
      auto const end = begin + pieces().piece(id).size() - (begin == 0 ? 0 : model_.continuing_prefix.view().size());
      emit(id, begin, end);
      begin = end;
    }
  }

 private:
  constexpr bool is_found(token id) const noexcept { return is_text(model_.pieces.kind(id)); }
  /// Whether a word has too many characters.
  constexpr bool is_long(std::string_view word) const noexcept {
    if (word.size() <= model_.longest_word) return false;
    std::size_t count = 0;
    for (std::size_t at = 0; at < word.size() && count <= model_.longest_word; ++count)
      at += utf8::decode(word.substr(at)).length;
    return count > model_.longest_word;
  }

  token_model::wordpiece model_;
  piece_index index_;
  longest_pieces longest_;
};

constexpr result<wordpiece> wordpiece::make(token_model::wordpiece definition) {
  wordpiece out;
  out.model_ = std::move(definition);
  auto const& pieces = out.model_.pieces;
  if (out.model_.unknown != no_token && !pieces.contains(out.model_.unknown))
    return fail(errc::malformed, "wordpiece: the unknown token is ", out.model_.unknown, ", but there are ",
                pieces.size(), " tokens");
  out.index_ = piece_index(pieces);
  auto const prefix = out.model_.continuing_prefix.view();
  std::vector<byte_trie::entry> first, later;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    if (!out.is_found(id)) continue;
    first.push_back({pieces.piece(id), id});
    if (pieces.piece(id).starts_with(prefix)) later.push_back({pieces.piece(id).substr(prefix.size()), id});
  }
  auto longest = longest_pieces::make(first, later);
  if (!longest) return longest.error().within("wordpiece");
  out.longest_ = std::move(*longest);
  return out;
}

} // namespace loquat
