#pragma once
/// \file
/// What tokenizers are trained on: how often each word occurs. Words come from texts, by way of the normalizers and
/// pre-tokenizers of the tokenizer that is to be, so that the text itself need not stay in memory.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize.hpp>
#include <loquat/tokenizer/pretokenize.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Cuts texts into the words that the model of a tokenizer sees.
class word_cutter {
 public:
  constexpr word_cutter() = default; ///< a text is one word

  /// Compiles the normalizers and pre-tokenizers of a definition; nothing else of it matters. With a ByteLevel among
  /// the pre-tokenizers words are bytes. Errors: those of `normalizer::make` and `pretokenizer::make`.
  static constexpr result<word_cutter> make(tokenizer_definition const& definition) {
    auto const is_bytes = [](auto const& s) { return s.template holds<pretokenize::byte_level>(); };
    bool const bytes = std::any_of(definition.pretokenizers.begin(), definition.pretokenizers.end(), is_bytes);
    auto normalizer = normalizer::make(definition.normalizers);
    if (!normalizer) return normalizer.error();
    auto pretokenizer = pretokenizer::make(definition.pretokenizers, {.raw_bytes = bytes});
    if (!pretokenizer) return pretokenizer.error();
    word_cutter made;
    made.normalizer_ = *std::move(normalizer);
    made.pretokenizer_ = *std::move(pretokenizer);
    return made;
  }

  /// Calls `f(std::string_view word)` for the words of a text. Bytes that are no UTF-8 count as U+FFFD. A text of more
  /// than 1 GiB is cut.
  template <class F> constexpr void each_word(std::string_view text, F f) {
    constexpr std::size_t most = std::size_t{1} << 30;
    for (; text.size() > most; text.remove_prefix(most)) cut(text.substr(0, most), f);
    cut(text, f);
  }

 private:
  template <class F> constexpr void cut(std::string_view text, F& f) {
    text_.clear(pretokenizer_.needs_origins());
    std::uint32_t at = 0;
    while (!text.empty()) {
      std::size_t const good = utf8::valid_prefix(text);
      append(text.substr(0, good), at);
      text.remove_prefix(good);
      if (text.empty()) break;
      text_.append(utf8::replacement_bytes, {at, at + 1});
      ++at;
      text.remove_prefix(1);
    }
    if (!normalizer_.leaves(text_.bytes())) normalizer_.apply(text_, normalizing_);
    pretokenizer_.cut(text_, words_, cutting_);
    for (byte_range const word : words_) f(text_.bytes().substr(word.begin, word.size()));
  }
  constexpr void append(std::string_view text, std::uint32_t& at) {
    if (!text_.aligned()) {
      text_.append(text, {});
      at += static_cast<std::uint32_t>(text.size());
      return;
    }
    while (!text.empty()) {
      auto const n = utf8::decode(text).length;
      text_.append(text.substr(0, n), {at, at + n});
      at += n;
      text.remove_prefix(n);
    }
  }

  normalizer normalizer_;
  pretokenizer pretokenizer_;
  aligned_text text_;
  pretokenize::words words_;
  normalizer::workspace normalizing_;
  pretokenizer::workspace cutting_;
};

/// Words and how often they occur.
class word_counts {
 public:
  /// A word and its count.
  struct entry {
    std::string_view word;
    std::uint64_t count = 0;
  };

  constexpr std::size_t size() const noexcept { return entries_.size(); } ///< different words
  /// A word; they are in the order in which they came.
  constexpr entry operator[](std::size_t i) const noexcept { return {text(entries_[i]), entries_[i].count}; }
  /// Bytes of all words, each as often as it occurs; 2^64 - 1 if there are more.
  constexpr std::uint64_t bytes() const noexcept { return bytes_; }

  /// Adds the words of a text.
  constexpr void add(std::string_view text, word_cutter& how) {
    how.each_word(text, [this](std::string_view word) { add_word(word); });
  }
  /// Adds all of `other`, in which other texts have been counted (by another thread, say).
  constexpr void add(word_counts const& other) {
    for (std::size_t i = 0; i < other.size(); ++i) add_word(other[i].word, other[i].count);
  }
  /// Adds a word. An empty one is ignored.
  constexpr void add_word(std::string_view word, std::uint64_t count = 1) {
    if (word.empty() || count == 0) return;
    bytes_ = count > (most - bytes_) / word.size() ? most : bytes_ + count * word.size();
    auto const hash = hash_of(word);
    auto& slot = slots_[locate(hash, word)];
    if (slot != none) {
      auto& n = entries_[slot].count;
      n = count > most - n ? most : n + count;
      return;
    }
    slot = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({letters_.size(), word.size(), count, hash});
    letters_.insert(letters_.end(), word.begin(), word.end());
    if (2 * entries_.size() > slots_.size()) grow();
  }

 private:
  struct place {
    std::size_t begin, size;
    std::uint64_t count;
    std::uint32_t hash;
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

  constexpr std::string_view text(place const& p) const noexcept { return {letters_.data() + p.begin, p.size}; }
  /// FNV-1a, mixed once more.
  static constexpr std::uint32_t hash_of(std::string_view word) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (char const c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return static_cast<std::uint32_t>((hash ^ hash >> 32) * 0x9E3779B97F4A7C15u >> 32);
  }
  constexpr std::size_t locate(std::uint32_t hash, std::string_view word) const noexcept {
    for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == none) return i;
      auto const& there = entries_[slots_[i]];
      if (there.hash == hash && text(there) == word) return i;
    }
  }
  constexpr void grow() {
    slots_.assign(2 * slots_.size(), none);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = entries_[i].hash & (slots_.size() - 1);
      while (slots_[at] != none) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = static_cast<std::uint32_t>(i);
    }
  }

  std::vector<char> letters_; // of all words
  std::vector<place> entries_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(16, none); // of entries; never more than half full
  std::uint64_t bytes_ = 0;
};

namespace detail {

/// Counts of which no sum overflows.
constexpr result<void> check_counts(word_counts const& counts) {
  if (counts.bytes() > std::uint64_t{1} << 62)
    return fail(errc::argument, "training: words of more than 2^62 bytes, each as often as it occurs");
  return {};
}

} // namespace detail

} // namespace loquat
