/// \file
/// libFuzzer target: any bytes as JSON.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/json.cpp -o fuzz_json
///     ./fuzz_json -max_len=4096 new tests/fuzz/corpus/json

#include "../core/json_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (!test::json_holds(std::string(data, data + size))) std::abort();
  return 0;
}
