#pragma once
/// \file
/// GPT-2's alphabet of bytes: each of the 256 bytes as a printable character, so that texts of bytes are texts.

#include <loquat/core/utf8.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace loquat {

/// The characters by byte: those that Latin-1 prints are themselves, the others U+0100 and so on.
inline constexpr std::array<utf8::encoded, 256> byte_alphabet = [] {
  std::array<utf8::encoded, 256> all{};
  char32_t other = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    bool const prints = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xFF && b != 0xAD);
    all[b] = utf8::encode(prints ? b : other++);
  }
  return all;
}();

/// The byte that a character of the alphabet stands for, or -1.
constexpr int byte_of(char32_t c) noexcept {
  constexpr auto others = [] { // of U+0100 on
    std::array<unsigned char, 68> bytes{};
    std::size_t n = 0;
    for (unsigned b = 0; b < 256; ++b)
      if (auto const d = utf8::decode(byte_alphabet[b].view()).code_point; d >= 0x100 && n < bytes.size())
        bytes[n++] = static_cast<unsigned char>(b);
    return bytes;
  }();
  if (c >= 0x100) return c < 0x100 + others.size() ? others[c - 0x100] : -1;
  return utf8::decode(byte_alphabet[c].view()).code_point == c ? static_cast<int>(c) : -1;
}

/// Appends the bytes that `text`, in the alphabet, stands for. False, and nothing is appended, if a character is not of
/// the alphabet.
template <class Out> constexpr bool append_bytes(std::string_view text, Out& out) {
  auto const before = out.size();
  while (!text.empty()) {
    auto const c = utf8::decode(text);
    int const byte = c.valid ? byte_of(c.code_point) : -1;
    if (byte < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(byte));
    text.remove_prefix(c.length);
  }
  return true;
}

} // namespace loquat
