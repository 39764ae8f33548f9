#pragma once
/// \file
/// Whole texts at once: `encode(tokenizer, text)` and `decode(tokenizer, ids)`. For lazy ranges see `generate/`.

#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loquat {

/// All ids of a text.
template <Tokenizer T>
constexpr std::vector<token> encode(T const& tokenizer, std::string_view text, encode_options options = {}) {
  std::vector<token> ids;
  auto cursor = tokenizer.start(text, options);
  for (token id = cursor.next(); id != no_token; id = cursor.next()) ids.push_back(id);
  return ids;
}

/// Appends the text of `ids` to a `std::string` or vector of `char`. Ids out of range give nothing.
template <Tokenizer T, class Out>
constexpr void decode_into(T const& tokenizer, std::span<token const> ids, Out& out, text_options options = {}) {
  if constexpr (requires { tokenizer.decode(ids, out, options); }) {
    tokenizer.decode(ids, out, options);
  } else {
    std::size_t const begin = out.size();
    for (token const id : ids) {
      if (options.skip_special && tokenizer.is_special(id)) continue;
      auto const piece = tokenizer.piece(id);
      out.insert(out.end(), piece.begin(), piece.end());
    }
    if (options.invalid == invalid_utf8::replace) utf8::replace_invalid(out, begin);
  }
}

/// The text of `ids`.
template <Tokenizer T> std::string decode(T const& tokenizer, std::span<token const> ids, text_options options = {}) {
  std::string text;
  decode_into(tokenizer, ids, text, options);
  return text;
}

} // namespace loquat
