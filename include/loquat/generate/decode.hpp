#pragma once
/// \file
/// `ids | decode(tokenizer)`: a lazy range of pieces of text. Every piece is well-formed UTF-8 by itself (Unicode 15,
/// table 3-7), although tokens may end anywhere within a character.

#include <loquat/core/pipe.hpp>
#include <loquat/core/token.hpp>
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
  auto const byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned const lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  int const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // the second byte keeps out overlong forms, surrogates and what is above U+10FFFF
  unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (int i = 1; i < length; ++i, low = 0x80, high = 0xbf) {
    if (static_cast<std::size_t>(i) == text.size()) return 0;
    if (byte(static_cast<std::size_t>(i)) < low || byte(static_cast<std::size_t>(i)) > high) return -i;
  }
  return length;
}

} // namespace detail

/// Decodes a range of ids. Its `next()` returns pieces that are never empty and stay valid until the next call;
/// `decode` makes it a range.
template <TokenRange V, Tokenizer T> class decode_source {
 public:
  constexpr decode_source(V ids, T const& tokenizer, decode_options options)
      : ids_(std::move(ids)), tokenizer_(&tokenizer), options_(options) {}

  constexpr std::optional<std::string_view> next() {
    constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD
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
        std::size_t whole = 0;
        int found = 1;
        while (whole < rest_.size() && (found = detail::leading_character(rest_.substr(whole))) > 0)
          whole += static_cast<std::size_t>(found);
        if (whole > 0) return take(whole);
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
