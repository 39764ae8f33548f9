/// \file
/// Embeddings of real files against those of an established implementation, from the text to the vector.
#include "support/allocations.hpp"
#include "support/data.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/core/json.hpp>
#include <loquat/embed/embed.hpp>
#include <loquat/embed/text_embedder.hpp>
#include <loquat/model/load_encoder.hpp>
#include <loquat/tokenizer/load.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace embed_goldens_test {

using namespace loquat;

namespace {

// The other implementation rounds what goes into an F16 matrix to 11 bits: there single elements differ by 2e-3.
void check(std::string const& name, double tolerance) {
  auto const path = test::data("models/" + name), goldens = test::data("models/goldens.jsonl");
  if (!path || !goldens) return;
  auto const file = gguf::open(*path).value();
  cpu const machine({2});
  auto const model = load_encoder(file, machine).value();
  auto const tok = tokenizer_from(file).value();
  auto e = make_embedder(model, tok, {.normalised = false}).value();
  CHECK(e.pooling() == pooling::mean);
  std::string const lines = test::read(*goldens);
  std::vector<std::string> texts;
  std::vector<std::vector<double>> expected;
  for (std::size_t begin = 0, end; (end = lines.find('\n', begin)) != lines.npos; begin = end + 1) {
    auto const golden = json::parse(std::string_view(lines).substr(begin, end - begin)).value();
    if (golden["model"].as_string().value() != name) continue;
    texts.emplace_back(golden["text"].as_string().value());
    auto& vector = expected.emplace_back();
    for (auto const x : golden["embedding"].elements()) vector.push_back(x.as_double().value());
  }
  CHECK(!texts.empty());
  std::size_t i = 0;
  for (auto const vector : texts | embed(e)) {
    REQUIRE(vector.size() == expected[i].size());
    double worst = 0;
    for (std::size_t k = 0; k < vector.size(); ++k)
      worst = std::max(worst, std::fabs(static_cast<double>(vector[k]) - expected[i][k]));
    CHECK(worst < tolerance);
    ++i;
  }
  CHECK(i == texts.size());
  CHECK(e(texts[1], texts[0]));
  auto const before = test::allocations(); // the tokenizer's workspace has grown
  CHECK(e(texts[1]));
  CHECK(test::allocations() == before);
  CHECK(e(texts[1], texts[0]));
  CHECK(test::allocations() == before);
}

TEST_CASE("embeddings: bert as the established implementation has them") { check("arch-bert.gguf", 3e-3); }
TEST_CASE("embeddings: nomic-bert as the established implementation has them") { check("arch-nomic-bert.gguf", 1e-5); }

} // namespace

} // namespace embed_goldens_test
