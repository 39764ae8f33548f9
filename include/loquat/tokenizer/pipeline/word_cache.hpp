#pragma once
/// \file
/// Words that were encoded lately and the tokens that they became: most words of a text are among a few thousand. Three
/// tables, for short words and for longer ones, grow with the number of words up to a fixed size. A word may be in two
/// sets of two places each; where all are taken, the older word of the first set gives way. Words that come early,
/// which are the frequent ones, are in their first set.

#include <loquat/core/token.hpp>
#include <loquat/io/huge_pages.hpp>
#include <loquat/tokenizer/pipeline/word_places.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// Words in places of some kind, in at most `MostSets` sets.
template <class Place, std::size_t MostSets> class word_table {
 public:
  using key = typename Place::key;                               ///< what words are found by
  static constexpr std::size_t longest = key::longest;           ///< bytes of a word
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
  static constexpr std::size_t first_sets = std::bit_floor(4096 / sizeof(set_type)); // a page
  set_list sets_ = set_list(first_sets, set_type{});
  int shift_ = 64 - std::countr_zero(first_sets);
  std::size_t taken_ = 0; // places
};

/// All tables, for one tokenizer at a time.
class word_cache {
 public:
  using small_table = word_table<short_word_place, 1 << 16>; ///< at most 4 MB
  small_table small;                                         ///< words of up to 15 bytes

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
  word_table<long_word_place<4, 18>, 1 << 14> medium_; // up to 31 bytes; at most 4 MB
  word_table<long_word_place<8, 38>, 1 << 12> large_;  // up to 63, where a letter takes three; at most 2 MB
  std::uint64_t owner_ = 0;                            // 0: nobody
};

} // namespace loquat
