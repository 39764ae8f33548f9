/// \file
/// Fuzzes the way from bytes to a running model.
#include "model/fuzz.hpp"

#include <cstdint>
#include <cstring>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::vector<std::byte> copy(size); // exactly as long, so that reading past the end is found
  if (size > 0) std::memcpy(copy.data(), data, size);
  (void)test::run_model(copy);
  return 0;
}
