#pragma once
/// \file
/// What a unigram model holds, and how it finds the best way to cut a word. Part of `unigram.hpp`, which explains it.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/byte_tokens.hpp>
#include <loquat/tokenizer/models/byte_trie.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A piece of a word, as bytes of it.
struct word_piece {
  token id = no_token;
  std::uint32_t begin = 0, end = 0;
  friend constexpr bool operator==(word_piece const&, word_piece const&) = default;
};

/// A unigram model. Immutable, so that threads can share it.
class unigram {
 public:
  /// What encoding works in; one for each thread. It grows with the longest word.
  struct workspace {
    struct end { ///< the best way to a place
      double score = 0;
      std::uint32_t begin = 0; ///< of its last piece
      token id = no_token;
    };
    std::vector<end> ends;
    std::vector<word_piece> path;
  };

  /// Takes over the definition. Of equal pieces the last is used; pieces of the kinds `control`, `unknown`, `unused`
  /// and `byte` are never found in a word. Errors: `errc::mismatch` for a wrong number of scores, `errc::malformed` for
  /// scores that are no finite numbers and for an unknown token out of range, those of `byte_trie::make`.
  static constexpr result<unigram> make(token_model::unigram definition);

  /// Kinds by id, and bytes; with `sentencepiece` 0x20 is U+2581 and the other way round, as in its normalized texts.
  constexpr vocabulary const& pieces() const noexcept { return model_.pieces; }
  /// The token of this piece, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(model_.pieces, piece); }

  /// Encodes one word. Calls `emit(token id, std::size_t begin, std::size_t end)` with ranges of bytes of the word, in
  /// order. Unknown characters in a row are one token; without an unknown token they are left out. Linear in the word;
  /// allocates only for words longer than those before, and for long ones only where their beginning stays undecided.
  template <class Emit> constexpr void encode(std::string_view word, workspace& room, Emit emit) const {
    each_part(word, [&](std::string_view part, std::size_t offset) {
      if (token const id = find_whole(part); id != no_token && is_word(id))
        return emit(id, offset, offset + part.size());
      auto const put = [&](token piece, std::size_t begin, std::size_t end) {
        emit(piece, offset + begin, offset + end);
      };
      if (part.size() <= most_ends)
        encode_short(part, room, put);
      else if (model_.sentencepiece)
        encode_long<float>(part, most_ends, room, put);
      else
        encode_long<double>(part, most_ends, room, put);
    });
  }

  /// A way to cut a word: the tokens that `encode` would give for it, and the sum of the scores of its pieces.
  struct segmentation {
    std::vector<word_piece> pieces;
    double score = 0;
  };
  /// The `n` best ways to cut a word of at most 1 GiB, the best first; fewer if there are no more. Allocates: about n ·
  /// characters · pieces that end at one place.
  constexpr std::vector<segmentation> n_best(std::string_view word, std::size_t n) const;

  /// A way to cut a word, drawn at random: each with a probability in proportion to exp(alpha · score). `random` is a
  /// uniform random bit generator of 32 bits or more, `alpha` finite. Calls `emit` as `encode` does.
  template <class Random, class Emit>
  void sample(std::string_view word, double alpha, Random& random, workspace& room, Emit emit) const;

 private:
  static constexpr std::size_t longest = std::size_t{1} << 30;   // bytes; a longer word is cut
  static constexpr std::size_t most_ends = std::size_t{1} << 14; // are remembered, unless more are needed
  static constexpr std::uint32_t unreached = std::numeric_limits<std::uint32_t>::max();

  /// Whether unknown characters in a row are not one.
  constexpr bool unknown_alone() const noexcept { return model_.sentencepiece && model_.byte_fallback; }
  constexpr bool is_word(token id) const noexcept {
    auto const i = static_cast<std::size_t>(id);
    return (words_[i / 64] >> (i % 64) & 1) != 0;
  }
  constexpr token find_whole(std::string_view word) const noexcept {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < word.size() && node != byte_trie::none; ++i)
      node = trie_.step(node, static_cast<unsigned char>(word[i]));
    return node == byte_trie::none ? no_token : trie_.at(node);
  }
  template <class F> static constexpr void each_part(std::string_view word, F f) {
    for (std::size_t at = 0; at < word.size(); at += longest) f(word.substr(at, longest), at);
  }
  /// Calls `f(token, length, score)` with every piece that `text` begins with, the shortest first, and last with the
  /// unknown token for the first character if that is no piece. Returns the length of that character.
  template <class F> constexpr std::size_t each_piece(std::string_view text, F f) const {
    std::size_t const character = static_cast<unsigned char>(text[0]) < 0x80 ? 1 : utf8::decode(text).length;
    bool is_piece = false;
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size();) {
      node = trie_.step(node, static_cast<unsigned char>(text[i++]));
      if (node == byte_trie::none) break;
      token const id = trie_.at(node);
      if (id == no_token) continue;
      f(id, i, model_.scores[static_cast<std::size_t>(id)]);
      is_piece = is_piece || i == character;
    }
    if (!is_piece) f(model_.unknown, character, unknown_score_);
    return character;
  }
  constexpr void find_best(std::string_view word, workspace& room) const {
    if (model_.sentencepiece)
      find_best_in<float>(word, room);
    else
      find_best_in<double>(word, room);
  }
  template <class Sum> constexpr void find_best_in(std::string_view word, workspace& room) const {
    room.ends.assign(word.size() + 1, {0, unreached, no_token});
    for (std::size_t at = 0; at < word.size();) at += extend<Sum>(word.substr(at), at, room.ends);
  }
  /// Goes on from the end at `at`, where `rest` begins, to those of the pieces there. Returns the length of the
  /// character.
  template <class Sum>
  [[gnu::always_inline]] constexpr std::size_t extend(std::string_view rest, std::size_t at,
                                                      std::vector<workspace::end>& ends) const {
    double const before = ends[at].score;
    return each_piece(rest, [&](token id, std::size_t length, double score) {
      auto& end = ends[at + length];
      double sum = score + before;
      if (id == model_.unknown) sum = static_cast<Sum>(sum); // the others are compared before they are rounded
      if (end.begin == unreached || sum > end.score)
        end = {static_cast<double>(static_cast<Sum>(sum)), static_cast<std::uint32_t>(at), id};
    });
  }

  /// Puts the path to the end at `end` behind `room.path`; places of `room.ends` begin at `base`.
  static constexpr void trace(std::size_t end, std::size_t base, workspace& room) {
    auto const before = static_cast<std::ptrdiff_t>(room.path.size());
    for (auto at = static_cast<std::uint32_t>(end); at > 0; at = room.ends[at].begin) {
      auto const begin = static_cast<std::uint32_t>(base) + room.ends[at].begin;
      room.path.push_back({room.ends[at].id, begin, static_cast<std::uint32_t>(base) + at});
    }
    std::reverse(room.path.begin() + before, room.path.end());
  }
  template <class Emit> constexpr void encode_short(std::string_view word, workspace& room, Emit emit) const {
    find_best(word, room);
    room.path.clear();
    trace(word.size(), 0, room);
    emit_path(word, room.path, emit);
  }

  /// Encodes a long word in memory that does not grow with it: now and then the paths to all places that can still be
  /// gone on from are followed back to where they meet, up to where the best one is known then.
  template <class Sum, class Emit>
  constexpr void encode_long(std::string_view word, std::size_t window, workspace& room, Emit emit) const {
    auto& ends = room.ends;
    room.path.clear();
    std::size_t const reach = longest_piece_ + 4; // of a piece that begins before the end of the window; of a character
    ends.assign(window + reach, {0, unreached, no_token});
    std::size_t base = 0, at = 0; // of the word; of `ends`, which begins there
    while (base + at < word.size()) {
      at += extend<Sum>(word.substr(base + at), at, ends);
      if (at < window) continue;
      if (std::size_t const known = meeting(at, ends); known < window / 2) { // or it would be looked for too often
        window *= 2;
      } else {
        trace(known, base, room);
        emit_all_but_unknown(word, room, emit);
        auto const rest = ends.begin() + static_cast<std::ptrdiff_t>(known);
        std::move(rest, rest + static_cast<std::ptrdiff_t>(at - known + longest_piece_ + 1), ends.begin());
        base += known;
        at -= known;
        for (std::size_t i = 0; i <= at + longest_piece_; ++i)
          if (auto& begin = ends[i].begin; begin != unreached)
            begin = begin < known ? 0 : begin - static_cast<std::uint32_t>(known); // others are on no path from here on
        ends.resize(at + longest_piece_ + 1, {});
      }
      ends.resize(window + reach, {0, unreached, no_token});
    }
    trace(at, base, room);
    emit_path(word, room.path, emit);
  }
  /// Where the best paths to `at` and to all ends behind it meet.
  constexpr std::size_t meeting(std::size_t at, std::vector<workspace::end> const& ends) const noexcept {
    auto here = static_cast<std::uint32_t>(at);
    for (std::size_t i = at + 1; i <= at + longest_piece_ && here > 0; ++i)
      for (auto there = ends[i].begin; there != unreached && there != here;)
        (there > here ? there : here) = ends[std::max(there, here)].begin;
    return here;
  }
  /// Emits `room.path` but for unknown characters at its end, which more may follow; these stay there as one.
  template <class Emit> constexpr void emit_all_but_unknown(std::string_view word, workspace& room, Emit& emit) const {
    auto& path = room.path;
    auto known = path.size();
    while (!unknown_alone() && known > 0 && path[known - 1].id == model_.unknown) --known;
    emit_path(word, std::span(path).first(known), emit);
    if (known == path.size()) return path.clear();
    path.front() = {model_.unknown, path[known].begin, path.back().end};
    path.resize(1, {});
  }
  template <class Emit>
  constexpr void emit_path(std::string_view word, std::span<word_piece const> path, Emit emit) const;
  template <class Emit> constexpr void emit_unknown(std::string_view text, std::size_t begin, Emit emit) const;

  token_model::unigram model_;
  piece_index index_;
  byte_trie trie_;
  std::array<token, 256> byte_tokens_{};
  double unknown_score_ = 0;
  std::size_t longest_piece_ = 4;    // bytes: at least those of any character
  std::vector<std::uint64_t> words_; // bits by id: a word with these bytes is best as this token
};

/// Emits the tokens of a path, in which unknown characters are still one by one.
template <class Emit>
constexpr void unigram::emit_path(std::string_view word, std::span<word_piece const> path, Emit emit) const {
  for (std::size_t i = 0; i < path.size(); ++i) {
    auto const [id, begin, first_end] = path[i];
    if (id != model_.unknown) {
      emit(id, std::size_t{begin}, std::size_t{first_end});
      continue;
    }
    while (!unknown_alone() && i + 1 < path.size() && path[i + 1].id == model_.unknown) ++i;
    emit_unknown(word.substr(begin, path[i].end - begin), begin, emit);
  }
}

/// Emits what stands for unknown text.
template <class Emit> constexpr void unigram::emit_unknown(std::string_view text, std::size_t begin, Emit emit) const {
  std::size_t const end = begin + text.size();
  auto const byte_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  token const piece = model_.sentencepiece ? no_token : find(text); // possible, where a row of characters is better
  if (model_.sentencepiece && text == " ") text = piece_space;
  if (piece != no_token) {
    emit(piece, begin, end);
  } else if (model_.byte_fallback &&
             std::all_of(text.begin(), text.end(), [&](char c) { return byte_token(c) != no_token; })) {
    for (std::size_t i = 0; i < text.size(); ++i)
      emit(byte_token(text[i]), begin, model_.sentencepiece && i + 1 < text.size() ? begin : end);
  } else if (model_.unknown != no_token) {
    emit(model_.unknown, begin, end);
  }
}

constexpr result<unigram> unigram::make(token_model::unigram definition) {
  unigram out;
  out.model_ = std::move(definition);
  auto& model = out.model_;
  auto const& pieces = model.pieces;
  if (model.scores.size() != pieces.size())
    return fail(errc::mismatch, "unigram: ", pieces.size(), " pieces and ", model.scores.size(), " scores");
  if (model.unknown != no_token && !pieces.contains(model.unknown))
    return fail(errc::malformed, "unigram: the unknown token is ", model.unknown, ", but there are ", pieces.size(),
                " tokens");
  if (model.sentencepiece) {
    auto swapped = with_plain_spaces(std::move(model.pieces));
    if (!swapped) return swapped.error().within("unigram");
    model.pieces = *std::move(swapped);
  }
  std::vector<byte_trie::entry> entries;
  double worst = std::numeric_limits<double>::infinity();
  float best = std::numeric_limits<float>::min(); // the least positive one, which SentencePiece begins with
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    constexpr double most = std::numeric_limits<float>::max();
    double const score = model.scores[i];
    if (!(score >= -most && score <= most))
      return fail(errc::malformed, "unigram: the score of token ", i, " is no finite number in single precision");
    if (!is_text(pieces.kind(id))) continue;
    entries.push_back({pieces.piece(id), id});
    out.longest_piece_ = std::max(out.longest_piece_, pieces.piece(id).size());
    if (model.sentencepiece && pieces.kind(id) == token_kind::user_defined) continue;
    worst = std::min(worst, score);
    best = std::max(best, static_cast<float>(score));
  }
  out.unknown_score_ = model.sentencepiece ? static_cast<double>(static_cast<float>(worst - 10)) : worst - 10;
  for (auto const& [text, id] : entries) {
    if (!model.sentencepiece || pieces.kind(id) != token_kind::user_defined) continue;
    auto const spaces = static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')); // of three bytes each
    float const size = static_cast<float>(text.size() + spaces * (piece_space.size() - 1));
    model.scores[static_cast<std::size_t>(id)] = static_cast<double>(size * best) - 0.1;
  }
  out.index_ = piece_index(pieces);
  out.byte_tokens_ = find_byte_tokens(pieces, [&](std::string_view name) { return out.find(name); });
  auto trie = byte_trie::make(std::move(entries));
  if (!trie) return trie.error().within("unigram");
  out.trie_ = std::move(*trie);
  out.words_.assign(pieces.size() / 64 + 1, 0);
  workspace room;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const piece = pieces.piece(static_cast<token>(i));
    if (piece.empty() || !is_text(pieces.kind(static_cast<token>(i)))) continue;
    out.find_best(piece, room);
    if (room.ends.back().begin == 0 && room.ends.back().id == static_cast<token>(i) &&
        room.ends.back().id != model.unknown)
      out.words_[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  return out;
}

} // namespace loquat
