/// \file
/// libFuzzer target: any bytes as a GGUF file.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/gguf.cpp -o fuzz_gguf
///     ./fuzz_gguf -max_len=4096 new tests/fuzz/corpus/gguf

#include "../format/gguf_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (test::fuzz_gguf(std::as_bytes(std::span(data, size))) == test::fuzz_outcome::wrong) std::abort();
  return 0;
}
