#pragma once
/// \file
/// What the fuzzer and its replay do with the bytes of a file: build a model and let it run. Anything but a crash is
/// fine.

#include <loquat/backend/cpu.hpp>
#include <loquat/model/load.hpp>
#include <loquat/tokenizer/load.hpp>

#include <array>
#include <cstddef>
#include <span>

namespace test {

/// Parses, builds, and forwards two tokens; true if that worked.
inline bool run_model(std::span<std::byte const> bytes) {
  static loquat::cpu const machine({1});
  auto const file = loquat::gguf::file::parse(bytes);
  if (!file) return false;
  (void)loquat::tokenizer_from(*file);
  auto const model = loquat::load(*file, machine);
  if (!model) return false;
  auto talk = model->make_session({.context = 4, .max_bytes = 1 << 24});
  if (!talk) return false;
  std::array<loquat::token, 2> const ids{0, static_cast<loquat::token>(model->vocabulary() - 1)};
  return static_cast<bool>(model->forward(*talk, ids));
}

} // namespace test
