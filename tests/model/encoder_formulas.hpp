#pragma once
/// \file
/// Encoders in double, from the equations of their papers: what the library's are compared with. Nothing here is shared
/// with it but the tensors.

#include "support/random_encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace model_encoders_test {

using namespace loquat;

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

inline double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
inline double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
}
inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double relu(double x) { return std::max(x, 0.0); }
inline double nothing(std::size_t, std::ptrdiff_t, std::ptrdiff_t) { return 0; }

inline std::string block(std::size_t l, std::string const& part = "") { return "blk." + std::to_string(l) + "." + part; }

using ids = std::vector<token>;

inline rows bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows nomic_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows jina_bert_v3(test::random_encoder const& w, ids const& tokens, ids const& types) {
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
inline rows jina_bert_v2(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows modern_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows neo_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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
inline std::size_t bucket(std::ptrdiff_t distance, std::size_t n) {
  std::size_t const half = n / 2, exact = half / 2, first = distance > 0 ? half : 0;
  auto const size = static_cast<std::size_t>(std::abs(distance));
  if (size < exact) return first + size;
  double const large = std::log(static_cast<double>(size) / static_cast<double>(exact)) /
                       std::log(128.0 / static_cast<double>(exact)) * static_cast<double>(half - exact);
  return first + std::min(exact + static_cast<std::size_t>(large + 1e-9), half - 1);
}

inline rows t5(test::random_encoder const& w, ids const& tokens, ids const&) {
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

inline rows albert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows mobile_bert(test::random_encoder const& w, ids const& tokens, ids const& types) {
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

inline rows qwen3(test::random_encoder const& w, ids const& tokens, ids const&) {
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

} // namespace model_encoders_test
