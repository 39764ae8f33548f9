#pragma once
/// \file
/// A decoder-only transformer of any `architecture` on any `Backend` (A. Vaswani et al., 2017; H. Touvron et al.,
/// 2023).

#include <loquat/backend/backend.hpp>
#include <loquat/core/math.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/architecture.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/model.hpp>
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
  constexpr transformer_model(B const& backend, hyperparameters sizes, model_weights<matrix> weights,
                              rope_frequencies rope)
      : backend_(&backend), h_(std::move(sizes)), w_(std::move(weights)), rope_(std::move(rope)) {}

  constexpr hyperparameters const& sizes() const noexcept { return h_; }             ///< what the model measures
  constexpr std::size_t vocabulary() const noexcept { return w_.embeddings.rows(); } ///< number of tokens
  constexpr B const& backend() const noexcept { return *backend_; }                  ///< what it runs on

  /// True for the tokens after which the model has no more to say.
  constexpr bool ends(token id) const noexcept { return std::ranges::find(h_.end_tokens, id) != h_.end_tokens.end(); }

  /// A new, empty session: the last allocation. `errc::capacity` if its memory exceeds the cap or the machine.
  constexpr result<session> make_session(session_options options = {}) const {
    return session::make(*backend_, h_, vocabulary(), options);
  }

  /// Appends tokens to the session and returns the logits after the last one: [vocabulary], valid until the next call.
  /// Errors leave the session as it was: `errc::argument` for no tokens or an id out of range, `errc::capacity` where
  /// the context has no room.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    if (ids.empty()) return fail(errc::argument, "forward: no tokens");
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= vocabulary())
        return fail(errc::argument, "forward: token ", i, " is ", ids[i], ", expected 0 to ", vocabulary() - 1);
    if (std::size_t const room = s.context() - s.tokens().size(); ids.size() > room)
      return fail(errc::capacity, "forward: ", ids.size(), " tokens exceed the context of ", s.context(), ": room for ",
                  room);
    while (!ids.empty()) {
      auto const batch = ids.first(std::min(ids.size(), s.batch()));
      ids = ids.subspan(batch.size());
      layers(s, batch);
      s.append(batch);
      if (ids.empty()) head(s, batch.size());
    }
    return s.logits;
  }

 private:
  // x[n, embedding] through all layers, for n tokens that follow those of the session
  constexpr void layers(session& s, std::span<token const> ids) const {
    std::size_t const n = ids.size(), position = s.tokens().size(), length = position + n;
    auto const x = s.x.first(n * h_.embedding), normed = s.normed.first(n * h_.embedding);
    auto const queries = s.queries.first(n * h_.heads * h_.head_dim), mixed = s.mixed.first(queries.size());
    auto const keys = s.keys.first(n * h_.kv_heads * h_.head_dim), values = s.values.first(keys.size());
    auto const gate = s.gate.first(n * h_.feed_forward), up = s.up.first(gate.size());
    auto const cosines = s.cosines.first(n * h_.rope_dims), sines = s.sines.first(cosines.size());
    float const scale = 1.0f / math::sqrt(static_cast<float>(h_.head_dim));

    for (std::size_t t = 0; t < n; ++t)
      rope_.fill(A.rope, position + t, cosines.subspan(t * h_.rope_dims, h_.rope_dims),
                 sines.subspan(t * h_.rope_dims, h_.rope_dims));
    backend_->embed(s.work, w_.embeddings, ids, x);
    for (std::size_t l = 0; l < h_.layers; ++l) {
      auto const& layer = w_.layers[l];

      normalise(s, x, layer.attention_norm, normed);
      matmul(s, normed, n, layer.q.into(queries), layer.k.into(keys), layer.v.into(values));
      backend_->rope(s.work, A.rope, queries, n, h_.head_dim, cosines, sines);
      backend_->rope(s.work, A.rope, keys, n, h_.head_dim, cosines, sines);
      backend_->store_kv(s.work, s.cache, l, position, keys, values);
      backend_->attention(s.work, s.cache, {queries, mixed, l, n, h_.heads, length, scale});
      matmul(s, mixed, n, layer.output.into(normed));
      backend_->add(s.work, x, normed);

      normalise(s, x, layer.feed_forward_norm, normed);
      if constexpr (A.gated) {
        matmul(s, normed, n, layer.gate.into(gate), layer.up.into(up));
        backend_->gate(s.work, A.feed_forward, gate, up);
      } else {
        matmul(s, normed, n, layer.up.into(gate));
        backend_->activate(s.work, A.feed_forward, gate);
      }
      matmul(s, gate, n, layer.down.into(normed));
      backend_->add(s.work, x, normed);
    }
  }

  // logits[vocabulary] of the last of the n tokens in x
  constexpr void head(session& s, std::size_t n) const {
    auto const normed = s.normed.first(h_.embedding);
    normalise(s, s.x.subspan((n - 1) * h_.embedding, h_.embedding), w_.output_norm, normed);
    matmul(s, normed, 1, w_.output.into(s.logits));
  }

  constexpr void normalise(session& s, std::span<float const> x, norm_weights const& w, std::span<float> y) const {
    if constexpr (A.norm == normalisation::rms)
      backend_->rms_norm(s.work, x, w.scale, h_.epsilon, y);
    else
      backend_->layer_norm(s.work, x, w.scale, w.shift, h_.epsilon, y);
  }

  template <class... P>
  constexpr void matmul(session& s, std::span<float const> x, std::size_t n, P const&... outputs) const {
    std::array<projection<matrix>, sizeof...(P)> const all{outputs...};
    backend_->matmul(s.work, x, n, all);
  }

  B const* backend_;
  hyperparameters h_;
  model_weights<matrix> w_;
  rope_frequencies rope_;
};

/// The `ModelBuilder` of an architecture: `transformer<arch::llama>::build(file, backend)`.
template <architecture A> struct transformer {
  static constexpr architecture value = A; ///< what it builds

  /// The model it builds on a backend.
  template <Backend B> using model = transformer_model<A, B>;

  /// The name of its files' `general.architecture`.
  static constexpr std::string_view name() noexcept { return loquat::name(value); }

  /// A model from a file, which must outlive it, as must the backend. Errors name the key or tensor.
  template <Backend B> static constexpr result<model<B>> build(gguf::file const& file, B const& backend) {
    auto sizes = read_hyperparameters(file, A);
    if (!sizes) return sizes.error();
    auto weights = read_weights(file, A, *sizes, backend);
    if (!weights) return weights.error();
    auto rope = rope_frequencies::make(*sizes, weights->rope_factors);
    if (!rope) return rope.error().within(file.name());
    return model<B>(backend, std::move(*sizes), std::move(*weights), std::move(*rope));
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
