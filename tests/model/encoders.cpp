/// \file
/// Every encoder against a plain computation in double, written from the papers; the same bits on both backends, for
/// every batch, number of threads and target; no allocation; what files may lie about.
#include "model/encoder_formulas.hpp"
#include "support/allocations.hpp"
#include "support/random_encoder.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/model/load_encoder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace model_encoders_test {

using namespace loquat;

namespace {

// One kind of encoder: its value, what is random of it, and the plain computation.
struct kind {
  encoder_architecture value;
  test::random_encoder_options options;
  rows (*compute)(test::random_encoder const&, ids const&, ids const&);
};

std::vector<kind> kinds() {
  test::random_encoder_options modern{.layers = 4, .window = 8, .gate = true, .fused = true};
  return {
      {arch::bert, {}, bert},
      {arch::bert, {.heads = 3, .kv_heads = 3, .head_dim = 7, .labels = 3}, bert}, // odd heads, a head of another kind
      {arch::nomic_bert, {.gate = true, .fused = true}, nomic_bert},
      {arch::jina_bert_v2,
       {.layers = 2, .heads = 3, .kv_heads = 3, .gate = true, .qk_norm = true, .norm_again = true},
       jina_bert_v2},
      {arch::jina_bert_v3, {.layers = 2}, jina_bert_v3},
      {arch::modern_bert, modern, modern_bert},
      {arch::neo_bert, {.layers = 2, .gate = true, .fused = true}, neo_bert},
      {arch::t5_encoder, {.layers = 2, .heads = 3, .kv_heads = 3, .buckets = 8}, t5},
      {arch::t5, {.layers = 2, .head_dim = 16, .buckets = 32, .gate = true, .decoder = true}, t5},
      {arch::albert, {.layers = 4, .token_embedding = 16, .groups = 2}, albert},
      {arch::mobile_bert,
       {.layers = 2, .heads = 2, .kv_heads = 2, .token_embedding = 12, .width = 16, .feed_forwards = 3},
       mobile_bert},
      {arch::qwen3_embedding, {.layers = 2, .kv_heads = 2, .gate = true, .qk_norm = true}, qwen3},
  };
}

struct texts {
  ids tokens, types;
  std::vector<std::size_t> lengths;
};
texts some(std::vector<std::size_t> lengths) {
  texts t{{}, {}, std::move(lengths)};
  for (std::size_t const n : t.lengths)
    for (std::size_t i = 0; i < n; ++i) {
      t.tokens.push_back(static_cast<token>((i * i * 7 + n) % 40));
      t.types.push_back(i * 2 > n ? 1 : 0);
    }
  return t;
}

template <Backend B> std::vector<float> run(encoder_model<B> const& model, texts const& t, bool together) {
  auto s = model.make_session().value();
  std::vector<float> out;
  std::size_t const step = together ? t.lengths.size() : 1;
  for (std::size_t i = 0, first = 0; i < t.lengths.size(); i += step) {
    auto const lengths = std::span(t.lengths).subspan(i, step);
    std::size_t n = 0;
    for (std::size_t const length : lengths) n += length;
    auto const x =
        model.forward(s, {std::span(t.tokens).subspan(first, n), lengths, std::span(t.types).subspan(first, n)});
    out.insert(out.end(), x.value().begin(), x.value().end());
    first += n;
  }
  return out;
}

// the largest error of the vectors of all texts, as a part of the largest element
double error_of(kind const& k, std::vector<std::size_t> const& lengths) {
  test::random_encoder const w(k.value, k.options);
  auto const bytes = w.bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const t = some(lengths);
  auto const found = run(load_encoder(file, machine).value(), t, true);
  double worst = 0, largest = 0;
  std::size_t first = 0, i = 0;
  for (std::size_t const n : lengths) {
    auto const part = [&](ids const& all) {
      return ids(all.begin() + static_cast<std::ptrdiff_t>(first),
                 all.begin() + static_cast<std::ptrdiff_t>(first + n));
    };
    for (auto const& expected : k.compute(w, part(t.tokens), part(t.types)))
      for (double const x : expected) {
        worst = std::max(worst, std::fabs(x - static_cast<double>(found[i++])));
        largest = std::max(largest, std::fabs(x));
      }
    first += n;
  }
  CHECK(i == found.size());
  return worst / largest;
}

TEST_CASE("encoders: every one computes what its paper says") {
  for (auto const& k : kinds()) {
    CAPTURE(std::string(name(k.value)));
    CHECK(error_of(k, {13, 1, 40}) < 1e-5);
  }
}

TEST_CASE("encoders: the same bits for every backend, batch, number of threads and target; no allocation") {
  for (auto const& k : kinds()) {
    CAPTURE(std::string(name(k.value)));
    test::random_encoder const w(k.value, k.options);
    auto const bytes = w.bytes();
    auto const file = gguf::file::parse(bytes).value();
    auto const t = some({3, 21, 1, 9});
    reference const oracle;
    auto const expected = run(load_encoder(file, oracle).value(), t, false);
    auto const same = [&](std::vector<float> const& other) {
      return other.size() == expected.size() &&
             std::memcmp(expected.data(), other.data(), expected.size() * sizeof(float)) == 0;
    };
    for (auto target : simd::all_targets) {
      if (target > simd::detect()) continue;
      INFO("target ", std::string(name(target)));
      cpu const two({2, target}), one({1, target});
      CHECK(same(run(load_encoder(file, two).value(), t, true)));
      CHECK(same(run(load_encoder(file, one).value(), t, false)));
    }
    cpu const machine({2});
    auto const model = load_encoder(file, machine).value();
    auto s = model.make_session().value();
    auto const before = test::allocations();
    CHECK(model.forward(s, {t.tokens, t.lengths}));
    CHECK(model.forward(s, {t.tokens, t.lengths, t.types}));
    CHECK(test::allocations() == before);
  }
}

// windows and tables of distances beyond a tile of the cache
TEST_CASE("encoders: texts of several hundred tokens") {
  for (auto k : kinds()) {
    if (k.options.window == 0 && k.options.buckets == 0 && k.value.positions != position_kind::alibi) continue;
    CAPTURE(std::string(name(k.value)));
    k.options.context = 300;
    k.options.embedding = k.options.width = k.options.token_embedding = 16;
    if (k.options.fused) k.options.heads = k.options.kv_heads = 2;
    CHECK(error_of(k, {290}) < 3e-5);
  }
}

TEST_CASE("encoders: a classification head") {
  test::random_encoder const w(arch::bert, {.labels = 3});
  auto const bytes = w.bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = load_encoder(file, machine).value();
  CHECK(model.outputs() == 3);
  CHECK(model.label(2) == "label");
  CHECK(model.label(3).empty());
  auto s = model.make_session().value();
  auto const vectors = test::random_floats{}(2 * w.o.embedding);
  std::vector<float> logits(6);
  REQUIRE(model.classify(s, vectors, logits));
  plain const p{w};
  rows x;
  for (std::size_t t = 0; t < 2; ++t)
    x.emplace_back(vectors.begin() + static_cast<std::ptrdiff_t>(t * w.o.embedding),
                   vectors.begin() + static_cast<std::ptrdiff_t>((t + 1) * w.o.embedding));
  auto const expected = p.linear("cls.output", p.each(p.linear("cls", x), [](double v) { return std::tanh(v); }));
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(expected[i / 3][i % 3] - static_cast<double>(logits[i])) < 1e-4);
  CHECK(std::string(model.classify(s, vectors, std::span(logits).first(5)).error().message()) ==
        "classify: 64 inputs and 5 outputs: expected 32 and 3 for each of up to 512 texts");
}

TEST_CASE("encoders: the activations' vector forms are right") {
  CHECK(math::gelu(0.0f) == 0.0f);
  for (float x = -12; x < 12; x += 0.003f)
    CHECK(std::fabs(static_cast<double>(math::gelu(x)) - gelu(static_cast<double>(x))) <
          2e-7 * std::max(1.0, std::fabs(static_cast<double>(x))));
}

std::string refusal(encoder_architecture const& a, test::random_encoder_options const& o) {
  test::random_encoder const w(a, o);
  auto const bytes = w.bytes();
  auto const made = load_encoder(gguf::file::parse(bytes, "m.gguf").value(), reference{});
  return made ? "no error" : std::string(made.error().message());
}

TEST_CASE("encoders: what cannot be is an error that names it") {
  CHECK(refusal(arch::bert, {}) == "no error");
  CHECK(refusal(arch::bert, {.without = "position_embd.weight"}) == "m.gguf: no tensor position_embd.weight");
  CHECK(refusal(arch::bert, {.without = "blk.1.layer_output_norm.weight"}) ==
        "m.gguf: no tensor blk.1.layer_output_norm.weight");
  CHECK(refusal(arch::bert, {.transposed = "blk.2.ffn_down.weight"}) ==
        "m.gguf: tensor blk.2.ffn_down.weight: expected 48 columns and 32 rows, found 32 and 48");
  CHECK(refusal(arch::bert, {.extra = "blk.0.more.weight"}) ==
        "m.gguf: tensor blk.0.more.weight has no place in this architecture");
  CHECK(refusal(arch::bert, {.without = "attention.head_count"}) ==
        "m.gguf: no key bert.attention.head_count (expected u64)");
  CHECK(refusal(arch::albert, {.layers = 3, .token_embedding = 16, .groups = 2}) ==
        "m.gguf: block_count 3 is no multiple of layer_group_count 2");
  CHECK(refusal(arch::t5, {.buckets = 6}) ==
        "m.gguf: attention.relative_buckets_count 6: expected a multiple of 4 up to 4096");
  CHECK(refusal(encoder_architecture{.name = "unheard"}, {}) ==
        "m.gguf: no encoder for general.architecture unheard; known: bert nomic-bert jina-bert-v2 jina-bert-v3 "
        "modern-bert neo-bert t5encoder t5 albert mobilebert qwen3 qwen2 llama");
}

TEST_CASE("encoders: damaged files end in a model or an error") {
  for (auto const& k : kinds()) {
    auto options = k.options;
    options.layers = std::max(1u, options.groups);
    test::random_encoder const w(k.value, options);
    auto const whole = w.bytes();
    auto const metadata =
        static_cast<std::size_t>(gguf::file::parse(whole).value().tensors()[0].data.data() - whole.data());
    std::uint32_t state = 7;
    for (int i = 0; i < 200; ++i) {
      auto bytes = whole;
      for (int hits = 0; hits < 1 + i % 3; ++hits) {
        state = state * 1664525u + 1013904223u;
        bytes[(state >> 8) % metadata] ^= static_cast<std::byte>(1u << (state & 7));
      }
      auto const file = gguf::file::parse(bytes);
      if (!file) continue;
      reference const backend;
      auto const model = load_encoder(*file, backend);
      if (!model) continue;
      auto s = model->make_session({.context = 4, .batch = 8, .max_bytes = 1u << 24});
      if (!s) continue;
      std::array<token, 3> const few{1, 2, 0};
      std::array<std::size_t, 2> const lengths{2, 1};
      CHECK((model->forward(*s, {few, lengths}) || true));
    }
  }
}

TEST_CASE("encoders: what callers may do wrong") {
  test::random_encoder const w(arch::bert, {});
  auto const bytes = w.bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = load_encoder(file, machine).value();
  CHECK(std::string(model.make_session({.context = 65}).error().message()) ==
        "encoder session: texts of 65 tokens: the model knows 64 positions");
  CHECK(model.make_session({.max_bytes = 1000}).error().code() == errc::capacity);
  CHECK(model.make_session({.batch = std::size_t{1} << 40}).error().code() == errc::capacity);
  auto s = model.make_session({.context = 8, .batch = 10}).value();
  auto const says = [&](ids const& tokens, std::vector<std::size_t> const& lengths, ids const& types = {}) {
    auto const made = model.forward(s, {tokens, lengths, types});
    return made ? "no error" : std::string(made.error().message());
  };
  CHECK(says({1, 2, 3}, {1, 2}) == "no error");
  CHECK(says({}, {}) == "no error");
  CHECK(says({1, 2, 3}, {1, 3}) == "encoder: text 1 has 3 tokens of the 2 that are left");
  CHECK(says({1, 2, 3}, {3, 0}) == "encoder: text 1 has 0 tokens of the 0 that are left");
  CHECK(says({1, 2, 3}, {2}) == "encoder: 1 tokens belong to no text");
  CHECK(says({1, 40}, {2}) == "encoder: token 1 is 40, expected 0 to 39");
  CHECK(says({-1}, {1}) == "encoder: token 0 is -1, expected 0 to 39");
  CHECK(says({1, 2}, {2}, {0, 2}) == "encoder: token 1 has type 2, expected 0 to 1");
  CHECK(says({1, 2}, {2}, {0}) == "encoder: 1 types of 2 tokens");
  CHECK(says(ids(9, 1), {9}) == "encoder: text 0 of 9 tokens exceeds the session's context of 8");
  CHECK(says(ids(11, 1), {6, 5}) == "encoder: 11 tokens exceed the session's batch of 10");
  std::vector<float> none(32);
  CHECK(model.classify(s, none, none).error().code() == errc::missing);
}

} // namespace

} // namespace model_encoders_test
