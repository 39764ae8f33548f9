#pragma once
/// \file
/// What must hold for any bytes given as a GGUF file: for the fuzzer and for its corpus.

#include <loquat/format/gguf_writer.hpp>

#include "gguf_walk.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace test {

enum class fuzz_outcome { refused, opened, wrong };

/// Reads `bytes`; when they are a file, walks over it, writes it, reads that and compares.
inline fuzz_outcome fuzz_gguf(std::span<std::byte const> bytes) {
  namespace gguf = loquat::gguf;
  auto const file = gguf::file::parse(bytes, "input");
  if (!file) return file.error().message().starts_with("input: ") ? fuzz_outcome::refused : fuzz_outcome::wrong;
  auto const sum = walk(*file);
  if (file->alignment() > 4096) return fuzz_outcome::opened; // padding would be all that is written
  auto const written = gguf::writer(*file).bytes();
  if (!written) return fuzz_outcome::wrong;
  auto const again = gguf::file::parse(*written);
  if (!again) return fuzz_outcome::wrong;
  auto const split = [](auto const& entry) { return entry.key.starts_with("split."); };
  if (std::ranges::none_of(file->metadata(), split) && walk(*again) != sum) return fuzz_outcome::wrong;
  if (gguf::writer(*again).bytes().value() != *written) return fuzz_outcome::wrong;
  return fuzz_outcome::opened;
}

} // namespace test
