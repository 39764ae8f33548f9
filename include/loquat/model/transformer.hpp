#pragma once
/// \file
/// A decoder-only transformer of any `architecture` on any `Backend` (A. Vaswani et al., 2017; H. Touvron et al.,
/// 2023).

#include <loquat/backend/backend.hpp>
#include <loquat/core/math.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/architecture.hpp>
#include <loquat/model/attention_weights.hpp>
#include <loquat/model/eviction.hpp>
#include <loquat/model/feed_forward.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/latent_attention.hpp>
#include <loquat/model/model.hpp>
#include <loquat/model/options.hpp>
#include <loquat/model/rope_table.hpp>
#include <loquat/model/session.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace loquat {

/// A model of architecture `A` on backend `B`. Const after construction and shared by any number of sessions and
/// threads; the file its weights lie in, and the backend, must outlive it.
template <architecture A, Backend B> class transformer_model {
 public:
  using matrix = typename B::matrix;  ///< a weight matrix of the backend
  using session = loquat::session<B>; ///< the state of one conversation

  /// Puts a model together; `transformer<A>::build` reads the parts from a file.
  constexpr transformer_model(B const& backend, hyperparameters sizes, model_weights<matrix> weights, rope_tables ropes)
      : backend_(&backend), h_(std::move(sizes)), w_(std::move(weights)), ropes_(std::move(ropes)) {}

  constexpr hyperparameters const& sizes() const noexcept { return h_; }             ///< what the model measures
  constexpr std::size_t vocabulary() const noexcept { return w_.embeddings.rows(); } ///< number of tokens
  constexpr B const& backend() const noexcept { return *backend_; }                  ///< what it runs on

  /// True for the tokens after which the model has no more to say.
  constexpr bool ends(token id) const noexcept { return std::ranges::find(h_.end_tokens, id) != h_.end_tokens.end(); }

  /// A new, empty session: the last allocation. `errc::capacity` if its memory exceeds the cap or the machine.
  constexpr result<session> make_session(session_options options = {}) const {
    if (A.learned_positions && options.context > h_.context)
      return fail(errc::argument, "session: a context of ", options.context, " tokens: the model knows ", h_.context,
                  " positions");
    return session::make(*backend_, h_, vocabulary(), options, [this](std::size_t l) { return window_of(l); });
  }

  /// Appends tokens to the session and returns the logits after the last one: [vocabulary], valid until the next call.
  /// Errors leave the session as it was: `errc::argument` for no tokens or an id out of range, `errc::capacity` where
  /// the context has no room.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    no_hooks none;
    return forward(s, ids, none);
  }
  /// The same with hooks, see `hooks.hpp`.
  template <Hooks H>
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids, H& hooks) const {
    if (auto const fits = check_tokens(s, ids, vocabulary()); !fits) return fits.error();
    for (auto again = s.to_compute(); !again.empty(); again = s.to_compute()) {
      layers(s, again, hooks);
      s.advance(again.size());
    }
    while (!ids.empty()) {
      auto const batch = ids.first(std::min(ids.size(), s.batch()));
      ids = ids.subspan(batch.size());
      layers(s, batch, hooks);
      s.append(batch);
      if (ids.empty()) head(s, batch.size(), hooks);
    }
    return s.logits;
  }

  /// Forgets the tokens of a session that `policy` chooses, and lets the others move up. Returns how many went. The
  /// logits of the last pass are gone. `errc::unsupported` where keys and values cannot move: learned positions are
  /// part of them, and layers with a window keep what they need only unless the session has `whole_windows`.
  template <EvictionPolicy P>
  constexpr result<std::size_t> evict(session& s, P const& policy, cache_shift how = cache_shift::rotate) const {
    if (A.learned_positions && how == cache_shift::rotate)
      return fail(errc::unsupported, "evict: the positions of ", loquat::name(A),
                  " are learned: its tokens cannot move, but be computed again");
    return detail::evict(*backend_, s, policy, how, first_turned(), A.rope,
                         [&](std::size_t l) { return rope_at(s, l); });
  }

 private:
  // x[n, embedding] through all layers, for n tokens that follow those of the session
  template <class H> constexpr void layers(session& s, std::span<token const> ids, H& hooks) const {
    std::size_t const n = ids.size(), position = s.cached();
    auto const x = s.x.first(n * h_.embedding);
    turn(s, rope_of(s), position, n, s.cosines, s.sines);
    if (h_.window_rope_base != 0) turn(s, ropes_.window, position, n, s.window_cosines, s.window_sines);
    backend_->embed(s.work, w_.embeddings, ids, x);
    detail::scale(x, h_.embedding_scale);
    if (!w_.embeddings_norm.scale.empty()) normalise(s, x, w_.embeddings_norm, x);
    if constexpr (A.learned_positions) {
      auto const rows = s.rows.first(n);
      for (std::size_t t = 0; t < n; ++t) rows[t] = static_cast<token>(position + t);
      backend_->embed(s.work, w_.positions, rows, s.normed.first(x.size()));
      backend_->add(s.work, x, s.normed.first(x.size()));
    }
    hook_site at{0, position, n};
    if constexpr (requires { hooks.embeddings(at, x); }) hooks.embeddings(at, x);
    for (at.layer = 0; at.layer < h_.layers; ++at.layer) layer(s, at, x, hooks);
  }

  template <class H> constexpr void layer(session& s, hook_site const& at, std::span<float> x, H& hooks) const {
    if constexpr (requires { hooks.block_input(at, x); }) hooks.block_input(at, x);
    std::size_t const l = at.layer, n = at.n;
    auto const& w = w_.layers[l];
    auto const normed = s.normed.first(x.size()), input = A.norm_before ? normed : x;
    if constexpr (A.norm_before) normalise(s, x, w.attention_norm, normed);
    auto const attended = h_.parallel ? s.branch.first(x.size()) : normed;
    attend(s, at, input, attended, hooks);
    if constexpr (A.norm_after) normalise(s, attended, w.attention_after, attended);
    detail::scale(attended, h_.residual_scale);
    if constexpr (requires { hooks.attention_output(at, attended); }) hooks.attention_output(at, attended);
    if (!h_.parallel) backend_->add(s.work, x, attended);

    if (!w.feed_forward_norm.scale.empty()) normalise(s, x, w.feed_forward_norm, normed);
    feed_forward_layer<B> const ffn{*backend_, s, A.feed_forward};
    auto const fed = w.mixture.experts.empty() ? normed : s.mixture.first(x.size());
    if (!w.mixture.experts.empty()) {
      ffn.mix(w.mixture, h_, input, n, fed, at, hooks);
    } else {
      auto const inner = ffn.inner(w.feed_forward, input, n);
      if constexpr (A.inner_norms) normalise(s, inner, w.feed_forward_inner, inner);
      if constexpr (requires { hooks.activations(at, inner); }) hooks.activations(at, inner);
      matmul(s, inner, n, w.feed_forward.down.into(fed));
    }
    if constexpr (A.norm_after) normalise(s, fed, w.feed_forward_after, fed);
    detail::scale(fed, h_.residual_scale);
    if constexpr (requires { hooks.feed_forward_output(at, fed); }) hooks.feed_forward_output(at, fed);
    if (h_.parallel) backend_->add(s.work, x, attended);
    backend_->add(s.work, x, fed);
    if constexpr (requires { hooks.block_output(at, x); }) hooks.block_output(at, x);
  }

  // output[n, embedding] of a layer's attention to input[n, embedding]
  template <class H>
  constexpr void attend(session& s, hook_site const& at, std::span<float const> input, std::span<float> output,
                        H& hooks) const {
    std::size_t const l = at.layer, n = at.n, position = at.position;
    auto const& w = w_.layers[l];
    auto const queries = s.queries.first(n * h_.heads * h_.head_dim), mixed = s.mixed.first(queries.size());
    auto const keys = s.keys.first(n * h_.kv_heads * h_.head_dim), values = s.values.first(keys.size());
    latent_attention<B> const latent{*backend_, s, h_, w.latent, n};
    if constexpr (A.latent)
      latent.project(w.q, input, [&](std::span<float> y, norm_weights const& own) { normalise(s, y, own, y); });
    else
      matmul(s, input, n, w.q.into(queries), w.k.into(keys), w.v.into(values));
    if (!A.latent && h_.qkv_limit != 0)
      for (auto const cut : {queries, keys, values})
        for (float& v : cut) v = std::clamp(v, -h_.qkv_limit, h_.qkv_limit);
    if constexpr (A.qk_norm == query_key_norm::own) {
      normalise_heads(s, w.q_norm, queries);
      normalise_heads(s, w.k_norm, keys);
    } else if constexpr (A.qk_norm != query_key_norm::none) {
      normalise(s, queries, w.q_norm, queries);
      normalise(s, keys, w.k_norm, keys);
    }
    if (turns()) {
      bool const other = h_.window_rope_base != 0 && sees_window(A, l);
      auto const cosines = (other ? s.window_cosines : s.cosines).first(n * h_.rope_dims);
      auto const sines = (other ? s.window_sines : s.sines).first(n * h_.rope_dims);
      if constexpr (A.latent) {
        latent.turn(A.rope, cosines, sines);
        latent.expand();
      } else {
        backend_->rope(s.work, A.rope, queries, n, h_.head_dim, cosines, sines);
        backend_->rope(s.work, A.rope, keys, n, h_.head_dim, cosines, sines);
      }
    }
    backend_->store_kv(s.work, s.cache, l, position, keys, values);
    attention_task const task{.queries = queries,
                              .output = mixed,
                              .layer = l,
                              .n = n,
                              .heads = h_.heads,
                              .length = position + n,
                              .scale = h_.score_scale,
                              .window = window_of(l),
                              .cap = h_.score_cap,
                              .bias = s.bias,
                              .bias_reach = s.bias.empty() ? 0 : s.context(),
                              .sinks = w.sinks};
    backend_->attention(s.work, s.cache, task);
    detail::show_attention(hooks, at, s.cache, task);
    std::span<float> taken = mixed;
    if constexpr (A.latent) taken = latent.values();
    if constexpr (A.inner_norms) normalise(s, mixed, w.attention_inner, mixed);
    matmul(s, taken, n, w.output.into(output));
  }

  // logits[vocabulary] of the last of the n tokens in x
  template <class H> constexpr void head(session& s, std::size_t n, H& hooks) const {
    auto const normed = s.normed.first(h_.embedding);
    normalise(s, s.x.subspan((n - 1) * h_.embedding, h_.embedding), w_.output_norm, normed);
    matmul(s, normed, 1, w_.output.into(s.logits));
    detail::scale(s.logits, h_.logit_scale);
    if (h_.logit_cap != 0) {
      detail::scale(s.logits, 1.0f / h_.logit_cap);
      backend_->activate(s.work, activation::tanh, s.logits);
      detail::scale(s.logits, h_.logit_cap);
    }
    [[maybe_unused]] hook_site const at{h_.layers, s.tokens().size() - 1, 1};
    if constexpr (requires { hooks.logits(at, s.logits); }) hooks.logits(at, s.logits);
  }

  // positions that a layer sees; 0: all
  constexpr std::size_t window_of(std::size_t l) const noexcept { return sees_window(A, l) ? h_.window : 0; }

  // whether positions are angles
  constexpr bool turns() const noexcept { return A.rope != rope_style::none && h_.alibi == 0; }
  constexpr rope_frequencies const& rope_of(session const& s) const noexcept {
    return ropes_.has_long && s.context() > h_.original_context ? ropes_.extended : ropes_.all;
  }
  // the first element of a key that turns
  constexpr std::size_t first_turned() const noexcept {
    return !A.latent ? 0 : h_.latent.absorbed ? h_.latent.rank : h_.latent.key - h_.rope_dims;
  }
  // what turns the keys of a layer; null: nothing
  constexpr rope_frequencies const* rope_at(session const& s, std::size_t l) const noexcept {
    if (!turns()) return nullptr;
    return h_.window_rope_base != 0 && sees_window(A, l) ? &ropes_.window : &rope_of(s);
  }
  // cosines and sines [n, rope_dims] of n positions
  constexpr void turn(session&, rope_frequencies const& rope, std::size_t position, std::size_t n,
                      std::span<float> cosines, std::span<float> sines) const {
    if (turns())
      for (std::size_t t = 0; t < n; ++t)
        rope.fill(A.rope, position + t, cosines.subspan(t * h_.rope_dims, h_.rope_dims),
                  sines.subspan(t * h_.rope_dims, h_.rope_dims));
  }

  constexpr void normalise(session& s, std::span<float const> x, norm_weights const& w, std::span<float> y) const {
    normalise(s, x, w.scale, w.shift, y);
  }
  constexpr void normalise(session& s, std::span<float const> x, std::span<float const> scale,
                           std::span<float const> shift, std::span<float> y) const {
    if constexpr (A.norm == normalisation::rms)
      backend_->rms_norm(s.work, x, scale, h_.epsilon, y);
    else
      backend_->layer_norm(s.work, x, scale, shift, h_.epsilon, y);
  }
  // x[n, heads, head_dim] with weights [heads, head_dim], or none
  constexpr void normalise_heads(session& s, norm_weights const& w, std::span<float> x) const {
    if (w.scale.empty()) return;
    for (std::size_t i = 0; i < x.size(); i += h_.head_dim) {
      auto const own = [&](std::span<float const> of) {
        return of.empty() ? of : of.subspan(i % w.scale.size(), h_.head_dim);
      };
      auto const head = x.subspan(i, h_.head_dim);
      normalise(s, head, own(w.scale), own(w.shift), head);
    }
  }

  template <class... P>
  constexpr void matmul(session& s, std::span<float const> x, std::size_t n, P const&... outputs) const {
    std::array<projection<matrix>, sizeof...(P)> const all{outputs...};
    backend_->matmul(s.work, x, n, all);
  }

  B const* backend_;
  hyperparameters h_;
  model_weights<matrix> w_;
  rope_tables ropes_;
};

/// The `ModelBuilder` of an architecture: `transformer<arch::llama>::build(file, backend)`.
template <architecture A> struct transformer {
  static constexpr architecture value = A; ///< what it builds

  /// The model it builds on a backend.
  template <Backend B> using model = transformer_model<A, B>;

  /// The name of its files' `general.architecture`.
  static constexpr std::string_view name() noexcept { return loquat::name(value); }

  /// A model from a file, which must outlive it, as must the backend. Errors name the key or tensor.
  template <Backend B>
  static constexpr result<model<B>> build(gguf::file const& file, B const& backend, model_options const& options = {}) {
    auto sizes = read_hyperparameters(file, A);
    if (!sizes) return sizes.error();
    if ((A.rope == rope_style::none || sizes->alibi != 0) && options.rope != rope_override{})
      return fail(errc::unsupported, file.name(), ": ", name(), " has no rotary embedding to override");
    if (auto sensible = apply(options.rope, *sizes); !sensible) return sensible.error().within(file.name());
    auto weights = read_weights(file, A, *sizes, backend, options.ternary_order);
    if (!weights) return weights.error();
    rope_tables ropes;
    if constexpr (A.rope != rope_style::none) {
      auto made = rope_tables::make(*sizes, weights->rope_factors, weights->long_rope_factors);
      if (!made) return made.error().within(file.name());
      ropes = std::move(*made);
    }
    return model<B>(backend, std::move(*sizes), std::move(*weights), std::move(ropes));
  }
};

/// Builds a `Model` for backend `B` from a file.
///
/// Called by `load`, and by programs that name their architecture. `transformer<A>` is one; a network that is no
/// transformer writes its own against the same contract. Neighbours: `Backend`, `Model`.
template <class T, class B>
concept ModelBuilder = Backend<B> && requires(gguf::file const& file, B const& backend) {
  { T::name() } -> std::convertible_to<std::string_view>; // of `general.architecture`
  { T::build(file, backend) } -> std::same_as<result<typename T::template model<B>>>;
  requires Model<typename T::template model<B>>;
};

} // namespace loquat
