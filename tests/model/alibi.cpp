/// \file
/// Decoders with ALiBi against their equations, written down in double: O. Press et al., 2022; T. Le Scao et al.,
/// "BLOOM", 2022; MosaicML, "MPT", 2023; A. Yang et al., "Baichuan 2", 2023; N. Sengupta et al., "Jais", 2023.
#include "support/allocations.hpp"
#include "support/random_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

namespace model_alibi_test {

using namespace loquat;

namespace {

using numbers = std::vector<double>;

// What a decoder does, for the sizes of `random_model`.
struct formulas {
  gguf::file const& file;
  bool layer_norms, gated; // else root mean squares, no gates
  double score_scale;
  double limit = 0;       // of queries, keys and values; 0: none
  bool rotated = false;   // instead of biases
  std::size_t layers = 2; //

  static constexpr std::size_t d = test::random_model::embedding, heads = test::random_model::heads,
                               kv_heads = test::random_model::kv_heads, dim = test::random_model::head_dim;

  numbers logits(std::vector<token> const& ids) const {
    auto const embeddings = tensor("token_embd.weight");
    std::vector<numbers> x;
    for (token const id : ids) {
      x.push_back(row(embeddings, static_cast<std::size_t>(id), d));
      if (!tensor("token_embd_norm.weight").empty()) x.back() = norm(x.back(), "token_embd_norm");
    }
    for (std::size_t l = 0; l < layers; ++l) {
      auto const named = [l](std::string const& part) { return "blk." + std::to_string(l) + "." + part; };
      std::vector<numbers> queries, keys, values;
      for (std::size_t t = 0; t < x.size(); ++t) {
        auto const normed = norm(x[t], named("attn_norm"));
        queries.push_back(turned(cut(linear(named("attn_q"), normed)), t));
        keys.push_back(turned(cut(linear(named("attn_k"), normed)), t));
        values.push_back(cut(linear(named("attn_v"), normed)));
      }
      for (std::size_t t = 0; t < x.size(); ++t) {
        add(x[t], linear(named("attn_output"), attention(queries[t], keys, values, t)));
        auto const normed = norm(x[t], named("ffn_norm"));
        auto inner = linear(named("ffn_up"), normed);
        auto const gate = gated ? linear(named("ffn_gate"), normed) : numbers();
        for (std::size_t i = 0; i < inner.size(); ++i)
          inner[i] = gated ? gate[i] / (1 + std::exp(-gate[i])) * inner[i] : gelu(inner[i]);
        add(x[t], linear(named("ffn_down"), inner));
      }
    }
    auto const last = norm(x.back(), "output_norm");
    numbers out;
    for (std::size_t v = 0; v < embeddings.size() / d; ++v) out.push_back(dot(row(embeddings, v, d), last));
    return out;
  }

  numbers tensor(std::string const& name) const {
    auto const* const found = file.find_tensor(name);
    std::vector<float> out(found ? static_cast<std::size_t>(found->elements()) : 0);
    if (found) std::memcpy(out.data(), found->data.data(), found->data.size());
    return {out.begin(), out.end()};
  }
  static numbers row(numbers const& m, std::size_t i, std::size_t columns) {
    auto const first = m.begin() + static_cast<std::ptrdiff_t>(i * columns);
    return {first, first + static_cast<std::ptrdiff_t>(columns)};
  }
  static double dot(numbers const& a, numbers const& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }
  static void add(numbers& x, numbers const& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  static double gelu(double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.141592653589793) * (x + 0.044715 * x * x * x)));
  }
  numbers linear(std::string const& name, numbers const& x) const {
    auto const weights = tensor(name + ".weight"), bias = tensor(name + ".bias");
    numbers out;
    for (std::size_t i = 0; i < weights.size() / x.size(); ++i)
      out.push_back((bias.empty() ? 0 : bias[i]) + dot(row(weights, i, x.size()), x));
    return out;
  }
  numbers norm(numbers x, std::string const& name) const {
    auto const scale = tensor(name + ".weight"), shift = tensor(name + ".bias");
    double const mean = layer_norms ? std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(d) : 0;
    for (double& v : x) v -= mean;
    double const root = std::sqrt(dot(x, x) / static_cast<double>(d) + 1e-5);
    for (std::size_t i = 0; i < d; ++i) x[i] = x[i] / root * scale[i] + (shift.empty() ? 0 : shift[i]);
    return x;
  }
  numbers cut(numbers x) const {
    if (limit != 0)
      for (double& v : x) v = std::min(std::max(v, -limit), limit);
    return x;
  }
  numbers turned(numbers x, std::size_t position) const {
    for (std::size_t i = 0; i < x.size() && rotated; i += dim) // four elements of a head rotate, in adjacent pairs
      for (std::size_t pair = 0; pair < 2; ++pair) {
        double const angle = static_cast<double>(position) * (pair == 0 ? 1 : 0.01);
        double &a = x[i + 2 * pair], &b = x[i + 2 * pair + 1], before = a;
        a = a * std::cos(angle) - b * std::sin(angle);
        b = before * std::sin(angle) + b * std::cos(angle);
      }
    return x;
  }
  numbers attention(numbers const& query, std::vector<numbers> const& keys, std::vector<numbers> const& values,
                    std::size_t position) const {
    numbers out(heads * dim, 0.0);
    for (std::size_t head = 0; head < heads; ++head) {
      std::size_t const kv = head / (heads / kv_heads);
      double const slope = rotated ? 0 : std::pow(2.0, -8.0 * static_cast<double>(head + 1) / heads);
      double sum = 0;
      for (std::size_t k = 0; k <= position; ++k) {
        double const weight = std::exp(dot(row(query, head, dim), row(keys[k], kv, dim)) * score_scale -
                                       slope * static_cast<double>(position - k));
        sum += weight;
        for (std::size_t i = 0; i < dim; ++i) out[head * dim + i] += weight * values[k][kv * dim + i];
      }
      for (std::size_t i = 0; i < dim; ++i) out[head * dim + i] /= sum;
    }
    return out;
  }
};

std::vector<token> const ids{3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 39, 7, 9, 3, 23, 8, 4, 6, 26};

template <architecture A> void check(test::random_model_options const& o, formulas how, auto const& machine) {
  CAPTURE(std::string(name(A)));
  auto const bytes = test::random_model(A, o).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const model = transformer<A>::build(file, machine).value();
  auto session = model.make_session({.context = ids.size(), .kv = kv_type::f32}).value();
  auto const logits = model.forward(session, ids).value();
  formulas const f{file, how.layer_norms, how.gated, how.score_scale, how.limit, how.rotated, o.layers};
  auto const expected = f.logits(ids);
  double worst = 0, square = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(logits[i]) - expected[i]));
    square += expected[i] * expected[i];
  }
  CHECK(worst < 1e-4 * std::sqrt(square / static_cast<double>(expected.size())));
}

TEST_CASE("decoders with ALiBi follow their equations") {
  gguf::file const none;
  double const root = 1 / std::sqrt(8.0);
  test::random_model_options const two{.layers = 2};
  auto const each = [&](auto const& machine) {
    check<arch::bloom>({.layers = 2, .embedding_norm = true}, {none, true, false, root}, machine);
    check<arch::mpt>(two, {none, true, false, root}, machine);
    check<arch::mpt>(
        {.layers = 2, .more = [](gguf::writer& w, std::string const& p) { w.add(p + ".attention.clamp_kqv", 0.25f); }},
        {none, true, false, root, 0.25}, machine);
    check<arch::refact>(two, {none, false, true, root}, machine);
    check<arch::jais>(two, {none, true, true, 1.0 / 8}, machine);
    check<arch::baichuan>(two, {none, false, true, root, 0, true}, machine);
    check<arch::baichuan>({.layers = 40}, {none, false, true, root}, machine);
  };
  each(reference{});
  each(cpu({2}));
}

TEST_CASE("slopes of ALiBi are those of the paper, for any number of heads") {
  for (std::size_t head = 0; head < 8; ++head)
    CHECK(static_cast<double>(detail::alibi_slope(head, 8, 8)) ==
          doctest::Approx(std::pow(0.5, static_cast<double>(head + 1))));
  for (std::size_t head = 8; head < 12; ++head)
    CHECK(static_cast<double>(detail::alibi_slope(head, 12, 8)) ==
          doctest::Approx(std::pow(2.0, -0.5 * static_cast<double>(2 * (head - 8) + 1))));
}

TEST_CASE("with ALiBi what stays moves as it is, and texts may be longer than those of training") {
  auto const bytes = test::random_model(arch::bloom, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = transformer<arch::bloom>::build(file, machine).value();
  session_options const o{.context = 200, .kv = kv_type::f32};
  auto s = model.make_session(o).value(), fresh = model.make_session(o).value();
  std::vector<token> many(150);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<token>(i * i % 40);
  CHECK(model.forward(s, many));
  auto const before = test::allocations();
  CHECK(model.evict(s, drop_oldest_half{5}).value() == 73);
  CHECK(test::allocations() == before);
  std::vector<token> const left(s.tokens().begin(), s.tokens().end()), more{1, 2};
  CHECK(model.forward(fresh, left));
  auto const a = model.forward(s, more).value(), b = model.forward(fresh, more).value();
  CHECK(std::ranges::equal(a, b)); // one layer: keys and values say nothing of others
}

TEST_CASE("what files say of ALiBi counts, and what cannot be is an error") {
  auto const refusal = [](std::string const& key, auto value, model_options const& options = {}) {
    auto const bytes =
        test::random_model(
            arch::mpt,
            {.layers = 1, .more = [&](gguf::writer& w, std::string const& p) { w.add(p + "." + key, value); }})
            .bytes();
    auto const file = gguf::file::parse(bytes, "m.gguf").value();
    auto const made = transformer<arch::mpt>::build(file, reference{}, options);
    return made ? "slope " + std::to_string(made->sizes().alibi) : std::string(made.error().message());
  };
  CHECK(refusal("attention.max_alibi_bias", 4.0f) == "slope 4.000000");
  CHECK(refusal("attention.clamp_kqv", 6.0f) == "slope 8.000000");
  CHECK(refusal("attention.max_alibi_bias", 0.0f) ==
        "m.gguf: key mpt.attention.max_alibi_bias: expected a positive number");
  CHECK(refusal("x", 0.0f, {.rope = {.base = 1e6f}}) == "m.gguf: mpt has no rotary embedding to override");
  auto const bytes = test::random_model(arch::refact, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const model = transformer<arch::refact>::build(file, reference{}).value();
  auto const huge = model.make_session({.context = std::size_t{1} << 40});
  REQUIRE(!huge);
  CHECK(huge.error().code() == errc::capacity);
}

} // namespace

} // namespace model_alibi_test
