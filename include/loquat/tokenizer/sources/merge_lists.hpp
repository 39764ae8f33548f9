#pragma once
/// \file
/// The list of merges that a byte-pair encoding without one stands for: every piece is made of one pair only, which is
/// found by encoding it without itself (why there is no other: `models/merge_history.hpp`). Part of `save_json.hpp`.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/models/merge_table.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// The merges of pieces, the best first. `ranks` by id: the lowest is the best, none twice, all below their number.
/// `bytes`: symbols begin as bytes, not as characters. User-defined pieces do not merge.
constexpr std::vector<merge_rule> list_merges(vocabulary const& pieces, std::span<std::uint32_t const> ranks,
                                              bool bytes) {
  piece_index const index(pieces);
  auto const can_merge = [&](token id) {
    auto const kind = pieces.kind(id);
    return id != no_token && kind != token_kind::user_defined && (is_text(kind) || kind == token_kind::unused);
  };
  std::vector<token> order; // short pieces first
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (auto const id = static_cast<token>(i); can_merge(id) && index.find(pieces, pieces.piece(id)) == id)
      order.push_back(id);
  std::sort(order.begin(), order.end(), [&](token a, token b) {
    return std::pair(pieces.piece(a).size(), a) < std::pair(pieces.piece(b).size(), b);
  });
  merge_table table(pieces.size());
  merge_table::workspace room;
  std::vector<merge_symbol> symbols;
  std::vector<merge_rule> out;
  for (token const id : order) {
    symbols.clear();
    bool known = true;
    for (auto text = pieces.piece(id); !text.empty() && known; text.remove_prefix(symbols.back().size)) {
      auto const size = bytes ? std::size_t{1} : utf8::decode(text).length;
      token const symbol = index.find(pieces, text.substr(0, size));
      known = can_merge(symbol);
      symbols.push_back({symbol, static_cast<std::uint32_t>(size)});
    }
    if (!known || symbols.size() < 2) continue;
    table.merge(symbols, room);
    if (symbols.size() != 2) continue; // out of reach
    out.push_back({symbols[0].id, symbols[1].id, id});
    table.insert(ranks[static_cast<std::size_t>(id)], out.back());
  }
  std::sort(out.begin(), out.end(), [&](auto const& a, auto const& b) {
    return ranks[static_cast<std::size_t>(a.merged)] < ranks[static_cast<std::size_t>(b.merged)];
  });
  return out;
}

/// Whether merges that are equally good, of which SentencePiece takes the leftmost, come out the same in the order of
/// `merges`: so it is with runs of one character that has no better merges with others behind them, which most
/// vocabularies have of spaces. Texts of four times the longest run are tried. `scores` are by id.
constexpr bool same_in_order(vocabulary const& pieces, std::span<merge_rule const> merges,
                             std::span<float const> scores, float tied) {
  constexpr std::size_t longest_run = 64; // characters
  auto const score = [&](token id) { return scores[static_cast<std::size_t>(id)]; };
  std::string_view character;
  auto const run = [&](token id) { // characters; 0 if it is no run
    auto text = pieces.piece(id);
    auto const size = character.size();
    std::size_t n = 0;
    for (; text.starts_with(character) && size > 0; text.remove_prefix(size)) ++n;
    return text.empty() ? n : 0;
  };
  merge_table table(merges.size());
  std::vector<token> by_length(longest_run + 1, no_token); // runs
  std::size_t most = 0;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    auto const& m = merges[i];
    table.insert(static_cast<std::uint32_t>(i), m);
    if (score(m.merged) != tied) continue;
    auto const piece = pieces.piece(m.merged);
    if (character.empty()) character = piece.substr(0, utf8::decode(piece).length);
    auto const n = run(m.merged);
    if (n == 0 || n > longest_run) return false;
    most = std::max(most, n);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (auto const id = static_cast<token>(i); pieces.kind(id) == token_kind::normal && run(id) > 0) {
      if (run(id) > longest_run) return false;
      by_length[run(id)] = id;
    }
  for (auto const& m : merges)
    if (run(m.merged) == 0 && score(m.merged) > tied && (run(m.left) > 1 || run(m.right) > 1)) return false;
  if (by_length[1] == no_token) return false;

  merge_table::workspace room;
  std::vector<merge_symbol> symbols;
  std::vector<std::size_t> parts; // lengths
  for (std::size_t n = 2; n <= 4 * most; ++n) {
    symbols.assign(n, merge_symbol{by_length[1], static_cast<std::uint32_t>(character.size())});
    table.merge(symbols, room);
    parts.assign(n, 1);
    for (;;) {
      std::size_t best = parts.size();
      auto const merged = [&](std::size_t i) {
        auto const length = parts[i] + parts[i + 1];
        return length <= longest_run ? by_length[length] : no_token;
      };
      for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        if (merged(i) != no_token && (best == parts.size() || score(merged(i)) > score(merged(best)))) best = i;
      if (best == parts.size()) break;
      parts[best] += parts[best + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    if (parts.size() != symbols.size()) return false;
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (by_length[parts[i]] != symbols[i].id) return false;
  }
  return true;
}

} // namespace loquat::detail
