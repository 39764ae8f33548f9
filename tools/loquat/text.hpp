#pragma once
/// \file
/// Text for terminals: what comes from a file must not be able to command one, columns line up, failures of the
/// standard output are noticed. And the exit statuses.

#include <loquat/core/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace tool {

/// Exit statuses, the same for every command.
enum status : int { done = 0, failed = 1, misused = 2, interrupted = 130 };

/// Text as a terminal can show it: control characters, marks that turn the direction of writing, and bytes that are no
/// UTF-8 become \n or \xNN, and so do the characters of `also`.
inline std::string printable(std::string_view text, std::string_view also = {}) {
  std::string out;
  while (!text.empty()) {
    auto const c = loquat::utf8::decode(text);
    auto const bytes = text.substr(0, c.length);
    bool const controls = c.code_point < 0x20 || (c.code_point >= 0x7f && c.code_point < 0xa0) ||
                          (c.code_point >= 0x2028 && c.code_point <= 0x202e) ||
                          (c.code_point >= 0x2066 && c.code_point <= 0x2069);
    if (c.code_point == '\n')
      out += "\\n";
    else if (also.find(bytes) != also.npos)
      (out += '\\') += bytes;
    else if (c.valid && !controls)
      out += bytes;
    else
      for (char const byte : bytes) {
        char code[8];
        std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        out += code;
      }
    text.remove_prefix(c.length);
  }
  return out;
}

/// The same in quotes.
inline std::string quoted(std::string_view text) { return '"' + printable(text, "\"\\") + '"'; }

/// Spaces that fill up a text to so many characters.
inline std::string padding(std::string_view text, std::size_t width) {
  auto const characters = static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
  return std::string(width - std::min(width, characters), ' ');
}
inline std::string left(std::string_view text, std::size_t width) { return std::string(text) + padding(text, width); }
inline std::string right(std::string_view text, std::size_t width) { return padding(text, width) + std::string(text); }

/// A number by a format of `printf`: "%.2f".
inline std::string number_text(char const* format, double x) {
  char digits[64];
  std::snprintf(digits, sizeof digits, format, x);
  return digits;
}

/// A count with a unit in three digits or more: "1.24 M", "719 k", "12".
inline std::string scaled(double n) {
  char const* unit = "";
  for (char const* next : {" k", " M", " G", " T"})
    if (n >= 1000) n /= 1000, unit = next;
  return number_text(*unit == '\0' || n >= 100 ? "%.0f" : n >= 10 ? "%.1f" : "%.2f", n) + unit;
}
/// The same of bytes: "1.24 MB", "12 bytes".
inline std::string byte_text(double n) { return n < 1000 ? number_text("%.0f bytes", n) : scaled(n) + "B"; }

/// Writes to the standard output; false if nobody takes it any more.
inline bool put(std::string_view text) { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size(); }

/// Says what is wrong. Lines of the message stay lines; everything else in it is made printable.
inline void complain(std::string_view message) {
  std::string out = "loquat: ";
  for (std::size_t at = 0; at <= message.size();) {
    auto const end = std::min(message.find('\n', at), message.size());
    out += printable(message.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  std::fputs(out.c_str(), stderr);
}

/// Says what failed, and returns the status of that.
inline int fail_with(std::string_view message) { return complain(message), failed; }

/// The status of a command that has written everything: `failed` if not all of it got through.
inline int end_output() {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? done : fail_with("cannot write to the standard output");
}

} // namespace tool
