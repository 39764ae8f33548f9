#pragma once
/// \file
/// What SentencePiece makes of characters that are no piece: the tokens of their bytes if there is one for every byte,
/// else one unknown token for a row of them.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/models/byte_tokens.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace loquat {

/// The tokens for what has no piece.
struct fallback_tokens {
  std::size_t pieces = 0; ///< ids below are pieces
  token unknown = no_token;
  bool has_bytes = false;
  std::array<token, 256> bytes{}; ///< if `has_bytes`

  /// `find(text)` gives the token of a text. Error: `errc::malformed` if the unknown token is out of range, or there is
  /// none and bytes without a token.
  template <class Find>
  static constexpr result<fallback_tokens> make(vocabulary const& pieces, token unknown, Find find) {
    fallback_tokens out{pieces.size(), unknown, false, find_byte_tokens(pieces, [&](std::string_view name) {
                          token const id = find(name);
                          return pieces.kind(id) == token_kind::byte ? id : no_token;
                        })};
    auto const missing = std::count(out.bytes.begin(), out.bytes.end(), no_token);
    out.has_bytes = missing == 0;
    if (unknown != no_token && !pieces.contains(unknown))
      return fail(errc::malformed, "vocabulary: the unknown token is ", unknown, ", but there are ", pieces.size(),
                  " tokens");
    if (unknown == no_token && !out.has_bytes)
      return fail(errc::malformed, "vocabulary: expected an unknown token or 256 byte tokens, found ", 256 - missing,
                  " byte tokens and no unknown one");
    return out;
  }
};

/// Hands tokens on, and waits for the end of a row of unknown characters.
template <class Emit> class unknown_row {
 public:
  /// Tokens of `text` go to `emit`.
  constexpr unknown_row(fallback_tokens const& fallback, std::string_view text, Emit& emit) noexcept
      : fallback_(fallback), text_(text), emit_(emit) {}

  /// A token.
  constexpr void put(token id, std::size_t begin, std::size_t end) {
    if (begin_ != none) finish(begin);
    emit_(id, begin, end);
  }
  /// A token, or a character that is none: its number is `no_token` or above all tokens.
  constexpr void put_symbol(token id, std::size_t begin, std::size_t end) {
    if (static_cast<std::uint32_t>(id) < fallback_.pieces)
      put(id, begin, end);
    else if (fallback_.has_bytes)
      spell(begin, end);
    else if (begin_ == none)
      begin_ = begin;
  }
  /// The end of the text.
  constexpr void finish() {
    if (begin_ != none) finish(text_.size());
  }

 private:
  static constexpr std::size_t none = std::string_view::npos;

  constexpr void finish(std::size_t end) {
    emit_(fallback_.unknown, begin_, end);
    begin_ = none;
  }
  constexpr void spell(std::size_t begin, std::size_t end) {
    auto character = text_.substr(begin, end - begin);
    if (character == " ") character = piece_space;
    for (std::size_t i = 0; i < character.size(); ++i)
      emit_(fallback_.bytes[static_cast<unsigned char>(character[i])], begin, i + 1 < character.size() ? begin : end);
  }

  fallback_tokens const& fallback_;
  std::string_view text_;
  Emit& emit_;
  std::size_t begin_ = none; // of a row of unknown characters
};

} // namespace loquat
