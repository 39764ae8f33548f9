/// \file
/// What the fuzzer does, on the inputs that it once found worth keeping.

#include <doctest/doctest.h>

#include "../support/data.hpp"
#include "gguf_fuzz.hpp"

#include <cstddef>
#include <filesystem>
#include <span>

namespace format_gguf_corpus_test {

TEST_CASE("every file of the GGUF corpus is read, walked over and written back") {
  std::size_t inputs = 0, opened = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/gguf")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const bytes = test::read(path);
    auto const outcome = test::fuzz_gguf(std::as_bytes(std::span(bytes)));
    CHECK(outcome != test::fuzz_outcome::wrong);
    ++inputs;
    opened += outcome == test::fuzz_outcome::opened;
  }
  CHECK(inputs >= 10);
  CHECK(opened >= 3);
  CHECK(opened < inputs);
}

} // namespace format_gguf_corpus_test
