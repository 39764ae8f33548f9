/// \file
/// libFuzzer target: any bytes as a tokenizer's definition, of every format.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/definition.cpp -o
///     fuzz_definition
///     ./fuzz_definition -max_len=4096 new tests/fuzz/corpus/definition

#include "../tokenizer/definition_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (!test::fuzz_definition({reinterpret_cast<char const*>(data), size})) std::abort();
  return 0;
}
