#pragma once
/// \file
/// Byte-pair encoding (Sennrich, Haddow, Birch 2016) of one stretch of text: again and again the adjacent pair whose
/// merged piece has the best score is merged, the leftmost of equals first.

#include <loquat/tokenizer/pair_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace loquat {

/// A piece of the text under way, and what merging it with its right neighbour would give.
struct bpe_symbol {
  std::uint32_t id = pair_map::none; ///< `pair_map::none` if it is no part of any piece
  std::uint32_t end = 0;             ///< where its bytes end in the stretch; they begin where its left neighbour's end
  std::uint32_t merged = pair_map::none; ///< `pair_map::none` if they do not merge
  float score = 0;                       ///< of `merged`
};

/// Which pairs merge, into what, and how good that is.
class merge_rules {
 public:
  /// `scores`: by symbol, finite.
  constexpr merge_rules() = default;
  constexpr explicit merge_rules(std::span<float const> scores)
      : pairs_(scores.size()), scores_(scores.begin(), scores.end()) {}

  /// Adds the rule that `left` and `right` become `merged`.
  constexpr void insert(std::uint32_t left, std::uint32_t right, std::uint32_t merged) {
    pairs_.insert(left, right, merged);
  }

  /// Merges `symbols` (only `id` and `end` are read) until no pair merges, and returns how many are left in front.
  /// Allocates nothing for up to `short_length` symbols. O(n log n).
  constexpr std::size_t merge(std::span<bpe_symbol> symbols) const {
    if (symbols.empty()) return 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) pair(symbols[i], symbols[i + 1]);
    unpair(symbols.back());
    return symbols.size() <= short_length ? merge_short(symbols) : merge_long(symbols);
  }

  static constexpr std::size_t short_length = 256;

 private:
  static constexpr float worst = -std::numeric_limits<float>::infinity();

  static constexpr void unpair(bpe_symbol& left) noexcept {
    left.merged = pair_map::none;
    left.score = worst;
  }
  constexpr void pair(bpe_symbol& left, bpe_symbol const& right) const noexcept {
    left.merged = pairs_.find(left.id, right.id);
    left.score = left.merged == pair_map::none ? worst : scores_[left.merged];
  }

  /// Looks through all pairs for each merge: quadratic, and faster than anything cleverer on words.
  constexpr std::size_t merge_short(std::span<bpe_symbol> symbols) const noexcept {
    std::size_t n = symbols.size();
    while (true) {
      std::size_t best = 0;
      for (std::size_t i = 1; i < n; ++i)
        if (symbols[i].score > symbols[best].score) best = i;
      if (symbols[best].merged == pair_map::none) return n;
      symbols[best].id = symbols[best].merged;
      symbols[best].end = symbols[best + 1].end;
      --n;
      for (std::size_t i = best + 1; i < n; ++i) symbols[i] = symbols[i + 1];
      if (best + 1 < n)
        pair(symbols[best], symbols[best + 1]);
      else
        unpair(symbols[best]);
      if (best > 0) pair(symbols[best - 1], symbols[best]);
    }
  }

  struct candidate {
    float score;
    std::uint32_t left, merged;
    constexpr bool operator<(candidate const& other) const noexcept {
      return score < other.score || (score == other.score && left > other.left);
    }
  };

  /// Keeps the pairs in a heap and the symbols in a list. A pair that has changed since it came into the heap is
  /// skipped.
  constexpr std::size_t merge_long(std::span<bpe_symbol> symbols) const {
    auto const n = static_cast<std::uint32_t>(symbols.size());
    std::vector<std::uint32_t> next(n, n), previous(n, n); // n: none
    std::vector<candidate> heap;
    auto const push = [&](std::uint32_t left) {
      if (symbols[left].merged == pair_map::none) return;
      heap.push_back({symbols[left].score, left, symbols[left].merged});
      std::push_heap(heap.begin(), heap.end());
    };
    for (std::uint32_t i = 0; i < n; ++i) {
      next[i] = i + 1;
      previous[i] = i == 0 ? n : i - 1;
      push(i);
    }
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      auto const [score, left, merged] = heap.back();
      heap.pop_back();
      if (symbols[left].merged != merged) continue;
      auto const right = next[left];
      symbols[left].id = merged;
      symbols[left].end = symbols[right].end;
      unpair(symbols[right]);
      next[left] = next[right];
      if (next[left] == n) {
        unpair(symbols[left]);
      } else {
        previous[next[left]] = left;
        pair(symbols[left], symbols[next[left]]);
        push(left);
      }
      if (auto const before = previous[left]; before != n) {
        pair(symbols[before], symbols[left]);
        push(before);
      }
    }
    std::size_t count = 0;
    for (std::uint32_t i = 0; i != n; i = next[i]) symbols[count++] = symbols[i];
    return count;
  }

  pair_map pairs_;
  std::vector<float> scores_;
};

} // namespace loquat
