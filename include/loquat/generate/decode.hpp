#pragma once
/// \file
/// `ids | decode(tokenizer)`: a lazy range of pieces of text. Every piece is well-formed UTF-8 by itself, although
/// tokens may end anywhere within a character. Of malformed bytes each longest start of a character becomes one U+FFFD
/// (Unicode 16, section 3.9), however the bytes fall into tokens.

#include <loquat/core/pipe.hpp>
#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/generate/pull.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace loquat {

/// What `decode` leaves out.
struct decode_options {
  bool skip_special = true; ///< control tokens give no text
  bool starts_text = false; ///< drop one leading space: some tokenizers put one in front of a text. Off for a
                            ///< continuation, whose first word needs its space
};

namespace detail {

/// Looks at the character in front of a text that is not empty. Positive: it is whole and has so many bytes. Zero: the
/// text ends within it. Negative: so many bytes cannot be part of any character.
constexpr int leading_character(std::string_view text) noexcept {
  auto const [length, second_min, second_max] = utf8::detail::read_lead(static_cast<unsigned char>(text[0]));
  if (length == 0) return -1;
  for (unsigned i = 1; i < length; ++i) {
    if (i == text.size()) return 0;
    auto const byte = static_cast<unsigned char>(text[i]);
    if (i == 1 ? byte < second_min || byte > second_max : (byte & 0xc0) != 0x80) return -static_cast<int>(i);
  }
  return static_cast<int>(length);
}

} // namespace detail

/// Decodes a range of ids. Its `next()` returns pieces that are never empty and stay valid until the next call;
/// `decode` makes it a range.
template <TokenRange V, Tokenizer T> class decode_source {
 public:
  constexpr decode_source(V ids, T const& tokenizer, decode_options options)
      : ids_(std::move(ids)), tokenizer_(&tokenizer), options_(options) {}

  constexpr std::optional<std::string_view> next() {
    constexpr auto replacement = utf8::replacement_bytes;
    for (;;) {
      if (rest_.empty()) {
        auto const id = ids_.next();
        if (id)
          start(*id);
        else if (std::exchange(held_, 0) > 0)
          return replacement;
        else
          return std::nullopt;
      } else if (held_ > 0) { // a character that began in an earlier token goes on
        character_[held_] = rest_.front();
        int const found = detail::leading_character({character_.data(), held_ + 1});
        if (found < 0) return held_ = 0, replacement;
        rest_.remove_prefix(1);
        ++held_;
        if (found > 0) return std::string_view(character_.data(), std::exchange(held_, 0));
      } else {
        if (auto const whole = utf8::valid_prefix(rest_); whole > 0) return take(whole);
        int const found = detail::leading_character(rest_);
        if (found < 0) return take(static_cast<std::size_t>(-found)), replacement;
        held_ = take(rest_.size()).copy(character_.data(), character_.size());
      }
    }
  }

 private:
  constexpr void start(token id) {
    if (options_.skip_special && tokenizer_->is_special(id)) return;
    rest_ = tokenizer_->piece(id);
    if (rest_.empty()) return;
    if (std::exchange(options_.starts_text, false) && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  constexpr std::string_view take(std::size_t n) {
    auto const front = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return front;
  }

  puller<V> ids_;
  T const* tokenizer_;
  decode_options options_;
  std::string_view rest_;           // of the current token, not yet handed out
  std::array<char, 4> character_{}; // the first held_ bytes of a character that is not complete
  std::size_t held_ = 0;
};

/// A stage: token ids to pieces of text (`std::string_view`), each valid until the next one is asked for. Bytes that
/// are no UTF-8 become U+FFFD, and so does a character that the last token leaves unfinished: nothing is lost silently.
/// The tokenizer must outlive the range.
template <Tokenizer T> constexpr auto decode(T const& tokenizer, decode_options options = {}) {
  return stage([&tokenizer, options]<TokenRange V>(V ids) {
    return pull_view(decode_source<V, T>(std::move(ids), tokenizer, options));
  });
}
template <Tokenizer T>
void decode(T const&&, decode_options = {}) = delete; // it would be gone before the range is read

} // namespace loquat
