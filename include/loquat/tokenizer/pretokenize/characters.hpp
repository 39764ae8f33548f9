#pragma once
/// \file
/// Pre-tokenizers that look at one character at a time. Each appends the parts of a word of a text to a list. They see
/// Unicode as Hugging Face tokenizers do: punctuation as of 8.0, scripts as of 9.0.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/pretokenize/splitter.hpp>
#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/script.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat::pretokenize {

/// Ranges of a text.
using words = std::vector<byte_range>;

namespace detail {

constexpr void add(words& out, std::size_t begin, std::size_t end) {
  if (begin != end) out.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
}

/// Appends ranges several at a time.
class adder {
 public:
  constexpr explicit adder(words& out) noexcept : out_(&out) {}

  constexpr void add(std::size_t begin, std::size_t end) {
    if (begin == end) return;
    some_[count_++] = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
    if (count_ == some_.size()) finish();
  }
  /// Hands over the last ones.
  constexpr void finish() {
    out_->insert(out_->end(), some_.data(), some_.data() + count_);
    count_ = 0;
  }

 private:
  words* out_;
  std::array<byte_range, 16> some_{};
  std::size_t count_ = 0;
};

/// What the steps below want to know of a character.
enum class kind : unsigned char { space, punctuation, word, other };

/// Of BertPreTokenizer: `word` is everything else.
constexpr kind bert_kind(char32_t c) noexcept {
  if (unicode::is_whitespace(c)) return kind::space;
  bool const ascii_symbol =
      (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
  return ascii_symbol || unicode::is_punctuation(c, unicode::version::v8_0) ? kind::punctuation : kind::word;
}
/// Of Whitespace, whose `\w` has the joiners, too.
constexpr kind word_kind(char32_t c) noexcept {
  if (unicode::is_whitespace(c)) return kind::space;
  return unicode::is_word(c) || c == 0x200C || c == 0x200D ? kind::word : kind::other;
}

/// A function of characters with a table for ASCII.
template <auto Function> struct tabulated {
  using value = decltype(Function(U'a'));
  static constexpr auto table = [] {
    std::array<value, 128> all{};
    for (char32_t c = 0; c < 128; ++c) all[c] = Function(c);
    return all;
  }();
  value what;
  unsigned length; ///< bytes

  /// Of the character at `at`.
  static constexpr tabulated look(std::string_view text, std::size_t at) noexcept {
    auto const byte = static_cast<unsigned char>(text[at]);
    if (byte < 128) return {table[byte], 1};
    auto const c = utf8::decode(text.substr(at));
    return {Function(c.code_point), c.length};
  }
};

/// Every character that `Predicate` holds for is a match by itself.
template <auto Predicate> constexpr void split_at(std::string_view text, byte_range word, splitter to) {
  std::size_t begin = word.begin;
  for (std::size_t at = word.begin; at < word.end;) {
    auto const c = tabulated<Predicate>::look(text, at);
    if (c.what) {
      if (begin != at) to.part(begin, at, false);
      to.part(at, at + c.length, true);
      begin = at + c.length;
    }
    at += c.length;
  }
  if (begin != word.end) to.part(begin, word.end, false);
  to.finish();
}

/// Calls `f(begin, end)` with what is between white space.
template <class F> constexpr void each_spaced(std::string_view text, byte_range word, F f) {
  auto const all = text.substr(0, word.end);
  using is_space = tabulated<unicode::is_whitespace>;
  for (std::size_t at = word.begin; at < all.size();) {
    auto c = is_space::look(all, at);
    std::size_t const begin = at;
    while (at < all.size() && !c.what) {
      at = normalize::find_near_byte<normalize::bytes::blank>(all, at + c.length);
      if (at < all.size()) c = is_space::look(all, at);
    }
    if (begin != at) f(begin, at);
    at += c.length;
  }
}

/// Han, Hiragana and Katakana are one script, spaces and what is not assigned have none.
constexpr unicode::script merged_script(char32_t c) noexcept {
  if (c == ' ') return unicode::script::unknown;
  if (c == 0x30FC) return unicode::script::han; // the sign that lengthens a kana
  auto const s = unicode::script_of(c, unicode::version::v9_0);
  return s == unicode::script::hiragana || s == unicode::script::katakana ? unicode::script::han : s;
}

} // namespace detail

/// Cuts at white space, and punctuation off.
constexpr void cut(bert const&, std::string_view text, byte_range word, words& out) {
  auto const all = text.substr(0, word.end);
  using letters = normalize::bytes::no_letter;
  detail::adder found(out);
  std::size_t begin = word.begin;
  for (auto at = normalize::find_near_byte<letters>(all, begin); at < all.size();) {
    auto const c = detail::tabulated<detail::bert_kind>::look(all, at);
    std::size_t const end = at + c.length;
    if (c.what != detail::kind::word) {
      found.add(begin, at);
      if (c.what == detail::kind::punctuation) found.add(at, end);
      begin = end;
    }
    at = normalize::find_near_byte<letters>(all, end);
  }
  found.add(begin, word.end);
  found.finish();
}

/// Runs of word characters, and of others that are no white space.
constexpr void cut(whitespace const&, std::string_view text, byte_range word, words& out) {
  std::size_t begin = word.begin;
  auto before = detail::kind::space;
  for (std::size_t at = word.begin; at < word.end;) {
    auto const c = detail::tabulated<detail::word_kind>::look(text, at);
    if (c.what != before) {
      if (before != detail::kind::space) detail::add(out, begin, at);
      begin = at;
      before = c.what;
    }
    at += c.length;
  }
  if (before != detail::kind::space) detail::add(out, begin, word.end);
}

/// Cuts at white space.
constexpr void cut(whitespace_split const&, std::string_view text, byte_range word, words& out) {
  detail::adder found(out);
  detail::each_spaced(text, word, [&](std::size_t begin, std::size_t end) { found.add(begin, end); });
  found.finish();
}

/// Cuts numbers off, also fractions and Roman ones.
constexpr void cut(digits const& how, std::string_view text, byte_range word, words& out) {
  auto const joins = how.individual ? behavior::isolated : behavior::contiguous;
  detail::split_at<unicode::is_number>(text, word, splitter(joins, false, out));
}

/// Cuts at punctuation.
constexpr void cut(punctuation const& how, std::string_view text, byte_range word, words& out) {
  constexpr auto is_punctuation = [](char32_t c) { return detail::bert_kind(c) == detail::kind::punctuation; };
  detail::split_at<is_punctuation>(text, word, splitter(how.behavior, false, out));
}

/// Cuts at a character.
constexpr void cut(char_delimiter const& how, std::string_view text, byte_range word, words& out) {
  auto const delimiter = utf8::encode(how.delimiter);
  auto const all = text.substr(0, word.end);
  std::size_t begin = word.begin;
  for (auto at = all.find(delimiter.view(), begin); at != all.npos; at = all.find(delimiter.view(), begin)) {
    detail::add(out, begin, at);
    begin = at + delimiter.length;
  }
  detail::add(out, begin, word.end);
}

/// Cuts where the script changes.
constexpr void cut(unicode_scripts const&, std::string_view text, byte_range word, words& out) {
  constexpr auto none = unicode::script::unknown;
  std::size_t begin = word.end; // what has no script belongs to the word before, and is dropped in front of the first
  auto before = none;
  for (std::size_t at = word.begin; at < word.end;) {
    auto const c = detail::tabulated<detail::merged_script>::look(text, at);
    if (c.what != none && c.what != before) {
      if (before != none) detail::add(out, begin, at);
      begin = at;
      before = c.what;
    }
    at += c.length;
  }
  detail::add(out, begin, word.end);
}

/// Cuts into words of `how.length` characters, at least 1.
constexpr void cut(fixed_length const& how, std::string_view text, byte_range word, words& out) {
  std::size_t begin = word.begin, characters = 0;
  for (std::size_t at = word.begin; at < word.end;) {
    at += utf8::decode(text.substr(at)).length;
    if (++characters % how.length == 0 || at >= word.end) {
      detail::add(out, begin, at);
      begin = at;
    }
  }
}

} // namespace loquat::pretokenize
