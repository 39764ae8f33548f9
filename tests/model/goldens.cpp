/// \file
/// Logits of real files against those of an established implementation.
#include "support/data.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/core/json.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

using namespace loquat;

namespace {

std::vector<token> ids_of(json::value list) {
  std::vector<token> out;
  for (auto id : list.elements()) out.push_back(static_cast<token>(id.as_int64().value()));
  return out;
}

double negative_log_probability(std::span<float const> logits, token id) {
  double const largest = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  return std::log(sum) + largest - static_cast<double>(logits[static_cast<std::size_t>(id)]);
}

// float models within 1e-3 and greedy tokens equal; quantized ones within 1e-2 of the logits' root mean square
void check(std::string const& name, bool quantized) {
  auto const path = test::data("models/" + name), goldens = test::data("models/goldens.jsonl");
  if (!path || !goldens) return;
  auto const file = gguf::open(*path).value();
  cpu const machine({2});
  auto const model = load(file, machine).value();
  std::string const lines = test::read(*goldens);
  int seen = 0;
  for (std::size_t begin = 0, end; (end = lines.find('\n', begin)) != lines.npos; begin = end + 1) {
    auto const golden = json::parse(std::string_view(lines).substr(begin, end - begin)).value();
    if (golden["model"].as_string().value() != name) continue;
    ++seen;
    auto const ids = ids_of(golden["ids"]), greedy = ids_of(golden["greedy"]);
    double const tolerance = quantized ? 1e-2 * golden["logits_rms"].as_double().value() : 1e-3;
    auto s = model.make_session({.kv = kv_type::f32}).value();
    std::span<float> logits;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i > 0)
        CHECK(std::fabs(negative_log_probability(logits, ids[i]) - golden["nll"][i - 1].as_double().value()) <
              tolerance);
      logits = model.forward(s, std::span(ids).subspan(i, 1)).value();
    }
    auto const top = ids_of(golden["top_ids"]);
    for (std::size_t i = 0; i < top.size(); ++i)
      CHECK(std::fabs(static_cast<double>(logits[static_cast<std::size_t>(top[i])]) -
                      golden["top_logits"][i].as_double().value()) < tolerance);
    for (token expected : greedy) {
      auto const best = static_cast<token>(std::ranges::max_element(logits) - logits.begin());
      float const behind = logits[static_cast<std::size_t>(best)] - logits[static_cast<std::size_t>(expected)];
      CHECK(static_cast<double>(behind) <= (quantized ? tolerance : 0.0)); // a near tie may flip
      logits = model.forward(s, std::span(&expected, 1)).value();
    }
  }
  CHECK(seen > 0);
}

TEST_CASE("goldens: llama") { check("arch-llama.gguf", false); }
TEST_CASE("goldens: llama 3 with rope_freqs") { check("arch-llama3.gguf", false); }
TEST_CASE("goldens: stories260K, F32") { check("stories260K-f32.gguf", false); }
TEST_CASE("goldens: stories260K, Q8_0 and F32 mixed") { check("stories260K-q8_0.gguf", true); }
TEST_CASE("goldens: random weights, Q4_0") { check("quant-Q4_0.gguf", true); }
TEST_CASE("goldens: random weights, Q4_1") { check("quant-Q4_1.gguf", true); }
TEST_CASE("goldens: random weights, Q5_0") { check("quant-Q5_0.gguf", true); }
TEST_CASE("goldens: random weights, Q5_1") { check("quant-Q5_1.gguf", true); }
TEST_CASE("goldens: random weights, Q8_0") { check("quant-Q8_0.gguf", true); }
TEST_CASE("goldens: random weights, Q2_K") { check("quant-Q2_K.gguf", true); }
TEST_CASE("goldens: random weights, Q3_K_M") { check("quant-Q3_K_M.gguf", true); }
TEST_CASE("goldens: random weights, Q4_K_M") { check("quant-Q4_K_M.gguf", true); }
TEST_CASE("goldens: random weights, Q5_K_M") { check("quant-Q5_K_M.gguf", true); }
TEST_CASE("goldens: random weights, Q6_K") { check("quant-Q6_K.gguf", true); }
TEST_CASE("goldens: random weights, IQ3_XXS") { check("quant-IQ3_XXS.gguf", true); }
TEST_CASE("goldens: random weights, IQ3_S") { check("quant-IQ3_S.gguf", true); }
TEST_CASE("goldens: random weights, IQ4_NL") { check("quant-IQ4_NL.gguf", true); }
TEST_CASE("goldens: random weights, IQ4_XS") { check("quant-IQ4_XS.gguf", true); }
TEST_CASE("goldens: random weights, TQ1_0") { check("quant-TQ1_0.gguf", true); }
TEST_CASE("goldens: random weights, TQ2_0") { check("quant-TQ2_0.gguf", true); }

TEST_CASE("goldens: files that are not here yet are errors, not crashes") {
  auto const path = test::data("models/arch-mamba.gguf");
  if (!path) return;
  auto const file = gguf::open(*path).value();
  auto const model = load(file, reference{});
  CHECK(std::string(model.error().message()).find("no builder for general.architecture mamba") != std::string::npos);
}

} // namespace
