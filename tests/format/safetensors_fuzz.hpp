#pragma once
/// \file
/// What must hold for any bytes given as a SafeTensors file: for the fuzzer and for its corpus.

#include <loquat/format/safetensors_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace test {

enum class safetensors_outcome { refused, opened, wrong };

/// Reads `bytes`; when they are a file, writes it, reads that and compares.
inline safetensors_outcome fuzz_safetensors(std::span<std::byte const> bytes) {
  namespace st = loquat::safetensors;
  using enum safetensors_outcome;
  auto const file = st::file::parse(bytes, "input");
  if (!file) return file.error().message().starts_with("input: ") ? refused : wrong;
  st::writer out;
  for (auto const& n : file->metadata()) out.add(n);
  for (auto const& t : file->tensors()) out.add(t);
  auto const written = out.bytes();
  if (!written) return wrong;
  auto const again = st::file::parse(*written);
  if (!again || again->tensors().size() != file->tensors().size()) return wrong;
  for (auto const& t : file->tensors()) {
    auto const* const found = again->find(t.name);
    if (!found || found->type != t.type || found->shape != t.shape || !std::ranges::equal(found->data, t.data))
      return wrong;
  }
  return opened;
}

} // namespace test
