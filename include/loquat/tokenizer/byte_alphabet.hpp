#pragma once
/// \file
/// The characters that stand for bytes in byte-level vocabularies (GPT-2, Radford et al. 2019): printable Latin-1 for
/// itself, the others from U+0100 on in order.

#include <loquat/core/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat {

/// The character of each byte.
inline constexpr auto byte_alphabet = [] {
  std::array<char16_t, 256> characters{};
  char16_t next = 0x100;
  for (std::size_t b = 0; b < 256; ++b) {
    bool const printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    characters[b] = printable ? static_cast<char16_t>(b) : next++;
  }
  return characters;
}();

/// The byte of a character of the alphabet, or −1.
constexpr int byte_of(char32_t c) noexcept {
  constexpr auto bytes = [] {
    std::array<std::int16_t, 0x144> all{};
    all.fill(-1);
    for (std::size_t b = 0; b < 256; ++b) all[byte_alphabet[b]] = static_cast<std::int16_t>(b);
    return all;
  }();
  return c < bytes.size() ? bytes[c] : -1;
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
