#pragma once
/// \file
/// Normalizes by a precompiled character map of SentencePiece as Hugging Face tokenizers do, by grapheme clusters: one
/// of less than six bytes is replaced as a whole by what the shortest string at its beginning maps to; else its
/// characters are, each by itself. (`sentencepiece.hpp` has SentencePiece's own rule.)

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/charsmap.hpp>
#include <loquat/tokenizer/normalize/rewrite.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/unicode/grapheme.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat::normalize {

/// A compiled `precompiled`.
class mapper {
 public:
  /// Checks the map.
  static constexpr result<mapper> make(std::span<char const> map) {
    auto checked = charsmap::make(map);
    if (!checked) return std::move(checked).error();
    mapper made;
    made.map_ = *std::move(checked);
    if (!std::is_constant_evaluated()) made.find_quiet(); // only makes it quick
    return made;
  }

  /// True if `text` stays as it is. False may also be said of a text that does.
  constexpr bool leaves(std::string_view text) const noexcept {
    for (std::size_t at = skip(text, 0); at < text.size(); at = skip(text, at)) {
      auto const end = at + unicode::grapheme_length(text.substr(at));
      if (end - at < 6 && map_.shortest(text.substr(at, end - at))) return false;
      for (; at < end; at += character_length(text, at))
        if (map_.shortest(text.substr(at, character_length(text, at)))) return false;
    }
    return true;
  }

  /// Normalizes `text`.
  constexpr void apply(aligned_text& text, aligned_text& spare) const {
    auto const all = text.bytes();
    rewriter out(text, spare);
    std::size_t kept = 0;
    // Replaces bytes `begin` … `end` if the map has a string there.
    auto const map_part = [&](std::size_t begin, std::size_t end) {
      auto const found = map_.shortest(all.substr(begin, end - begin));
      if (!found) return false;
      if (in_place(text, begin, end, found->bytes)) return true;
      out.copy(kept, begin);
      kept = end;
      std::size_t const before = utf8_length(all.substr(begin, end - begin)), after = utf8_length(found->bytes);
      if (after == 0) out.remove(before);
      std::size_t n = 0;
      for (std::size_t at = 0; at < found->bytes.size(); ++n) {
        auto const length = character_length(found->bytes, at);
        int const dropped = n + 1 == after && after < before ? static_cast<int>(before - after) : 0;
        out.put(found->bytes.substr(at, length), n < before ? -dropped : 1);
        at += length;
      }
      return true;
    };
    for (std::size_t at = skip(all, 0); at < all.size(); at = skip(all, at)) {
      auto const end = at + unicode::grapheme_length(all.substr(at));
      if (end - at < 6 && map_part(at, end)) {
        at = end;
        continue;
      }
      while (at < end) {
        auto const next = at + character_length(all, at);
        map_part(at, next);
        at = next;
      }
    }
    if (kept == 0) return;
    out.copy(kept, all.size());
    text.swap(spare);
  }

 private:
  /// The next place at which something may have to be done. Quiet characters are passed over; but the last of them is
  /// looked at, too, if the one behind it may belong to it.
  constexpr std::size_t skip(std::string_view text, std::size_t at) const noexcept {
    using odd = bytes::either<bytes::control, bytes::foreign>;
    for (std::size_t last = at; at < text.size();) {
      if (static_cast<unsigned char>(text[at]) < 0x80) {
        auto const begin = at;
        while (at < text.size() && map_.is_plain(text[at]))
          at = map_.prints_plain() ? find_byte<odd>(text, at + 1) : at + 1;
        if (at == text.size() || static_cast<unsigned char>(text[at]) < 0x80) return at;
        if (at == begin) continue;
        last = at - 1;
      } else {
        auto const c = decode_at(text, at);
        if (!is_quiet(c.code_point)) return last;
        last = at;
        at += c.length;
      }
    }
    return at;
  }
  constexpr bool is_quiet(char32_t c) const noexcept {
    return c / 64 < quiet_.size() && (quiet_[c / 64] >> (c % 64) & 1) != 0;
  }
  /// Quiet are characters that are in no cluster with another quiet one, and that no string is.
  constexpr void find_quiet() {
    quiet_.assign(0x10000 / 64, 0);
    for (char32_t c = 1; c < 0x10000; ++c) {
      auto const bytes = utf8::encode(c);
      using enum unicode::grapheme_break;
      auto const g = unicode::grapheme(c);
      bool const single = g == other || g == lv || g == lvt || g == consonant || g == pictographic;
      if (single && !map_.shortest(bytes.view())) quiet_[c / 64] |= std::uint64_t{1} << (c % 64);
    }
  }

  /// Overwrites a character with another of the same length.
  static constexpr bool in_place(aligned_text& text, std::size_t begin, std::size_t end,
                                 std::string_view bytes) noexcept {
    if (end - begin != bytes.size() || character_length(text.bytes(), begin) != bytes.size()) return false;
    if (character_length(bytes, 0) != bytes.size()) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) text.data()[begin + i] = bytes[i];
    return true;
  }

  /// Characters in a text.
  static constexpr std::size_t utf8_length(std::string_view text) noexcept {
    std::size_t n = 0;
    for (std::size_t at = 0; at < text.size(); at += character_length(text, at)) ++n;
    return n;
  }

  charsmap map_;
  std::vector<std::uint64_t> quiet_; // bits by code point
};

} // namespace loquat::normalize
