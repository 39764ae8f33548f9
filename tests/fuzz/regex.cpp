/// \file
/// libFuzzer target: any bytes as a pattern, up to the first zero byte, and a text. The first byte chooses the dialect.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/regex.cpp -o fuzz_regex
///     ./fuzz_regex -max_len=4096 new tests/fuzz/corpus/regex

#include "../tokenizer/regex_fuzz.hpp"
#include "../tokenizer/scanner_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string const all(data + 1, data + size);
  auto const end = all.find('\0');
  auto const pattern = all.substr(0, end), text = end == all.npos ? std::string() : all.substr(end + 1);
  auto const syntax = data[0] % 2 == 0 ? loquat::regex_syntax::oniguruma : loquat::regex_syntax::rust;
  if (!test::regex_holds(pattern, text, syntax) || !test::scanners_agree(text)) std::abort();
  return 0;
}
