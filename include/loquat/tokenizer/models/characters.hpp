#pragma once
/// \file
/// A token for each character of a normalized text: the model CHAR of SentencePiece (github.com/google/sentencepiece,
/// version 0.1.97). Pieces that the user defined are matched before that.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>
#include <loquat/tokenizer/models/unknown_row.hpp>
#include <loquat/tokenizer/models/user_pieces.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>

#include <cstddef>
#include <string_view>
#include <utility>

namespace loquat {

/// A character model. Immutable, so that threads can share it.
class characters {
 public:
  struct workspace {}; ///< nothing; all models have one

  /// Takes over the definition. Of equal pieces the last is used, but text rather than others; pieces of the kinds
  /// `control`, `unknown` and `byte` are never found in a text. Errors: `errc::malformed` for an unknown token out of
  /// range, and if a character may have neither a byte nor the unknown token.
  static constexpr result<characters> make(token_model::characters definition) {
    auto pieces = with_plain_spaces(std::move(definition.pieces));
    if (!pieces) return pieces.error().within("characters");
    characters out;
    out.pieces_ = *std::move(pieces);
    out.index_ = piece_index(out.pieces_);
    auto user = user_pieces::make(out.pieces_);
    if (!user) return user.error().within("characters");
    out.user_ = *std::move(user);
    auto fallback = fallback_tokens::make(out.pieces_, definition.unknown, [&](auto name) { return out.find(name); });
    if (!fallback) return fallback.error().within("characters");
    out.fallback_ = *fallback;
    return out;
  }

  /// Kinds by id, and bytes, in which 0x20 is U+2581 and the other way round (`plain_spaces.hpp`).
  constexpr vocabulary const& pieces() const noexcept { return pieces_; }
  /// The token of a piece that is written so, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(pieces_, piece); }

  /// Encodes a normalized text, in which spaces are 0x20. Calls `emit(token id, std::size_t begin, std::size_t end)`
  /// with ranges of bytes, in order: of the bytes of a character the last has all of it, those before it nothing.
  /// Unknown characters in a row are one token.
  template <class Emit> constexpr void encode(std::string_view text, workspace&, Emit emit) const {
    unknown_row out(fallback_, text, emit);
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      if (auto const found = user_.match(text, begin); found.id != no_token) {
        end = begin + found.length;
        out.put(found.id, begin, end);
        continue;
      }
      auto const c = normalize::decode_at(text, begin);
      end = begin + c.length;
      token id = c.code_point < normalize::bad_byte ? find(text.substr(begin, c.length)) : no_token;
      if (id != no_token && !is_text(pieces_.kind(id)) && pieces_.kind(id) != token_kind::unused) id = no_token;
      out.put_symbol(id, begin, end);
    }
    out.finish();
  }

 private:
  vocabulary pieces_;
  piece_index index_;
  user_pieces user_;
  fallback_tokens fallback_;
};

} // namespace loquat
