/// \file
/// libFuzzer target: any bytes as a text for SentencePiece's normalizer and BPE.
///
///     clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Iinclude -Itests tests/fuzz/sentencepiece.cpp -o
///     fuzz_sentencepiece
///     ./fuzz_sentencepiece -max_len=400 new tests/fuzz/corpus/tokenizer

#include "tokenizer/scored_bpe_fuzz.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (!test::scored_bpe_holds(std::string(data, data + size))) std::abort();
  return 0;
}
