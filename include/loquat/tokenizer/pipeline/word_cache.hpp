#pragma once
/// \file
/// Words that were encoded lately and the tokens that they became: most words of a text are among a few thousand. Three
/// tables, for short words and for longer ones, grow with the number of words up to a fixed size. A word may be in two
/// sets of two places each; where all are taken, the older word of the first set gives way. Words that come early, which
/// are the frequent ones, are in their first set.

#include <loquat/core/token.hpp>
#include <loquat/io/huge_pages.hpp>

#include <algorithm>
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

  constexpr std::size_t size() const noexcept { return words[Words - 1] >> 56; } ///< bytes

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

/// A word, of at most 15 bytes, and its tokens: three, or up to nine if it has both places of a set.
struct short_word_place {
  word_key<2> word;
  std::array<token, 3> ids{};
  std::array<std::uint8_t, 3> ends{}; // where tokens end in the word: they follow each other without gaps
  std::uint8_t count = 0;             // tokens

  using key = word_key<2>;                  ///< what it is found by
  static constexpr std::size_t most_tokens = 9; ///< of a word

  constexpr bool is_wide() const noexcept { return count > narrow; } ///< has both places

  /// Becomes a word of these tokens, each of which ends where `tokens_end` says.
  constexpr void assign(key const& k, std::span<token const> tokens, std::span<std::uint8_t const> tokens_end) noexcept {
    *this = {k, {}, {}, static_cast<std::uint8_t>(tokens.size())};
    for (std::size_t i = 0; i < std::min(tokens.size(), narrow); ++i) ids[i] = tokens[i], ends[i] = tokens_end[i];
    if (!is_wide()) return;
    auto& more = this[1];
    more = {};
    more.word.words[1] = std::uint64_t{0xFF} << 56; // the size of no word
    for (std::size_t i = narrow; i < tokens.size(); ++i) {
      if (i < 2 * narrow) {
        more.word.words[(i - narrow) / 2] |= std::uint64_t{static_cast<std::uint32_t>(tokens[i])} << id_shift(i);
        more.word.words[1] |= std::uint64_t{tokens_end[i]} << end_shift(i);
      } else {
        more.ids[i - 2 * narrow] = tokens[i];
        more.ends[i - 2 * narrow] = tokens_end[i];
      }
    }
  }
  /// Writes the tokens, and something behind them: up to `most_tokens`.
  [[gnu::always_inline]] constexpr void write(token* to) const noexcept {
    for (std::size_t i = 0; i < narrow; ++i) to[i] = ids[i];
    if (!is_wide()) return;
    auto const& more = this[1];
    for (std::size_t i = narrow; i < 2 * narrow; ++i)
      to[i] = static_cast<token>(static_cast<std::uint32_t>(more.word.words[(i - narrow) / 2] >> id_shift(i)));
    for (std::size_t i = 0; i < narrow; ++i) to[2 * narrow + i] = more.ids[i];
  }
  /// Where token `i` ends.
  constexpr std::size_t end(std::size_t i) const noexcept {
    if (i < narrow) return ends[i];
    return i < 2 * narrow ? this[1].word.words[1] >> end_shift(i) & 0xFF : this[1].ends[i - 2 * narrow];
  }

 private:
  static constexpr std::size_t narrow = 3;
  // Tokens 3 to 5 are where the next place has its word: two in the first half, one and the ends in the second.
  static constexpr unsigned id_shift(std::size_t i) noexcept { return i == 4 ? 32 : 0; }
  static constexpr unsigned end_shift(std::size_t i) noexcept { return static_cast<unsigned>(8 + 8 * i); }
};

/// A word of less than `8 * Words` bytes and its tokens.
template <std::size_t Words, std::size_t Tokens> struct long_word_place {
  word_key<Words> word;
  std::array<token, Tokens> ids{};
  std::array<std::uint8_t, Tokens> ends{};
  std::uint8_t count = 0;

  using key = word_key<Words>;
  static constexpr std::size_t most_tokens = Tokens;

  constexpr bool is_wide() const noexcept { return false; }
  constexpr void assign(key const& k, std::span<token const> tokens, std::span<std::uint8_t const> tokens_end) noexcept {
    word = k;
    std::copy(tokens.begin(), tokens.end(), ids.begin());
    std::copy(tokens_end.begin(), tokens_end.end(), ends.begin());
    count = static_cast<std::uint8_t>(tokens.size());
  }
  constexpr void write(token* to) const noexcept { std::copy(ids.begin(), ids.end(), to); }
  constexpr std::size_t end(std::size_t i) const noexcept { return ends[i]; }
};

/// Words in places of some kind, in at most `MostSets` sets.
template <class Place, std::size_t MostSets> class word_table {
 public:
  using key = typename Place::key;                              ///< what words are found by
  static constexpr std::size_t longest = key::longest;          ///< bytes of a word
  static constexpr std::size_t most_tokens = Place::most_tokens; ///< of a word

  constexpr std::size_t size() const noexcept { return sets_.size(); } ///< sets
  /// The first set to look for a word in. Another one when the table has grown.
  constexpr std::size_t set_of(key const& word) const noexcept {
    return static_cast<std::size_t>(word.hash() >> shift_);
  }
  /// Has the processor fetch a set, but for the last tokens of long words.
  void prefetch(std::size_t set) const noexcept {
    __builtin_prefetch(&sets_[set].places[0]);
    if (sizeof(set_type) > 64) __builtin_prefetch(&sets_[set].places[1]);
  }
  /// The place of a word, or null.
  [[gnu::always_inline]] constexpr Place const* find(key const& word, std::size_t set) const noexcept {
    if (auto const* const found = sets_[set].find(word)) return found;
    return sets_[set].is_full() ? sets_[second_set_of(word)].find(word) : nullptr;
  }
  /// Remembers a word that was not found.
  constexpr void insert(key const& word, std::span<token const> tokens, std::span<std::uint8_t const> ends) {
    if (taken_ > sets_.size() && sets_.size() < MostSets) grow();
    put(word, tokens, ends);
  }
  /// Forgets everything.
  constexpr void clear() noexcept {
    for (auto& set : sets_) set = {};
    taken_ = 0;
  }

 private:
  struct alignas(64) set_type {
    std::array<Place, 2> places{};

    constexpr bool is_full() const noexcept { return places[1].word.size() != 0; }
    constexpr std::size_t taken() const noexcept { return (places[0].word.size() != 0) + std::size_t{is_full()}; }
    [[gnu::always_inline]] constexpr Place const* find(key const& word) const noexcept {
      bool const second = places[1].word == word;
      auto const* const found = &places[second ? 1 : 0];
      return second || found->word == word ? found : nullptr;
    }
  };

  constexpr std::size_t second_set_of(key const& word) const noexcept {
    return static_cast<std::size_t>(std::rotl(word.hash(), 24) >> shift_);
  }
  constexpr void put(key const& word, std::span<token const> tokens, std::span<std::uint8_t const> ends) noexcept {
    auto* set = &sets_[set_of(word)];
    if (set->is_full())
      if (auto& second = sets_[second_set_of(word)]; !second.is_full()) set = &second;
    auto& places = set->places;
    taken_ -= set->taken();
    places[1] = places[0].is_wide() ? Place{} : places[0];
    places[0].assign(word, tokens, ends);
    taken_ += set->taken();
  }
  [[gnu::noinline]] constexpr void grow() {
    auto const old = std::move(sets_);
    sets_.assign(2 * old.size(), set_type{});
    --shift_;
    taken_ = 0;
    std::array<token, most_tokens> ids{};
    std::array<std::uint8_t, most_tokens> ends{};
    for (auto const& set : old)
      for (auto const i : {1, 0}) {
        auto const& place = set.places[static_cast<std::size_t>(i)];
        if (place.word.size() == 0 || place.word.size() > longest) continue;
        place.write(ids.data());
        for (std::size_t n = 0; n < place.count; ++n) ends[n] = static_cast<std::uint8_t>(place.end(n));
        put(place.word, {ids.data(), place.count}, {ends.data(), place.count});
      }
  }

  using set_list = std::vector<set_type, detail::huge_page_allocator<set_type>>;
  set_list sets_ = set_list(64, set_type{});
  int shift_ = 58;
  std::size_t taken_ = 0; // places
};

/// All tables, for one tokenizer at a time.
class word_cache {
 public:
  using small_table = word_table<short_word_place, 1 << 16>;
  small_table small; ///< words of up to 15 bytes

  static constexpr std::size_t longest = 63; ///< bytes of a word that can be remembered

  /// Has the processor fetch the first set of the word at bytes `begin` … `end` of a text.
  constexpr void prefetch(std::string_view text, std::size_t begin, std::size_t end) {
    if (std::is_constant_evaluated() || end - begin > longest) return;
    auto const fetch = [&](auto& table) {
      typename std::remove_cvref_t<decltype(table)>::key word;
      word.assign(text, begin, end - begin);
      table.prefetch(table.set_of(word));
    };
    end - begin <= small.longest ? fetch(small) : end - begin <= medium_.longest ? fetch(medium_) : fetch(large_);
  }
  /// Calls `f` with the place of a word that is not in the small table, as the others have it. False if none has.
  template <class F> constexpr bool find_other(std::string_view text, std::size_t begin, std::size_t end, F f) const {
    auto const look = [&](auto& table) {
      typename std::remove_cvref_t<decltype(table)>::key word;
      if (end - begin > word.longest) return false;
      word.assign(text, begin, end - begin);
      auto const* const found = table.find(word, table.set_of(word));
      if (found != nullptr) f(*found);
      return found != nullptr;
    };
    return look(medium_) || look(large_);
  }
  /// Remembers a word that no table has, and its tokens, each of which ends where `ends` says in the word; or does not,
  /// if they are too many.
  constexpr void insert(std::string_view text, std::size_t begin, std::size_t end, std::span<token const> tokens,
                        std::span<std::uint8_t const> ends) {
    auto const put = [&](auto& table) {
      typename std::remove_cvref_t<decltype(table)>::key word;
      if (end - begin > word.longest || tokens.size() > table.most_tokens) return false;
      word.assign(text, begin, end - begin);
      table.insert(word, tokens, ends);
      return true;
    };
    put(small) || put(medium_) || put(large_);
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
  word_table<long_word_place<4, 18>, 1 << 14> medium_; // up to 31 bytes
  word_table<long_word_place<8, 38>, 1 << 12> large_;  // such lengths are common where a letter takes three bytes
  std::uint64_t owner_ = 0;                            // 0: nobody
};

} // namespace loquat
