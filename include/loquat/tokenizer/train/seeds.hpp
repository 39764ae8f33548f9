#pragma once
/// \file
/// The strings that a unigram training begins with: all that occur more than once in different company, from a sorted
/// list of all suffixes (U. Manber, G. Myers, "Suffix arrays", 1993), as SentencePiece takes them. A suffix ends with
/// its word or beyond the longest piece, so sorting costs little.

#include <loquat/tokenizer/train/sentences.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace loquat::detail {

/// Strings that may become pieces, and where they occur.
struct seeds {
  struct seed {
    std::uint32_t begin = 0, length = 0; // one of its places in the text
    std::uint64_t score = 0;             // how often it occurs, times its length
  };
  std::vector<seed> all{};              // the characters, then the others, the best first
  std::vector<std::uint32_t> matches{}; // seeds by the place where they begin, the shortest first
  std::vector<std::size_t> ends{};      // of place i: matches ends[i] … ends[i + 1]

  /// Collects at most `how.seeds` of them.
  static constexpr seeds collect(sentences const& from, sentencepiece_training const& how) {
    collector c{from, how};
    c.sort_suffixes();
    c.find_nodes();
    return c.choose();
  }

 private:
  /// All suffixes from `begin` to `end` of the sorted list begin with the same `length` characters.
  struct node {
    std::uint32_t begin, end, length;
    std::uint64_t score = 0;
    std::size_t order = 0; // children before parents
  };

  struct collector {
    sentences const& from;
    sentencepiece_training const& how;
    std::vector<std::uint32_t> suffixes{};
    std::vector<std::uint64_t> counts{}; // of all suffixes before
    std::vector<node> nodes{};

    /// How many characters two suffixes share, with what follows the word, up to one more than a piece has.
    constexpr std::uint32_t common(std::uint32_t a, std::uint32_t b) const noexcept {
      std::uint32_t n = 0;
      for (; n <= how.pieces.longest && from.text[a + n] == from.text[b + n]; ++n)
        if (from.is_end(a + n, a)) return n + 1;
      return n;
    }
    constexpr void sort_suffixes() {
      for (auto const& word : from.words)
        for (auto at = word.begin; at < word.end; ++at)
          if (from.text[at] != rare_character) suffixes.push_back(at); // no piece begins with one
      std::sort(suffixes.begin(), suffixes.end(), [this](std::uint32_t a, std::uint32_t b) {
        auto const n = common(a, b);
        bool const equal = n > how.pieces.longest || (n > 0 && from.is_end(a + n - 1, a));
        return equal ? a < b : from.text[a + n] < from.text[b + n];
      });
      counts.push_back(0);
      std::vector<std::uint64_t> by_place(from.text.size(), 0);
      for (auto const& word : from.words)
        for (auto at = word.begin; at < word.end; ++at) by_place[at] = word.count;
      for (auto const at : suffixes) counts.push_back(counts.back() + by_place[at]);
    }
    /// The inner nodes of the tree of suffixes, children before parents.
    constexpr void find_nodes() {
      struct open_node {
        std::uint32_t begin, length;
      };
      std::vector<open_node> open;
      auto const n = static_cast<std::uint32_t>(suffixes.size());
      for (std::uint32_t i = 0; i < n; ++i) {
        std::uint32_t leaf = 0;
        while (leaf <= how.pieces.longest && !from.is_end(suffixes[i] + leaf, suffixes[i])) ++leaf;
        std::uint32_t begin = i;
        std::uint32_t const shared = i + 1 == n ? 0 : common(suffixes[i], suffixes[i + 1]);
        if (open.empty() || open.back().length < leaf + 1) open.push_back({i, leaf + 1});
        while (!open.empty() && open.back().length > shared) {
          auto const [first, length] = open.back();
          open.pop_back();
          add({first, i + 1, length}, std::max(shared, open.empty() ? 0 : open.back().length));
          begin = first;
        }
        if (shared > 0 && (open.empty() || open.back().length < shared)) open.push_back({begin, shared});
      }
    }
    /// Keeps a node if its string may be a piece. `parent`: the length of the node above it.
    constexpr void add(node n, std::uint32_t parent) {
      auto const at = suffixes[n.begin];
      bool const is_whole = from.is_end(at + n.length - 1, at);
      if (is_whole && (!how.word_ends || --n.length == parent)) return;
      if (n.end - n.begin < 2 && !is_whole) return;
      auto const count = counts[n.end] - counts[n.begin];
      if (n.length < 2 || n.length > how.pieces.longest || count < 2) return;
      std::span const piece(from.text.data() + at, n.length);
      if (std::find(piece.begin(), piece.end(), rare_character) != piece.end() || !how.pieces.allows(piece)) return;
      n.score = count * n.length;
      n.order = nodes.size();
      nodes.push_back(n);
    }
    constexpr seeds choose() {
      std::sort(nodes.begin(), nodes.end(), [](node const& a, node const& b) {
        return a.score != b.score ? a.score > b.score : a.order < b.order;
      });
      std::size_t const characters = from.characters.size();
      auto const room = how.seeds - std::min(how.seeds, characters);
      if (nodes.size() > room) nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(room), nodes.end());

      seeds out;
      key_index index;
      for (auto const& c : from.characters) {
        index.add(c.character);
        out.all.push_back({0, 1, c.count});
      }
      for (auto const& n : nodes) out.all.push_back({suffixes[n.begin], n.length, n.score});
      auto const each_match = [&](auto f) { // f(place, seed), the shortest seeds first
        for (auto const at : suffixes) f(at, index.find(from.text[at]));
        std::vector<std::uint32_t> order(nodes.size(), 0);
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
        std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
          return nodes[a].length != nodes[b].length ? nodes[a].length < nodes[b].length : a < b;
        });
        for (auto const i : order)
          for (auto s = nodes[i].begin; s < nodes[i].end; ++s)
            f(suffixes[s], static_cast<std::uint32_t>(characters + i));
      };
      out.ends.assign(from.text.size() + 1, 0);
      each_match([&](std::uint32_t at, std::uint32_t) { ++out.ends[at + 1]; });
      for (std::size_t i = 1; i < out.ends.size(); ++i) out.ends[i] += out.ends[i - 1];
      out.matches.assign(out.ends.back(), 0);
      auto next = out.ends;
      each_match([&](std::uint32_t at, std::uint32_t seed) {
        out.matches[next[at]++] = seed;
        if (seed < characters) out.all[seed].begin = at;
      });
      return out;
    }
  };
};

} // namespace loquat::detail
