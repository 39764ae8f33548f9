#pragma once
/// \file
/// Atomic groups and possessive quantifiers without backtracking: `(?>X)` becomes an expression that can match in one
/// way only, X's first. So `a++` is `a+(?!a)` and `(?>a|b)` is `a|(?!a)b`. Not every X has such a form that is small;
/// those that tokenizers use do.

#include <loquat/tokenizer/regex/syntax_tree.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace loquat::regex_detail {

/// True if `n` can match the empty text (assertions count as that).
constexpr bool nullable(syntax_tree const& tree, node_id n) {
  auto const& x = tree.at(n);
  switch (x.kind) {
  case node_kind::set:
    return false;
  case node_kind::look:
    return true;
  case node_kind::repeat:
    return x.min == 0 || nullable(tree, tree.child(n));
  case node_kind::choice:
    for (node_id const c : tree.children(n))
      if (nullable(tree, c)) return true;
    return false;
  case node_kind::sequence:
  case node_kind::atomic:
    break;
  }
  for (node_id const c : tree.children(n))
    if (!nullable(tree, c)) return false;
  return true;
}

/// True if `n` matches everywhere, if only the empty text.
constexpr bool always(syntax_tree const& tree, node_id n) {
  auto const& x = tree.at(n);
  switch (x.kind) {
  case node_kind::set:
  case node_kind::look:
    return false;
  case node_kind::repeat:
    return x.min == 0 || always(tree, tree.child(n));
  case node_kind::choice:
    for (node_id const c : tree.children(n))
      if (always(tree, c)) return true;
    return false;
  case node_kind::sequence:
  case node_kind::atomic:
    break;
  }
  for (node_id const c : tree.children(n))
    if (!always(tree, c)) return false;
  return true;
}

/// The number of characters of everything `n` matches, if it is one number.
constexpr std::optional<std::uint32_t> width(syntax_tree const& tree, node_id n) {
  constexpr std::uint32_t most = 1 << 20;
  auto const& x = tree.at(n);
  switch (x.kind) {
  case node_kind::set:
    return 1;
  case node_kind::look:
    return 0;
  case node_kind::repeat: {
    auto const each = width(tree, tree.child(n));
    if (x.min != x.max || !each || *each > most || std::uint64_t{*each} * x.min > most) return {};
    return *each * x.min;
  }
  case node_kind::choice: {
    std::optional<std::uint32_t> all;
    for (node_id const c : tree.children(n)) {
      auto const one = width(tree, c);
      if (!one || (all && *all != *one)) return {};
      all = one;
    }
    return all;
  }
  case node_kind::sequence:
  case node_kind::atomic:
    break;
  }
  std::uint32_t sum = 0;
  for (node_id const c : tree.children(n)) {
    auto const one = width(tree, c);
    if (!one || sum + *one > most) return {};
    sum += *one;
  }
  return sum;
}

/// True if all matches of `n` that begin at one place end at one place.
constexpr bool unique(syntax_tree const& tree, node_id n) {
  auto const& x = tree.at(n);
  if (x.unique || x.kind == node_kind::atomic || width(tree, n)) return true;
  if (x.kind == node_kind::repeat && x.min != x.max) return false;
  if (x.kind != node_kind::repeat && x.kind != node_kind::sequence) return false;
  for (node_id const c : tree.children(n))
    if (!unique(tree, c)) return false;
  return true;
}

/// An expression that matches what `n` matches first, and nothing else; `no_node` where this finds none.
constexpr node_id first_match_of(syntax_tree& tree, node_id n) {
  if (unique(tree, n)) return n;
  node const x = tree.at(n);
  std::vector<node_id> parts(tree.children(n).begin(), tree.children(n).end());
  node_id found = no_node;
  if (x.kind == node_kind::sequence) {
    // A part that can match in several ways is cut to its first only where no failure behind it would ask for another.
    bool rest_always = true;
    for (std::size_t i = parts.size(); i-- > 0;) {
      bool const part_always = always(tree, parts[i]);
      if (!unique(tree, parts[i])) {
        if (!rest_always) return no_node;
        parts[i] = first_match_of(tree, parts[i]);
        if (parts[i] == no_node) return no_node;
      }
      rest_always = rest_always && part_always;
    }
    found = tree.sequence(parts);
  } else if (x.kind == node_kind::choice) {
    std::vector<node_id> guards, branches;
    for (node_id const c : parts) {
      node_id const first = first_match_of(tree, c);
      if (first == no_node) return no_node;
      std::vector<node_id> guarded = guards;
      guarded.push_back(first);
      branches.push_back(tree.sequence(guarded));
      guards.push_back(tree.look(c, false, true));
    }
    found = tree.choice(branches);
  } else if (x.kind == node_kind::repeat) {
    bool const lazy = x.mode == greed::lazy;
    if (!unique(tree, parts[0]) && x.min > 1) return no_node;
    if (!lazy && nullable(tree, parts[0])) return no_node;
    node_id const first = first_match_of(tree, parts[0]);
    if (first == no_node) return no_node;
    found =
        lazy ? tree.repeat(first, x.min, x.min, greed::greedy) : tree.repeat(first, x.min, x.max, greed::possessive);
  }
  if (found != no_node) {
    // a node of its own carries the mark: `found` may be shared
    node_id const list[]{found};
    node marked;
    marked.unique = true;
    found = tree.add(marked, list);
  }
  return found;
}

} // namespace loquat::regex_detail
