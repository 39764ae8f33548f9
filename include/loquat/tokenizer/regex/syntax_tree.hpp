#pragma once
/// \file
/// A regular expression as a tree. Nodes are numbers into one vector, and may be shared.

#include <loquat/tokenizer/regex/char_set.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace loquat::regex_detail {

inline constexpr std::size_t max_sets = 191; ///< in a pattern; one more is the compiler's

/// The number of a node.
using node_id = std::uint32_t;
inline constexpr std::uint32_t unlimited = ~std::uint32_t{0}; ///< `max` of `*` and `+`
inline constexpr node_id no_node = ~node_id{0};               ///< none

/// What a node matches.
enum class node_kind : unsigned char {
  set,      ///< one character of a set
  sequence, ///< children in turn; without children: the empty text
  choice,   ///< the first child that leads to a match; without children: never
  repeat,   ///< min … max times the child
  look,     ///< nothing, where the child (does not) match ahead or behind
  atomic,   ///< the child's first match only
};
/// What a repetition tries first, and whether anything else.
enum class greed : unsigned char { greedy, lazy, possessive };

/// A node.
struct node {
  node_kind kind = node_kind::sequence;
  greed mode = greed::greedy;
  bool negated = false, behind = false; // of look
  bool unique = false;                  // known to match in one way at most, wherever it begins
  std::uint32_t set = 0;
  std::uint32_t first = 0, count = 0; // children
  std::uint32_t min = 0, max = 0;
  std::uint32_t position = 0; // in the pattern, for messages
};

/// Nodes, their children and their sets.
struct syntax_tree {
  std::vector<node> nodes;
  std::vector<node_id> lists;
  std::vector<char_set> sets;

  constexpr node const& at(node_id n) const noexcept { return nodes[n]; }
  constexpr std::span<node_id const> children(node_id n) const noexcept {
    return {lists.data() + nodes[n].first, nodes[n].count};
  }
  constexpr node_id child(node_id n) const noexcept { return lists[nodes[n].first]; }

  constexpr node_id add(node n, std::span<node_id const> of) {
    n.first = static_cast<std::uint32_t>(lists.size());
    n.count = static_cast<std::uint32_t>(of.size());
    for (node_id const c : of) lists.push_back(c);
    nodes.push_back(n);
    return static_cast<node_id>(nodes.size() - 1);
  }
  constexpr node_id add(node n, std::initializer_list<node_id> of) { return add(n, std::span(of.begin(), of.size())); }
  constexpr node_id sequence(std::span<node_id const> of) {
    return of.size() == 1 ? of[0] : add({.kind = node_kind::sequence}, of);
  }
  constexpr node_id choice(std::span<node_id const> of) {
    return of.size() == 1 ? of[0] : add({.kind = node_kind::choice}, of);
  }
  constexpr node_id repeat(node_id what, std::uint32_t min, std::uint32_t max, greed mode) {
    return add({.kind = node_kind::repeat, .mode = mode, .min = min, .max = max}, {what});
  }
  constexpr node_id look(node_id what, bool behind, bool negated) {
    return add({.kind = node_kind::look, .negated = negated, .behind = behind}, {what});
  }
  /// A set's node; equal sets are kept once.
  constexpr node_id set(char_set s) {
    std::uint32_t i = 0;
    while (i < sets.size() && !(sets[i] == s)) ++i;
    if (i == sets.size()) {
      s.finish();
      sets.push_back(static_cast<char_set&&>(s));
    }
    return add({.kind = node_kind::set, .set = i}, {});
  }
};

} // namespace loquat::regex_detail
