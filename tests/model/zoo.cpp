/// \file
/// Every architecture of the zoo: the same bits on both backends, for every split and number of threads; no allocation;
/// what files may lie about.
#include "support/allocations.hpp"
#include "support/random_model.hpp"
#include "support/recurrent_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

namespace model_zoo_test {

using namespace loquat;

namespace {

template <Backend B>
std::vector<float> logits(gguf::file const& file, B const& backend, std::vector<std::size_t> const& portions,
                          session_options options = {.kv = kv_type::f32}) {
  auto const model = load(file, backend).value();
  auto s = model.make_session(options).value();
  std::vector<token> ids(std::accumulate(portions.begin(), portions.end(), std::size_t{0}));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token>(i * 7 % 40);
  std::span<float> out;
  std::size_t at = 0;
  for (std::size_t n : portions) out = model.forward(s, std::span(ids).subspan(at, n)).value(), at += n;
  return {out.begin(), out.end()};
}

void check_bits(architecture const& a, test::random_model_options const& o) {
  CAPTURE(std::string(name(a)));
  test::random_model const model(a, o);
  auto const bytes = model.bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const expected = logits(file, reference{}, {21});
  for (float const x : expected) REQUIRE(std::isfinite(x));
  auto const same = [&](std::vector<float> const& other) {
    return std::memcmp(expected.data(), other.data(), expected.size() * sizeof(float)) == 0;
  };
  CHECK(same(logits(file, reference{}, std::vector<std::size_t>(21, 1))));
  for (auto target : simd::all_targets) {
    if (target > simd::detect()) continue;
    INFO("target ", std::string(name(target)));
    cpu const machine({2, target});
    CHECK(same(logits(file, machine, {1, 4, 16})));
    CHECK(same(logits(file, machine, {21}, {.batch = 6, .kv = kv_type::f32})));
    CHECK(same(logits(file, machine, {21}, {.batch = 1, .kv = kv_type::f32})));
  }
  cpu const machine({1});
  auto const loaded = load(file, machine).value();
  auto s = loaded.make_session().value();
  token const ids[]{1, 2, 3};
  auto const before = test::allocations();
  CHECK(loaded.forward(s, ids));
  CHECK(loaded.forward(s, std::span(ids).first(1)));
  CHECK(test::allocations() == before);
}

template <class... Builders> void check_all(type_list<Builders...>) {
  auto const layers = [](architecture const& a) { return a.window == window_layers::five_of_six ? 7u : 2u; };
  for (bool const fused : {false, true})
    (check_bits(Builders::value, {.layers = layers(Builders::value), .fused = fused}), ...);
}

TEST_CASE("zoo: every architecture gives the same bits for every backend, split and target") {
  check_all(transformers{});
}
TEST_CASE("zoo: so do mixtures of experts") {
  check_bits(arch::llama, {.layers = 2, .experts = 5});
  check_bits(arch::llama, {.layers = 2, .experts = 19, .experts_used = 17}); // more than are computed in one go
  check_bits(arch::qwen3moe, {.layers = 2, .experts = 5});
  check_bits(arch::qwen2moe, {.layers = 2, .experts = 5, .shared = 24});
  check_bits(arch::gpt_oss, {.layers = 2, .experts = 5});
  check_bits(arch::deepseek2, {.layers = 2, .experts = 5, .shared = 24, .absorbed = true});
}

float difference(std::vector<float> const& a, std::vector<float> const& b) {
  float most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}
template <class More> std::vector<float> with(architecture const& a, More more, test::random_model_options o = {}) {
  o.more = more;
  test::random_model const model(a, o);
  auto const bytes = model.bytes();
  return logits(gguf::file::parse(bytes).value(), reference{}, {21});
}

TEST_CASE("zoo: what files say counts") {
  auto const nothing = [](gguf::writer&, std::string const&) {};
  auto const plain = with(arch::llama, nothing);
  auto const changes = [&](std::string const& key, auto value) {
    return difference(plain,
                      with(arch::llama, [&](gguf::writer& w, std::string const& p) { w.add(p + "." + key, value); }));
  };
  CHECK(changes("embedding_scale", 3.0f) > 0.01f);
  CHECK(changes("residual_scale", 0.3f) > 0.01f);
  CHECK(changes("attention.scale", 0.9f) > 0.001f);
  CHECK(changes("rope.scaling.attn_factor", 1.5f) > 0.001f);
  auto const doubled =
      with(arch::llama, [](gguf::writer& w, std::string const& p) { w.add(p + ".logit_scale", 2.0f); });
  auto const halved =
      with(arch::granite, [](gguf::writer& w, std::string const& p) { w.add(p + ".logit_scale", 2.0f); });
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(doubled[i] == 2 * plain[i]);
    CHECK(halved[i] == plain[i] / 2);
  }
  auto const apart =
      with(arch::gptneox, [](gguf::writer& w, std::string const& p) { w.add(p + ".use_parallel_residual", true); },
           {.layers = 1});
  auto const behind =
      with(arch::gptneox, [](gguf::writer& w, std::string const& p) { w.add(p + ".use_parallel_residual", false); },
           {.layers = 1});
  CHECK(difference(apart, behind) > 0.01f);
  auto const capped = with(arch::gemma2, nothing);
  for (float const x : capped) CHECK(std::fabs(x) < 2.0f);
}

TEST_CASE("zoo: long sessions take the long factors") {
  test::random_model_options o{.long_factors = true};
  o.more = [](gguf::writer& w, std::string const& p) {
    w.add(p + ".rope.scaling.original_context_length", std::uint32_t{32});
  };
  test::random_model const model(arch::phi3, o);
  auto const bytes = model.bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const near = logits(file, reference{}, {21}, {.context = 32}),
             far = logits(file, reference{}, {21}, {.context = 33});
  CHECK(difference(near, far) > 1e-4f);
}

std::string refusal(architecture const& a, test::random_model_options const& o) {
  test::random_model const model(a, o);
  auto const bytes = model.bytes();
  auto const made = load(gguf::file::parse(bytes, "m.gguf").value(), reference{});
  return made ? "no error" : std::string(made.error().message());
}
std::string refusal(architecture const& a, std::string const& key, auto value) {
  return refusal(a, {.layers = 1, .more = [&](gguf::writer& w, std::string const& p) { w.add(p + "." + key, value); }});
}

TEST_CASE("zoo: what cannot be is an error that names it") {
  CHECK(refusal(arch::llama, "expert_used_count", 3u) == "no error"); // there are none
  CHECK(refusal(arch::llama, "expert_count", 8u) == "m.gguf: no key llama.expert_used_count (expected u64)");
  auto const experts = [](std::uint32_t count, std::uint32_t used) {
    return refusal(arch::llama, {.layers = 1, .more = [=](gguf::writer& w, std::string const& p) {
                                   w.add(p + ".expert_count", count);
                                   w.add(p + ".expert_used_count", used);
                                 }});
  };
  CHECK(experts(4, 5) == "m.gguf: expert_used_count 5 of expert_count 4");
  CHECK(experts(1u << 20, 5) == "m.gguf: expert_count 1048576: expected at most 4096");
  CHECK(experts(4, 2) == "no error"); // a layer without a router is a dense one
  CHECK(refusal(arch::granite, "residual_scale", -1.0f) ==
        "m.gguf: key granite.residual_scale: expected a positive number");
  CHECK(refusal(arch::phi3, "rope.scaling.attn_factor", std::string_view("far")).starts_with("m.gguf: key phi3."));
  CHECK(refusal(arch::llama, "rope.scaling.type", std::string_view("yarn")) == "no error");

  test::random_model_options o{.layers = 1};
  std::vector<float> const weights(32);
  o.more = [&](gguf::writer& w, std::string const&) {
    w.add(
        tensor_view{"blk.0.attn_sinks.weight", tensor_type::f32, 1, {32, 1, 1, 1}, std::as_bytes(std::span(weights))});
  };
  CHECK(refusal(arch::llama, o) == "m.gguf: tensor blk.0.attn_sinks.weight has no place in this architecture");
  o.more = [&](gguf::writer& w, std::string const&) { // of old files
    w.add(tensor_view{
        "blk.0.attn_rot_embd.weight", tensor_type::f32, 1, {32, 1, 1, 1}, std::as_bytes(std::span(weights))});
  };
  CHECK(refusal(arch::llama, o) == "no error");
}

// some floats of a tensor
struct part {
  std::string_view tensor;
  std::size_t first, count;
};
// the logits of a StableLM in which these are 0
std::vector<float> without(std::vector<part> const& parts) {
  auto bytes = test::random_model(arch::stablelm, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  for (auto const& [tensor, first, count] : parts) {
    auto const at = static_cast<std::size_t>(file.tensor(tensor).value().data.data() - bytes.data());
    std::memset(bytes.data() + at + first * sizeof(float), 0, count * sizeof(float));
  }
  return logits(file, reference{}, {9});
}

TEST_CASE("zoo: norms of heads have their own weights") {
  constexpr std::size_t dim = test::random_model::head_dim, columns = test::random_model::embedding;
  for (std::size_t const head : {0u, 1u, 3u}) { // queries are 0 without weights, as without matrix and bias
    auto const no_weights = without({{"blk.0.attn_q_norm.weight", head * dim, dim}});
    CHECK(no_weights == without({{"blk.0.attn_q.weight", head * dim * columns, dim * columns},
                                 {"blk.0.attn_q.bias", head * dim, dim}}));
    CHECK(no_weights != without({}));
  }
}

TEST_CASE("zoo: whether StableLM's blocks are parallel is seen from their norms") {
  auto const says = [](bool parallel) {
    return [=](gguf::writer& w, std::string const& prefix) { w.add(prefix + ".use_parallel_residual", parallel); };
  };
  for (bool const fused : {false, true}) // such random models have one norm a block
    CHECK(with(arch::stablelm, says(true), {.layers = 1, .fused = fused}) ==
          with(arch::stablelm, says(false), {.layers = 1, .fused = fused}));
}

TEST_CASE("zoo: learned positions end with the trained context") {
  test::random_model const model(arch::gpt2);
  auto const bytes = model.bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const loaded = load(file, reference{}).value();
  CHECK(loaded.make_session({.context = 64}));
  CHECK(std::string(loaded.make_session({.context = 65}).error().message()) ==
        "session: a context of 65 tokens: the model knows 64 positions");
}

// one type of session where all builders agree, and that type alone
static_assert(std::same_as<basic_model<transformers, cpu>::session, session<cpu>>);
static_assert(std::same_as<basic_model<recurrent_models, cpu>::session, recurrent_session<cpu>>);
static_assert(std::same_as<any_model<cpu>::session, any_session<session<cpu>, recurrent_session<cpu>>>);

TEST_CASE("zoo: recurrent models load and generate like the others") {
  cpu const machine({2});
  auto const transformer_bytes = test::random_model(arch::llama, {.layers = 1}).bytes();
  auto const transformer_file = gguf::file::parse(transformer_bytes).value();
  auto const other = load(transformer_file, machine).value();
  auto other_session = other.make_session().value();
  for (auto const* name : {"mamba", "mamba2", "rnn", "lstm", "gru"}) {
    CAPTURE(name);
    auto const bytes = test::recurrent_file({.architecture = name, .inner = 48, .rank = 6}).bytes();
    auto const file = gguf::file::parse(bytes).value();
    auto const model = load(file, machine).value();
    CHECK(model.sizes().embedding == 24);
    auto s = model.make_session({.context = 30}).value();
    CHECK(s.get_if<recurrent_session<cpu>>());
    CHECK_FALSE(s.get_if<session<cpu>>());
    std::vector<token> said, again;
    std::vector<token> const prompt{1, 5, 2};
    auto const before = test::allocations();
    auto const first = model.forward(s, prompt).value()[0];
    CHECK(test::allocations() == before);
    s.truncate(0);
    for (token id : prompt | generate(model, s, {.max_tokens = 8})) said.push_back(id);
    s.truncate(0);
    CHECK(model.forward(s, prompt).value()[0] == first);
    CHECK(s.context() == 30);
    CHECK(s.batch() == 30);
    CHECK(s.bytes() > s.state_bytes());
    s.truncate(0);
    auto const loaded = load(file, reference{});
    auto slow = loaded->make_session().value();
    for (token id : prompt | generate(*loaded, slow, {.max_tokens = 8})) again.push_back(id);
    CHECK(said == again);

    auto const wrong = model.forward(other_session, prompt);
    REQUIRE(!wrong);
    CHECK(std::string(wrong.error().message()) == "forward: the session is one with a model of another kind");
    CHECK(!other.forward(s, prompt));
  }
}

constexpr bool routes() {
  std::array<float, 4> a{1, 3, 2, 3};
  route({}, a, {}, 2);
  std::array<float, 4> b{0, 0, 0, 0};
  route({.normalised = false}, b, {}, 1);
  std::array<float, 2> c{5, 5};
  route({.normalised = false}, c, {}, 7);                     // more than there are
  std::array<float, 4> d{0, 0, 0, -50}, bias{0, 0.25f, 0, 1}; // a bias chooses, but weighs nothing
  route({.logistic = true, .scale = 3}, d, bias, 2);
  std::array<float, 6> e{9, -9, 1, 1, 0, 5}; // the middle pair and the last have better sums of two than the first
  route({.logistic = true, .normalised = false, .groups = 3, .groups_used = 2}, e, {}, 1);
  std::array<float, 6> f{0, 0, 0, 0, 0, 0};
  route({.scale = 2, .groups = 3, .groups_used = 1}, f, {}, 4); // a group has but two
  return a == std::array<float, 4>{0, 0.5f, 0, 0.5f} && b == std::array<float, 4>{0.25f, 0, 0, 0} &&
         c == std::array<float, 2>{0.5f, 0.5f} && d[0] == 0 && d[1] > 2.99f && d[2] == 0 && d[3] < 1e-6f && e[0] == 0 &&
         e[5] > 0.99f && f == std::array<float, 6>{1, 1, 0, 0, 0, 0};
}
static_assert(routes());

TEST_CASE("zoo: outputs of a router that are not numbers choose nothing of weight") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  std::array<float, 2> all{nan, nan}, one{nan, 1};
  route({}, all, {}, 1);
  route({.logistic = true}, one, {}, 1);
  CHECK(all == std::array<float, 2>{});
  CHECK(one == std::array<float, 2>{0, 1});
}

TEST_CASE("YaRN turns fast pairs as before and slow ones more slowly") {
  hyperparameters h;
  h.rope_dims = 64;
  h.original_context = 4096;
  h.rope_factor = 8;
  auto const plain = rope_frequencies::make_plain(h, h.rope_base).value();
  h.yarn = true;
  auto const yarn = rope_frequencies::make(h, {}).value();
  std::vector<float> c(64), s(64), cy(64), sy(64);
  plain.fill(rope_style::halves, 1, c, s);
  yarn.fill(rope_style::halves, 1, cy, sy);
  float const magnitude = 1 + 0.1f * std::log(8.0f);
  for (std::size_t i = 0; i < 32; ++i) {
    double const angle = std::pow(10000.0, -2.0 * static_cast<double>(i) / 64);
    auto const pair = [](double turns) {
      return 64 * std::log(4096 / (turns * 2 * 3.141592653589793)) / (2 * std::log(10000.0));
    };
    double const low = std::floor(pair(32)), high = std::ceil(pair(1));
    double const part = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    double const wanted = angle / 8 * part + angle * (1 - part);
    CHECK(static_cast<double>(cy[i]) ==
          doctest::Approx(std::cos(wanted) * static_cast<double>(magnitude)).epsilon(1e-6));
    CHECK(static_cast<double>(sy[i + 32]) ==
          doctest::Approx(std::sin(wanted) * static_cast<double>(magnitude)).epsilon(1e-6));
    CHECK(static_cast<double>(c[i]) == doctest::Approx(std::cos(angle)).epsilon(1e-6));
  }
}

} // namespace

} // namespace model_zoo_test
