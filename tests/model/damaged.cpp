/// \file
/// Models from damaged files: a value or an error, never a crash (run under the sanitizers, too).
#include "model/fuzz.hpp"
#include "support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace model_damaged_test {

namespace {

TEST_CASE("every prefix of a model file is a value or an error") {
  auto const bytes = test::tiny_model();
  CHECK(test::run_model(bytes));
  for (std::size_t n = 0; n < bytes.size(); n += n < 2000 ? 1 : 61) {
    std::vector<std::byte> const cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK_FALSE(test::run_model(cut));
  }
}

TEST_CASE("a model file with flipped bits is a value or an error") {
  auto const bytes = test::tiny_model<loquat::q8_0>({.biases = true});
  std::uint32_t state = 5;
  auto const random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  int ran = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto damaged = bytes;
    std::size_t const within = round % 2 == 0 ? 1500 : damaged.size(); // half of them in the metadata
    for (std::uint32_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % within] ^= static_cast<std::byte>(1u << random() % 8);
    ran += test::run_model(damaged);
  }
  CHECK(ran > 1000); // damaged weights still run
  CHECK(ran < 19'000);
}

TEST_CASE("the fuzzer's corpus of model files replays") {
  for (auto const& entry : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/model")) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::vector<char> const text{std::istreambuf_iterator<char>(in), {}};
    (void)test::run_model(std::as_bytes(std::span(text)));
  }
}

} // namespace

} // namespace model_damaged_test
