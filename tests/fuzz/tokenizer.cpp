/// \file
/// libFuzzer target: any bytes as a text to encode, with a tokenizer of each kind.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/tokenizer.cpp -o
///     fuzz_tokenizer
///     ./fuzz_tokenizer -max_len=2048 new tests/fuzz/corpus/tokenizer

#include "../tokenizer/pipeline_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (!test::promises_hold(std::string(data, data + size))) std::abort();
  return 0;
}
