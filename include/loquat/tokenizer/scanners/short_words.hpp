#pragma once
/// \file
/// Most words of most texts are a letter, space or sign of ASCII and the letters behind it, at most 15 bytes together.
/// These are found by looking at 16 bytes at once, without branches that depend on the word. A scanner says, as
/// `short_words(byte, its class)`, what must come next for that to be a word of its pattern.

#include <loquat/core/bytes16.hpp>
#include <loquat/tokenizer/scanners/classes.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace loquat::scanners {

/// Among the classes of what comes next: the apostrophe, rather than `other`. (No mark is ASCII.)
inline constexpr unsigned char quote = mark;
/// All of ASCII.
inline constexpr unsigned char ascii = letter | number | white | other | quote;

/// What comes behind a first byte where that is a word (`alone`), or it and the letters that follow it
/// (`before_letters`): sets of classes of ASCII. Empty where there are no such words, or where it depends on more.
struct short_word {
  unsigned char alone = 0, before_letters = 0;
};

namespace detail {

inline constexpr auto next_classes = [] {
  std::array<unsigned char, 256> table{}; // beyond ASCII: none
  for (std::size_t c = 0; c < 128; ++c) table[c] = c == '\'' ? quote : ascii_classes[c];
  return table;
}();

/// What a scanner says, by byte.
template <class Scanner>
inline constexpr auto short_words = [] {
  std::array<short_word, 256> table{};
  for (std::size_t c = 0; c < 128; ++c) table[c] = Scanner::short_words(static_cast<char>(c), ascii_classes[c]);
  return table;
}();

/// The size of the word that begins 16 bytes at `from` and something behind them, if it is easily known; else 0.
template <class Scanner, class Bytes = bytes16>
[[gnu::always_inline]] inline std::size_t short_word_at(char const* from) noexcept {
  auto const byte = [from](std::size_t i) { return static_cast<unsigned char>(from[i]); };
  Bytes const bytes(from);
  unsigned letters;
  if constexpr (requires { Scanner::cuts_in_front_of_upper_case; }) { // where a lower-case letter is before it
    unsigned const lower = bytes.between('a', 'z'), upper = bytes.between('A', 'Z');
    letters = lower | (upper & ~(lower << 1));
  } else {
    letters = bytes.letters();
  }
  auto const behind_first = static_cast<unsigned>(std::countr_one(letters >> 1));
  auto const word = short_words<Scanner>[byte(0)];
  unsigned const next = next_classes[byte(1 + behind_first)];
  unsigned const ends = behind_first != 0 ? word.before_letters : word.alone;
  return behind_first < 15 && (ends & next) != 0 ? 1 + behind_first : 0;
}

} // namespace detail

/// The size of the word at `at`, where that is easily known; else 0.
template <class Scanner>
[[gnu::always_inline]] constexpr std::size_t short_word_at(std::string_view text, std::size_t at) noexcept {
  if constexpr (has_bytes16)
    if (!std::is_constant_evaluated() && text.size() - at > 16) return detail::short_word_at<Scanner>(text.data() + at);
  return 0;
}

} // namespace loquat::scanners
