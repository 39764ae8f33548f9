#pragma once
/// \file
/// A tokenizer as data: what a file says of it. Every source (GGUF, tokenizer.json, SentencePiece, tiktoken, vocab.txt)
/// is read into a `tokenizer_definition`, `tokenizer::make` builds a tokenizer of one, and `save_json` writes one. The
/// parts and their names are those of Hugging Face tokenizers (github.com/huggingface/tokenizers), whose pipeline is
/// text → added tokens → normalizers → pre-tokenizers → model → post-processor, and back through the decoders.

#include <loquat/core/one_of.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/merge_rule.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace loquat {

/// Bytes that a definition owns; a `std::string` is no constant expression with every compiler.
class owned_text {
 public:
  constexpr owned_text() = default;
  constexpr owned_text(std::string_view text) : bytes_(text.begin(), text.end()) {}
  constexpr operator std::string_view() const noexcept { return {bytes_.data(), bytes_.size()}; }
  constexpr std::string_view view() const noexcept { return *this; } ///< the bytes
  friend constexpr bool operator==(owned_text const&, owned_text const&) = default;

 private:
  std::vector<char> bytes_{};
};

/// What `replace` and `split` look for.
struct text_pattern {
  owned_text text{};
  bool is_regex = false; ///< else the text itself
};

/// A token that is found in the text before anything else happens to it.
struct added_token {
  owned_text content{};
  token id = no_token;
  bool special = false;                         ///< a control token: no text when decoding skips special tokens
  bool single_word = false;                     ///< only where no letter, digit or _ touches it
  bool strip_left = false, strip_right = false; ///< takes the white space beside it
  bool normalized = false;                      ///< is looked for in the normalized text, and normalized itself
};

/// Steps that change the text before it is split.
namespace normalize {

struct nfc {};
struct nfd {};
struct nfkc {};
struct nfkd {};
struct lowercase {};     ///< per code point
struct strip_accents {}; ///< removes nonspacing marks
struct nmt {};           ///< removes and replaces control characters and spaces
struct byte_level {};    ///< every byte as one of 256 printable characters
struct strip {
  bool left = true, right = true; ///< white space
};
struct replace {
  text_pattern what{};
  owned_text content{};
};
struct prepend {
  owned_text text{}; ///< unless the text is empty
};
struct bert {
  bool clean_text = true, chinese_characters = true, lowercase = true;
  std::optional<bool> strip_accents{}; ///< as `lowercase`, if not given
};
struct precompiled {
  std::vector<char> charsmap{}; ///< SentencePiece's: a double array of prefixes and their replacements
};
/// All that SentencePiece does before it splits a text; pieces of kind `user_defined` stay as they are.
struct sentencepiece {
  std::vector<char> charsmap{}; ///< empty: none
  bool add_prefix = true;       ///< a space before the text
  bool remove_extra = true;     ///< spaces at both ends go, runs become one
  bool suffix = false;          ///< the added space is behind the text
};
/// One of them.
using step = one_of<nfc, nfd, nfkc, nfkd, lowercase, strip_accents, nmt, byte_level, strip, replace, prepend, bert,
                    precompiled, sentencepiece>;

} // namespace normalize

/// Steps that split the normalized text into words, which the model sees one by one.
namespace pretokenize {

/// What becomes of what a pattern matches.
enum class behavior : unsigned char { removed, isolated, merged_with_previous, merged_with_next, contiguous };
/// Before which parts of a text `metaspace` puts a space.
enum class prepend_scheme : unsigned char { first, never, always };

struct byte_level {
  bool add_prefix_space = true, use_regex = true, trim_offsets = true;
};
struct bert {}; ///< white space, and every punctuation character by itself
struct metaspace {
  char32_t replacement = 0x2581;
  prepend_scheme prepend = prepend_scheme::always;
  bool split = true;
};
struct whitespace {};       ///< runs of letters, digits and _, and runs of what is neither that nor white space
struct whitespace_split {}; ///< white space
struct digits {
  bool individual = false;
};
struct punctuation {
  pretokenize::behavior behavior = pretokenize::behavior::isolated;
};
struct split {
  text_pattern pattern{};
  pretokenize::behavior behavior = pretokenize::behavior::removed;
  bool invert = false; ///< the pattern matches what stays
};
struct unicode_scripts {}; ///< where the script changes
struct char_delimiter {
  char32_t delimiter = U' ';
};
struct fixed_length {
  std::size_t length = 5; ///< characters
};
/// One of them.
using step = one_of<byte_level, bert, metaspace, whitespace, whitespace_split, digits, punctuation, split,
                    unicode_scripts, char_delimiter, fixed_length>;

} // namespace pretokenize

/// Models with their vocabularies: words to ids.
namespace token_model {

/// Byte-pair encoding. Where symbols are bytes, pieces are stored as the bytes they stand for.
struct bpe {
  vocabulary pieces{};
  std::optional<piece_index> index{}; ///< of all pieces, where a reader has made it
  /// Pairs that merge, the best first. Empty with `ranked`. What a pair merges into is found by its text if it is not
  /// given (`no_token`).
  std::vector<merge_rule> merges{};
  bool ranked = false; ///< any pair merges whose bytes are a piece, the lowest id first (tiktoken)
  bool bytes = false;  ///< symbols begin as bytes, not as characters
  token unknown = no_token;
  owned_text continuing_prefix{}, word_suffix{}; ///< of pieces that do not begin a word; that end one
  bool fuse_unknown = false;                     ///< unknown tokens in a row are one
  bool byte_fallback = false;                    ///< `<0x0A>` for the bytes of what is unknown
  bool whole_words = false;                      ///< a word that is a piece is that piece (`ignore_merges`; tiktoken)
};
/// SentencePiece's BPE: the adjacent pair whose piece has the best score is merged.
struct scored_bpe {
  vocabulary pieces{}; ///< U+2581 stands for a space, `<0x0A>` of kind `byte` for a byte
  std::vector<float> scores{};
  token unknown = no_token;
};
/// A token for each character (SentencePiece's CHAR).
struct characters {
  vocabulary pieces{}; ///< as those of `scored_bpe`
  token unknown = no_token;
};
/// Longest match, again and again.
struct wordpiece {
  vocabulary pieces{};
  token unknown = no_token;
  owned_text continuing_prefix{"##"};
  std::size_t longest_word = 100; ///< characters; a longer one is unknown
};
/// The most probable segmentation.
struct unigram {
  vocabulary pieces{};
  std::vector<double> scores{}; ///< logarithms of probabilities, by id
  token unknown = no_token;
  bool byte_fallback = false;
  /// As SentencePiece has it, where Hugging Face tokenizers differ: U+2581 in pieces is a space, sums are rounded to
  /// single precision, user-defined pieces have a score of about 0, unknown characters in a row are never a piece, and
  /// of the bytes of a character the last one stands for all of its text.
  bool sentencepiece = false;
};
/// A word is a token or unknown.
struct word_level {
  vocabulary pieces{};
  token unknown = no_token;
};
/// The longest piece that the rest of the text begins with (RWKV); pieces are bytes.
struct longest_match {
  vocabulary pieces{};
};
/// One of them.
using any = one_of<bpe, scored_bpe, characters, wordpiece, unigram, word_level, longest_match>;

} // namespace token_model

/// Tokens around and between the texts.
namespace postprocess {

struct item {
  enum class kind : unsigned char { special, first, second } what = kind::first; ///< tokens, or one of two texts
  std::uint32_t type_id = 0;
  std::vector<token> ids{}; ///< of `special`
};
struct template_processing {
  std::vector<item> single{}, pair{};
};
/// BERT's: begin, text, end; of a pair the second text, with type id 1, and another end behind it.
constexpr template_processing bert(token begin, token end) {
  using enum item::kind;
  template_processing t;
  for (auto* items : {&t.single, &t.pair}) {
    items->push_back({special, 0, {begin}});
    items->push_back({first, 0, {}});
    items->push_back({special, 0, {end}});
  }
  t.pair.push_back({second, 1, {}});
  t.pair.push_back({special, 1, {end}});
  return t;
}
struct byte_level {
  bool add_prefix_space = true, trim_offsets = true; ///< white space is no part of a token's offsets
};
struct roberta {
  token begin = no_token, end = no_token;
  bool trim_offsets = true, add_prefix_space = true;
};
/// One of them.
using step = one_of<template_processing, byte_level, roberta>;

} // namespace postprocess

/// Steps from the texts of tokens to a text.
namespace decode_step {

struct byte_level {};
struct byte_fallback {}; ///< `<0x0A>` as its byte
struct fuse {};          ///< one text of all
struct wordpiece {
  owned_text prefix{"##"};
  bool cleanup = true; ///< no spaces before punctuation, in contractions
};
struct metaspace {
  char32_t replacement = 0x2581;
  pretokenize::prepend_scheme prepend = pretokenize::prepend_scheme::always;
};
struct bpe {
  owned_text suffix{"</w>"};
};
struct strip {
  char32_t content = U' ';
  std::size_t start = 0, stop = 0; ///< at most so many of them
};
struct replace {
  text_pattern what{};
  owned_text content{};
};
struct ctc {
  owned_text pad{"<pad>"}, word_delimiter{"|"};
  bool cleanup = true;
};
/// One of them.
using step = one_of<byte_level, byte_fallback, fuse, wordpiece, metaspace, bpe, strip, replace, ctc>;

} // namespace decode_step

/// How an encoding that is too long is cut.
struct truncation {
  /// Of which of two texts tokens are taken away.
  enum class strategy : unsigned char { longest_first, only_first, only_second };
  std::size_t max_length = 512, stride = 0; ///< tokens; `stride` of them are in two neighbouring parts
  strategy how = strategy::longest_first;
  bool from_left = false;
};

/// How encodings of a batch get the same length.
struct padding {
  std::optional<std::size_t> length{}; ///< of all; else that of the longest
  std::size_t multiple_of = 0;         ///< 0: of any
  bool on_left = false;
  token id = 0;
  std::uint32_t type_id = 0;
  owned_text piece{"[PAD]"};
};

/// All of it.
struct tokenizer_definition {
  std::vector<added_token> added{};
  std::vector<normalize::step> normalizers{};
  std::vector<pretokenize::step> pretokenizers{};
  token_model::any model{};
  std::vector<postprocess::step> postprocessors{};
  std::vector<decode_step::step> decoders{};
  std::optional<loquat::truncation> truncation{};
  std::optional<loquat::padding> padding{};
};

/// Whether text comes to the model in the byte alphabet, so that the pieces, which are bytes, are spelled in it.
constexpr bool is_byte_level(tokenizer_definition const& d) noexcept {
  auto const has = [](auto const& steps, auto holds) { return std::any_of(steps.begin(), steps.end(), holds); };
  return has(d.normalizers, [](auto const& s) { return s.template holds<normalize::byte_level>(); }) ||
         has(d.pretokenizers, [](auto const& s) { return s.template holds<pretokenize::byte_level>(); });
}

} // namespace loquat
