#pragma once
/// \file
/// An encoding under way: what the tokenizer works in, and how far it has come. Part of `pipeline.hpp`.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/added_tokens.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/models/any_model.hpp>
#include <loquat/tokenizer/normalize.hpp>
#include <loquat/tokenizer/pipeline/word_cache.hpp>
#include <loquat/tokenizer/pretokenize.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// Where tokens come from in a text.
enum class offset_rule : unsigned char {
  none,       ///< nobody wants to know
  characters, ///< of a token that is part of a character: all of the character, as in Hugging Face tokenizers
  bytes,      ///< of a token that is part of a character: its bytes, as in tiktoken
};

/// Tokens in a buffer that is kept from text to text.
class token_buffer {
 public:
  constexpr std::size_t size() const noexcept { return size_; }                          ///< tokens
  constexpr std::span<token const> ids() const noexcept { return {ids_.data(), size_}; } ///< all of them
  /// Where they come from; empty if nobody wanted to know.
  constexpr std::span<byte_range const> offsets() const noexcept { return {offsets_.data(), located_ ? size_ : 0}; }

  /// Drops all. `located`: keep offsets from now on.
  constexpr void clear(bool located) noexcept {
    size_ = 0;
    located_ = located;
  }
  /// Makes room for `n` tokens more.
  constexpr void reserve(std::size_t n) {
    if (size_ + n > ids_.size() || (located_ && size_ + n > offsets_.size())) grow(n);
  }
  /// Adds a token, for which there must be room.
  constexpr void put(token id, byte_range where) noexcept {
    ids_[size_] = id;
    if (located_) offsets_[size_] = where;
    ++size_;
  }
  /// The next `n` tokens, to be written; room must have been made.
  constexpr token* next() noexcept { return ids_.data() + size_; }
  constexpr byte_range* next_offset() noexcept { return offsets_.data() + size_; } ///< the same
  constexpr void advance(std::size_t n) noexcept { size_ += n; }                   ///< they are written

 private:
  [[gnu::noinline]] constexpr void grow(std::size_t n) {
    auto const wanted = std::max(size_ + n, 2 * ids_.size());
    if (wanted > ids_.size()) ids_.resize(wanted, no_token);
    if (located_ && wanted > offsets_.size()) offsets_.resize(wanted, byte_range{});
  }

  std::vector<token> ids_;
  std::vector<byte_range> offsets_;
  std::size_t size_ = 0;
  bool located_ = false;
};

/// What encoding works in; one for each thread. It grows with the longest text, and remembers words of the tokenizer
/// that it was last used with.
struct tokenizer_workspace {
  token_buffer tokens;
  aligned_text text, part; ///< a section, normalized; a stretch of it
  normalizer::workspace normalizing;
  pretokenizer::workspace splitting;
  pretokenize::words words;
  token_model_workspace model;
  word_cache cache;
};

/// How far an encoding has come. A text consists of sections between added tokens, a normalized section of stretches
/// between those that are looked for then, a stretch of words.
struct encoding_progress {
  constexpr encoding_progress(std::string_view text, encode_options how, offset_rule offsets, added_tokens const& raw)
      : source(text), options(how), rule(offsets), sections(raw, text), stretches(raw, {}) {}

  /// Goes on in a copy of the workspace.
  constexpr void move_to(tokenizer_workspace const& copy) noexcept {
    if (section_in == place::text) stretches.move_to(section = copy.text.bytes());
    if (words_in != place::source) bytes = (words_in == place::text ? copy.text : copy.part).bytes();
  }

  std::string_view source;
  encode_options options;
  offset_rule rule;

  added_tokens::reader sections;
  added_tokens::match behind_section{no_token, 0, 0}; ///< the added token after what is under way
  std::size_t section_end = 0;                        ///< what is before it in the source is done or under way
  bool last_section = false;

  /// Where bytes are: in the source, or in a text of the workspace.
  enum class place : unsigned char { source, text, part };
  bool in_section = false;
  place section_in = place::source;
  std::size_t section_begin = 0; ///< in the source
  std::string_view section{};
  added_tokens::reader stretches;
  added_tokens::match behind_stretch{no_token, 0, 0};
  std::size_t stretch_end = 0; ///< in the section
  bool last_stretch = false;

  bool in_words = false;
  bool listed = false; ///< words are a list in the workspace; else they are found on the way
  place words_in = place::source;
  std::string_view bytes{};    ///< which words are ranges of
  std::size_t bytes_begin = 0; ///< in the source, if they are there
  std::size_t word = 0;        ///< the next one: its number in the list, or its first byte
};

} // namespace loquat
