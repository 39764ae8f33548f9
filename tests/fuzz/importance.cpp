/// \file
/// libFuzzer target: any bytes as an importance matrix.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/importance.cpp -o
///     fuzz_importance
///     ./fuzz_importance -max_len=4096 new tests/fuzz/corpus/importance

#include "../quant/importance_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (test::fuzz_importance(std::as_bytes(std::span(data, size))) == test::importance_outcome::wrong) std::abort();
  return 0;
}
