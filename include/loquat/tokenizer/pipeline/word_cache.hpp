#pragma once
/// \file
/// Words that were encoded lately and the tokens that they became: most words of a text are among a few thousand. Three
/// tables, for short words and for longer ones, grow with the number of words up to a fixed size. Every word has
/// two places in a set and two in another; where all are taken, the older word of the first set gives way. Words that
/// come early, which are the frequent ones, are in the first.

#include <loquat/core/token.hpp>
#include <loquat/io/huge_pages.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// A word of less than `8 * Words` bytes: the bytes, then zeros, then their number.
template <std::size_t Words> struct word_key {
  std::array<std::uint64_t, Words> words{};

  static constexpr std::size_t longest = 8 * Words - 1; ///< bytes

  /// Becomes the key of bytes `begin` … `begin + size` of `text`; quick unless it is the end of the text.
  [[gnu::always_inline]] constexpr void assign(std::string_view text, std::size_t begin, std::size_t size) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if (!std::is_constant_evaluated() && text.size() - begin >= 8 * Words) {
        for (std::size_t i = 0; i < Words; ++i) { // by words: a load waits for the cache if it is of two stores
          std::uint64_t word = 0;
          std::memcpy(&word, text.data() + begin + 8 * i, sizeof word);
          words[i] = (word & masks[size][i]) | (i + 1 == Words ? std::uint64_t{size} << 56 : 0);
        }
        return;
      }
    }
    words = {};
    for (std::size_t i = 0; i < size; ++i)
      words[i / 8] |= std::uint64_t{static_cast<unsigned char>(text[begin + i])} << (i % 8 * 8);
    words[Words - 1] |= std::uint64_t{size} << 56;
  }

  /// Its highest bits are the best ones.
  constexpr std::uint64_t hash() const noexcept {
    std::uint64_t h = words[0];
    for (std::size_t i = 1; i < Words; ++i) h ^= std::rotl(words[i], static_cast<int>(23 * i)) * 0xD6E8FEB86659FD93u;
    return h * 0x9E3779B97F4A7C15u;
  }
  friend constexpr bool operator==(word_key const& a, word_key const& b) noexcept {
    std::uint64_t different = 0;
    for (std::size_t i = 0; i < Words; ++i) different |= a.words[i] ^ b.words[i];
    return different == 0;
  }

 private:
  static constexpr auto masks = [] {
    std::array<std::array<std::uint64_t, Words>, 8 * Words> all{};
    for (std::size_t size = 0; size < all.size(); ++size)
      for (std::size_t i = 0; i < size; ++i) all[size][i / 8] |= std::uint64_t{0xFF} << (i % 8 * 8);
    return all;
  }();
};

/// What words of at most `word_key<Words>::longest` bytes became, if that is at most `Tokens` tokens.
template <std::size_t Words, std::size_t Tokens> class word_table {
 public:
  using key = word_key<Words>; ///< what words are found by
  static constexpr std::size_t most_tokens = Tokens;

  /// `ends`: where each token ends in the word; they follow each other without gaps.
  struct entry {
    key word;
    std::array<token, Tokens> ids{};
    std::array<std::uint8_t, Tokens> ends{};
    std::uint8_t count = 0;

    /// Takes over the first `n` tokens of an entry of another table.
    template <class Entry> constexpr void assign(Entry const& other, std::size_t n) noexcept {
      for (std::size_t i = 0; i < n; ++i) ids[i] = other.ids[i], ends[i] = other.ends[i];
      count = static_cast<std::uint8_t>(n);
    }
  };

  constexpr std::size_t size() const noexcept { return sets_.size(); } ///< sets
  /// The first set to look for a word in. Another one when the table has grown.
  constexpr std::size_t set_of(key const& word) const noexcept {
    return static_cast<std::size_t>(word.hash() >> shift_);
  }
  /// Has the processor fetch a set, but for the last tokens of long words.
  void prefetch(std::size_t set) const noexcept {
    __builtin_prefetch(&sets_[set].places[0]);
    if (sizeof(entry) > 32) __builtin_prefetch(&sets_[set].places[1]);
  }
  /// The entry of a word, or null.
  [[gnu::always_inline]] constexpr entry const* find(key const& word, std::size_t set) const noexcept {
    if (auto const* const found = find_in(sets_[set], word)) return found;
    return sets_[set].is_full() ? find_in(sets_[second_set_of(word)], word) : nullptr;
  }
  constexpr entry const* find(key const& word) const noexcept { return find(word, set_of(word)); } ///< \overload
  /// Remembers a word that was not found.
  constexpr void insert(entry const& e) {
    if (++count_ > sets_.size() / 2 * 3 && sets_.size() < most_sets) grow();
    put(e);
  }
  /// Forgets everything.
  constexpr void clear() noexcept {
    for (auto& set : sets_) set = {};
    count_ = 0;
  }

 private:
  struct alignas(64) place_pair {
    std::array<entry, 2> places{};
    constexpr bool is_full() const noexcept { return places[1].word.words[Words - 1] != 0; }
  };
  static constexpr std::size_t most_sets = Words == 2 ? 1 << 16 : Words == 4 ? 1 << 14 : 1 << 12;

  [[gnu::always_inline]] static constexpr entry const* find_in(place_pair const& set, key const& word) noexcept {
    bool const second = set.places[1].word == word;
    auto const* const found = &set.places[second ? 1 : 0];
    return second || found->word == word ? found : nullptr;
  }
  constexpr std::size_t second_set_of(key const& word) const noexcept {
    return static_cast<std::size_t>(std::rotl(word.hash(), 24) >> shift_);
  }
  constexpr void put(entry const& e) noexcept {
    auto* set = &sets_[set_of(e.word)];
    if (set->is_full())
      if (auto& second = sets_[second_set_of(e.word)]; !second.is_full()) set = &second;
    set->places[1] = set->places[0];
    set->places[0] = e;
  }
  [[gnu::noinline]] constexpr void grow() {
    auto const old = std::move(sets_);
    sets_.assign(2 * old.size(), place_pair{});
    --shift_;
    for (auto const& s : old)
      for (std::size_t i = 2; i-- > 0;)
        if (s.places[i].word.words[Words - 1] != 0) put(s.places[i]);
  }

  using place_list = std::vector<place_pair, detail::huge_page_allocator<place_pair>>;
  place_list sets_ = place_list(64, place_pair{});
  unsigned shift_ = 58;
  std::size_t count_ = 0; // words that came in
};

/// All tables, for one tokenizer at a time.
class word_cache {
 public:
  using small_table = word_table<2, 3>;
  small_table small; ///< words of up to 15 bytes and 3 tokens

  /// Calls `f` with the table for words of `size` bytes that are not in the small one. False if there is none.
  template <class F> constexpr bool with_table(std::size_t size, F f) {
    if (size <= word_key<4>::longest) return f(medium_), true;
    if (size <= word_key<8>::longest) return f(large_), true;
    return false;
  }
  /// Has the processor fetch the place of the word at bytes `begin` … `end` of a text, if it has one.
  constexpr void prefetch(std::string_view text, std::size_t begin, std::size_t end) {
    if (std::is_constant_evaluated()) return;
    auto const fetch = [&](auto& table) {
      typename std::remove_cvref_t<decltype(table)>::key word;
      word.assign(text, begin, end - begin);
      table.prefetch(table.set_of(word));
    };
    end - begin <= word_key<2>::longest ? fetch(small) : void(with_table(end - begin, fetch));
  }

  /// Forgets everything unless it was last used for the same tokenizer.
  constexpr void use_for(std::uint64_t owner) {
    if (owner_ == owner) return;
    clear();
    owner_ = owner;
  }
  /// Forgets everything.
  constexpr void clear() noexcept {
    small.clear();
    medium_.clear();
    large_.clear();
    owner_ = 0;
  }

 private:
  word_table<4, 18> medium_; // other words of up to 31 bytes
  word_table<8, 38> large_;  // and 63 bytes, as are common where a letter takes three
  std::uint64_t owner_ = 0; // 0: nobody
};

} // namespace loquat
