#include "support/data.hpp"
#include "tokenizer/sentencepiece_fuzz.hpp"

#include <doctest/doctest.h>

#include <filesystem>

TEST_CASE("sentencepiece: every text of the fuzzing corpus encodes as the obvious algorithm does") {
  int files = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/tokenizer")) {
    INFO(input.path().string());
    CHECK(test::encoding_holds(test::read(input.path().string())));
    ++files;
  }
  CHECK(files > 5);
}
