#pragma once
/// \file
/// What must hold for any bytes given as an importance matrix: for the fuzzer, its corpus and the tests.

#include <loquat/quant/importance.hpp>

#include <cstddef>
#include <span>

namespace test {

enum class importance_outcome { refused, opened, wrong };

/// Reads `bytes`; when they are an importance matrix, every tensor is found, and its importance is usable.
inline importance_outcome fuzz_importance(std::span<std::byte const> bytes) {
  using enum importance_outcome;
  auto const read = loquat::importance_matrix::parse(bytes, "input");
  if (!read) return read.error().message().starts_with("input: ") ? refused : wrong;
  if (read->entries().empty()) return wrong;
  for (auto const& e : read->entries()) {
    if (e.columns.empty() || read->find(e.tensor).data() != e.columns.data()) return wrong;
    for (float const x : e.columns)
      if (!(x >= 0)) return wrong;
  }
  return opened;
}

} // namespace test
