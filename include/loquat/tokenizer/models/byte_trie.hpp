#pragma once
/// \file
/// A trie of bytes as a double array (J. Aoe, "An efficient digital search algorithm by using a double-array
/// structure", 1989): a step takes one load of eight bytes.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Strings of bytes and the tokens that they are. Nodes are numbers; the root is 0.
class byte_trie {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0}; ///< no node

  struct entry {
    std::string_view text;
    token id = no_token;
  };
  /// The `on_edge` of tries that nothing else is built along with.
  struct ignore_edges {
    constexpr void operator()(byte_trie const&, std::uint32_t, unsigned char, std::uint32_t) const noexcept {}
  };

  constexpr byte_trie() = default; ///< holds nothing

  /// Builds a trie; empty strings are ignored, and of equal ones that with the largest id stays. Calls `on_edge(parent,
  /// byte, child)` for every node, level by level, when all nodes above and beside it are there. Error:
  /// `errc::unsupported` for 8 million nodes and more. About linear in the bytes of all strings.
  template <class F = ignore_edges> static constexpr result<byte_trie> make(std::vector<entry> entries, F on_edge = {});

  /// The node after `byte`, or `none`.
  constexpr std::uint32_t step(std::uint32_t node, unsigned char byte) const noexcept {
    auto const child = units_[node].edge >> 9 ^ byte;
    return (units_[child].edge & 0x1FFu) == (0x100u | byte) ? child : none;
  }
  /// The token whose string ends at `node`, or `no_token`.
  constexpr token at(std::uint32_t node) const noexcept { return units_[node].id; }
  /// One more than the largest node.
  constexpr std::size_t size() const noexcept { return units_.size(); }

 private:
  struct unit {
    std::uint32_t edge = 0; // 23 bits: children are at this xor their byte; 1: in use; 8: the byte that leads here
    token id = no_token;
  };
  struct branch { // entries [begin, end) agree in their first `depth` bytes, which lead to `node`
    std::uint32_t node, depth;
    std::size_t begin, end;
  };
  static constexpr std::size_t width = 256, open_blocks = 4, most = std::size_t{1} << 23;

  static constexpr void sort(std::vector<entry>& entries);
  constexpr std::size_t place(std::vector<unsigned char> const& bytes);
  constexpr void grow() {
    units_.resize(units_.size() + width, unit{});
    taken_.resize(units_.size() / 64, 0);
    based_.resize(units_.size() / 64, 0);
  }
  static constexpr bool has(std::vector<std::uint64_t> const& bits, std::size_t i) noexcept {
    return (bits[i / 64] >> (i % 64) & 1) != 0;
  }
  static constexpr void set(std::vector<std::uint64_t>& bits, std::size_t i) noexcept {
    bits[i / 64] |= std::uint64_t{1} << (i % 64);
  }

  // An empty trie has one block, whose base 0 is nobody's: children would be where their byte is.
  std::vector<unit> units_ = std::vector<unit>(width, unit{});
  std::vector<std::uint64_t> taken_, based_; // while building: units in use, and bases
};

/// By text, then by id. The first eight bytes tell most apart.
constexpr void byte_trie::sort(std::vector<entry>& entries) {
  struct keyed {
    std::uint64_t head;
    entry whole;
  };
  std::vector<keyed> order;
  order.reserve(entries.size());
  for (auto const& e : entries) {
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < 8; ++i)
      head = head << 8 | (i < e.text.size() ? static_cast<unsigned char>(e.text[i]) : 0);
    order.push_back({head, e});
  }
  std::sort(order.begin(), order.end(), [](keyed const& a, keyed const& b) {
    if (a.head != b.head) return a.head < b.head;
    auto const rest = a.whole.text <=> b.whole.text;
    return rest < 0 || (rest == 0 && a.whole.id < b.whole.id);
  });
  for (std::size_t i = 0; i < order.size(); ++i) entries[i] = order[i].whole;
}

/// Finds a base for children with these bytes and takes their places. No two nodes have the same base, so that the byte
/// tells whose child a node is.
constexpr std::size_t byte_trie::place(std::vector<unsigned char> const& bytes) {
  std::size_t const blocks = units_.size() / width, words = width / 64;
  for (std::size_t block = blocks > open_blocks ? blocks - open_blocks : 0;; ++block) {
    if (block == units_.size() / width) grow();
    std::size_t taken = 0;
    for (std::size_t w = block * words; w < (block + 1) * words; ++w)
      taken += static_cast<std::size_t>(std::popcount(taken_[w]));
    if (taken + bytes.size() > width) continue;
    for (std::size_t w = block * words; w < (block + 1) * words; ++w)
      for (auto free = ~taken_[w]; free != 0; free &= free - 1) {
        std::size_t const base = (w * 64 + static_cast<std::size_t>(std::countr_zero(free))) ^ bytes[0];
        if (has(based_, base)) continue;
        if (!std::all_of(bytes.begin(), bytes.end(), [&](unsigned char c) { return !has(taken_, base ^ c); })) continue;
        set(based_, base);
        for (auto const c : bytes) set(taken_, base ^ c);
        return base;
      }
  }
}

template <class F> constexpr result<byte_trie> byte_trie::make(std::vector<entry> entries, F on_edge) {
  sort(entries);
  byte_trie out;
  out.taken_.assign(width / 64, 0);
  out.based_.assign(width / 64, 0);
  set(out.taken_, 0); // the root
  set(out.based_, 0); // of nodes without children
  std::vector<branch> open;
  std::size_t first = 0;
  while (first < entries.size() && entries[first].text.empty()) ++first;
  open.push_back({0, 0, first, entries.size()});
  std::vector<unsigned char> bytes;
  std::vector<std::size_t> begins;
  for (std::size_t next = 0; next < open.size(); ++next) {
    auto [node, depth, begin, end] = open[next];
    while (begin < end && entries[begin].text.size() == depth) ++begin;
    bytes.clear();
    begins.clear();
    for (std::size_t i = begin; i < end; ++i) {
      auto const byte = static_cast<unsigned char>(entries[i].text[depth]);
      if (!bytes.empty() && bytes.back() == byte) continue;
      bytes.push_back(byte);
      begins.push_back(i);
    }
    if (bytes.empty()) continue;
    begins.push_back(end);
    auto const base = out.place(bytes);
    if (out.units_.size() > most) return fail(errc::unsupported, "trie: 8 million nodes and more");
    out.units_[node].edge |= static_cast<std::uint32_t>(base << 9);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto const child = static_cast<std::uint32_t>(base ^ bytes[i]);
      out.units_[child].edge = 0x100u | bytes[i];
      for (std::size_t e = begins[i]; e < begins[i + 1] && entries[e].text.size() == depth + 1; ++e)
        out.units_[child].id = entries[e].id;
      open.push_back({child, depth + 1, begins[i], begins[i + 1]});
    }
    for (auto const byte : bytes) on_edge(std::as_const(out), node, byte, static_cast<std::uint32_t>(base ^ byte));
  }
  out.taken_ = {};
  out.based_ = {};
  return out;
}

} // namespace loquat
