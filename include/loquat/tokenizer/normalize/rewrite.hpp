#pragma once
/// \file
/// How a text is rewritten with its origins: character by character, each standing for the same range as before
/// (`rewrite_characters`), or by the rule of Hugging Face's NormalizedString (`rewriter`), by which a character is new,
/// or takes the place of one, or takes it and those of the next n.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>

#include <cstddef>
#include <string_view>

namespace loquat::normalize {

/// Writes one text while it reads the origins of another.
class rewriter {
 public:
  constexpr rewriter(aligned_text const& from, aligned_text& to) : from_(from), to_(to) { to_.clear(from.aligned()); }

  /// Adds a character. `change` > 0: it is new, and has the range of the character before the place that is read (none
  /// at the front); else it takes the place of the next character and of `-change` more.
  constexpr void put(std::string_view bytes, int change) {
    if (!from_.aligned()) return to_.append(bytes, {});
    byte_range range{};
    if (change > 0)
      range = at_ > 0 ? from_.origin(at_ - 1) : byte_range{};
    else if (at_ < from_.size())
      range = from_.origin(at_);
    last_ = to_.size();
    inserted_ = change > 0;
    to_.append(bytes, range);
    for (int n = change; n <= 0; ++n) skip();
  }
  /// Removes `count` characters: the last one that was added takes their places as well. If there is none, they are not
  /// even removed from the places that are read.
  constexpr void remove(std::size_t count) {
    if (!from_.aligned() || to_.size() == 0) return;
    if (inserted_ && count > 0 && at_ < from_.size())
      for (std::size_t i = last_; i < to_.size(); ++i) to_.set_origin(i, from_.origin(at_));
    inserted_ = inserted_ && count == 0;
    for (std::size_t n = 0; n < count; ++n) skip();
  }
  /// Adds bytes `begin` … `end` of the text that is read, each in its place.
  constexpr void copy(std::size_t begin, std::size_t end) {
    if (begin == end) return;
    if (!from_.aligned() || at_ == begin) {
      at_ = end;
      last_ = to_.size() + (end - begin) - 1; // what is remembered matters only after an insertion
      inserted_ = false;
      return to_.append(from_, begin, end);
    }
    for (auto const text = from_.bytes(); begin < end;) {
      auto const n = character_length(text, begin);
      put(text.substr(begin, n), 0);
      begin += n;
    }
  }

 private:
  constexpr void skip() noexcept {
    if (at_ < from_.size()) at_ += character_length(from_.bytes(), at_);
  }

  aligned_text const& from_;
  aligned_text& to_;
  std::size_t at_ = 0; // the byte whose origin is read next
  std::size_t last_ = 0;
  bool inserted_ = false;
};

/// What a character stays the same as: bytes that are nowhere.
inline constexpr std::string_view unchanged{};
/// Nothing in place of a character; unlike `unchanged` it is somewhere.
inline constexpr std::string_view removed{"", 0};

/// Replaces characters. `skip(text, at)`: the place of the next character to look at, from `at` on, maybe after
/// changing bytes before it (one for one). `map(code point)`: `unchanged`, or the bytes that the character becomes,
/// which are read at once; all have the range of the character.
template <class Skip, class Map>
constexpr void rewrite_characters(aligned_text& text, aligned_text& spare, Skip skip, Map map) {
  bool moved = false;
  std::size_t kept = 0; // where bytes begin that are still to be copied
  for (std::size_t at = skip(text, std::size_t{0}); at < text.size(); at = skip(text, at)) {
    auto const c = decode_at(text.bytes(), at);
    std::size_t const begin = at;
    at += c.length;
    std::string_view const bytes = map(c.code_point);
    if (bytes.data() == nullptr) continue;
    if (bytes.size() == c.length) {
      for (std::size_t i = 0; i < bytes.size(); ++i) text.data()[begin + i] = bytes[i];
      continue;
    }
    if (!moved) spare.clear(text.aligned());
    moved = true;
    spare.append(text, kept, begin);
    spare.append(bytes, text.origin(begin));
    kept = at;
  }
  if (!moved) return;
  spare.append(text, kept, text.size());
  text.swap(spare);
}

} // namespace loquat::normalize
