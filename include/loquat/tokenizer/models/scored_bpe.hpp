#pragma once
/// \file
/// SentencePiece's byte-pair encoding (github.com/google/sentencepiece, version 0.1.97) of a normalized text: of all
/// adjacent pairs that make a piece the one with the best score is merged, the leftmost of equals first. Pieces that
/// the user defined are matched before that, and what comes out as an unused piece is split again.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/adjacency.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/key_filter.hpp>
#include <loquat/tokenizer/models/merge_pairs.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>
#include <loquat/tokenizer/models/unknown_row.hpp>
#include <loquat/tokenizer/models/user_pieces.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A SentencePiece BPE. Immutable, so that threads can share it.
///
/// A text is cut where no piece reaches across. Whether a pair makes a piece is looked up by the bytes of both, so that
/// nothing needs to be known of how pieces are made, and a vocabulary takes little time to load. That a part of the
/// text is a piece which comes out as just that piece is found once, and remembered in the workspace.
class scored_bpe {
  /// A piece or character of a part under way.
  struct symbol {
    std::uint64_t key = 0;             // see `piece_index::key_of`; of at most `piece_index::exact` bytes
    std::uint32_t begin = 0;           // in the part
    std::uint32_t size = 0;            // bytes
    token id = no_token;               // unless it is a single character
    token merged = no_token;           // what it and the next one make
    std::uint32_t first = 0, rank = 0; // see `merge_pairs`
  };

 public:
  /// What encoding works in; one for each thread. It grows with the longest part.
  class workspace {
    friend scored_bpe;
    std::vector<symbol> symbols_, halves_; // halves: of unused pieces, the leftmost last
    merge_workspace<symbol> merging_;
    std::uint64_t model_ = 0;          // the model whose pieces these are:
    std::vector<std::uint64_t> whole_; // bits by id: a part with these bytes comes out as this token
  };

  /// Takes over the definition. Of equal pieces the last is used, but text rather than others. Errors: `errc::mismatch`
  /// for a wrong number of scores; `errc::malformed`, which names the token, for scores that are no finite numbers and
  /// for an unknown token out of range, and if a character may have neither a byte nor the unknown token;
  /// `errc::unsupported` above 2 million tokens.
  static constexpr result<scored_bpe> make(token_model::scored_bpe definition);

  /// Kinds by id, and bytes, in which 0x20 is U+2581 and the other way round (`plain_spaces.hpp`).
  constexpr vocabulary const& pieces() const noexcept { return pieces_; }
  /// The token of a piece that is written so, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(pieces_, piece); }

  /// Encodes a normalized text, in which spaces are 0x20. Calls `emit(token id, std::size_t begin, std::size_t end)`
  /// with ranges of bytes, in order: of the bytes of a character the last has all of it, those before it nothing.
  /// Allocates only for longer parts than before, and for another model. O(n log n) times the length of the longest
  /// piece, by which most texts never notice.
  template <class Emit> constexpr void encode(std::string_view text, workspace& room, Emit emit) const {
    if (room.model_ != fingerprint_) {
      room.whole_.assign(merges_.size(), 0);
      room.model_ = fingerprint_;
    }
    unknown_row out(fallback_, text, emit);
    for (std::size_t begin = 0; begin < text.size();) {
      auto const part = text.substr(begin, end_of_part(text, begin) - begin);
      if (auto const found = user_.match(part, 0); found.length == part.size())
        out.put(found.id, begin, begin + part.size());
      else if (token const id = find(part); id != no_token && has(room.whole_, id))
        out.put(id, begin, begin + part.size());
      else
        merge(part, begin, room, out);
      begin += part.size();
    }
    out.finish();
  }

  /// Where the part ends that begins at `begin`, the end of another part or the front of `text`. The encoding of a text
  /// is that of its parts, one behind the other: they are cut before what no piece reaches across to, and before and
  /// behind user-defined pieces, but not in a row of unknown characters that is one token.
  constexpr std::size_t end_of_part(std::string_view text, std::size_t begin) const noexcept;

 private:
  static constexpr std::size_t longest = std::size_t{1} << 30; // bytes; a longer part is cut
  static constexpr std::uint32_t none = min_tree::none;

  /// The rules by which one part is merged, without the piece that is all of it if `apart`.
  struct rules {
    scored_bpe const& model;
    std::string_view part;
    bool apart = false;

    constexpr void pair(symbol& left, symbol const& right) const noexcept {
      std::size_t const size = left.size + right.size;
      left.rank = none;
      if (size <= piece_index::exact) {
        auto const key = join_keys(left, right);
        if (!model.filter_.may_have(key)) return;
        left.merged = model.index_.find_exact(key);
      } else if (size <= model.longest_piece_)
        left.merged = model.find(part.substr(left.begin, size));
      else
        return;
      if (left.merged == no_token || (apart && size == part.size())) return;
      left.rank = model.ranks_[static_cast<std::size_t>(left.merged)];
    }
    constexpr void join(symbol& left, symbol const& right) const noexcept {
      if (left.size + right.size <= piece_index::exact) left.key = join_keys(left, right);
      left.size += right.size;
      left.id = left.merged;
    }
    static constexpr std::uint64_t join_keys(symbol const& left, symbol const& right) noexcept {
      constexpr std::uint64_t sizes = std::uint64_t{0xFF} << 56;
      auto const bytes = (left.key & ~sizes) | (right.key & ~sizes) << (8 * left.size);
      return bytes | std::uint64_t{left.size + right.size} << 56;
    }
  };
  /// How an unused piece is split.
  struct unused_piece {
    token whole = no_token;
    symbol left, right;
  };

  static constexpr bool has(std::vector<std::uint64_t> const& bits, token id) noexcept {
    auto const i = static_cast<std::size_t>(id);
    return (bits[i / 64] >> (i % 64) & 1) != 0;
  }
  static constexpr void set(std::vector<std::uint64_t>& bits, token id) noexcept {
    auto const i = static_cast<std::size_t>(id);
    bits[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  constexpr unused_piece const* find_unused(token id) const noexcept {
    if (unused_.empty()) return nullptr;
    auto const at = std::lower_bound(unused_.begin(), unused_.end(), id,
                                     [](unused_piece const& piece, token whole) { return piece.whole < whole; });
    return at != unused_.end() && at->whole == id ? &*at : nullptr;
  }

  constexpr bool are_unknown(std::string_view text, std::size_t at, std::size_t next) const noexcept;
  constexpr void merge_part(rules const& how, workspace& room) const;
  template <class Out> constexpr void merge(std::string_view part, std::size_t begin, workspace& room, Out& out) const;
  constexpr void read_pieces(std::vector<float> const& scores);
  constexpr void rank_pieces(std::vector<float> const& scores);
  constexpr void split_unused();

  vocabulary pieces_;
  piece_index index_;
  user_pieces user_;
  fallback_tokens fallback_;
  adjacency joins_;                   // characters that are side by side in pieces
  std::vector<std::uint64_t> merges_; // bits by id: a piece that merging makes, or a character
  key_filter filter_;                 // keys of these
  std::vector<std::uint32_t> ranks_;  // by id, equal for equal scores; `none` of what merging does not make
  std::vector<unused_piece> unused_;  // by `whole`
  std::size_t longest_piece_ = 0;     // bytes
  std::uint64_t fingerprint_ = 1;
};

constexpr std::size_t scored_bpe::end_of_part(std::string_view text, std::size_t begin) const noexcept {
  if (auto const found = user_.match(text, begin); found.id != no_token) return begin + found.length;
  std::size_t const limit = text.size() - begin > longest ? begin + longest : text.size();
  auto const byte = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[i]); };
  for (std::size_t at = begin;;) {
    std::size_t next = at + 1;
    if (byte(at) < 0x80) {
      while (next < limit && byte(next) < 0x80 && joins_.contains(byte(next - 1), byte(next)) &&
             !user_.begins(text[next]))
        ++next;
      at = next - 1;
    }
    auto const c = normalize::decode_at(text, at);
    next = at + c.length;
    if (next >= limit) return next;
    if (!joins_.contains(c.code_point, normalize::decode_at(text, next).code_point) && !are_unknown(text, at, next))
      return next;
    if (user_.match(text, next).id != no_token) return next;
    at = next;
  }
}

/// Whether the characters at these two places are unknown and one token.
constexpr bool scored_bpe::are_unknown(std::string_view text, std::size_t at, std::size_t next) const noexcept {
  if (fallback_.has_bytes) return false;
  auto const is_unknown = [&](std::size_t i) {
    token const id = find(text.substr(i, normalize::character_length(text, i)));
    return id == no_token || !has(merges_, id);
  };
  return is_unknown(at) && is_unknown(next);
}

/// Makes one symbol for each character and merges them.
constexpr void scored_bpe::merge_part(rules const& how, workspace& room) const {
  auto& symbols = room.symbols_;
  symbols.clear();
  for (std::size_t at = 0; at < how.part.size();) {
    auto const size = normalize::character_length(how.part, at);
    auto const key = piece_index::key_of(how.part.substr(at, size));
    symbols.push_back({key, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)});
    at += size;
  }
  merge_pairs(how, symbols, room.merging_);
  for (auto& s : symbols)
    if (s.id == no_token)
      if (token const id = index_.find_exact(s.key); id != no_token && has(merges_, id)) s.id = id;
}

template <class Out>
constexpr void scored_bpe::merge(std::string_view part, std::size_t begin, workspace& room, Out& out) const {
  merge_part({*this, part}, room);
  if (auto const& all = room.symbols_; all.size() == 1 && all[0].id != no_token && find_unused(all[0].id) == nullptr)
    set(room.whole_, all[0].id);
  auto& halves = room.halves_;
  for (auto const& whole : room.symbols_) {
    halves.assign(1, whole);
    while (!halves.empty()) {
      auto const s = halves.back();
      halves.pop_back();
      if (auto const* const unused = find_unused(s.id)) {
        halves.push_back(unused->right);
        halves.push_back(unused->left);
      } else {
        out.put_symbol(s.id, begin, begin + s.size);
        begin += s.size;
      }
    }
  }
}

constexpr result<scored_bpe> scored_bpe::make(token_model::scored_bpe definition) {
  auto const& scores = definition.scores;
  std::size_t const n = definition.pieces.size();
  if (scores.size() != n) return fail(errc::mismatch, "scored bpe: ", n, " pieces and ", scores.size(), " scores");
  if (n >= none) return fail(errc::unsupported, "scored bpe: more than ", none - 1, " tokens: ", n);
  for (std::size_t i = 0; i < n; ++i) {
    constexpr float most = std::numeric_limits<float>::max();
    if (!(scores[i] >= -most && scores[i] <= most))
      return fail(errc::malformed, "scored bpe: the score of token ", i, " is no finite number");
  }
  auto pieces = with_plain_spaces(std::move(definition.pieces));
  if (!pieces) return pieces.error().within("scored bpe");
  scored_bpe out;
  out.pieces_ = *std::move(pieces);
  out.index_ = piece_index(out.pieces_);
  auto user = user_pieces::make(out.pieces_);
  if (!user) return user.error().within("scored bpe");
  out.user_ = *std::move(user);
  auto fallback = fallback_tokens::make(out.pieces_, definition.unknown, [&](auto name) { return out.find(name); });
  if (!fallback) return fallback.error().within("scored bpe");
  out.fallback_ = *fallback;
  out.read_pieces(scores);
  out.rank_pieces(scores);
  out.split_unused();
  return out;
}

/// Finds the pieces that take part in merging, and the characters side by side in them.
constexpr void scored_bpe::read_pieces(std::vector<float> const& scores) {
  merges_.assign(pieces_.size() / 64 + 1, 0);
  joins_ = adjacency(pieces_.size());
  filter_ = key_filter(8 * pieces_.size());
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto const kind = pieces_.kind(id);
    auto const piece = pieces_.piece(id);
    auto const key = piece_index::key_of(piece);
    fingerprint_ = (fingerprint_ ^ key) * 0x9E3779B97F4A7C15u;
    fingerprint_ ^= fingerprint_ >> 32 ^ static_cast<std::uint64_t>(kind) ^ std::bit_cast<std::uint32_t>(scores[i]);
    if (kind == token_kind::user_defined || !(is_text(kind) || kind == token_kind::unused) || piece.empty()) continue;
    auto last = normalize::decode_at(piece, 0);
    bool valid = last.code_point < normalize::bad_byte; // bytes that are no UTF-8 are part of no piece
    for (std::size_t at = last.length; at < piece.size() && valid; at += last.length) {
      auto const next = normalize::decode_at(piece, at);
      valid = next.code_point < normalize::bad_byte;
      joins_.insert(last.code_point, next.code_point);
      last = next;
    }
    if (!valid) continue;
    set(merges_, id);
    filter_.insert(key);
    longest_piece_ = std::max(longest_piece_, piece.size());
  }
}

/// Finds the order in which pieces are merged.
constexpr void scored_bpe::rank_pieces(std::vector<float> const& scores) {
  auto const score = [&](token id) { return scores[static_cast<std::size_t>(id)]; };
  std::vector<token> order; // of pieces of more than one character
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto const piece = pieces_.piece(id);
    if (has(merges_, id) && normalize::character_length(piece, 0) < piece.size()) order.push_back(id);
  }
  auto const better = [&](token a, token b) { return score(a) > score(b); };
  if (!std::is_sorted(order.begin(), order.end(), better)) std::sort(order.begin(), order.end(), better);
  ranks_.assign(pieces_.size(), none);
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
    ranks_[static_cast<std::size_t>(order[i])] = rank;
  }
}

/// Finds the two symbols of which each unused piece is made, if it is.
constexpr void scored_bpe::split_unused() {
  workspace room;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto const piece = pieces_.piece(id);
    if (pieces_.kind(id) != token_kind::unused || !has(merges_, id) || find(piece) != id) continue;
    merge_part({*this, piece, true}, room);
    auto const& parts = room.symbols_;
    if (parts.size() == 2) unused_.push_back({id, parts[0], parts[1]});
  }
}

} // namespace loquat
