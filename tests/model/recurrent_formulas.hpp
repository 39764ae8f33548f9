#pragma once
/// \file
/// Recurrent models in double, from the equations of their papers: what the library's are compared with. Nothing here
/// is shared with it but the tensors.

#include "support/recurrent_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace test {

using vector = std::vector<double>;

/// W x + b.
inline vector affine(std::vector<float> const& w, vector const& x, std::vector<float> const& b = {}) {
  vector y(w.size() / x.size());
  for (std::size_t r = 0; r < y.size(); ++r) {
    y[r] = b.empty() ? 0 : static_cast<double>(b[r]);
    for (std::size_t c = 0; c < x.size(); ++c) y[r] += static_cast<double>(w[r * x.size() + c]) * x[c];
  }
  return y;
}
inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }
/// Part of a vector.
inline vector part(vector const& x, std::size_t first, std::size_t n) {
  return {x.begin() + static_cast<std::ptrdiff_t>(first), x.begin() + static_cast<std::ptrdiff_t>(first + n)};
}
/// x / √(mean x² + ε) · w.
inline vector rms_norm(vector x, std::vector<float> const& w, std::size_t first = 0) {
  double squares = 0;
  for (double v : x) squares += v * v;
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] *=
        (w.empty() ? 1 : static_cast<double>(w[first + i])) / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
  return x;
}
/// A token's row of the embeddings.
inline vector embedded(recurrent_file const& f, int id) {
  auto const& all = f["token_embd.weight"];
  vector x(f.o.embedding);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>(all[static_cast<std::size_t>(id) * x.size() + i]);
  return x;
}
/// The file's output matrix, or the embeddings.
inline std::vector<float> const& output(recurrent_file const& f) {
  return f["output.weight"].empty() ? f["token_embd.weight"] : f["output.weight"];
}

/// Logits after the last of some tokens, token by token.
inline vector mamba_formulas(recurrent_file const& f, std::vector<int> const& ids) {
  auto const& o = f.o;
  bool const second = o.architecture == "mamba2";
  std::size_t const vectors = o.groups * o.state, convolved = o.inner + (second ? 2 * vectors : 0);
  std::vector<std::vector<vector>> inputs(o.layers); // of the convolutions, all of them
  std::vector<std::vector<vector>> h(o.layers,
                                     std::vector<vector>(o.inner, vector(o.state))); // [layer][channel][element]
  vector x;
  for (int const id : ids) {
    x = embedded(f, id);
    for (std::uint32_t l = 0; l < o.layers; ++l) {
      auto const in = affine(f(l, "ssm_in.weight"), rms_norm(x, f(l, "attn_norm.weight")));
      auto const z = part(in, second ? 0 : o.inner, o.inner);
      inputs[l].push_back(part(in, second ? o.inner : 0, convolved));
      vector u(convolved);
      for (std::size_t c = 0; c < convolved; ++c) {
        double sum = f(l, "ssm_conv1d.bias").empty() ? 0 : static_cast<double>(f(l, "ssm_conv1d.bias")[c]);
        for (std::size_t back = 0; back < std::min<std::size_t>(o.taps, inputs[l].size()); ++back)
          sum += static_cast<double>(f(l, "ssm_conv1d.weight")[c * o.taps + o.taps - 1 - back]) *
                 inputs[l][inputs[l].size() - 1 - back][c];
        u[c] = silu(sum);
      }
      vector b, c, dt;
      if (second) {
        b = part(u, o.inner, vectors);
        c = part(u, o.inner + vectors, vectors);
        dt = part(in, o.inner + convolved, o.rank);
        for (std::size_t i = 0; i < dt.size(); ++i) dt[i] += static_cast<double>(f(l, "ssm_dt.bias")[i]);
        u.resize(o.inner);
      } else {
        auto const all = affine(f(l, "ssm_x.weight"), u);
        auto low = part(all, 0, o.rank);
        b = part(all, o.rank, o.state);
        c = part(all, o.rank + o.state, o.state);
        if (o.norms) low = rms_norm(low, {}), b = rms_norm(b, {}), c = rms_norm(c, {});
        dt = affine(f(l, "ssm_dt.weight"), low, f(l, "ssm_dt.bias"));
      }
      vector y(o.inner);
      for (std::size_t i = 0; i < o.inner; ++i) {
        std::size_t const head = second ? i / (o.inner / o.rank) : i; // of which steps, decays and skips are
        std::size_t const group = second ? head / (o.rank / o.groups) * o.state : 0;
        double const step = std::log1p(std::exp(dt[head]));
        y[i] = static_cast<double>(f(l, "ssm_d")[head]) * u[i];
        for (std::size_t e = 0; e < o.state; ++e) {
          double const a = static_cast<double>(f(l, "ssm_a")[second ? head : i * o.state + e]);
          h[l][i][e] = std::exp(step * a) * h[l][i][e] + step * b[group + e] * u[i];
          y[i] += h[l][i][e] * c[group + e];
        }
        y[i] *= silu(z[i]);
      }
      if (auto const& w = f(l, "ssm_norm.weight"); !w.empty())
        for (std::size_t g = 0, size = o.inner / o.groups; g < o.groups; ++g)
          std::ranges::copy(rms_norm(part(y, g * size, size), w, g * size),
                            y.begin() + static_cast<std::ptrdiff_t>(g * size));
      auto const out = affine(f(l, "ssm_out.weight"), y);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += out[i];
    }
  }
  return affine(output(f), rms_norm(x, f["output_norm.weight"]));
}

/// The same of an rnn, lstm or gru.
inline vector rnn_formulas(recurrent_file const& f, std::vector<int> const& ids) {
  auto const& o = f.o;
  std::vector<vector> h(o.layers, vector(o.hidden)), c = h;
  vector x;
  for (int const id : ids) {
    x = embedded(f, id);
    for (std::uint32_t l = 0; l < o.layers; ++l) {
      auto const w = affine(f(l, "rnn_ih.weight"), x, f(l, "rnn_ih.bias"));
      auto const u = affine(f(l, "rnn_hh.weight"), h[l], f(l, "rnn_hh.bias"));
      for (std::size_t i = 0, n = o.hidden; i < n; ++i) {
        auto const both = [&](std::size_t gate) { return w[gate * n + i] + u[gate * n + i]; };
        if (o.architecture == "rnn") {
          h[l][i] = o.activation == "relu" ? std::max(both(0), 0.0) : std::tanh(both(0));
        } else if (o.architecture == "lstm") {
          c[l][i] = sigmoid(both(1)) * c[l][i] + sigmoid(both(0)) * std::tanh(both(2));
          h[l][i] = sigmoid(both(3)) * std::tanh(c[l][i]);
        } else {
          double const fresh = std::tanh(w[2 * n + i] + sigmoid(both(0)) * u[2 * n + i]), keep = sigmoid(both(1));
          h[l][i] = (1 - keep) * fresh + keep * h[l][i];
        }
      }
      x = h[l];
    }
  }
  if (o.projection) x = affine(f["output_proj.weight"], x, f["output_proj.bias"]);
  return affine(output(f), x, f["output.bias"]);
}

} // namespace test
