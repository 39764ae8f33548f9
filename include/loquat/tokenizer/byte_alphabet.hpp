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

namespace detail {
// by character; -1: none
inline constexpr std::array<short, 0x144> bytes_of_alphabet = [] {
  std::array<short, 0x144> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (std::size_t b = 0; b < byte_alphabet.size(); ++b)
    bytes[utf8::decode(byte_alphabet[b].view()).code_point] = static_cast<short>(b);
  return bytes;
}();
} // namespace detail

/// The byte that a character of the alphabet stands for, or -1.
constexpr int byte_of(char32_t c) noexcept {
  return c < detail::bytes_of_alphabet.size() ? detail::bytes_of_alphabet[c] : -1;
}

/// Writes the bytes that `text`, in the alphabet, stands for to `out`, which has room for as many as `text` has.
/// Returns their number, or -1 if a character is not of the alphabet.
constexpr std::ptrdiff_t write_bytes(std::string_view text, char* out) noexcept {
  std::ptrdiff_t size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const lead = static_cast<unsigned char>(text[i]);
    char32_t c = lead;
    if (lead >= 0x80) { // all others have two bytes; C0 and C1, which begin no character, would give ASCII
      auto const next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
      c = lead >= 0xC2 && lead < 0xE0 && (next & 0xC0) == 0x80 ? (lead & 31u) << 6 | (next & 63u) : 0;
      ++i;
    }
    int const byte = byte_of(c); // of U+0000 as of what is no character: none
    if (byte < 0) return -1;
    out[size++] = static_cast<char>(byte);
  }
  return size;
}

/// Appends the bytes that `text`, in the alphabet, stands for. False, and nothing is appended, if a character is not of
/// the alphabet.
template <class Out> constexpr bool append_bytes(std::string_view text, Out& out) {
  auto const before = out.size();
  out.resize(before + text.size(), {});
  auto const size = write_bytes(text, out.data() + before);
  out.resize(before + static_cast<std::size_t>(size < 0 ? 0 : size), {});
  return size >= 0;
}

} // namespace loquat
