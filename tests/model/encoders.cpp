/// \file
/// Every encoder against a plain computation in double, written from the papers; the same bits on both backends, for
/// every batch, number of threads and target; no allocation; what files may lie about.
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

using row = std::vector<double>;
using rows = std::vector<row>;

// The parts that encoders are made of, in double.
struct plain {
  test::random_encoder const& w;

  row take(std::string const& name) const { return {w[name].begin(), w[name].end()}; }
  row at(std::string const& name, std::size_t i, std::size_t n) const {
    auto const all = take(name + ".weight");
    return {all.begin() + static_cast<std::ptrdiff_t>(i * n), all.begin() + static_cast<std::ptrdiff_t>(i * n + n)};
  }
  rows linear(std::string const& name, rows const& x) const {
    auto const m = take(name + ".weight"), bias = take(name + ".bias");
    std::size_t const columns = x[0].size(), n = m.size() / columns;
    rows y(x.size(), row(n));
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t r = 0; r < n; ++r) {
        double sum = bias.empty() ? 0 : bias[r];
        for (std::size_t c = 0; c < columns; ++c) sum += m[r * columns + c] * x[t][c];
        y[t][r] = sum;
      }
    return y;
  }
  rows norm(std::string const& name, rows x, bool centred = true, double epsilon = 1e-5) const {
    auto const scale = take(name + ".weight"), shift = take(name + ".bias");
    std::size_t const part = scale.size();
    for (auto& v : x)
      for (std::size_t first = 0; first < v.size(); first += part) {
        double mean = 0, square = 0;
        for (std::size_t i = 0; i < part; ++i) mean += v[first + i] / static_cast<double>(part);
        if (!centred) mean = 0;
        for (std::size_t i = 0; i < part; ++i)
          square += (v[first + i] - mean) * (v[first + i] - mean) / static_cast<double>(part);
        for (std::size_t i = 0; i < part; ++i)
          v[first + i] =
              (v[first + i] - mean) / std::sqrt(square + epsilon) * scale[i] + (shift.empty() ? 0 : shift[i]);
      }
    return x;
  }
  rows affine(std::string const& name, rows x) const {
    auto const scale = take(name + ".weight"), shift = take(name + ".bias");
    for (auto& v : x)
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = v[i] * scale[i] + shift[i];
    return x;
  }
  rows embed(std::vector<token> const& ids, std::size_t n) const {
    rows x;
    for (token const id : ids) x.push_back(at("token_embd", static_cast<std::size_t>(id), n));
    return x;
  }
  rows embed_with_types(std::vector<token> const& ids, std::vector<token> const& types, std::size_t n) const {
    auto x = embed(ids, n);
    for (std::size_t t = 0; t < ids.size(); ++t)
      x[t] = sum(x[t], at("token_types", static_cast<std::size_t>(types[t]), n));
    return x;
  }
  static row sum(row a, row const& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  }
  static rows sum(rows a, rows const& b) {
    for (std::size_t t = 0; t < a.size(); ++t) a[t] = sum(a[t], b[t]);
    return a;
  }
  template <class F> static rows each(rows x, F f) {
    for (auto& v : x)
      for (auto& e : v) e = f(e);
    return x;
  }
  static rows product(rows a, rows const& b) {
    for (std::size_t t = 0; t < a.size(); ++t)
      for (std::size_t i = 0; i < a[t].size(); ++i) a[t][i] *= b[t][i];
    return a;
  }
  // columns `first` … `first + n`
  static rows slice(rows const& x, std::size_t first, std::size_t n) {
    rows y;
    for (auto const& v : x)
      y.emplace_back(v.begin() + static_cast<std::ptrdiff_t>(first),
                     v.begin() + static_cast<std::ptrdiff_t>(first + n));
    return y;
  }
  // turns pairs (i, i + d/2), or (2i, 2i + 1), of each head by position · base^(−2i / d)
  rows rotate(rows x, double base = 10000, bool adjacent = false) const {
    std::size_t const d = w.o.head_dim;
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t head = 0; head < x[t].size(); head += d)
        for (std::size_t i = 0; i < d / 2; ++i) {
          double const angle =
              static_cast<double>(t) * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(d));
          double& a = x[t][head + (adjacent ? 2 * i : i)];
          double& b = x[t][head + (adjacent ? 2 * i + 1 : i + d / 2)];
          double const u = a, v = b;
          a = u * std::cos(angle) - v * std::sin(angle);
          b = v * std::cos(angle) + u * std::sin(angle);
        }
    return x;
  }
  // softmax(q kᵀ scale + bias) v of each head, where `bias(head, query, key)` may be −∞
  rows attend(rows const& q, rows const& k, rows const& v, double scale,
              std::function<double(std::size_t, std::ptrdiff_t, std::ptrdiff_t)> const& bias) const {
    std::size_t const d = w.o.head_dim, n = q.size(), group = w.o.heads / w.o.kv_heads;
    rows out(n, row(w.o.heads * d));
    for (std::size_t h = 0; h < w.o.heads; ++h)
      for (std::size_t i = 0; i < n; ++i) {
        row weights(n);
        double total = 0;
        for (std::size_t j = 0; j < n; ++j) {
          double score = 0;
          for (std::size_t e = 0; e < d; ++e) score += q[i][h * d + e] * k[j][h / group * d + e];
          total += weights[j] =
              std::exp(score * scale + bias(h, static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(j)));
        }
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t e = 0; e < d; ++e) out[i][h * d + e] += weights[j] / total * v[j][h / group * d + e];
      }
    return out;
  }
  double root() const { return 1 / std::sqrt(static_cast<double>(w.o.head_dim)); }
};

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
}
double silu(double x) { return x / (1 + std::exp(-x)); }
double relu(double x) { return std::max(x, 0.0); }
double nothing(std::size_t, std::ptrdiff_t, std::ptrdiff_t) { return 0; }

std::string block(std::size_t l, std::string const& part = "") { return "blk." + std::to_string(l) + "." + part; }

using ids = std::vector<token>;

rows bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.embed_with_types(tokens, types, w.o.embedding);
  for (std::size_t t = 0; t < x.size(); ++t) x[t] = p.sum(x[t], p.at("position_embd", t, w.o.embedding));
  x = p.norm("token_embd_norm", x);
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const a = p.attend(p.linear(block(l, "attn_q"), x), p.linear(block(l, "attn_k"), x),
                            p.linear(block(l, "attn_v"), x), p.root(), nothing);
    x = p.norm(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    auto const f = p.linear(block(l, "ffn_down"), p.each(p.linear(block(l, "ffn_up"), x), gelu));
    x = p.norm(block(l, "layer_output_norm"), p.sum(x, f));
  }
  return x;
}

rows nomic_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.norm("token_embd_norm", p.embed_with_types(tokens, types, w.o.embedding));
  std::size_t const d = w.o.embedding;
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const qkv = p.linear(block(l, "attn_qkv"), x);
    auto const a =
        p.attend(p.rotate(p.slice(qkv, 0, d)), p.rotate(p.slice(qkv, d, d)), p.slice(qkv, 2 * d, d), p.root(), nothing);
    x = p.norm(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    auto const both = p.linear(block(l, "ffn_up"), x); // gate, then up
    auto const f =
        p.product(p.each(p.slice(both, 0, w.o.feed_forward), silu), p.slice(both, w.o.feed_forward, w.o.feed_forward));
    x = p.norm(block(l, "layer_output_norm"), p.sum(x, p.linear(block(l, "ffn_down"), f)));
  }
  return x;
}

rows jina_bert_v3(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.norm("token_embd_norm", p.embed_with_types(tokens, types, w.o.embedding));
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const a = p.attend(p.rotate(p.linear(block(l, "attn_q"), x)), p.rotate(p.linear(block(l, "attn_k"), x)),
                            p.linear(block(l, "attn_v"), x), p.root(), nothing);
    x = p.norm(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    auto const f = p.linear(block(l, "ffn_down"), p.each(p.linear(block(l, "ffn_up"), x), gelu));
    x = p.norm(block(l, "layer_output_norm"), p.sum(x, f));
  }
  return x;
}

// with the norms of queries and keys and the third norm of the model for code; three heads: no power of two
rows jina_bert_v2(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.norm("token_embd_norm", p.embed_with_types(tokens, types, w.o.embedding));
  auto const slopes = row{std::pow(2.0, -4.0), std::pow(2.0, -8.0), std::pow(2.0, -2.0)};
  auto const alibi = [&](std::size_t h, std::ptrdiff_t i, std::ptrdiff_t j) {
    return -slopes[h] * static_cast<double>(std::abs(i - j));
  };
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const q = p.norm(block(l, "attn_q_norm"), p.linear(block(l, "attn_q"), x));
    auto const k = p.norm(block(l, "attn_k_norm"), p.linear(block(l, "attn_k"), x));
    auto const a = p.attend(q, k, p.linear(block(l, "attn_v"), x), p.root(), alibi);
    auto const input = x;
    x = p.norm(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    x = p.norm(block(l, "attn_norm_2"), p.sum(x, input));
    auto const f = p.product(p.each(p.linear(block(l, "ffn_gate"), x), gelu), p.linear(block(l, "ffn_up"), x));
    x = p.norm(block(l, "layer_output_norm"), p.sum(x, p.linear(block(l, "ffn_down"), f)));
  }
  return x;
}

rows modern_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.norm("token_embd_norm", p.embed_with_types(tokens, types, w.o.embedding));
  std::size_t const d = w.o.embedding;
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    bool const global = l % 3 == 0;
    auto const reach = static_cast<std::ptrdiff_t>(w.o.window / 2);
    auto const near = [&](std::size_t, std::ptrdiff_t i, std::ptrdiff_t j) {
      return global || std::abs(i - j) <= reach ? 0.0 : -HUGE_VAL;
    };
    auto const qkv = p.linear(block(l, "attn_qkv"), l == 0 ? x : p.norm(block(l, "attn_norm"), x));
    double const base = global ? 160000 : 10000;
    auto const a = p.attend(p.rotate(p.slice(qkv, 0, d), base), p.rotate(p.slice(qkv, d, d), base),
                            p.slice(qkv, 2 * d, d), p.root(), near);
    x = p.sum(x, p.linear(block(l, "attn_output"), a));
    auto const both = p.linear(block(l, "ffn_up"), p.norm(block(l, "ffn_norm"), x));
    auto const f =
        p.product(p.each(p.slice(both, 0, w.o.feed_forward), gelu), p.slice(both, w.o.feed_forward, w.o.feed_forward));
    x = p.sum(x, p.linear(block(l, "ffn_down"), f));
  }
  return p.norm("output_norm", x);
}

rows neo_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.norm("token_embd_norm", p.embed_with_types(tokens, types, w.o.embedding), false);
  std::size_t const d = w.o.embedding;
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const qkv = p.linear(block(l, "attn_qkv"), p.norm(block(l, "attn_norm"), x, false));
    auto const a = p.attend(p.rotate(p.slice(qkv, 0, d), 10000, true), p.rotate(p.slice(qkv, d, d), 10000, true),
                            p.slice(qkv, 2 * d, d), p.root(), nothing);
    x = p.sum(x, p.linear(block(l, "attn_output"), a));
    auto const both = p.linear(block(l, "ffn_up"), p.norm(block(l, "ffn_norm"), x, false));
    auto const f =
        p.product(p.each(p.slice(both, 0, w.o.feed_forward), silu), p.slice(both, w.o.feed_forward, w.o.feed_forward));
    x = p.sum(x, p.linear(block(l, "ffn_down"), f));
  }
  return p.norm("output_norm", x, false);
}

// as the paper's published code counts buckets, of which there are `n` in both directions
std::size_t bucket(std::ptrdiff_t distance, std::size_t n) {
  std::size_t const half = n / 2, exact = half / 2, first = distance > 0 ? half : 0;
  auto const size = static_cast<std::size_t>(std::abs(distance));
  if (size < exact) return first + size;
  double const large = std::log(static_cast<double>(size) / static_cast<double>(exact)) /
                       std::log(128.0 / static_cast<double>(exact)) * static_cast<double>(half - exact);
  return first + std::min(exact + static_cast<std::size_t>(large + 1e-9), half - 1);
}

rows t5(test::random_encoder const& w, ids const& tokens, ids const&) {
  plain const p{w};
  auto x = p.embed(tokens, w.o.embedding);
  auto const table = p.take("enc.blk.0.attn_rel_b.weight");
  auto const bias = [&](std::size_t h, std::ptrdiff_t i, std::ptrdiff_t j) {
    return table[bucket(j - i, w.o.buckets) * w.o.heads + h];
  };
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const named = [&](std::string const& part) { return "enc." + block(l, part); };
    auto const in = p.norm(named("attn_norm"), x, false);
    auto const a =
        p.attend(p.linear(named("attn_q"), in), p.linear(named("attn_k"), in), p.linear(named("attn_v"), in), 1, bias);
    x = p.sum(x, p.linear(named("attn_o"), a));
    auto const next = p.norm(named("ffn_norm"), x, false);
    auto const f =
        w.o.gate ? p.product(p.each(p.linear(named("ffn_gate"), next), gelu_tanh), p.linear(named("ffn_up"), next))
                 : p.each(p.linear(named("ffn_up"), next), relu);
    x = p.sum(x, p.linear(named("ffn_down"), f));
  }
  return p.norm("enc.output_norm", x, false);
}

rows albert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  auto x = p.embed_with_types(tokens, types, w.o.token_embedding);
  for (std::size_t t = 0; t < x.size(); ++t) x[t] = p.sum(x[t], p.at("position_embd", t, w.o.token_embedding));
  x = p.linear("token_embd_proj", p.norm("token_embd_norm", x));
  for (std::size_t i = 0; i < w.o.layers; ++i) {
    std::size_t const l = i / (w.o.layers / w.o.groups);
    auto const a = p.attend(p.linear(block(l, "attn_q"), x), p.linear(block(l, "attn_k"), x),
                            p.linear(block(l, "attn_v"), x), p.root(), nothing);
    x = p.norm(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    auto const f = p.linear(block(l, "ffn_down"), p.each(p.linear(block(l, "ffn_up"), x), gelu_tanh));
    x = p.norm(block(l, "layer_output_norm"), p.sum(x, f));
  }
  return x;
}

rows mobile_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
  plain const p{w};
  std::size_t const e = w.o.token_embedding, n = tokens.size();
  auto const single = p.embed(tokens, e);
  rows triples(n);
  for (std::size_t t = 0; t < n; ++t)
    for (std::size_t const neighbour : {t + 1, t, t - 1}) {
      auto const part = neighbour < n ? single[neighbour] : row(e);
      triples[t].insert(triples[t].end(), part.begin(), part.end());
    }
  auto h = p.linear("token_embd_proj", triples);
  for (std::size_t t = 0; t < n; ++t)
    h[t] = p.sum(h[t], p.sum(p.at("position_embd", t, w.o.embedding),
                             p.at("token_types", static_cast<std::size_t>(types[t]), w.o.embedding)));
  h = p.affine("token_embd_norm", h);
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto x = p.affine(block(l, "bottleneck_in_norm"), p.linear(block(l, "bottleneck_in"), h));
    auto const keys = p.affine(block(l, "bottleneck_qk_norm"), p.linear(block(l, "bottleneck_qk"), h));
    auto const a = p.attend(p.linear(block(l, "attn_q"), keys), p.linear(block(l, "attn_k"), keys),
                            p.linear(block(l, "attn_v"), h), p.root(), nothing);
    x = p.affine(block(l, "attn_output_norm"), p.sum(x, p.linear(block(l, "attn_output"), a)));
    for (std::string const suffix : {"_0", "_1", ""}) {
      auto const f = p.linear(block(l, "ffn_down" + suffix), p.each(p.linear(block(l, "ffn_up" + suffix), x), relu));
      x = p.affine(block(l, suffix.empty() ? "layer_output_norm" : "ffn_norm" + suffix), p.sum(x, f));
    }
    h = p.affine(block(l, "bottleneck_out_norm"), p.sum(h, p.linear(block(l, "bottleneck_out"), x)));
  }
  return h;
}

rows qwen3(test::random_encoder const& w, ids const& tokens, ids const&) {
  plain const p{w};
  auto x = p.embed(tokens, w.o.embedding);
  auto const before = [](std::size_t, std::ptrdiff_t i, std::ptrdiff_t j) { return j <= i ? 0.0 : -HUGE_VAL; };
  for (std::size_t l = 0; l < w.o.layers; ++l) {
    auto const in = p.norm(block(l, "attn_norm"), x, false);
    auto const q = p.rotate(p.norm(block(l, "attn_q_norm"), p.linear(block(l, "attn_q"), in), false));
    auto const k = p.rotate(p.norm(block(l, "attn_k_norm"), p.linear(block(l, "attn_k"), in), false));
    auto const a = p.attend(q, k, p.linear(block(l, "attn_v"), in), p.root(), before);
    x = p.sum(x, p.linear(block(l, "attn_output"), a));
    auto const next = p.norm(block(l, "ffn_norm"), x, false);
    auto const f = p.product(p.each(p.linear(block(l, "ffn_gate"), next), silu), p.linear(block(l, "ffn_up"), next));
    x = p.sum(x, p.linear(block(l, "ffn_down"), f));
  }
  return p.norm("output_norm", x, false);
}

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
