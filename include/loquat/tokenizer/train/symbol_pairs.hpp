#pragma once
/// \file
/// Words as rows of symbols, and how often which symbols are neighbours: what trainers of byte-pair encodings (R.
/// Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare words with subword units", 2016) work on. Each
/// pair knows its places, and a heap knows the best pair, so a merge costs what it changes: with n symbols all merges
/// together take O(n log n).

#include <loquat/tokenizer/train/key_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

/// Words under training. `Rules` says which pairs may merge, `may_merge(left, right)`, which of two with equal counts
/// comes first, `comes_before(pair, pair)`, a strict order, and whether "aaa" counts as one "aa" or as two:
/// `overlaps_count`.
template <class Rules> class symbol_pairs {
 public:
  using symbol = std::uint32_t; ///< below 2^32 - 2
  static constexpr std::size_t none = ~std::size_t{0};

  /// Neighbours.
  struct pair {
    symbol left = 0, right = 0;
    /// How often they stand side by side. A pair that has been merged keeps its count, less what its merge took from
    /// it, in case it turns up again.
    std::int64_t count = 0;
    std::vector<std::uint32_t> places{}; // of left symbols; some may be out of date
    bool merges = false;                 // by the rules
    bool is_fresh = false;               // has new places, and is not in the heap with them
  };

  /// Keeps a reference.
  constexpr explicit symbol_pairs(Rules const& rules) : rules_(rules) {}

  /// Adds a word that occurs `count` times. False, and nothing is added, if all words take more than 2^32 - 3 places.
  /// The counts of all words times their lengths stay below 2^63.
  [[nodiscard]] constexpr bool add_word(std::span<symbol const> word, std::uint64_t count) {
    if (word.size() < 2) return true;
    if (word.size() + 1 > std::numeric_limits<std::uint32_t>::max() - 2 - row_.size()) return false;
    auto const number = static_cast<std::uint32_t>(counts_.size());
    counts_.push_back(static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < word.size(); ++i) {
      row_.push_back({word[i], 1, number});
      if (i + 1 < word.size()) add(word[i], word[i + 1], counts_.back(), row_.size() - 1);
    }
    row_.push_back({border, 1, 0});
    return true;
  }

  constexpr pair const& operator[](std::size_t i) const noexcept { return pairs_[i]; } ///< a pair by its number

  /// The number of the most frequent pair, or `none`. It is no candidate any more: merge it or leave it.
  constexpr std::size_t take_best() {
    for (auto const i : fresh_) {
      pairs_[i].is_fresh = false;
      if (pairs_[i].count > 0) push(i);
    }
    fresh_.clear();
    auto const is_worse = [this](candidate const& a, candidate const& b) { return worse(a, b); };
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), is_worse);
      auto const [count, i] = heap_.back();
      heap_.pop_back();
      auto& p = pairs_[i];
      if (counts_late(p.left, p.right)) recount(p);
      if (p.count <= 0 || p.places.empty()) continue; // gone, or merged already
      if (p.count == count) return i;
      push(i);
    }
    return none;
  }

  /// Makes pair `i` one symbol, wherever it is, from left to right.
  constexpr void merge(std::size_t i, symbol whole) {
    auto places = std::exchange(pairs_[i].places, {});
    if (!std::is_sorted(places.begin(), places.end())) std::sort(places.begin(), places.end());
    symbol const left = pairs_[i].left, right = pairs_[i].right;
    for (std::size_t const at : places) {
      if (row_[at].what != left) continue;
      std::size_t const next = at + row_[at].length;
      if (row_[next].what != right) continue;
      std::size_t const before = at - row_[at - 1].length, after = next + row_[next].length;
      bool const has_before = row_[before].what != border, has_after = row_[after].what != border;
      auto const count = counts_[row_[at].word];
      if (has_before) take(row_[before].what, left, count);
      if (has_after) take(right, row_[after].what, count);
      row_[next].what = inside;
      row_[at].what = whole;
      row_[at].length = row_[after - 1].length = static_cast<std::uint32_t>(after - at);
      if (has_before) add(row_[before].what, whole, count, before);
      if (has_after) add(whole, row_[after].what, count, at);
    }
  }
  /// Never merges pair `i`.
  constexpr void ban(std::size_t i) {
    pairs_[i].merges = false;
    pairs_[i].places = {};
  }

 private:
  struct cell {
    symbol what;
    std::uint32_t length; // cells of the symbol: in its first and in its last cell
    std::uint32_t word;
  };
  struct candidate {
    std::int64_t count;
    std::uint32_t pair;
  };
  static constexpr symbol border = ~symbol{0}, inside = border - 1;

  static constexpr std::uint64_t key(symbol left, symbol right) noexcept { return std::uint64_t{left} << 32 | right; }
  constexpr bool worse(candidate const& a, candidate const& b) const {
    return a.count != b.count ? a.count < b.count : rules_.comes_before(pairs_[b.pair], pairs_[a.pair]);
  }
  constexpr void push(std::uint32_t i) {
    heap_.push_back({pairs_[i].count, i});
    std::push_heap(heap_.begin(), heap_.end(), [this](candidate const& a, candidate const& b) { return worse(a, b); });
  }
  constexpr void add(symbol left, symbol right, std::int64_t count, std::size_t at) {
    auto const i = index_.add(key(left, right));
    if (i == pairs_.size()) pairs_.push_back({.left = left, .right = right, .merges = rules_.may_merge(left, right)});
    auto& p = pairs_[i];
    if (!p.merges) return;
    if (counts_late(left, right) && !p.places.empty() && p.places.back() + row_[at].length == at) return;
    p.count += count;
    p.places.push_back(static_cast<std::uint32_t>(at));
    if (!std::exchange(p.is_fresh, true)) fresh_.push_back(i);
  }
  /// Of pairs that may overlap, not every place counts, so what is taken from them shows when they are best: until then
  /// their count is an upper bound.
  static constexpr bool counts_late(symbol left, symbol right) noexcept {
    return !Rules::overlaps_count && left == right;
  }
  constexpr void recount(pair& p) {
    p.count = 0;
    std::erase_if(p.places, [&](std::size_t at) {
      if (row_[at].what != p.left || row_[at + row_[at].length].what != p.right) return true;
      p.count += counts_[row_[at].word];
      return false;
    });
  }
  constexpr void take(symbol left, symbol right, std::int64_t count) {
    if (counts_late(left, right)) return;
    auto const i = index_.find(key(left, right));
    if (i != key_index::none) pairs_[i].count -= count;
  }

  Rules const& rules_;
  std::vector<cell> row_{{border, 1, 0}}; // of all words, a border before and behind each
  std::vector<std::int64_t> counts_;      // by word
  key_index index_;
  std::vector<pair> pairs_;
  std::vector<std::uint32_t> fresh_;
  std::vector<candidate> heap_;
};

} // namespace loquat
