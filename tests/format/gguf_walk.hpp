#pragma once
/// \file
/// Touches everything that a GGUF file hands out, so that a sanitizer sees every wrong reference.

#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_print.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace test {

template <class T> std::uint64_t walk_as(loquat::gguf::value const& value) {
  std::uint64_t sum = value.get<T>().has_value();
  if (auto const elements = value.array<T>()) {
    std::size_t n = 0;
    for (auto element : *elements) {
      if constexpr (loquat::PlainNumber<T>)
        sum += element == (*elements)[n];
      else
        sum += element.size();
      ++n;
    }
    if (n != elements->size()) return 0; // the callers see that nothing was counted
  }
  return sum;
}

/// Reads every element of every type that can be asked for; the result depends on all of them.
inline std::uint64_t walk(loquat::gguf::value const& value) {
  std::uint64_t sum = walk_as<bool>(value) + walk_as<std::uint8_t>(value) + walk_as<std::int32_t>(value) +
                      walk_as<std::uint64_t>(value) + walk_as<float>(value) + walk_as<double>(value) +
                      walk_as<std::string_view>(value);
  if (auto const text = value.get<std::string_view>())
    for (char const c : *text) sum += static_cast<unsigned char>(c);
  if (auto const texts = value.array<std::string_view>())
    for (auto const text : *texts)
      for (char const c : text) sum += static_cast<unsigned char>(c);
  if (auto const elements = value.array<loquat::gguf::value>())
    for (auto const& element : *elements)
      if (element.kind() == loquat::gguf::value_kind::array) sum += walk(element);
  std::vector<char> shown;
  loquat::gguf::print(shown, value, {.max_elements = 100, .max_text_bytes = 1000});
  return sum + shown.size();
}

/// All metadata, all keys, all tensors, all bytes.
inline std::uint64_t walk(loquat::gguf::file const& file) {
  std::uint64_t sum = file.alignment();
  for (auto const& [key, value] : file.metadata()) sum += (file.find(key) == &value) + walk(value);
  for (auto const& tensor : file.tensors()) {
    sum += (file.find_tensor(tensor.name) == &tensor) + tensor.elements();
    for (auto const byte : tensor.data) sum += static_cast<std::uint64_t>(byte);
  }
  return sum;
}

} // namespace test
