/// \file
/// Logits of real files against those of an established implementation.
#include "support/data.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/core/json.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace model_goldens_test {

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

// What must agree. Activations are rounded to 8 bits at every matrix product. Where engines add in another order, the
// last bit of an activation on the edge between two roundings decides, and from that token on all roundings differ and
// logits by the error of 8-bit activations itself, a few percent of their root mean square here.
enum class agreement {
  exact,   // floats: within 1e-3, the same greedy tokens
  halves,  // floats, of which the other engine has some in 11 bits (the cache, what an F16 matrix is multiplied with, a
           // table of GELU): within 8e-3, the same greedy tokens
  rounded, // within 1e-2 of the root mean square of the logits
  unsettled, // the same for most tokens to 1e-5, until an activation rounds otherwise; then within 6e-2
};

void check(std::string const& name, agreement kind, kv_type cache = kv_type::f32, std::size_t shortest = 1) {
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
    if (golden["ids"].size() < shortest) continue;
    ++seen;
    auto const ids = ids_of(golden["ids"]), greedy = ids_of(golden["greedy"]);
    double const rms = golden["logits_rms"].as_double().value();
    double const tolerance = kind == agreement::exact     ? 1e-3
                             : kind == agreement::halves  ? 8e-3
                             : kind == agreement::rounded ? 1e-2 * rms
                                                          : 6e-2 * rms;
    std::vector<double> deviations;
    auto s = model.make_session({.kv = cache}).value();
    std::span<float> logits;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i > 0) {
        double const nll = golden["nll"][i - 1].as_double().value();
        deviations.push_back(std::fabs(negative_log_probability(logits, ids[i]) - nll));
        CHECK(deviations.back() < tolerance);
      }
      logits = model.forward(s, std::span(ids).subspan(i, 1)).value();
    }
    std::ranges::sort(deviations);
    bool const floats = kind == agreement::exact || kind == agreement::halves;
    if (!floats) CHECK(deviations[deviations.size() / 3] < 1e-5 * rms);
    auto const top = ids_of(golden["top_ids"]);
    for (std::size_t i = 0; i < top.size(); ++i)
      CHECK(std::fabs(static_cast<double>(logits[static_cast<std::size_t>(top[i])]) -
                      golden["top_logits"][i].as_double().value()) < tolerance);
    for (token expected : greedy) {
      auto const best = static_cast<token>(std::ranges::max_element(logits) - logits.begin());
      float const behind = logits[static_cast<std::size_t>(best)] - logits[static_cast<std::size_t>(expected)];
      CHECK(static_cast<double>(behind) <= (floats ? 0.0 : tolerance)); // a near tie may flip
      logits = model.forward(s, std::span(&expected, 1)).value();
    }
  }
  CHECK(seen > 0);
}

TEST_CASE("goldens: llama") { check("arch-llama.gguf", agreement::exact); }
TEST_CASE("goldens: llama 3 with rope_freqs") { check("arch-llama3.gguf", agreement::exact); }
TEST_CASE("goldens: mixtral") { check("arch-mixtral.gguf", agreement::exact); }
TEST_CASE("goldens: granite") { check("arch-granite.gguf", agreement::exact); }
TEST_CASE("goldens: qwen2") { check("arch-qwen2.gguf", agreement::exact); }
TEST_CASE("goldens: qwen2moe") { check("arch-qwen2moe.gguf", agreement::exact); }
TEST_CASE("goldens: qwen3") { check("arch-qwen3.gguf", agreement::halves, kv_type::f16); }
// The other engine's logits of a single token differ by up to 0.2 from those that it has for the same token in a batch.
TEST_CASE("goldens: qwen3moe") { check("arch-qwen3moe.gguf", agreement::halves, kv_type::f16, 2); }
TEST_CASE("goldens: gemma") { check("arch-gemma.gguf", agreement::exact); }
TEST_CASE("goldens: gemma2") { check("arch-gemma2.gguf", agreement::halves); }
TEST_CASE("goldens: gemma3") { check("arch-gemma3.gguf", agreement::halves, kv_type::f16); }
TEST_CASE("goldens: phi2") { check("arch-phi2.gguf", agreement::halves); }
TEST_CASE("goldens: phi3") { check("arch-phi3.gguf", agreement::exact); }
TEST_CASE("goldens: gpt2") { check("arch-gpt2.gguf", agreement::halves); }
TEST_CASE("goldens: gptneox") { check("arch-gptneox.gguf", agreement::halves); }
TEST_CASE("goldens: falcon") { check("arch-falcon.gguf", agreement::halves); }
TEST_CASE("goldens: starcoder2") { check("arch-starcoder2.gguf", agreement::halves); }
TEST_CASE("goldens: stablelm") { check("arch-stablelm.gguf", agreement::exact); }
TEST_CASE("goldens: olmo2") { check("arch-olmo2.gguf", agreement::exact); }
TEST_CASE("goldens: command-r") { check("arch-command-r.gguf", agreement::exact); }
TEST_CASE("goldens: bitnet") { check("arch-bitnet.gguf", agreement::halves); }
TEST_CASE("goldens: deepseek2") { check("arch-deepseek2.gguf", agreement::exact); }
TEST_CASE("goldens: mamba") { check("arch-mamba.gguf", agreement::exact); }
TEST_CASE("goldens: stories260K, F32") { check("stories260K-f32.gguf", agreement::exact); }
TEST_CASE("goldens: stories260K, Q8_0 and F32 mixed") { check("stories260K-q8_0.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q4_0") { check("quant-Q4_0.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q4_1") { check("quant-Q4_1.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q5_0") { check("quant-Q5_0.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q5_1") { check("quant-Q5_1.gguf", agreement::unsettled); }
TEST_CASE("goldens: random weights, Q8_0") { check("quant-Q8_0.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q2_K") { check("quant-Q2_K.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q3_K_M") { check("quant-Q3_K_M.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q4_K_M") { check("quant-Q4_K_M.gguf", agreement::unsettled); }
TEST_CASE("goldens: random weights, Q5_K_M") { check("quant-Q5_K_M.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, Q6_K") { check("quant-Q6_K.gguf", agreement::unsettled); }
TEST_CASE("goldens: random weights, IQ3_XXS") { check("quant-IQ3_XXS.gguf", agreement::unsettled); }
TEST_CASE("goldens: random weights, IQ3_S") { check("quant-IQ3_S.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, IQ4_NL") { check("quant-IQ4_NL.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, IQ4_XS") { check("quant-IQ4_XS.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, TQ1_0") { check("quant-TQ1_0.gguf", agreement::rounded); }
TEST_CASE("goldens: random weights, TQ2_0") { check("quant-TQ2_0.gguf", agreement::rounded); }

TEST_CASE("goldens: a file of no decoder is an error, not a crash") {
  auto const path = test::data("models/arch-bert.gguf");
  if (!path) return;
  auto const file = gguf::open(*path).value();
  cpu const machine({1});
  auto const model = load(file, machine);
  CHECK(std::string(model.error().message()).find("no builder for general.architecture bert; known: llama") !=
        std::string::npos);
}

} // namespace

} // namespace model_goldens_test
