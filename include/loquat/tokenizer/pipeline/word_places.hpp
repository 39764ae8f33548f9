#pragma once
/// \file
/// A word and the tokens that it became, as `word_cache.hpp` keeps them: in few bytes, and compared without a loop.

#include <loquat/core/token.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace loquat {

/// A word of less than `8 * Words` bytes: the bytes, then zeros, then their number.
template <std::size_t Words> struct word_key {
  std::array<std::uint64_t, Words> words{};

  static constexpr std::size_t longest = 8 * Words - 1; ///< bytes

  constexpr std::size_t size() const noexcept { return words[Words - 1] >> 56; } ///< bytes

  /// Becomes the key of bytes `begin` … `begin + size` of `text`; quick unless it is the end of the text.
  [[gnu::always_inline]] constexpr void assign(std::string_view text, std::size_t begin, std::size_t size) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if (!std::is_constant_evaluated() && text.size() - begin >= 8 * Words) {
        for (std::size_t i = 0; i < Words; ++i) { // by words: a load waits for the cache if it is of two stores
          std::uint64_t word = 0;
          std::memcpy(&word, text.data() + begin + 8 * i, sizeof word);
          words[i] = (word & masks[size][i]) | (i + 1 == Words ? std::uint64_t{size} << 56 : 0);
        }
        return;
      }
    }
    words = {};
    for (std::size_t i = 0; i < size; ++i)
      words[i / 8] |= std::uint64_t{static_cast<unsigned char>(text[begin + i])} << (i % 8 * 8);
    words[Words - 1] |= std::uint64_t{size} << 56;
  }

  /// Its highest bits are the best ones.
  constexpr std::uint64_t hash() const noexcept {
    std::uint64_t h = words[0];
    for (std::size_t i = 1; i < Words; ++i) h ^= std::rotl(words[i], static_cast<int>(23 * i)) * 0xD6E8FEB86659FD93u;
    return h * 0x9E3779B97F4A7C15u;
  }
  friend constexpr bool operator==(word_key const& a, word_key const& b) noexcept {
    std::uint64_t different = 0;
    for (std::size_t i = 0; i < Words; ++i) different |= a.words[i] ^ b.words[i];
    return different == 0;
  }

 private:
  static constexpr auto masks = [] {
    std::array<std::array<std::uint64_t, Words>, 8 * Words> all{};
    for (std::size_t size = 0; size < all.size(); ++size)
      for (std::size_t i = 0; i < size; ++i) all[size][i / 8] |= std::uint64_t{0xFF} << (i % 8 * 8);
    return all;
  }();
};

/// A word, of at most 15 bytes, and its tokens: three, or up to nine if it has both places of a set.
struct short_word_place {
  word_key<2> word;
  std::array<token, 3> ids{};
  std::array<std::uint8_t, 3> ends{}; // where tokens end in the word: they follow each other without gaps
  std::uint8_t count = 0;             // tokens

  using key = word_key<2>;                      ///< what it is found by
  static constexpr std::size_t most_tokens = 9; ///< of a word

  constexpr bool is_wide() const noexcept { return count > narrow; } ///< has both places

  /// Becomes a word of these tokens, each of which ends where `tokens_end` says.
  constexpr void assign(key const& k, std::span<token const> tokens,
                        std::span<std::uint8_t const> tokens_end) noexcept {
    *this = {k, {}, {}, static_cast<std::uint8_t>(tokens.size())};
    for (std::size_t i = 0; i < std::min(tokens.size(), narrow); ++i) ids[i] = tokens[i], ends[i] = tokens_end[i];
    if (!is_wide()) return;
    auto& more = this[1];
    more = {};
    more.word.words[1] = std::uint64_t{0xFF} << 56; // the size of no word
    for (std::size_t i = narrow; i < tokens.size(); ++i) {
      if (i < 2 * narrow) {
        more.word.words[(i - narrow) / 2] |= std::uint64_t{static_cast<std::uint32_t>(tokens[i])} << id_shift(i);
        more.word.words[1] |= std::uint64_t{tokens_end[i]} << end_shift(i);
      } else {
        more.ids[i - 2 * narrow] = tokens[i];
        more.ends[i - 2 * narrow] = tokens_end[i];
      }
    }
  }
  /// Writes the tokens, and something behind them: up to `most_tokens`.
  [[gnu::always_inline]] constexpr void write(token* to) const noexcept {
    for (std::size_t i = 0; i < narrow; ++i) to[i] = ids[i];
    if (!is_wide()) return;
    auto const& more = this[1];
    for (std::size_t i = narrow; i < 2 * narrow; ++i)
      to[i] = static_cast<token>(static_cast<std::uint32_t>(more.word.words[(i - narrow) / 2] >> id_shift(i)));
    for (std::size_t i = 0; i < narrow; ++i) to[2 * narrow + i] = more.ids[i];
  }
  /// Where token `i` ends.
  constexpr std::size_t end(std::size_t i) const noexcept {
    if (i < narrow) return ends[i];
    return i < 2 * narrow ? this[1].word.words[1] >> end_shift(i) & 0xFF : this[1].ends[i - 2 * narrow];
  }

 private:
  static constexpr std::size_t narrow = 3;
  // Tokens 3 to 5 are where the next place has its word: two in the first half, one and the ends in the second.
  static constexpr unsigned id_shift(std::size_t i) noexcept { return i == 4 ? 32 : 0; }
  static constexpr unsigned end_shift(std::size_t i) noexcept { return static_cast<unsigned>(8 + 8 * i); }
};

/// A word of less than `8 * Words` bytes and its tokens.
template <std::size_t Words, std::size_t Tokens> struct long_word_place {
  word_key<Words> word;
  std::array<token, Tokens> ids{};
  std::array<std::uint8_t, Tokens> ends{};
  std::uint8_t count = 0;

  using key = word_key<Words>;                       ///< what it is found by
  static constexpr std::size_t most_tokens = Tokens; ///< of a word

  constexpr bool is_wide() const noexcept { return false; } ///< has both places of a set
  /// Becomes a word of these tokens, each of which ends where `tokens_end` says.
  constexpr void assign(key const& k, std::span<token const> tokens,
                        std::span<std::uint8_t const> tokens_end) noexcept {
    word = k;
    std::copy(tokens.begin(), tokens.end(), ids.begin());
    std::copy(tokens_end.begin(), tokens_end.end(), ends.begin());
    count = static_cast<std::uint8_t>(tokens.size());
  }
  /// Writes the tokens, and something behind them: `most_tokens`.
  constexpr void write(token* to) const noexcept { std::copy(ids.begin(), ids.end(), to); }
  constexpr std::size_t end(std::size_t i) const noexcept { return ends[i]; } ///< where token `i` ends
};

} // namespace loquat
