#pragma once
/// \file
/// Added tokens: strings that are found in a text before it is normalized and split, or just after it was normalized.
/// Matches are those of Hugging Face tokenizers: the leftmost, of these the longest, one behind the other.

#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/prefix_trie.hpp>
#include <loquat/tokenizer/unicode/category.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Finds the tokens of a set in texts.
class added_tokens {
 public:
  /// Where a token is in a text, with the white space that it takes; `id` is `no_token` if there is none.
  struct match {
    token id = no_token;
    std::size_t begin = 0, end = 0;
  };

  constexpr added_tokens() = default;
  /// Room for tokens of `bytes` bytes together.
  constexpr explicit added_tokens(std::size_t bytes) : trie_(bytes) {}

  constexpr bool empty() const noexcept { return flags_.empty(); } ///< whether there are none

  /// Adds a token that is spelled `content`; of equal ones the first stays.
  constexpr void add(added_token const& t, std::string_view content) {
    if (content.empty() || trie_.longest(content).length == content.size()) return;
    trie_.insert(content, static_cast<token>(flags_.size()));
    flags_.push_back({t.id, t.single_word, t.strip_left, t.strip_right});
  }

  /// Reads a text from match to match.
  class reader {
   public:
    constexpr reader(added_tokens const& tokens, std::string_view text) noexcept : tokens_(&tokens), text_(text) {}

    /// Goes on in a copy of the text.
    constexpr void move_to(std::string_view copy) noexcept { text_ = copy; }
    /// The next match; behind the last one there is no token, and `begin` is the end of the text. What lies between two
    /// matches is no added token. A match that is white space may begin within what the one before took.
    constexpr match next() noexcept {
      auto const& trie = tokens_->trie_;
      for (; !tokens_->empty() && at_ < text_.size(); ++at_) {
        if (!trie.begins(static_cast<unsigned char>(text_[at_]))) continue;
        auto const found = trie.longest(text_.substr(at_));
        if (found.id == no_token) continue;
        auto const& f = tokens_->flags_[static_cast<std::size_t>(found.id)];
        match m{f.id, at_, at_ + found.length};
        at_ = m.end - 1; // also if the match does not count
        if (f.single_word && (ends_with_word(text_.substr(0, m.begin)) || begins_with_word(text_.substr(m.end))))
          continue;
        if (f.strip_left) m.begin = std::max(m.begin - spaces_at_end(text_.substr(0, m.begin)), done_);
        if (f.strip_right) m.end += spaces_at_front(text_.substr(m.end));
        m.begin = std::min(m.begin, m.end);
        ++at_;
        done_ = m.end;
        return m;
      }
      return {no_token, text_.size(), text_.size()};
    }

   private:
    added_tokens const* tokens_;
    std::string_view text_;
    std::size_t at_ = 0, done_ = 0;
  };

 private:
  struct flags {
    token id;
    bool single_word, strip_left, strip_right;
  };

  static constexpr bool begins_with_word(std::string_view text) noexcept {
    auto const c = utf8::decode(text);
    return c.valid && unicode::is_word(c.code_point);
  }
  static constexpr utf8::character last(std::string_view text) noexcept {
    for (std::size_t n = 1; n <= 4 && n <= text.size(); ++n)
      if (auto const c = utf8::decode(text.substr(text.size() - n)); c.valid && c.length == n) return c;
    return {};
  }
  static constexpr bool ends_with_word(std::string_view text) noexcept {
    auto const c = last(text);
    return c.valid && unicode::is_word(c.code_point);
  }
  static constexpr std::size_t spaces_at_front(std::string_view text) noexcept {
    std::size_t n = 0;
    for (auto c = utf8::decode(text); c.valid && unicode::is_whitespace(c.code_point); c = utf8::decode(text.substr(n)))
      n += c.length;
    return n;
  }
  static constexpr std::size_t spaces_at_end(std::string_view text) noexcept {
    std::size_t n = 0;
    for (auto c = last(text); c.valid && unicode::is_whitespace(c.code_point);
         c = last(text.substr(0, text.size() - n)))
      n += c.length;
    return n;
  }

  prefix_trie trie_; // numbers of `flags_`
  std::vector<flags> flags_;
};

} // namespace loquat
