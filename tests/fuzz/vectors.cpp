/// \file
/// libFuzzer target: any bytes as a file of vectors; the first one says of which format.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/vectors.cpp -o fuzz_vectors
///     ./fuzz_vectors -max_len=2048 new tests/fuzz/corpus/vectors

#include "../format/vectors_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (test::fuzz_vectors(std::as_bytes(std::span(data, size))) == test::vectors_outcome::wrong) std::abort();
  return 0;
}
