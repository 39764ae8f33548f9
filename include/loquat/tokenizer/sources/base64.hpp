#pragma once
/// \file
/// Base64 (RFC 4648, section 4), in which tiktoken's files and tokenizer.json hold bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat {

/// Appends the bytes of `text` to a string or vector of `char`. False, and some of them may be appended, if it is no
/// base64; padding may be missing.
template <class Out> constexpr bool decode_base64(std::string_view text, Out& out) {
  constexpr auto values = [] {
    std::array<std::uint8_t, 256> v{};
    v.fill(64);
    std::string_view const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < digits.size(); ++i)
      v[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
    return v;
  }();
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char const c : text) {
    std::uint8_t const value = values[static_cast<unsigned char>(c)];
    if (value == 64) return false;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return count != 6; // a single digit is no byte
}

/// Appends `bytes` in base64, with padding, to a string or vector of `char`.
template <class Out> constexpr void append_base64(std::string_view bytes, Out& out) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (; !bytes.empty(); bytes.remove_prefix(bytes.size() < 3 ? bytes.size() : 3)) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= bytes.size() ? digits[bits >> (18 - 6 * i) & 63] : '=');
  }
}

} // namespace loquat
