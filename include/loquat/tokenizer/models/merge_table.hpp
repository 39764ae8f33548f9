#pragma once
/// \file
/// Which pairs of tokens a byte-pair encoding merges, in which order, and into what.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/merge_rule.hpp>
#include <loquat/tokenizer/models/merge_pairs.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// A piece of the word under way.
struct merge_symbol {
  token id = no_token;
  std::uint32_t size = 0;  ///< bytes
  std::uint32_t first = 0; ///< the first of the symbols that it was made of
  std::uint32_t rank = 0;  ///< of its pair with the next one
};

/// A table of such rules. Words miss in the cache more than anything else, and most pairs have no rule: a byte of bits
/// for each rule, by hash, says so for all but a few of these. The hash table has four bytes for a rule: its rank and
/// some bits of the hash. That it is the right one is checked in the list of rules, which a processor does while it
/// goes on.
class merge_table {
 public:
  static constexpr std::uint32_t none = min_tree::none; ///< no rank; ranks are below

  using workspace = merge_workspace<merge_symbol>; ///< room to work in, which grows with the longest word

  /// For rules of the ranks below `ranks`, in 19 bytes each.
  constexpr explicit merge_table(std::size_t ranks = 0)
      : slots_(ranks + ranks / 2 + 2, empty), rules_(ranks, merge_rule{}), paired_(ranks / 8 + 1, 0) {}

  /// Of rules in the order of their ranks. Of those of equal pairs the last one counts.
  constexpr explicit merge_table(std::vector<merge_rule> rules) : merge_table(0) {
    slots_.assign(rules.size() + rules.size() / 2 + 2, empty);
    paired_.assign(rules.size() / 8 + 1, 0);
    rules_ = std::move(rules);
    constexpr std::size_t ahead = 16; // memory is asked for so many rules before it is used
    for (std::size_t rank = 0; rank < rules_.size(); ++rank) {
      if (rank + ahead < rules_.size()) prefetch(rules_[rank + ahead].left, rules_[rank + ahead].right);
      place(static_cast<std::uint32_t>(rank), rules_[rank]);
    }
  }

  constexpr merge_rule const& operator[](std::uint32_t rank) const noexcept { return rules_[rank]; } ///< by rank

  /// Adds the rule of a rank that has none. A pair that has a rule already has the new one from now on.
  constexpr void insert(std::uint32_t rank, merge_rule const& rule) {
    rules_[rank] = rule;
    place(rank, rule);
  }

  /// The rank of a pair, or `none`.
  constexpr std::uint32_t rank(token left, token right) const noexcept {
    auto const hash = hash_of(left, right);
    if ((paired_[bit_of(hash) / 64] >> (bit_of(hash) % 64) & 1) == 0) return none;
    for (auto i = slot_of(hash);;) {
      auto const slot = slots_[i];
      if (slot == empty) return none;
      if (is(slot, tag_of(hash), left, right)) return slot & none;
      if (++i == slots_.size()) i = 0;
    }
  }

  /// Fetches what `rank` and `insert` will look at.
  constexpr void prefetch(token left, token right) const noexcept {
    if (std::is_constant_evaluated()) return;
    auto const hash = hash_of(left, right);
    __builtin_prefetch(&paired_[bit_of(hash) / 64]);
    __builtin_prefetch(&slots_[slot_of(hash)]);
  }

  /// Merges `symbols`, of which only `id` and `size` need to be set, until no pair merges. O(n log n).
  constexpr void merge(std::vector<merge_symbol>& symbols, workspace& room) const { merge_pairs(*this, symbols, room); }

  /// What `merge_pairs` asks for.
  constexpr void pair(merge_symbol& left, merge_symbol const& right) const noexcept {
    left.rank = rank(left.id, right.id);
  }
  constexpr void join(merge_symbol& left, merge_symbol const& right) const noexcept { ///< \overload
    left.id = rules_[left.rank].merged;
    left.size += right.size;
  }

 private:
  static constexpr std::uint32_t empty = ~std::uint32_t{0};

  constexpr void place(std::uint32_t rank, merge_rule const& rule) {
    auto const hash = hash_of(rule.left, rule.right);
    auto i = slot_of(hash);
    while (slots_[i] != empty && !is(slots_[i], tag_of(hash), rule.left, rule.right))
      if (++i == slots_.size()) i = 0;
    slots_[i] = tag_of(hash) | rank;
    paired_[bit_of(hash) / 64] |= std::uint64_t{1} << (bit_of(hash) % 64);
  }
  static constexpr std::uint64_t hash_of(token left, token right) noexcept {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 21 | static_cast<std::uint32_t>(right)) *
           0x9E3779B97F4A7C15u;
  }
  constexpr std::size_t slot_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>((hash >> 32) * slots_.size() >> 32);
  }
  constexpr std::size_t bit_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>((hash >> 32) * (64 * paired_.size()) >> 32);
  }
  static constexpr std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash) & ~none;
  }
  constexpr bool is(std::uint32_t slot, std::uint32_t tag, token left, token right) const noexcept {
    if ((slot & ~none) != tag) return false;
    auto const& rule = rules_[slot & none];
    return rule.left == left && rule.right == right;
  }

  std::vector<std::uint32_t> slots_;  // tag, rank; never more than two thirds full
  std::vector<merge_rule> rules_;     // by rank
  std::vector<std::uint64_t> paired_; // bits by hash: a pair has a rule
};

} // namespace loquat
