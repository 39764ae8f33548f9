#pragma once
/// \file
/// The `Tokenizer` contract: text to token ids and back.
///
/// A tokenizer is immutable and shared; what one encoding needs lives in the cursor that `start` returns, so any number
/// of threads may encode with one tokenizer. The cursor hands out ids one at a time, which makes an encoding a lazy
/// view (`generate/encode.hpp`) as easily as a fill of the caller's span (`encode_into`).

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace loquat {

/// What becomes of a byte that is no UTF-8.
enum class invalid_utf8 : unsigned char {
  replace, ///< U+FFFD takes its place, as in SentencePiece and Hugging Face tokenizers
  bytes,   ///< it stays a byte (a byte token, if the vocabulary has them), so that nothing is lost
};

/// What becomes of the text of a special token, such as "<s>", within a text.
enum class special_text : unsigned char {
  plain, ///< it is text like any other, which is safe for texts of strangers
  parse, ///< it is that token
  error, ///< it is refused by all functions that can return an error; others take it as plain text
};

/// What an encoding does beyond the plain text.
struct encode_options {
  bool add_special = true;                      ///< begin/end tokens where the vocabulary asks for them
  special_text special = special_text::plain;   ///< what becomes of the text of special tokens
  invalid_utf8 invalid = invalid_utf8::replace; ///< what becomes of bytes that are no UTF-8
};

/// How ids become a text.
struct text_options {
  bool skip_special = true; ///< control tokens give no text, rather than their names
  bool starts_text = true;  ///< drop the space that the tokenizer puts before a text. Off for a continuation
  invalid_utf8 invalid = invalid_utf8::replace; ///< what becomes of bytes that are no UTF-8
};

/// Encodes and decodes. Called by `encode`/`decode` stages and by anything that counts tokens.
///
/// Smallest conforming type: see `tests/tokenizer/concept.cpp` (one id per byte, 10 lines).
/// Neighbours: `Model` consumes the ids, `Sampler` produces them.
template <class T>
concept Tokenizer = requires(T const& t, std::string_view text, encode_options options, token id) {
  { t.size() } -> std::convertible_to<std::size_t>;         // ids are 0 … size() - 1
  { t.start(text, options).next() } -> std::same_as<token>; // ids one after another, then no_token for ever
  { t.piece(id) } -> std::same_as<std::string_view>;        // bytes of an id; empty for one out of range
  { t.is_special(id) } -> std::same_as<bool>;               // control tokens, which are no text
};

/// Encodes `text` into `out` and returns how many ids that made. An `out` that is too short is an error
/// (`errc::capacity`) that names the number needed; `errc::argument` for a special token that is refused.
template <Tokenizer T>
constexpr result<std::size_t> encode_into(T const& tokenizer, std::string_view text, std::span<token> out,
                                          encode_options options = {}) {
  if constexpr (requires { tokenizer.refuses(text, options); })
    if (auto const found = tokenizer.refuses(text, options))
      return fail(errc::argument, "encode: the text has a special token at byte ", found->begin);
  auto cursor = tokenizer.start(text, options);
  std::size_t n = 0;
  for (token id = cursor.next(); id != no_token; id = cursor.next(), ++n)
    if (n < out.size()) out[n] = id;
  if (n > out.size()) return fail(errc::capacity, "encode: ", n, " tokens do not fit a span of ", out.size());
  return n;
}

} // namespace loquat
