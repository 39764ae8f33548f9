#pragma once
/// \file
/// SentencePiece's precompiled character maps: a double array (the format of darts-clone) of strings, and what each is
/// replaced with. The bytes may be anything: every look-up stays inside.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace loquat::normalize {

/// A map of strings to what they are replaced with. An empty one maps nothing.
class charsmap {
 public:
  /// The longest string that is looked for, and the longest replacement, so that time and room are linear in a text
  /// whatever the map is.
  static constexpr std::size_t longest_string = 256;

  /// A string that was found at the beginning of a text.
  struct match {
    std::size_t length = 0; ///< bytes of the string
    std::string_view bytes; ///< what replaces it
  };

  constexpr charsmap() = default;

  /// Reads a map: four bytes that say how many bytes the array has, the array, and zero-terminated replacements.
  static constexpr result<charsmap> make(std::span<char const> bytes) {
    charsmap made;
    if (bytes.empty()) {
      made.find_plain();
      return made;
    }
    auto const word = [&](std::size_t at) {
      std::uint32_t value = 0;
      for (unsigned i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
      return value;
    };
    if (bytes.size() < 4) return fail(errc::malformed, "charsmap: ", bytes.size(), " bytes, expected 4 or more");
    std::size_t const size = word(0);
    if (size > bytes.size() - 4)
      return fail(errc::malformed, "charsmap: an array of ", size, " bytes in a map of ", bytes.size());
    if (size % 4 != 0 || size == 0)
      return fail(errc::malformed, "charsmap: an array of ", size, " bytes, expected a multiple of 4");
    std::string_view const texts(bytes.data() + 4 + size, bytes.size() - 4 - size);
    if (auto const valid = utf8::valid_prefix(texts); valid != texts.size())
      return fail(errc::malformed, "charsmap: byte ", 4 + size + valid, " is no UTF-8");
    for (std::size_t begin = 0; begin < texts.size();) {
      auto const end = std::min(texts.find('\0', begin), texts.size());
      if (end - begin > longest_string)
        return fail(errc::unsupported, "charsmap: byte ", 4 + size + begin, ": a replacement of ", end - begin,
                    " bytes, expected at most ", longest_string);
      begin = end + 1;
    }
    made.units_.reserve(size / 4);
    for (std::size_t i = 0; i < size / 4; ++i) made.units_.push_back(word(4 + 4 * i));
    made.texts_.assign(texts.begin(), texts.end());
    made.find_plain();
    return made;
  }

 private:
  // A unit: bits 0-7 and 31 label, 8 has a leaf, 9 the offset is 256 times larger, 10-30 offset; of a leaf, the value.
  static constexpr std::size_t offset(std::uint32_t unit) noexcept {
    return std::size_t{unit >> 10} << ((unit & 0x200u) >> 6);
  }

  /// Follows `text` through the array; `done` is told of each string on the way.
  template <class Done> constexpr std::optional<match> find(std::string_view text, Done done) const noexcept {
    std::optional<match> found;
    if (units_.empty()) return found;
    std::size_t node = offset(units_[0]);
    for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
      auto const label = static_cast<unsigned char>(text[i]);
      node ^= label;
      if (node >= units_.size() || (units_[node] & 0x800000FFu) != label) break;
      auto const unit = units_[node];
      node ^= offset(unit);
      if ((unit & 0x100u) == 0) continue;
      if (node >= units_.size()) break;
      std::size_t const begin = units_[node] & 0x7FFFFFFFu;
      if (begin > texts_.size()) break;
      std::string_view const all(texts_.data(), texts_.size());
      found = match{i + 1, all.substr(begin, all.find('\0', begin) - begin)};
      if (done(*found)) break;
    }
    return found;
  }

 public:
  /// The shortest string that `text` begins with.
  constexpr std::optional<match> shortest(std::string_view text) const noexcept {
    return find(text, [](match const&) { return true; });
  }
  /// The longest string that `text` begins with.
  constexpr std::optional<match> longest(std::string_view text) const noexcept {
    return find(text.substr(0, longest_string), [](match const&) { return false; });
  }

  /// True if a string begins with `text`.
  constexpr bool leads(std::string_view text) const noexcept {
    if (units_.empty()) return false;
    std::size_t node = offset(units_[0]);
    for (char const c : text) {
      auto const label = static_cast<unsigned char>(c);
      node ^= label;
      if (node >= units_.size() || (units_[node] & 0x800000FFu) != label) return false;
      node ^= offset(units_[node]);
    }
    return true;
  }

  /// True for an ASCII character that is no string, nor begins one together with another.
  constexpr bool is_plain(char c) const noexcept {
    auto const byte = static_cast<unsigned char>(c);
    return byte < 0x80 && plain_[byte];
  }
  /// True if all ASCII that prints, and the space, is plain.
  constexpr bool prints_plain() const noexcept { return prints_plain_; }

 private:
  constexpr void find_plain() noexcept {
    prints_plain_ = true;
    for (unsigned c = 0; c < 0x80; ++c) {
      char text[2]{static_cast<char>(c), '\0'};
      bool plain = !shortest({text, 1});
      bool const begins = leads({text, 1});
      for (unsigned d = 1; d < 0x80 && plain && begins; ++d) {
        text[1] = static_cast<char>(d);
        plain = !leads({text, 2});
      }
      plain_[c] = plain;
      prints_plain_ = prints_plain_ && (plain || c < 0x20 || c == 0x7F);
    }
  }
  std::vector<std::uint32_t> units_;
  std::vector<char> texts_;
  std::array<bool, 128> plain_{};
  bool prints_plain_ = false;
};

} // namespace loquat::normalize
