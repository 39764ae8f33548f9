/// \file
/// libFuzzer target: any bytes as a file of an index, as they are and with right checksums.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/index.cpp -o fuzz_index
///     ./fuzz_index -max_len=16384 new tests/fuzz/corpus/index

#include "../index/file_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (test::fuzz_index(std::as_bytes(std::span(data, size))) == test::index_outcome::wrong) std::abort();
  return 0;
}
