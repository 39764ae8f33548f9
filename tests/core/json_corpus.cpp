#include "core/json_fuzz.hpp"
#include "support/data.hpp"

#include <doctest/doctest.h>

#include <filesystem>

namespace core_json_corpus_test {

TEST_CASE("json: every text of the fuzzing corpus is refused or read and written back") {
  int files = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/json")) {
    INFO(input.path().string());
    CHECK(test::json_holds(test::read(input.path().string())));
    ++files;
  }
  CHECK(files > 5);
}

} // namespace core_json_corpus_test
