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

/// How ids become a text.
struct text_options {
  bool skip_special = true; ///< control tokens give no text, rather than their names
  bool starts_text = true;  ///< drop the space that the tokenizer puts before a text. Off for a continuation
  invalid_utf8 invalid = invalid_utf8::replace; ///< what becomes of bytes that are no UTF-8
};

/// Appends the text of `ids` to a `std::string` or vector of `char`. Ids out of range give nothing.
template <Tokenizer T, class Out>
constexpr void decode_into(T const& tokenizer, std::span<token const> ids, Out& out, text_options options = {}) {
  bool starts = false;
  if constexpr (requires { tokenizer.adds_space(); }) starts = options.starts_text && tokenizer.adds_space();
  std::size_t const begin = out.size();
  for (token const id : ids) {
    if (options.skip_special && tokenizer.is_special(id)) continue;
    auto piece = tokenizer.piece(id);
    if (piece.empty()) continue;
    if (starts && piece.front() == ' ') piece.remove_prefix(1);
    starts = false;
    out.insert(out.end(), piece.begin(), piece.end());
  }
  if (options.invalid == invalid_utf8::bytes) return;
  std::string_view const all(out.data() + begin, out.size() - begin);
  auto const good = utf8::valid_prefix(all);
  if (good == all.size()) return;
  std::vector<char> const raw(all.begin() + static_cast<std::ptrdiff_t>(good), all.end());
  out.resize(begin + good);
  for (std::string_view rest(raw.data(), raw.size()); !rest.empty();) {
    auto const c = utf8::decode(rest);
    auto const bytes = c.valid ? rest.substr(0, c.length) : utf8::replacement_bytes;
    out.insert(out.end(), bytes.begin(), bytes.end());
    rest.remove_prefix(c.length);
  }
}

/// The text of `ids`.
template <Tokenizer T> std::string decode(T const& tokenizer, std::span<token const> ids, text_options options = {}) {
  std::string text;
  decode_into(tokenizer, ids, text, options);
  return text;
}

} // namespace loquat
