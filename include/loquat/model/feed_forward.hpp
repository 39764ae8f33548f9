#pragma once
/// \file
/// The feed-forward part of a layer: one network, or experts of which each token takes some (N. Shazeer et al.,
/// "Outrageously large neural networks", 2017). It is the same code for all architectures, whose values decide at run
/// time here: once per layer, which costs nothing, where a copy for each would take long to compile.

#include <loquat/backend/backend.hpp>
#include <loquat/core/math.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/routing.hpp>
#include <loquat/model/session.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace loquat {

namespace detail {

constexpr void scale(std::span<float> x, float factor) noexcept {
  if (factor != 1)
    for (float& v : x) v *= factor;
}

} // namespace detail

/// Feed-forward networks in a session's buffers.
template <Backend B> struct feed_forward_layer {
  using matrix = typename B::matrix; ///< of the backend

  B const& backend;  ///< what it runs on
  session<B>& s;     ///< whose buffers it uses
  activation kind{}; ///< non-linear function

  /// f(gate(x)) · up(x), or f(up(x)) where there is no gate, of x[n, embedding]: [n, feed_forward], in `s.gate`.
  constexpr std::span<float> inner(feed_forward_weights<matrix> const& w, std::span<float const> x,
                                   std::size_t n) const {
    auto const gate = s.gate.first(n * w.up.weights.rows()), up = s.up.first(gate.size());
    if (w.gate.weights.rows() != 0) {
      std::array const both{w.gate.into(gate), w.up.into(up)};
      backend.matmul(s.work, x, n, both);
      backend.gate(s.work, kind, gate, up);
    } else {
      multiply(w.up, x, n, gate);
      backend.activate(s.work, kind, gate);
    }
    return gate;
  }

  /// y[n, embedding]: the sum of what the experts of each token give for x[n, embedding], times their weights, in
  /// ascending order, and of the one that all take.
  template <class H>
  constexpr void mix(expert_weights<matrix> const& w, hyperparameters const& h, std::span<float const> x, std::size_t n,
                     std::span<float> y, hook_site const& at, H& hooks) const {
    std::size_t const d = h.embedding, experts = w.experts.size();
    auto const router = s.router.first(n * experts);
    multiply(w.router, x, n, router);
    for (std::size_t t = 0; t < n; ++t)
      route(h.router, router.subspan(t * experts, experts), w.choice_bias, h.experts_used);
    std::ranges::fill(y, 0.0f);
    if (n == 1)
      mix_one(w, h, x, y, at, hooks);
    else
      mix_many(w, h, x, n, y, at, hooks);
    if (h.shared_feed_forward == 0) return;
    for (std::size_t t = 0; t < n; ++t) s.rows[t] = static_cast<token>(t);
    auto const hidden = inner(w.shared, x, n);
    show(hooks, at, experts, n, hidden);
    multiply(w.shared.down, hidden, n, s.expert.first(n * d));
    bool const gated = w.shared_gate.weights.rows() != 0;
    if (gated) multiply(w.shared_gate, x, n, router.first(n));
    add(n, y, [&](std::size_t t) { return gated ? 1.0f / (1.0f + math::exp(-router[t])) : 1.0f; });
  }

 private:
  // y[n, embedding] += of each expert, with all of its tokens
  template <class H>
  constexpr void mix_many(expert_weights<matrix> const& w, hyperparameters const& h, std::span<float const> x,
                          std::size_t n, std::span<float> y, hook_site const& at, H& hooks) const {
    std::size_t const d = h.embedding, experts = w.experts.size();
    auto const router = s.router.first(n * experts);
    for (std::size_t e = 0; e < experts; ++e) {
      std::size_t count = 0;
      for (std::size_t t = 0; t < n; ++t) {
        if (router[t * experts + e] == 0) continue;
        std::ranges::copy(x.subspan(t * d, d), s.gathered.begin() + static_cast<std::ptrdiff_t>(count * d));
        s.rows[count++] = static_cast<token>(t);
      }
      if (count == 0) continue;
      auto const hidden = inner(w.experts[e], s.gathered.first(count * d), count);
      show(hooks, at, e, count, hidden);
      multiply(w.experts[e].down, hidden, count, s.expert.first(count * d));
      add(count, y, [&](std::size_t t) { return router[t * experts + e]; });
    }
  }
  // the same for one token: its experts take the same vector, so what comes before their last matrices is one product
  // and one loop for several of them
  template <class H>
  constexpr void mix_one(expert_weights<matrix> const& w, hyperparameters const& h, std::span<float const> x,
                         std::span<float> y, hook_site const& at, H& hooks) const {
    std::size_t const experts = w.experts.size(), width = h.expert_feed_forward;
    std::array<std::size_t, experts_at_once> chosen{};
    std::array<projection<matrix>, 2 * experts_at_once> products{};
    s.rows[0] = 0;
    for (std::size_t e = 0, count = 0; e < experts; ++e) {
      if (s.router[e] != 0) {
        products[2 * count] = w.experts[e].gate.into(s.gate.subspan(count * width, width));
        products[2 * count + 1] = w.experts[e].up.into(s.up.subspan(count * width, width));
        chosen[count++] = e;
      }
      if (count == 0 || (count < experts_at_once && e + 1 < experts)) continue;
      backend.matmul(s.work, x, 1, std::span(products).first(2 * count));
      backend.gate(s.work, kind, s.gate.first(count * width), s.up.first(count * width));
      for (std::size_t i = 0; i < count; ++i) {
        auto const hidden = s.gate.subspan(i * width, width);
        show(hooks, at, chosen[i], 1, hidden);
        multiply(w.experts[chosen[i]].down, hidden, 1, s.expert.first(h.embedding));
        add(1, y, [&](std::size_t) { return s.router[chosen[i]]; });
      }
      count = 0;
    }
  }
  // s.expert[count, embedding], times weights, to the tokens in s.rows
  template <class Weight> constexpr void add(std::size_t count, std::span<float> y, Weight weight_of) const {
    std::size_t const d = s.expert.size() / s.batch();
    for (std::size_t i = 0; i < count; ++i) {
      auto const t = static_cast<std::size_t>(s.rows[i]);
      detail::scale(s.expert.subspan(i * d, d), weight_of(t));
      backend.add(s.work, y.subspan(t * d, d), s.expert.subspan(i * d, d));
    }
  }
  // the activations of an expert for the tokens in s.rows
  template <class H>
  constexpr void show(H& hooks, hook_site const& of, std::size_t expert, std::size_t count,
                      std::span<float> hidden) const {
    if constexpr (requires { hooks.activations(of, hidden); }) {
      auto at = of;
      at.expert = expert;
      at.rows = s.rows.first(count);
      hooks.activations(at, hidden);
    }
  }
  constexpr void multiply(linear<matrix> const& w, std::span<float const> x, std::size_t n, std::span<float> y) const {
    std::array const one{w.into(y)};
    backend.matmul(s.work, x, n, one);
  }
};

} // namespace loquat
