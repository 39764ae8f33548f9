#pragma once
/// \file
/// Metadata values as text, for listings: what `inspect` tools show.

#include <loquat/core/error.hpp>
#include <loquat/format/gguf_value.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <vector>

namespace loquat::gguf {

/// How much of a long value is shown.
struct print_options {
  std::size_t max_elements = 8;    ///< of an array
  std::size_t max_text_bytes = 80; ///< of a string
};

/// Appends a value as text: `42`, `"llama"`, `["<s>", "</s>", … 32000]` with the number of elements. Control characters
/// are escaped, because a file must not be able to command a terminal.
inline void print(std::vector<char>& out, value const& value, print_options options = {}) {
  using loquat::detail::append;
  if (value.kind() == value_kind::string) {
    auto const text = value.payload().substr(0, options.max_text_bytes);
    append(out, '"');
    for (char const c : text) {
      auto const code = static_cast<unsigned char>(c);
      constexpr std::string_view digits = "0123456789abcdef";
      if (c == '\n')
        append(out, std::string_view("\\n"));
      else if (c == '"' || c == '\\')
        append(out, '\\'), append(out, c);
      else if (code >= 0x20 && code != 0x7f)
        append(out, c);
      else
        append(out, std::string_view("\\x")), append(out, digits[code >> 4]), append(out, digits[code & 15]);
    }
    append(out, '"');
    if (text.size() < value.payload().size()) append(out, std::string_view(" … ")), append(out, value.payload().size());
  } else if (value.kind() == value_kind::array) {
    append(out, '[');
    std::size_t shown = 0;
    auto const elements = value.array<gguf::value>();
    for (auto at = elements->begin(); shown < options.max_elements && at != elements->end(); ++at, ++shown) {
      if (shown != 0) append(out, std::string_view(", "));
      print(out, *at, options);
    }
    if (shown < value.size()) append(out, std::string_view(shown != 0 ? ", … " : "… ")), append(out, value.size());
    append(out, ']');
  } else {
    detail::with_number(value.kind(), value.payload().data(), [&out](auto number) {
      if constexpr (std::floating_point<decltype(number)>) {
        char digits[32];
        auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        append(out, std::string_view(digits, static_cast<std::size_t>(end - digits)));
      } else {
        append(out, number);
      }
    });
  }
}

} // namespace loquat::gguf
