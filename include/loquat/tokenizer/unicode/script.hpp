#pragma once
/// \file
/// The script of a character (Unicode 15.0, UAX #24), by binary search in a small table: whoever asks often, for a
/// regular expression, asks once for each class.

#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/script_data.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace loquat::unicode {

/// The property Script of a code point; `unknown` for one that is not assigned.
constexpr unicode::script script_of(char32_t c) noexcept {
  auto const next = std::upper_bound(std::begin(detail::script_runs), std::end(detail::script_runs), c << 8 | 0xFFu);
  return static_cast<unicode::script>(*std::prev(next) & 0xFF);
}
/// The script in a version of Unicode.
constexpr unicode::script script_of(char32_t c, version v) noexcept {
  if (v == version::newest) return script_of(c);
  switch (c) {
  case 0x589:
  case 0x61C:
    return script::common;
  case 0x953:
  case 0x954:
    return v == version::v9_0 ? script::devanagari : script::inherited;
  default:
    return is_assigned(c, v) ? script_of(c) : script::unknown;
  }
}

/// The script of this name, long or short: "Han", "Hani". Case, spaces, hyphens and underscores do not matter.
constexpr std::optional<unicode::script> script_named(std::string_view name) noexcept {
  constexpr auto plain = [](std::string_view text, std::size_t& i) { // the next letter that matters, or 0
    while (i < text.size() && (text[i] == '_' || text[i] == '-' || text[i] == ' ')) ++i;
    if (i == text.size()) return '\0';
    char const c = text[i++];
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  constexpr auto same = [plain](std::string_view a, std::string_view b) {
    for (std::size_t i = 0, j = 0;;) {
      char const c = plain(a, i);
      if (c != plain(b, j)) return false;
      if (c == '\0') return true;
    }
  };
  for (std::size_t i = 0; i < std::size(detail::script_names); ++i)
    for (auto const known : detail::script_names[i])
      if (same(name, known)) return static_cast<unicode::script>(i);
  return std::nullopt;
}

} // namespace loquat::unicode
