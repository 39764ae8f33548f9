/// \file
/// libFuzzer target: any bytes as a `config.json` and the weights that it is about.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude -Itests tests/fuzz/hugging_face.cpp
///     ./a.out -max_len=4096 new tests/fuzz/corpus/hugging_face

#include "../convert/folder_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (test::fuzz_folder(std::as_bytes(std::span(data, size))) == test::folder_outcome::wrong) std::abort();
  return 0;
}
