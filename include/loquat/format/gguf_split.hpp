#pragma once
/// \file
/// Names and keys of GGUF files that are split into parts, `model-00001-of-00003.gguf`, as llama.cpp defines them.

#include <loquat/core/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::gguf {

inline constexpr std::string_view split_number_key = "split.no";             ///< u16: which part, from 0
inline constexpr std::string_view split_count_key = "split.count";           ///< u16: how many parts
inline constexpr std::string_view split_tensors_key = "split.tensors.count"; ///< i32: tensors of all parts together

/// The path of part `number` (from 0) of `count`: `prefix` + "-00001-of-00003.gguf".
inline std::string split_path(std::string_view prefix, std::uint16_t number, std::uint16_t count) {
  auto const five = [](unsigned n) {
    auto const digits = std::to_string(n);
    return std::string(5 - digits.size(), '0') + digits;
  };
  return std::string(prefix) + "-" + five(number + 1U) + "-of-" + five(count) + ".gguf";
}

/// What stands before "-00001-of-00003.gguf" in the path of any part. `errc::mismatch` for a file that has another name
/// than a part of so many, because the others could not be found.
inline result<std::string> split_prefix(std::string_view path, std::uint16_t count) {
  auto const ending = split_path("", 0, count);
  if (path.size() >= ending.size()) {
    auto const prefix = path.substr(0, path.size() - ending.size());
    auto const number = path.substr(prefix.size() + 1, 5);
    auto const digits = number.find_first_not_of("0123456789") == number.npos;
    if (digits && path.substr(prefix.size() + 6) == std::string_view(ending).substr(6) && path[prefix.size()] == '-')
      return std::string(prefix);
  }
  return fail(errc::mismatch, path, ": one of ", count, " parts, whose name must end in ", std::string_view(ending),
              " or another number");
}

} // namespace loquat::gguf
