#pragma once
/// \file
/// Lower case of single characters (Unicode 15.0), whatever stands around them: no final sigma.

#include <loquat/tokenizer/unicode/lowercase_data.hpp>

namespace loquat::unicode {

/// The lower case of a character in one character; itself if it has none. U+0130, whose lower case is U+0069 U+0307,
/// gives U+0069.
constexpr char32_t lowercase(char32_t c) noexcept {
  if (c == 0x130) return U'i';
  if (c >= detail::lowercase_table.end) return c;
  return c + static_cast<char32_t>(detail::lowercase_changes[detail::lowercase_table[c]]);
}

} // namespace loquat::unicode
