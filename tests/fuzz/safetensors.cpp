/// \file
/// libFuzzer target: any bytes as a SafeTensors file.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/safetensors.cpp -o fuzz_st
///     ./fuzz_st -max_len=4096 new tests/fuzz/corpus/safetensors

#include "../format/safetensors_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const outcome = test::fuzz_safetensors(std::as_bytes(std::span(data, size)));
  if (outcome == test::safetensors_outcome::wrong) std::abort();
  return 0;
}
