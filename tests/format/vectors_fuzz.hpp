#pragma once
/// \file
/// What must hold for any bytes given as a file of vectors: for the fuzzer and for its corpus.

#include <loquat/format/vectors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace test {

enum class vectors_outcome { refused, read, wrong };

/// Reads `bytes`, whose first one says the format: row by row and all rows in one go, which must agree.
inline vectors_outcome fuzz_vectors(std::span<std::byte const> bytes) {
  using namespace loquat;
  using enum vectors_outcome;
  if (bytes.empty()) return refused;
  auto const format = static_cast<vector_format>(static_cast<unsigned>(bytes[0]) % 5);
  auto const file = vector_file::parse(bytes.subspan(1), format, "input");
  if (!file) return file.error().message().starts_with("input: ") ? refused : wrong;
  std::size_t const n = file->size(), d = file->dimensions();
  if (n > bytes.size() || d > bytes.size()) return wrong;
  std::optional<error> failure;
  std::size_t rows = 0;
  std::vector<float> row(d);
  for (std::span<float const> const x : file->rows(failure)) {
    if (x.size() != d || !file->read(rows, std::span(row))) return wrong;
    if (d != 0 && std::memcmp(row.data(), x.data(), d * sizeof(float)) != 0) return wrong;
    ++rows;
  }
  if (failure) { // some row of the next block says so as well
    if (!failure->message().starts_with("input: ")) return wrong;
    for (; rows < n; ++rows)
      if (!file->read(rows, std::span(row))) return refused;
    return wrong;
  }
  std::vector<std::int32_t> whole(d);
  for (std::size_t i = 0; i < n; ++i)
    if (file->read(i, std::span(whole)) && format == vector_format::csv) return wrong;
  if (rows != n || file->read(n, std::span(row)).has_value() != (d == 0)) return wrong;
  return read;
}

} // namespace test
