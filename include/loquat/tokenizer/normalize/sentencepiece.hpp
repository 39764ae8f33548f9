#pragma once
/// \file
/// What SentencePiece (github.com/google/sentencepiece, version 0.1.97) does to a text before its models see it: it
/// replaces the longest strings of a character map, leaves user-defined pieces as they are, removes spaces that are too
/// many and adds one. A space is the one byte 0x20 here, which U+2581 becomes as well (see `models/plain_spaces.hpp`).

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/plain_spaces.hpp>
#include <loquat/tokenizer/models/user_pieces.hpp>
#include <loquat/tokenizer/normalize/charsmap.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::normalize {

/// A compiled `sentencepiece`. Bytes that are no UTF-8 stay as they are: to be SentencePiece's U+FFFD they have to be
/// replaced afterwards, since a map may have U+FFFD, but does not have them.
class sentencepiece_normalizer {
 public:
  /// `pieces`: those of the model as the definition has them. Errors: those of `charsmap::make` and
  /// `user_pieces::make`.
  static constexpr result<sentencepiece_normalizer> make(sentencepiece const& how, vocabulary const& pieces) {
    sentencepiece_normalizer made;
    auto map = charsmap::make(how.charsmap);
    if (!map) return std::move(map).error();
    auto user = user_pieces::make(pieces);
    if (!user) return std::move(user).error();
    made.map_ = *std::move(map);
    made.user_ = *std::move(user);
    made.remove_extra_ = how.remove_extra;
    made.only_spaces_ = how.charsmap.empty() && !how.remove_extra;
    made.pads_front_ = how.add_prefix && !how.suffix;
    made.pads_back_ = how.add_prefix && how.suffix;
    made.single_stays_ = how.remove_extra && made.map_.is_plain(' ') && !made.user_.begins(' ');
    made.prints_plain_ = true;
    for (unsigned c = 0; c < 0x80; ++c) {
      char const byte = static_cast<char>(c);
      made.plain_[c] = made.map_.is_plain(byte) && !made.user_.begins(byte) && !(c == ' ' && how.remove_extra);
      made.prints_plain_ = made.prints_plain_ && (made.plain_[c] || c < 0x20 || c == 0x7F);
    }
    if (!std::is_constant_evaluated()) made.find_quiet(); // only makes it quick
    return made;
  }

  constexpr bool pads_front() const noexcept { return pads_front_; } ///< puts a space before texts
  constexpr bool pads_back() const noexcept { return pads_back_; }   ///< puts a space behind texts
  /// True if nothing but this is done to `text`. So the caller can add the space where it copies the text anyway. If
  /// `offsets`, origins are just those of the bytes as well, so that offsets can be counted; they are not in
  /// user-defined pieces.
  constexpr bool only_pads(std::string_view text, bool offsets) const noexcept {
    if (only_spaces_ && !offsets) return text.find(piece_space) == text.npos;
    bool after_space = remove_extra_;
    return next_change(text, 0, after_space).at == text.size() && !(remove_extra_ && text.ends_with(' '));
  }
  /// True if `text` stays as it is.
  constexpr bool leaves(std::string_view text) const noexcept {
    return text.empty() || (!pads_front_ && !pads_back_ && only_pads(text, true));
  }

  /// Normalizes `text`. Origins are such that tokens have the offsets of SentencePiece: what is removed belongs to the
  /// character before; of all that replaces a string, the last byte has its range and the others an empty one in front.
  constexpr void apply(aligned_text& text, aligned_text& spare) const {
    auto const all = text.bytes();
    spare.clear(text.aligned());
    std::size_t kept = skip_front(all); // from here on bytes are still to be copied
    if (kept < all.size()) {
      auto const front = text.origin(kept).begin;
      if (pads_front_) spare.append(" ", {front, front});
      bool after_space = remove_extra_;
      for (std::size_t at = kept;;) {
        auto const next = only_spaces_ && !text.aligned() ? next_space(all, at) : next_change(all, at, after_space);
        spare.append(text, kept, next.at);
        if (next.at == all.size()) break;
        at = kept = next.at + next.length;
        put(next.bytes, {text.origin(next.at).begin, text.origin(kept - 1).end}, spare);
      }
      auto end = text.origin(all.size() - 1).end;
      if (remove_extra_) {
        auto size = spare.size();
        for (; size > 0 && spare.bytes()[size - 1] == ' '; --size) end = spare.origin(size - 1).begin;
        spare.keep(0, size);
      }
      if (pads_back_) spare.append(" ", {end, end});
    }
    text.swap(spare);
  }

 private:
  /// Bytes `at` … `at + length` of a text become `bytes`.
  struct change {
    std::size_t at = 0, length = 0;
    std::string_view bytes;
    bool replaced = false; ///< by the map, or a user-defined piece
  };

  /// What the text from `at` on begins with.
  constexpr change read(std::string_view text, std::size_t at) const noexcept {
    if (auto const found = user_.match(text, at); found.id != no_token)
      return {at, found.length, text.substr(at, found.length), true};
    if (auto const found = map_.longest(text.substr(at))) return {at, found->length, found->bytes, true};
    auto const length = character_length(text, at);
    return {at, length, text.substr(at, length), false};
  }
  /// The first place from `at` on where the text does not stay as it is; its size if there is none. `after_space`:
  /// spaces are too many here, and then behind that place.
  constexpr change next_change(std::string_view text, std::size_t at, bool& after_space) const noexcept {
    while (true) {
      std::size_t const place = skip(text, at);
      if (place > at) after_space = false;
      if (place == text.size()) return {place, 0, {}, false};
      if (text[place] == ' ' && single_stays_ && !after_space && followed_by_ascii(text, place)) {
        after_space = true;
        at = place + 1;
        continue;
      }
      auto found = read(text, place);
      auto const size = found.bytes.size();
      while (after_space && found.bytes.starts_with(' ')) found.bytes.remove_prefix(1);
      if (!found.bytes.empty()) after_space = remove_extra_ && found.bytes.ends_with(' ');
      if (found.replaced || found.bytes.size() < size || found.bytes == piece_space) return found;
      at = place + found.length;
    }
  }
  static constexpr bool followed_by_ascii(std::string_view text, std::size_t at) noexcept {
    return at + 1 == text.size() || static_cast<unsigned char>(text[at + 1]) < 0x80;
  }
  /// The same if only U+2581 does not stay.
  static constexpr change next_space(std::string_view text, std::size_t at) noexcept {
    auto const place = text.find(piece_space, at);
    return place == text.npos ? change{text.size(), 0, {}, false}
                              : change{place, piece_space.size(), piece_space, true};
  }
  /// Where spaces at the front end.
  constexpr std::size_t skip_front(std::string_view text) const noexcept {
    std::size_t at = 0;
    while (remove_extra_ && at < text.size()) {
      auto const found = read(text, at);
      if (found.bytes != " ") break;
      at += found.length;
    }
    return at;
  }
  static constexpr void put(std::string_view bytes, byte_range range, aligned_text& out) {
    byte_range const front{range.begin, range.begin};
    for (std::size_t at = 0; at < bytes.size();) {
      bool const space = bytes.substr(at).starts_with(piece_space);
      out.append(space ? std::string_view(" ") : bytes.substr(at, 1), front);
      at += space ? piece_space.size() : 1;
    }
    if (out.aligned() && out.size() > 0) out.set_origin(out.size() - 1, {out.origin(out.size() - 1).begin, range.end});
  }

  /// The next place from `at` on that has to be looked at. Of plain characters that is one before what is no ASCII, if
  /// strings begin with it.
  constexpr std::size_t skip(std::string_view text, std::size_t at) const noexcept {
    using odd = bytes::either<bytes::control, bytes::foreign>;
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    while (at < text.size()) {
      if (byte(at) < 0x80) {
        while (at < text.size() && plain_[byte(at)]) at = prints_plain_ ? find_byte<odd>(text, at + 1) : at + 1;
        if (at == text.size() || byte(at) < 0x80) return at;
        if (!is_quiet(byte(at - 1))) return at - 1;
      } else {
        auto const c = decode_at(text, at);
        if (!is_quiet(c.code_point)) return at;
        at += c.length;
      }
    }
    return at;
  }
  constexpr bool is_quiet(char32_t c) const noexcept {
    return c / 64 < quiet_.size() && (quiet_[c / 64] >> (c % 64) & 1) != 0;
  }
  /// Quiet are characters that stay as they are, whatever follows them.
  constexpr void find_quiet() {
    quiet_.assign(0x10000 / 64, 0);
    for (char32_t c = 0; c < 0x10000; ++c) {
      auto const bytes = utf8::encode(c);
      if (bytes.view() == piece_space || user_.begins(bytes.bytes[0]) || map_.leads(bytes.view())) continue;
      quiet_[c / 64] |= std::uint64_t{1} << (c % 64);
    }
  }

  charsmap map_;
  user_pieces user_;
  bool remove_extra_ = false, pads_front_ = false, pads_back_ = false;
  bool single_stays_ = false;        // of several spaces the first stays, before ASCII
  bool only_spaces_ = false;         // user-defined pieces matter for offsets alone
  std::array<bool, 256> plain_{};    // ASCII that stays as it is before other ASCII
  bool prints_plain_ = false;        // all of it that prints is plain
  std::vector<std::uint64_t> quiet_; // bits by code point
};

} // namespace loquat::normalize
