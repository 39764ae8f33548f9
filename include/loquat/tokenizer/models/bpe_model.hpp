#pragma once
/// \file
/// What a byte-pair encoding holds, and how it encodes. Part of `bpe.hpp`, which explains it.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/byte_tokens.hpp>
#include <loquat/tokenizer/models/longest_prefix.hpp>
#include <loquat/tokenizer/models/merge_history.hpp>
#include <loquat/tokenizer/models/merge_table.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A byte-pair encoding. Immutable, so that threads can share it.
///
/// A word that is a piece, and comes out as that piece, takes one look-up. Others are put together of the longest
/// pieces that fit, where it is known how each piece is made; else they are merged pair by pair.
class bpe {
 public:
  /// What encoding works in; one for each thread. It grows with the longest word.
  struct workspace {
    std::vector<merge_symbol> symbols;
    std::vector<char> text;          ///< a character or word with its affixes
    std::vector<std::uint64_t> dead; ///< bits by byte of a word: the row of tokens up to there leads nowhere
    merge_table::workspace merging;
  };

  /// Takes over the definition. Of equal pieces the last is used, of equal pairs the last merge; pieces of the kinds
  /// `control`, `unknown`, `unused` and `byte` are never found in a word. Errors: `errc::malformed`, which names the
  /// merge or the token, for ids out of range and for merges whose result is no piece; `errc::unsupported` above 2
  /// million tokens or merges, and for ranked pieces with merges, affixes or byte fallback.
  static constexpr result<bpe> make(token_model::bpe definition);

  constexpr vocabulary const& pieces() const noexcept { return model_.pieces; } ///< bytes and kinds by id
  /// The token of this piece, or `no_token`.
  constexpr token find(std::string_view piece) const noexcept { return index_.find(model_.pieces, piece); }

  /// Encodes one word. Calls `emit(token id, std::size_t begin, std::size_t end)` with ranges of bytes of the word, in
  /// order. What has neither a piece nor a fallback is left out, and the ranges that follow move up, as they do in
  /// Hugging Face tokenizers. Allocates only for words longer than those before.
  template <class Emit> constexpr void encode(std::string_view word, workspace& room, Emit emit) const {
    for (std::size_t at = 0; at < word.size(); at += longest) {
      auto const part = word.substr(at, longest);
      if (token const id = whole(part, room); id != no_token) {
        emit(id, at, at + part.size());
        continue;
      }
      if (rows_ && part.size() <= longest_row) {
        find_row(part, room);
      } else {
        split(part, room);
        rules().merge(room.symbols, room.merging);
      }
      std::size_t begin = at;
      for (auto const& symbol : room.symbols) {
        auto const end = std::min(begin + symbol.size, at + part.size());
        emit(symbol.id, begin, end);
        begin = end;
      }
    }
  }

 private:
  static constexpr std::size_t longest = std::size_t{1} << 30; // bytes; a longer word is cut
  static constexpr std::size_t longest_row = 1024;             // bytes; merging in windows is quicker from there on

  constexpr merge_table const& rules() const noexcept { return learned_ ? history_.rules() : merges_; }
  constexpr token whole(std::string_view word, workspace& room) const;
  constexpr void find_row(std::string_view text, workspace& room) const;
  constexpr void split(std::string_view word, workspace& room) const;
  constexpr void add_unknown(std::string_view character, std::size_t size, std::size_t& unknown, workspace& room) const;

  static constexpr void add_symbol(token id, std::size_t size, workspace& room) {
    room.symbols.push_back({id, static_cast<std::uint32_t>(size)});
  }

  constexpr bool is_single(token id) const noexcept;
  constexpr result<void> check_merges(std::span<merge_rule> merges) const;
  constexpr bool learn_ranks();
  constexpr void rank_pieces();
  constexpr bool learn(std::span<merge_rule const> merges);
  constexpr void keep(merge_history&& history);
  constexpr void find_words();
  constexpr void add_word(token id) noexcept {
    auto const i = static_cast<std::size_t>(id);
    words_[i / 64] |= std::uint64_t{1} << (i % 64);
  }

  constexpr bool is_found(token id) const noexcept { return is_text(model_.pieces.kind(id)); }
  constexpr bool is_word(token id) const noexcept {
    auto const i = static_cast<std::size_t>(id);
    return (words_[i / 64] >> (i % 64) & 1) != 0;
  }

  token_model::bpe model_;
  piece_index index_;
  std::array<token, 256> characters_{};  // symbols of single bytes: of all 256, or of ASCII
  std::array<token, 256> byte_tokens_{}; // for byte fallback
  std::vector<std::uint64_t> words_;     // bits by id: merging makes this token of a word with these bytes
  bool plain_ = false;                   // every byte is a symbol
  bool learned_ = false;                 // it is known how each piece is made
  bool rows_ = false;                    // and `prefixes_` knows all that are
  merge_history history_;                // if learned
  merge_table merges_;                   // else
  longest_prefix prefixes_;
};

/// The token that all of `word` is known to be, or `no_token`.
constexpr token bpe::whole(std::string_view word, workspace& room) const {
  auto const suffix = model_.word_suffix.view();
  if (!suffix.empty() && !model_.whole_words) {
    room.text.assign(word.begin(), word.end());
    room.text.insert(room.text.end(), suffix.begin(), suffix.end());
    word = {room.text.data(), room.text.size()};
  }
  token const id = find(word);
  return id != no_token && (model_.whole_words ? is_found(id) : is_word(id)) ? id : no_token;
}

/// Puts `text` together of tokens whose neighbours stay apart, which is what merging makes of it: the first merge
/// across a border would be the best in the text of two neighbours as well. From left to right the longest token that
/// fits comes next; where none fits, the one before gives way to a shorter one. Up to a byte there is but one such row,
/// so none is tried twice (H. van Antwerpen, A. Neubeck, "So many tokens, so little time", 2024). Every byte must be a
/// token.
constexpr void bpe::find_row(std::string_view text, workspace& room) const {
  auto& row = room.symbols;
  row.clear();
  room.dead.assign(text.size() / 64 + 1, 0);
  auto const wanted = [this](token id) { return is_word(id); };
  auto const fits = [&](std::size_t at, longest_prefix::match const& next) {
    auto const end = at + next.size;
    if ((room.dead[end / 64] >> (end % 64) & 1) != 0) return false;
    return row.empty() || history_.stay_apart(row.back().id, next.id);
  };
  for (std::size_t at = 0, most = text.size(); at < text.size();) { // the next token has at most `most` bytes
    longest_prefix::match next{no_token, most + 1};
    do
      next = next.size < 2 ? longest_prefix::match{}
                           : prefixes_.find(text.substr(at), next.size - 1, model_.pieces, index_, wanted);
    while (next.size != 0 && !fits(at, next));
    if (next.size != 0) {
      add_symbol(next.id, next.size, room);
      at += next.size;
      most = text.size() - at;
    } else {
      room.dead[at / 64] |= std::uint64_t{1} << (at % 64);
      most = row.back().size - 1;
      at -= row.back().size;
      row.pop_back();
    }
  }
}

/// Makes the symbols that merging begins with.
constexpr void bpe::split(std::string_view word, workspace& room) const {
  auto& symbols = room.symbols;
  if (plain_) {
    symbols.resize(word.size(), merge_symbol{});
    for (std::size_t i = 0; i < word.size(); ++i) symbols[i] = {characters_[static_cast<unsigned char>(word[i])], 1};
    return;
  }
  symbols.clear();
  auto const prefix = model_.continuing_prefix.view(), suffix = model_.word_suffix.view();
  std::size_t unknown = 0; // bytes of an unknown token that is not added yet
  for (std::size_t at = 0, size = 0; at < word.size(); at += size) {
    size = model_.bytes ? 1 : utf8::decode(word.substr(at)).length;
    auto character = word.substr(at, size);
    bool const prefixed = at > 0 && !prefix.empty(), suffixed = at + size == word.size() && !suffix.empty();
    if (prefixed || suffixed) {
      auto& text = room.text;
      text.clear();
      if (prefixed) text.insert(text.end(), prefix.begin(), prefix.end());
      text.insert(text.end(), character.begin(), character.end());
      if (suffixed) text.insert(text.end(), suffix.begin(), suffix.end());
      character = {text.data(), text.size()};
    }
    token const id = character.size() == 1 ? characters_[static_cast<unsigned char>(character[0])] : find(character);
    if (id == no_token || !is_found(id)) {
      add_unknown(character, size, unknown, room);
      continue;
    }
    if (unknown != 0) add_symbol(model_.unknown, std::exchange(unknown, 0), room);
    add_symbol(id, size, room);
  }
  if (unknown != 0) add_symbol(model_.unknown, unknown, room);
}

/// Adds the tokens of the bytes of `character`, or `size` bytes to the unknown token. That token waits for more bytes
/// to join it until something known comes, and bytes overtake it, as in Hugging Face tokenizers.
constexpr void bpe::add_unknown(std::string_view character, std::size_t size, std::size_t& unknown,
                                workspace& room) const {
  auto const byte_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  if (model_.byte_fallback &&
      std::all_of(character.begin(), character.end(), [&](char c) { return byte_token(c) != no_token; })) {
    for (char const c : character) add_symbol(byte_token(c), 1, room);
  } else if (model_.unknown != no_token) {
    if (unknown != 0 && !model_.fuse_unknown) add_symbol(model_.unknown, std::exchange(unknown, 0), room);
    unknown += size;
  }
}

} // namespace loquat
