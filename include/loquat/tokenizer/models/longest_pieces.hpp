#pragma once
/// \file
/// Cuts a text into the longest piece that it begins with, then the longest that the rest begins with, and so on, in
/// linear time: X. Song, A. Salcianu, Y. Song, D. Dopson, D. Zhou, "Fast WordPiece Tokenization" (EMNLP 2021,
/// arXiv:2012.15524), algorithm 1. Where a trie has no way on, the pieces that are certain by then and the node that
/// stands for the rest of the bytes were found in advance, so no byte is looked at twice.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/models/byte_trie.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Pieces that may come first in a text, and pieces that may come later.
class longest_pieces {
 public:
  constexpr longest_pieces() = default; ///< knows no piece

  /// Prepares for pieces. Of equal ones that with the largest id is used, empty ones are ignored. Errors: those of
  /// `byte_trie::make`.
  static constexpr result<longest_pieces> make(std::vector<byte_trie::entry> const& first,
                                               std::vector<byte_trie::entry> const& later);
  /// The same for pieces that may come anywhere.
  static constexpr result<longest_pieces> make(std::vector<byte_trie::entry> const& pieces) {
    auto made = make({}, pieces);
    if (made) made->first_ = made->later_;
    return made;
  }

  /// Appends the pieces of `text` to `out`. False if it cannot be cut, and then `out` has some of them.
  constexpr bool cut(std::string_view text, std::vector<token>& out) const {
    std::uint32_t node = first_;
    for (char const c : text) {
      auto next = trie_.step(node, static_cast<unsigned char>(c));
      for (; next == byte_trie::none; next = trie_.step(node, static_cast<unsigned char>(c)))
        if (!give_up(node, out)) return false;
      node = next;
    }
    while (node != later_)
      if (node == first_ || !give_up(node, out)) return text.empty();
    return true;
  }

 private:
  static constexpr std::uint32_t none = byte_trie::none;

  /// What happens where there is no way on from a node: pieces, and the node of the bytes after them.
  struct failure {
    std::uint32_t to = none; // none: these bytes cannot be cut
    std::uint32_t last = 0;  // of the pieces
  };
  /// A piece after others. Rows of pieces share their beginnings: all together are no longer than the trie.
  struct link {
    std::uint32_t before = 0; // 0: nothing
    token id = no_token;
  };

  constexpr bool give_up(std::uint32_t& node, std::vector<token>& out) const {
    auto const [to, last] = failures_[node];
    if (to == none) return false;
    auto const begin = out.size();
    for (auto i = last; i != 0; i = links_[i].before) out.push_back(links_[i].id);
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end());
    node = to;
    return true;
  }

  constexpr void prepare(byte_trie const& trie, std::uint32_t parent, unsigned char byte, std::uint32_t child);

  byte_trie trie_;                           // a byte before every piece: 0 if it may come first, 1 if later
  std::uint32_t first_ = 0, later_ = 0;      // the nodes after that byte
  std::vector<failure> failures_{failure{}}; // by node
  std::vector<link> links_{link{}};
};

/// Finds what happens at `child`, which `byte` leads to from `parent`.
constexpr void longest_pieces::prepare(byte_trie const& trie, std::uint32_t parent, unsigned char byte,
                                       std::uint32_t child) {
  if (failures_.size() < trie.size()) failures_.resize(trie.size(), failure{});
  auto const add = [&](std::uint32_t before, token id) {
    links_.push_back({before, id});
    return static_cast<std::uint32_t>(links_.size() - 1);
  };
  if (parent == 0) {
    (byte == 0 ? first_ : later_) = child;
  } else if (trie.at(child) != no_token) { // a piece: nothing is left of it
    failures_[child] = {later_, add(0, trie.at(child))};
  } else if (auto [to, last] = failures_[parent]; to != none) {
    auto way = trie.step(to, byte);
    std::vector<token> row;
    for (; way == none && failures_[to].to != none; way = trie.step(to, byte)) {
      row.clear();
      for (auto i = failures_[to].last; i != 0; i = links_[i].before) row.push_back(links_[i].id);
      for (; !row.empty(); row.pop_back()) last = add(last, row.back());
      to = failures_[to].to;
    }
    failures_[child] = {way, last};
  }
}

constexpr result<longest_pieces> longest_pieces::make(std::vector<byte_trie::entry> const& first,
                                                      std::vector<byte_trie::entry> const& later) {
  std::size_t size = 2;
  for (auto const* const entries : {&first, &later})
    for (auto const& entry : *entries) size += entry.text.size() + 1;
  std::vector<char> text;
  text.reserve(size); // views of it must stay
  std::vector<byte_trie::entry> entries;
  auto const add = [&](char role, byte_trie::entry const& entry) {
    auto const begin = text.size();
    text.push_back(role);
    text.insert(text.end(), entry.text.begin(), entry.text.end());
    entries.push_back({{text.data() + begin, text.size() - begin}, entry.id});
  };
  for (char const role : {'\0', '\1'}) { // both nodes are there even without pieces
    add(role, {});
    for (auto const& entry : role == 0 ? first : later)
      if (!entry.text.empty()) add(role, entry);
  }
  longest_pieces out;
  auto trie = byte_trie::make(std::move(entries), [&](byte_trie const& made, std::uint32_t parent, unsigned char byte,
                                                      std::uint32_t child) { out.prepare(made, parent, byte, child); });
  if (!trie) return trie.error();
  out.trie_ = std::move(*trie);
  return out;
}

} // namespace loquat
