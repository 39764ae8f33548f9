#pragma once
/// \file
/// What a SentencePiece BPE tokenizer holds. Part of `sentencepiece_bpe.hpp`, which explains it.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/adjacency.hpp>
#include <loquat/tokenizer/merge.hpp>
#include <loquat/tokenizer/pair_map.hpp>
#include <loquat/tokenizer/prefix_trie.hpp>
#include <loquat/tokenizer/spaces.hpp>
#include <loquat/tokenizer/tokenizer.hpp>
#include <loquat/tokenizer/vocabulary.hpp>
#include <loquat/tokenizer/word_index.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

class sentencepiece_cursor;

/// A SentencePiece BPE tokenizer. It owns all that it needs; immutable, so that threads can share it.
class sentencepiece_bpe {
 public:
  /// Builds a tokenizer. Errors: `errc::mismatch` for arrays of different lengths; `errc::malformed`, which names the
  /// token, for scores that are no finite numbers, byte tokens that name no byte, special tokens out of range, and for
  /// a vocabulary in which a character may have neither a byte nor the unknown token; `errc::unsupported` above 2
  /// million tokens and characters. Of pieces that are equal the first is used; pieces that are empty, no UTF-8 or
  /// contain 0x20 (which normalised text never does) can be decoded but not encoded. Linear in the size of the
  /// vocabulary.
  static constexpr result<sentencepiece_bpe> make(vocabulary_spec const& spec);

  constexpr std::size_t size() const noexcept { return vocabulary_.size(); } ///< ids are 0 … size() - 1
  /// The text of a token: U+2581 as a space, byte tokens as their byte, control tokens as their name ("</s>"), the
  /// unknown token as " ⁇ " (U+2047), as SentencePiece writes it. Empty for an id out of range.
  constexpr std::string_view piece(token id) const noexcept { return vocabulary_.piece(id); }
  constexpr token_kind kind(token id) const noexcept { return vocabulary_.kind(id); } ///< what a token is
  /// True for control tokens, which are no text.
  constexpr bool is_special(token id) const noexcept { return kind(id) == token_kind::control; }
  constexpr token find(std::string_view text) const noexcept { return vocabulary_.find(text); } ///< `vocabulary::find`
  constexpr token begin_token() const noexcept { return begin_; }     ///< `no_token` if there is none
  constexpr token end_token() const noexcept { return end_; }         ///< `no_token` if there is none
  constexpr token unknown_token() const noexcept { return unknown_; } ///< `no_token` if there is none
  constexpr bool adds_begin() const noexcept { return add_begin_; }   ///< whether encoding puts `begin_token` first
  constexpr bool adds_end() const noexcept { return add_end_; }       ///< whether encoding puts `end_token` last
  /// Whether encoding puts a space before a text, which decoding a whole text takes away.
  constexpr bool adds_space() const noexcept { return spaces_.add_prefix; }

  /// Begins to encode `text`, which must outlive the cursor, as must the tokenizer. Control tokens that are parsed end
  /// a stretch of text; what follows one is normalised like a text of its own, as llama.cpp does.
  constexpr sentencepiece_cursor start(std::string_view text, encode_options options = {}) const;

 private:
  friend class sentencepiece_cursor;

  /// The two symbols that make an unused piece.
  struct halves {
    std::uint32_t whole, left, right;
    std::uint32_t left_size; // bytes
  };

  constexpr std::uint32_t symbol_of(char32_t c) const noexcept { return c < 128 ? ascii_[c] : characters_.find(c, 0); }
  constexpr std::size_t split(std::string_view text, std::span<bpe_symbol> out) const noexcept;
  constexpr std::size_t plain_run(std::string_view text) const noexcept;
  constexpr result<void> read_pieces(vocabulary_spec const& spec);
  constexpr result<void> learn_rules(vocabulary_spec const& spec);
  constexpr void learn_rule(token id, std::span<bpe_symbol> symbols);

  vocabulary vocabulary_;
  token begin_ = no_token, end_ = no_token, unknown_ = no_token;
  bool add_begin_ = false, add_end_ = false;
  space_normalizer::options spaces_;
  bool has_bytes_ = false; // all 256 byte tokens are there
  std::array<token, 256> byte_tokens_{};

  // Symbols are the tokens, and from size() on the characters that are in pieces but are none themselves.
  std::array<std::uint32_t, 128> ascii_{}; // symbols of single characters
  pair_map characters_;                    // code point, 0 → symbol
  std::uint32_t symbols_ = 0;
  merge_rules rules_;
  adjacency adjacent_;
  word_index words_;              // pieces that are their own encoding
  std::vector<halves> unused_;    // by `whole`
  prefix_trie user_defined_;      // over normalised text
  prefix_trie control_;           // over the text as it is
  std::array<bool, 256> plain_{}; // ASCII that normalisation leaves alone and that begins no user-defined piece
};

/// Makes one symbol for each character of `text`, for which there must be room, and returns how many. Bytes that are no
/// UTF-8 are part of no piece.
constexpr std::size_t sentencepiece_bpe::split(std::string_view text, std::span<bpe_symbol> out) const noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    std::uint32_t id = pair_map::none;
    if (auto const byte = static_cast<unsigned char>(text[at]); byte < 0x80) {
      id = ascii_[byte];
      ++at;
    } else {
      auto const c = utf8::decode(text.substr(at));
      if (c.valid) id = characters_.find(c.code_point, 0);
      at += c.length;
    }
    out[count].id = id;
    out[count].end = static_cast<std::uint32_t>(at);
  }
  return count;
}

/// How many characters in front of `text` are plain and have no cut between them.
constexpr std::size_t sentencepiece_bpe::plain_run(std::string_view text) const noexcept {
  auto const is_plain = [&](std::size_t i) { return plain_[static_cast<unsigned char>(text[i])]; };
  if (text.empty() || !is_plain(0)) return 0;
  std::size_t n = 1;
  while (n < text.size() && is_plain(n) &&
         adjacent_.contains(static_cast<unsigned char>(text[n - 1]), static_cast<unsigned char>(text[n])))
    ++n;
  return n;
}

} // namespace loquat
