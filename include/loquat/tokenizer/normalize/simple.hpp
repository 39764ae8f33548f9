#pragma once
/// \file
/// The normalizers that need neither tables of their own nor a memory: for each step `leaves(step, text)`, true if a
/// text stays as it is, and `apply(step, text, spare)`. What they do is what Hugging Face tokenizers do.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/rewrite.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/lowercase.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

namespace loquat::normalize {

namespace detail {

/// A `skip` of `rewrite_characters`: passes over all but one kind of bytes.
template <class Kind> struct to_byte {
  constexpr std::size_t operator()(aligned_text const& text, std::size_t at) const noexcept {
    return find_byte<Kind>(text.bytes(), at);
  }
};

/// Passes over ASCII and makes it lower case.
struct lower_ascii {
  constexpr std::size_t operator()(aligned_text& text, std::size_t at) const noexcept {
    char* const all = text.data();
    std::size_t const size = text.size();
    if (!std::is_constant_evaluated()) {
      for (; size - at >= 8; at += 8) {
        std::uint64_t w = 0;
        std::memcpy(&w, all + at, 8);
        if (bytes::foreign::in(w) != 0) break;
        w |= bytes::upper::in(w) >> 2; // 0x20 apart
        std::memcpy(all + at, &w, 8);
      }
    }
    for (; at < size && static_cast<unsigned char>(all[at]) < 0x80; ++at)
      if (all[at] >= 'A' && all[at] <= 'Z') all[at] = static_cast<char>(all[at] + ('a' - 'A'));
    return at;
  }
};

/// The lower case of a character, as long as this lives.
class lower_character {
 public:
  constexpr std::string_view operator()(char32_t c) noexcept {
    auto const lower = unicode::lowercase(c);
    if (lower == c) return unchanged;
    if (c == 0x130) return "i\xCC\x87";
    bytes_ = utf8::encode(lower);
    return bytes_.view();
  }

 private:
  utf8::encoded bytes_;
};

/// What `nmt` makes of a character.
constexpr std::string_view nmt_character(char32_t c) noexcept {
  switch (c) {
  case 0x9:
  case 0xA:
  case 0xC:
  case 0xD:
  case 0x1680:
  case 0x200B:
  case 0x200C:
  case 0x200D:
  case 0x200E:
  case 0x200F:
  case 0x2028:
  case 0x2029:
  case 0x2581:
  case 0xFEFF:
  case 0xFFFD:
    return " ";
  case 0x7F:
  case 0x8F:
  case 0x9F:
    return removed;
  default:
    return c != 0 && c < 0x20 ? removed : unchanged;
  }
}

constexpr std::string_view strip_mark(char32_t c) noexcept {
  return unicode::is_mark(c, unicode::version::v9_0) ? removed : unchanged;
}

/// True if `map` changes no character of `text` that begins with a byte of a kind.
template <class Kind, class Map> constexpr bool keeps_all(std::string_view text, Map map) noexcept {
  for (std::size_t at = find_byte<Kind>(text, 0); at < text.size(); at = find_byte<Kind>(text, at)) {
    auto const c = decode_at(text, at);
    if (map(c.code_point).data() != nullptr) return false;
    at += c.length;
  }
  return true;
}

using control = bytes::either<bytes::control, bytes::foreign>;

} // namespace detail

/// No character has another lower case.
constexpr bool leaves(lowercase, std::string_view text) noexcept {
  return detail::keeps_all<bytes::upper>(text, detail::lower_character());
}
/// Makes each character lower case.
constexpr void apply(lowercase, aligned_text& text, aligned_text& spare) {
  rewrite_characters(text, spare, detail::lower_ascii(), detail::lower_character());
}

/// No character is a control character or an odd space.
constexpr bool leaves(nmt, std::string_view text) noexcept {
  return detail::keeps_all<detail::control>(text, detail::nmt_character);
}
/// Removes and replaces control characters and spaces.
constexpr void apply(nmt, aligned_text& text, aligned_text& spare) {
  rewrite_characters(text, spare, detail::to_byte<detail::control>(), detail::nmt_character);
}

/// There are no marks.
constexpr bool leaves(strip_accents, std::string_view text) noexcept {
  return detail::keeps_all<bytes::foreign>(text, detail::strip_mark);
}
/// Removes marks.
constexpr void apply(strip_accents, aligned_text& text, aligned_text& spare) {
  rewrite_characters(text, spare, detail::to_byte<bytes::foreign>(), detail::strip_mark);
}

/// Every byte becomes a character, so only a text of nothing but printing ASCII is left.
constexpr bool leaves(byte_level, std::string_view text) noexcept {
  return find_byte<detail::control>(text, 0) == text.size() && text.find(' ') == text.npos;
}
/// Makes each byte a character.
constexpr void apply(byte_level, aligned_text& text, aligned_text& spare) {
  spare.clear(text.aligned());
  auto const all = text.bytes();
  for (std::size_t i = 0; i < all.size(); ++i)
    spare.append(byte_alphabet[static_cast<unsigned char>(all[i])].view(), text.origin(i));
  text.swap(spare);
}

namespace detail {

/// What is between the white space at the ends of a text.
constexpr std::pair<std::size_t, std::size_t> stripped(strip how, std::string_view text) noexcept {
  std::size_t begin = 0, end = text.size();
  while (how.left && begin < end) {
    auto const c = decode_at(text, begin);
    if (!unicode::is_whitespace(c.code_point)) break;
    begin += c.length;
  }
  while (how.right && begin < end) {
    std::size_t last = end - 1; // where the last character begins
    while (last > begin && end - last < 4 && (static_cast<unsigned char>(text[last]) & 0xC0u) == 0x80u) --last;
    auto const c = decode_at(text.substr(0, end), last);
    if (c.length != end - last || !unicode::is_whitespace(c.code_point)) break;
    end = last;
  }
  return {begin, end};
}

} // namespace detail

/// There is no white space at the ends.
constexpr bool leaves(strip how, std::string_view text) noexcept {
  auto const [begin, end] = detail::stripped(how, text);
  return end - begin == text.size();
}
/// Removes white space at the ends.
constexpr void apply(strip how, aligned_text& text, aligned_text&) {
  auto const [begin, end] = detail::stripped(how, text.bytes());
  if (end - begin != text.size()) text.keep(begin, end);
}

/// There is nothing to prepend, or nothing to prepend it to.
constexpr bool leaves(prepend const& what, std::string_view text) noexcept {
  return text.empty() || what.text.view().empty();
}
/// What is new has the range of the first character.
constexpr void apply(prepend const& what, aligned_text& text, aligned_text& spare) {
  if (leaves(what, text.bytes())) return;
  spare.clear(text.aligned());
  spare.append(what.text, text.origin(0));
  spare.append(text, 0, text.size());
  text.swap(spare);
}

} // namespace loquat::normalize
