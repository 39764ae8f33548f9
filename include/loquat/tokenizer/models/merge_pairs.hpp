#pragma once
/// \file
/// Byte-pair encoding (Sennrich, Haddow, Birch 2016) of one word: of all adjacent pairs with a rule the one of the
/// lowest rank is merged, the leftmost of equals first, until none has a rule. Where the rules come from is left open.

#include <loquat/tokenizer/models/live_set.hpp>
#include <loquat/tokenizer/models/min_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat {

/// Room to work in, which grows with the longest word.
template <class Symbol> struct merge_workspace {
  std::vector<Symbol> done, part, seam;
  min_tree queue;                  ///< the least rank of every block
  live_set blocks;                 ///< those that are not empty
  std::vector<std::size_t> counts; ///< symbols of each
};

namespace detail {

/// What `merge_pairs` does.
template <class Rules, class Symbol> class pair_merger {
 public:
  constexpr explicit pair_merger(Rules const& rules) noexcept : rules_(rules) {}

  constexpr void merge(std::vector<Symbol>& symbols, merge_workspace<Symbol>& room) const {
    std::size_t const n = symbols.size();
    for (std::size_t i = 0; i < n; ++i) {
      symbols[i].first = static_cast<std::uint32_t>(i);
      if (i + 1 < n)
        rules_.pair(symbols[i], symbols[i + 1]);
      else
        symbols[i].rank = none;
    }
    if (n <= short_word)
      merge_short(symbols);
    else if (merge_in_windows(symbols, room))
      symbols.assign(room.done.begin(), room.done.end());
    else
      merge_in_blocks(symbols, room);
  }

 private:
  static constexpr std::uint32_t none = min_tree::none;
  static constexpr std::size_t short_word = 64, window = 32, block = 16; // symbols

  static constexpr std::size_t best_of(std::span<Symbol const> symbols) noexcept {
    std::size_t at = 0;
    auto best = symbols[0].rank;
    for (std::size_t i = 1; i < symbols.size(); ++i) {
      bool const better = symbols[i].rank < best;
      best = better ? symbols[i].rank : best;
      at = better ? i : at;
    }
    return at;
  }
  static constexpr void close_gap(std::span<Symbol> symbols, std::size_t at) noexcept {
    for (std::size_t i = at; i + 1 < symbols.size(); ++i) symbols[i] = symbols[i + 1];
  }

  /// Quadratic, and faster than anything cleverer on words.
  constexpr void merge_short(std::vector<Symbol>& all) const {
    std::span<Symbol> symbols(all);
    while (!symbols.empty()) {
      auto const at = best_of(symbols);
      auto& left = symbols[at];
      if (left.rank == none) break;
      rules_.join(left, symbols[at + 1]);
      close_gap(symbols, at + 1);
      symbols = symbols.first(symbols.size() - 1);
      if (at + 1 < symbols.size())
        rules_.pair(left, symbols[at + 1]);
      else
        left.rank = none;
      if (at > 0) rules_.pair(symbols[at - 1], left);
    }
    all.resize(symbols.size(), Symbol{});
  }

  /// Merges from left to right in short parts, into `room.done`. A row of tokens is the encoding of its text if any two
  /// neighbours are that of theirs: the first merge across a border would be the best in the text of the two as well.
  /// So a part begins with the last tokens of those before it, and with more of them where it does not fit what is
  /// before these. False if that does not get on.
  constexpr bool merge_in_windows(std::span<Symbol const> symbols, merge_workspace<Symbol>& room) const {
    auto& [done, part, seam, queue, blocks, counts] = room;
    std::size_t work = 0;
    auto const merge_part = [&](std::vector<Symbol>& out, std::size_t from, std::size_t to) {
      work += to - from;
      if (to - from > short_word || work > 3 * from + 1024) return false;
      out.assign(symbols.begin() + static_cast<std::ptrdiff_t>(from),
                 symbols.begin() + static_cast<std::ptrdiff_t>(to));
      out.back().rank = none;
      merge_short(out);
      return true;
    };
    done.clear();
    for (std::size_t at = 0, back = 1; at < symbols.size();) {
      std::size_t const kept = done.size() > back ? done.size() - back : 0;
      std::size_t const from = done.empty() ? 0 : done[kept].first, to = std::min(symbols.size(), at + window);
      if (!merge_part(part, from, to)) return false;
      if (kept > 0) { // the last token that is kept, and the first of the part
        auto const& left = done[kept - 1];
        if (!merge_part(seam, left.first, part.size() > 1 ? part[1].first : to)) return false;
        if (seam.size() != 2 || seam[0].id != left.id || seam[1].id != part[0].id || seam[1].first != from) {
          back *= 2;
          continue;
        }
      }
      done.resize(kept, Symbol{});
      done.insert(done.end(), part.begin(), part.end());
      at = to;
      back = 1;
    }
    return true;
  }

  /// Merges in blocks, each with its symbols in front, under a tree that knows the block of the best pair.
  constexpr void merge_in_blocks(std::vector<Symbol>& all, merge_workspace<Symbol>& room) const {
    std::span<Symbol> const symbols(all);
    auto& [done, gathered, seam, queue, blocks, counts] = room;
    std::size_t const n = (symbols.size() + block - 1) / block;
    auto const part = [&](std::size_t b) { return symbols.subspan(b * block, counts[b]); };
    auto const best_rank = [&](std::size_t b) { return counts[b] == 0 ? none : part(b)[best_of(part(b))].rank; };
    counts.assign(n, block);
    counts.back() = symbols.size() - (n - 1) * block;
    blocks.assign(n);
    queue.assign(n, best_rank);
    for (auto top = queue.least(); top.number != none; top = queue.least()) {
      std::size_t const b = top.at, at = best_of(part(b));
      auto& left = part(b)[at];
      // Takes the right symbol out, which may be the first of another block, as may be the one after it.
      bool const inside = at + 1 < counts[b];
      std::size_t const from = inside ? b : blocks.after(b), place = inside ? at + 1 : 0;
      rules_.join(left, part(from)[place]);
      close_gap(part(from), place);
      if (--counts[from] == 0) blocks.erase(from);
      std::size_t const next = blocks.after(b);
      if (at + 1 < counts[b])
        rules_.pair(left, part(b)[at + 1]);
      else if (next < n)
        rules_.pair(left, part(next)[0]);
      else
        left.rank = none;
      if (from != b) queue.set(from, best_rank(from));
      if (at > 0) {
        rules_.pair(part(b)[at - 1], left);
      } else if (auto const before = blocks.before(b); before < n) {
        rules_.pair(part(before).back(), left);
        queue.set(before, best_rank(before));
      }
      queue.set(b, best_rank(b));
    }
    std::size_t count = 0;
    for (std::size_t b = 0; b < n; ++b)
      for (auto const& symbol : part(b)) symbols[count++] = symbol;
    all.resize(count, Symbol{});
  }

  Rules const& rules_;
};

} // namespace detail

/// Merges `symbols` until no pair merges. O(n log n).
///
/// A symbol has numbers `rank`, of its pair with the next one, and `first`, of the symbol that it begins with, which
/// need not be set. `rules.pair(left, right)` sets `left.rank`, to `min_tree::none` if there is no rule;
/// `rules.join(left, right)` makes `left` what such a pair merges into.
template <class Rules, class Symbol>
constexpr void merge_pairs(Rules const& rules, std::vector<Symbol>& symbols, merge_workspace<Symbol>& room) {
  detail::pair_merger<Rules, Symbol>(rules).merge(symbols, room);
}

} // namespace loquat
