#pragma once
/// \file
/// What SentencePiece does to spaces before it splits a text: a space in front of it, U+2581 for each space, optionally
/// no runs and no space at the end. Here a space stays the one byte 0x20, and U+2581 in the text becomes one: pieces
/// are stored in the same way, so nothing is lost and everything is shorter.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <cstddef>
#include <string_view>

namespace loquat {

inline constexpr std::string_view space_symbol = "\xE2\x96\x81"; ///< U+2581, which stands for a space in pieces

/// Reads a text character by character in normalised form. A copy remembers the place.
class space_normalizer {
 public:
  struct options {
    bool add_prefix = true;    ///< a space before the text, unless it is empty
    bool remove_extra = false; ///< spaces at both ends go, runs become one
    invalid_utf8 invalid = invalid_utf8::replace;
  };
  struct character {
    char32_t code_point = 0;
    std::string_view bytes; ///< empty at the end of the text
  };

  constexpr space_normalizer() = default;
  constexpr space_normalizer(std::string_view text, options how) : rest_(text), options_(how) {
    if (how.remove_extra) {
      while (rest_.starts_with(' ')) rest_.remove_prefix(1);
      while (true) {
        if (rest_.ends_with(' '))
          rest_.remove_suffix(1);
        else if (rest_.ends_with(space_symbol))
          rest_.remove_suffix(space_symbol.size());
        else
          break;
      }
    }
    prefix_ = how.add_prefix && !rest_.empty();
  }

  /// The next character, and beyond the last an empty one. Of a byte that is no UTF-8 kept as it is, the code point is
  /// above U+10FFFF, so that it is part of no piece.
  constexpr character next() noexcept {
    if (prefix_) {
      prefix_ = false;
      return {' ', " "};
    }
    auto c = utf8::decode(rest_);
    auto bytes = rest_.substr(0, c.length);
    rest_.remove_prefix(c.length);
    if (bytes == " " && options_.remove_extra)
      while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    if (bytes == space_symbol) return {' ', " "};
    if (!c.valid && !bytes.empty()) {
      if (options_.invalid == invalid_utf8::bytes) return {0x110000u + static_cast<unsigned char>(bytes[0]), bytes};
      bytes = utf8::replacement_bytes;
    }
    return {c.code_point, bytes};
  }

  /// The text that is left as it is, not normalised; empty if the space before the text is still to come.
  constexpr std::string_view rest() const noexcept { return prefix_ ? std::string_view() : rest_; }
  /// Moves past the first `bytes` of `rest()`.
  constexpr void skip(std::size_t bytes) noexcept { rest_.remove_prefix(bytes); }

 private:
  std::string_view rest_;
  options options_;
  bool prefix_ = false;
};

} // namespace loquat
