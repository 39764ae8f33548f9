/// \file
/// Overrides of a file's rotary embedding: the angles that the papers define, the same bits as a file that says so, and
/// errors for what makes no sense.
#include "support/random_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace model_options_test {

using namespace loquat;

namespace {

// Angles per position of a model of 64 rotating elements and an original context of 4096, after an override.
std::vector<double> angles(rope_override const& o, hyperparameters h = {}) {
  h.rope_dims = 64;
  h.context = h.original_context = 4096;
  REQUIRE(apply(o, h));
  auto const rope = rope_frequencies::make(h, {}).value();
  std::vector<float> c(64), s(64);
  rope.fill(rope_style::halves, 1, c, s);
  std::vector<double> out;
  for (std::size_t i = 0; i < 32; ++i)
    out.push_back(std::atan2(static_cast<double>(s[i + 32]), static_cast<double>(c[i])));
  return out;
}
void check_angles(rope_override const& o, auto expected) {
  auto const found = angles(o);
  for (std::size_t i = 0; i < 32; ++i)
    CHECK(found[i] == doctest::Approx(expected(-2.0 * static_cast<double>(i) / 64)).epsilon(1e-6));
}

TEST_CASE("linear, NTK-aware and YaRN scaling turn as the papers define") {
  check_angles({}, [](double e) { return std::pow(10000.0, e); });
  check_angles({.base = 1e6f}, [](double e) { return std::pow(1e6, e); });
  check_angles({.factor = 4}, [](double e) { return std::pow(10000.0, e) / 4; }); // linear where the file says nothing
  check_angles({.scaling = rope_scaling::linear, .factor = 2.5f, .base = 5e5f},
               [](double e) { return std::pow(5e5, e) / 2.5; });
  check_angles({.scaling = rope_scaling::ntk, .factor = 8},
               [](double e) { return std::pow(10000 * std::pow(8.0, 64.0 / 62), e); });
  auto const yarn = [](double factor, double fast, double slow, double context) {
    return [=](double e) {
      auto const pair = [&](double turns) {
        return 64 * std::log(context / (turns * 2 * 3.141592653589793)) / (2 * std::log(10000.0));
      };
      double const low = std::max(0.0, std::floor(pair(fast))), high = std::min(31.0, std::ceil(pair(slow)));
      double const part = std::clamp((-e * 32 - low) / (high - low), 0.0, 1.0), angle = std::pow(10000.0, e);
      return angle / factor * part + angle * (1 - part);
    };
  };
  check_angles({.scaling = rope_scaling::yarn, .factor = 16}, yarn(16, 32, 1, 4096));
  check_angles(
      {.scaling = rope_scaling::yarn, .factor = 4, .yarn_beta_fast = 20, .yarn_beta_slow = 2, .original_context = 2048},
      yarn(4, 20, 2, 2048));
}

TEST_CASE("NTK-aware scaling: the slowest pair turns slower by the factor, the fastest as before") {
  auto const plain = angles({}), ntk = angles({.scaling = rope_scaling::ntk, .factor = 8});
  CHECK(ntk.front() == doctest::Approx(plain.front()).epsilon(1e-6));
  CHECK(ntk.back() == doctest::Approx(plain.back() / 8).epsilon(1e-5));
}

using builders = type_list<transformer<arch::llama>, transformer<arch::gpt2>>;

std::vector<float> logits(auto more, rope_override const& rope = {}) {
  auto const bytes = test::random_model(arch::llama, {.layers = 2, .more = more}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = basic_model<builders, cpu>::build(file, machine, {.rope = rope}).value();
  auto s = model.make_session({.context = 64}).value();
  std::vector<token> ids(40);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token>(i * 7 % 40);
  auto const out = model.forward(s, ids).value();
  return {out.begin(), out.end()};
}

TEST_CASE("an override gives the bits of a file that says the same") {
  auto const plain = [](gguf::writer&, std::string const&) {};
  auto const yarn = [](gguf::writer& w, std::string const& p) {
    w.add(p + ".rope.scaling.type", std::string_view("yarn"));
    w.add(p + ".rope.scaling.factor", 8.0f);
    w.add(p + ".rope.scaling.original_context_length", std::uint32_t{32});
  };
  auto const linear = [](gguf::writer& w, std::string const& p) {
    w.add(p + ".rope.scaling.type", std::string_view("linear"));
    w.add(p + ".rope.scaling.factor", 3.0f);
    w.add(p + ".rope.freq_base", 5e5f);
    w.add(p + ".rope.scaling.attn_factor", 1.25f);
  };
  CHECK(logits(plain, {.scaling = rope_scaling::yarn, .factor = 8, .original_context = 32}) == logits(yarn));
  CHECK(logits(plain, {.factor = 3, .base = 5e5f, .magnitude = 1.25f}) == logits(linear));
  CHECK(logits(yarn, {.factor = 8}) == logits(yarn)); // still yarn
  CHECK(logits(yarn, {.factor = 9}) != logits(yarn));
  CHECK(logits(yarn, {.scaling = rope_scaling::none}) == logits(plain));
  CHECK(logits(linear, {.scaling = rope_scaling::none, .base = 1e4f, .magnitude = 1}) == logits(plain));
  CHECK(logits(linear, {.scaling = rope_scaling::yarn}) != logits(linear)); // by the file's factor
  CHECK(logits(yarn) != logits(plain));
}

TEST_CASE("an extended model is one for longer texts") {
  hyperparameters h;
  h.rope_dims = 8;
  h.context = h.original_context = 2048;
  CHECK(apply({.scaling = rope_scaling::ntk, .factor = 4}, h));
  CHECK(h.context == 8192);
  CHECK(apply({.scaling = rope_scaling::linear, .factor = 0.5f}, h));
  CHECK(h.context == 8192);
  CHECK(apply({.factor = 1e12f}, h));
  CHECK(h.context == std::size_t{1} << 31);
}

TEST_CASE("an override that makes no sense is an error") {
  auto const refusal = [](rope_override const& o, std::size_t dims = 8) {
    hyperparameters h;
    h.rope_dims = dims;
    h.original_context = 64;
    auto const done = apply(o, h);
    return done ? std::string("none") : std::string(done.error().message());
  };
  float const nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float wrong : {nan, infinity, -1.0f}) {
    CHECK(refusal({.factor = wrong}) == "rope override: factor: expected a positive number, or 0 for the file's");
    CHECK(refusal({.base = wrong}) == "rope override: base: expected a positive number, or 0 for the file's");
    CHECK(refusal({.magnitude = wrong}) == "rope override: magnitude: expected a positive number, or 0 for the file's");
    CHECK(refusal({.yarn_beta_fast = wrong}).starts_with("rope override: yarn_beta_fast: "));
    CHECK(refusal({.yarn_beta_slow = wrong}).starts_with("rope override: yarn_beta_slow: "));
  }
  CHECK(refusal({.original_context = (std::size_t{1} << 31) + 1}) ==
        "rope override: an original context of 2147483649: expected at most 2^31");
  CHECK(refusal({.scaling = rope_scaling::none, .factor = 2}) == "rope override: a factor, but no scaling");
  for (auto scaling : {rope_scaling::linear, rope_scaling::ntk, rope_scaling::yarn})
    CHECK(refusal({.scaling = scaling}) == "rope override: scaling needs a factor other than 1; the file has none");
  CHECK(refusal({.scaling = rope_scaling::ntk, .factor = 2}, 2) ==
        "rope override: ntk needs more than one pair that turns");
  CHECK(refusal({.scaling = rope_scaling::ntk, .factor = 1e29f}) == "rope override: ntk makes a base beyond 1e30");

  auto const load_with = [](architecture const& a, rope_override const& o) {
    auto const bytes = test::random_model(a, {.layers = 1}).bytes();
    cpu const machine({1});
    auto const made =
        basic_model<builders, cpu>::build(gguf::file::parse(bytes, "m.gguf").value(), machine, {.rope = o});
    return made ? std::string("none") : std::string(made.error().message());
  };
  CHECK(load_with(arch::gpt2, {}) == "none");
  CHECK(load_with(arch::gpt2, {.factor = 2}) == "m.gguf: gpt2 has no rotary embedding to override");
  CHECK(load_with(arch::llama, {.scaling = rope_scaling::none, .factor = 2}) ==
        "m.gguf: rope override: a factor, but no scaling");
  CHECK(load_with(arch::llama, {.factor = 1e-9f}) ==
        "m.gguf: rotary embedding: pair 0 has no sensible frequency"); // more than a turn per token
}

struct no_options { // a builder that knows only files
  static constexpr std::string_view name() { return "llama"; }
  template <Backend B> using model = transformer<arch::llama>::model<B>;
  template <Backend B> static constexpr result<model<B>> build(gguf::file const& file, B const& backend) {
    return transformer<arch::llama>::build(file, backend);
  }
};

TEST_CASE("a builder need not take options, but says so where they count") {
  auto const bytes = test::random_model(arch::llama, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes, "m.gguf").value();
  cpu const machine({1});
  using any = basic_model<type_list<no_options>, cpu>;
  CHECK(any::build(file, machine));
  CHECK(std::string(any::build(file, machine, {.rope = {.factor = 2}}).error().message()) ==
        "m.gguf: the builder of llama takes no rope override");
}

} // namespace

} // namespace model_options_test
