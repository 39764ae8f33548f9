/// \file
/// gpt-oss against its equations, written down in double: OpenAI, "gpt-oss-120b & gpt-oss-20b model card", 2025.
#include "support/random_model.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace model_gpt_oss_test {

using namespace loquat;

namespace {

using numbers = std::vector<double>;

// the definition, for the sizes of `random_model`
class gpt_oss {
 public:
  explicit gpt_oss(gguf::file const& file) : file_(file) {}

  numbers logits(std::vector<token> const& ids) const {
    auto const embeddings = tensor("token_embd.weight");
    std::vector<numbers> x;
    for (token const id : ids) x.push_back(row(embeddings, static_cast<std::size_t>(id), d));
    for (std::size_t l = 0; l < 2; ++l) {
      auto const named = [l](std::string const& part) { return "blk." + std::to_string(l) + "." + part; };
      std::vector<numbers> queries, keys, values;
      for (std::size_t t = 0; t < x.size(); ++t) {
        auto const normed = norm(x[t], named("attn_norm"));
        queries.push_back(turned(linear(named("attn_q"), normed), t));
        keys.push_back(turned(linear(named("attn_k"), normed), t));
        values.push_back(linear(named("attn_v"), normed));
      }
      for (std::size_t t = 0; t < x.size(); ++t) {
        auto const mixed =
            attention(queries[t], keys, values, t, l % 2 == 0 ? 5 : x.size(), tensor(named("attn_sinks.weight")));
        add(x[t], linear(named("attn_output"), mixed), 1);
        add(x[t], experts(named, norm(x[t], named("ffn_norm"))), 1);
      }
    }
    auto const last = norm(x.back(), "output_norm");
    numbers out;
    for (std::size_t v = 0; v < embeddings.size() / d; ++v) out.push_back(dot(row(embeddings, v, d), last));
    return out;
  }

 private:
  static constexpr std::size_t d = test::random_model::embedding, heads = test::random_model::heads,
                               kv_heads = test::random_model::kv_heads, dim = test::random_model::head_dim, inner = 16;

  numbers tensor(std::string const& name) const {
    auto const found = file_.tensor(name).value();
    std::vector<float> out(static_cast<std::size_t>(found.elements()));
    std::memcpy(out.data(), found.data.data(), found.data.size());
    return {out.begin(), out.end()};
  }
  static numbers row(numbers const& m, std::size_t i, std::size_t columns) {
    auto const first = m.begin() + static_cast<std::ptrdiff_t>(i * columns);
    return {first, first + static_cast<std::ptrdiff_t>(columns)};
  }
  static double dot(numbers const& a, numbers const& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }
  static void add(numbers& x, numbers const& y, double factor) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += factor * y[i];
  }
  numbers linear(std::string const& name, numbers const& x, std::size_t expert = 0, std::size_t rows = 0) const {
    auto const weights = tensor(name + ".weight"), bias = tensor(name + ".bias");
    if (rows == 0) rows = bias.size();
    numbers out;
    for (std::size_t i = 0; i < rows; ++i)
      out.push_back(bias[expert * rows + i] + dot(row(weights, expert * rows + i, x.size()), x));
    return out;
  }
  numbers norm(numbers x, std::string const& name) const {
    auto const scale = tensor(name + ".weight");
    double const root = std::sqrt(dot(x, x) / static_cast<double>(d) + 1e-5);
    for (std::size_t i = 0; i < d; ++i) x[i] = x[i] / root * scale[i];
    return x;
  }
  static numbers turned(numbers x, std::size_t position) {
    std::size_t const dims = dim / 2; // that rotate
    for (std::size_t head = 0; head < x.size() / dim; ++head)
      for (std::size_t i = 0; i < dims / 2; ++i) {
        double const angle = static_cast<double>(position) *
                             std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
        double &a = x[head * dim + i], &b = x[head * dim + i + dims / 2];
        double const turned_a = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = turned_a;
      }
    return x;
  }
  static numbers attention(numbers const& query, std::vector<numbers> const& keys, std::vector<numbers> const& values,
                           std::size_t position, std::size_t window, numbers const& sinks) {
    numbers out(heads * dim, 0.0);
    for (std::size_t head = 0; head < heads; ++head) {
      std::size_t const from = position + 1 > window ? position + 1 - window : 0, kv = head / (heads / kv_heads);
      double sum = std::exp(sinks[head]);
      for (std::size_t k = from; k <= position; ++k) {
        double const weight = std::exp(dot(row(query, head, dim), row(keys[k], kv, dim)) / std::sqrt(dim));
        sum += weight;
        for (std::size_t i = 0; i < dim; ++i) out[head * dim + i] += weight * values[k][kv * dim + i];
      }
      for (std::size_t i = 0; i < dim; ++i) out[head * dim + i] /= sum;
    }
    return out;
  }
  template <class Named> numbers experts(Named named, numbers const& x) const {
    auto const scores = linear(named("ffn_gate_inp"), x);
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, std::greater{}, [&](std::size_t e) { return scores[e]; });
    double const sum = std::exp(scores[order[0]]) + std::exp(scores[order[1]]);
    numbers out(d, 0.0);
    for (std::size_t const e : {order[0], order[1]}) {
      auto gate = linear(named("ffn_gate_exps"), x, e, inner);
      auto const up = linear(named("ffn_up_exps"), x, e, inner);
      for (std::size_t i = 0; i < inner; ++i) {
        double const g = std::min(gate[i], 7.0);
        gate[i] = g / (1 + std::exp(-1.702 * g)) * (std::clamp(up[i], -7.0, 7.0) + 1);
      }
      add(out, linear(named("ffn_down_exps"), gate, e, d), std::exp(scores[e]) / sum);
    }
    return out;
  }

  gguf::file const& file_;
};

TEST_CASE("gpt-oss follows its equations") {
  auto const bytes = test::random_model(arch::gpt_oss, {.layers = 2, .experts = 5}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  reference const machine;
  auto const model = transformer<arch::gpt_oss>::build(file, machine).value();
  auto session = model.make_session({.kv = kv_type::f32}).value();
  std::vector<token> const ids{3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 39};
  auto const logits = model.forward(session, ids).value();
  auto const expected = gpt_oss(file).logits(ids);
  double worst = 0, square = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(logits[i]) - expected[i]));
    square += expected[i] * expected[i];
  }
  CHECK(worst < 1e-5 * std::sqrt(square / static_cast<double>(expected.size())));
}

} // namespace

} // namespace model_gpt_oss_test
