#pragma once
/// \file
/// The longest piece that the rest of a text begins with, again and again: RWKV's "world" tokenizer
/// (github.com/BlinkDL/ChatRWKV), whose pieces are any bytes.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/longest_pieces.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A longest-match model. Immutable, so that threads can share it.
class longest_match {
 public:
  /// What encoding works in; one for each thread.
  struct workspace {
    std::vector<token> tokens;
  };

  /// Takes over the definition. Of equal pieces the last is used; pieces of the kinds `control`, `unknown`, `unused`
  /// and `byte` are never found in a text. Errors: `errc::missing` if there is no piece for some byte, those of
  /// `byte_trie::make`.
  static constexpr result<longest_match> make(token_model::longest_match definition);

  constexpr vocabulary const& pieces() const noexcept { return model_.pieces; } ///< bytes and kinds by id
  /// The token of this piece, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(model_.pieces, piece); }

  /// Encodes one word, or a text of any length. Calls `emit(token id, std::size_t begin, std::size_t end)` with ranges
  /// of bytes, in order. Linear; allocates only for more tokens than before.
  template <class Emit> constexpr void encode(std::string_view word, workspace& room, Emit emit) const {
    room.tokens.clear();
    longest_.cut(word, room.tokens); // which every text can be
    std::size_t begin = 0;
    for (token const id : room.tokens) {
      auto const end = begin + pieces().piece(id).size();
      emit(id, begin, end);
      begin = end;
    }
  }

 private:
  token_model::longest_match model_;
  piece_index index_;
  longest_pieces longest_;
};

constexpr result<longest_match> longest_match::make(token_model::longest_match definition) {
  longest_match out;
  out.model_ = std::move(definition);
  auto const& pieces = out.model_.pieces;
  out.index_ = piece_index(pieces);
  std::vector<byte_trie::entry> entries;
  std::array<bool, 256> bytes{};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    if (!is_text(pieces.kind(id))) continue;
    entries.push_back({pieces.piece(id), id});
    if (pieces.piece(id).size() == 1) bytes[static_cast<unsigned char>(pieces.piece(id)[0])] = true;
  }
  if (auto const byte = std::find(bytes.begin(), bytes.end(), false); byte != bytes.end())
    return fail(errc::missing, "longest match: expected a piece for every byte, there is none for byte ",
                byte - bytes.begin());
  auto longest = longest_pieces::make(entries);
  if (!longest) return longest.error().within("longest match");
  out.longest_ = std::move(*longest);
  return out;
}

} // namespace loquat
