#pragma once
/// \file
/// A transformer encoder of any `encoder_architecture` on any `Backend` (J. Devlin et al., 2019): tokens of several
/// texts in, a vector for each token out; and the classification head that some files have.

#include <loquat/backend/backend.hpp>
#include <loquat/core/math.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/encoder_architecture.hpp>
#include <loquat/model/encoder_session.hpp>
#include <loquat/model/encoder_sizes.hpp>
#include <loquat/model/encoder_weights.hpp>
#include <loquat/model/rope_table.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

namespace loquat {

/// The tokens of several texts, one behind another.
struct token_batch {
  std::span<token const> ids;           ///< of all texts
  std::span<std::size_t const> lengths; ///< of each text, in tokens
  std::span<token const> types{};       ///< of each token: 1 in the second of a pair of texts; empty: all 0
};

namespace detail {

/// x[n, d] · scale + shift, with two roundings whatever the target has.
LOQUAT_NO_CONTRACT_FUNCTION constexpr void scale_and_shift(std::span<float> x, std::span<float const> scale,
                                                           std::span<float const> shift) noexcept {
  LOQUAT_NO_CONTRACT
  std::size_t const d = scale.size();
  for (std::size_t at = 0; at < x.size(); at += d)
    for (std::size_t i = 0; i < d; ++i) x[at + i] = x[at + i] * scale[i] + shift[i];
}

} // namespace detail

/// An encoder on backend `B`. Const after construction and shared by any number of sessions and threads; the file its
/// weights lie in, and the backend, must outlive it.
template <Backend B> class encoder_model {
 public:
  using matrix = typename B::matrix;  ///< a weight matrix of the backend
  using session = encoder_session<B>; ///< the state of one user

  /// An encoder of architecture `a` from a file. Errors name the key or tensor.
  static constexpr result<encoder_model> build(gguf::file const& file, B const& backend,
                                               encoder_architecture const& a) {
    if (auto const intact = file.intact(); !intact) return intact.error();
    auto sizes = read_encoder_sizes(file, a);
    if (!sizes) return sizes.error();
    auto weights = read_encoder_weights(file, a, *sizes, backend);
    if (!weights) return weights.error();
    rope_tables ropes;
    if (a.positions == position_kind::rotary) {
      auto made = rope_tables::make(*sizes, {}, {});
      if (!made) return made.error().within(file.name());
      ropes = std::move(*made);
    }
    return encoder_model(backend, a, std::move(*sizes), std::move(*weights), std::move(ropes));
  }

  constexpr encoder_architecture const& architecture() const noexcept { return a_; }  ///< what it is made of
  constexpr encoder_sizes const& sizes() const noexcept { return s_; }                ///< what it measures
  constexpr std::size_t vocabulary() const noexcept { return w_.tokens.rows(); }      ///< number of tokens
  constexpr B const& backend() const noexcept { return *backend_; }                   ///< what it runs on
  constexpr std::size_t types() const noexcept { return w_.types.rows(); }            ///< of tokens; 0: no such vectors
  constexpr std::size_t dimensions() const noexcept { return s_.embedding; }          ///< of a token's vector
  constexpr std::size_t outputs() const noexcept { return w_.labels.weights.rows(); } ///< of the classification head
  /// The name of an output of the classification head; empty where the file has none.
  constexpr std::string_view label(std::size_t i) const noexcept {
    return i < s_.labels.size() ? s_.labels[i] : std::string_view();
  }

  /// A session: the last allocation. `errc::argument` for a longer context than the model has positions,
  /// `errc::capacity` if its memory exceeds the cap or the machine.
  constexpr result<session> make_session(encoder_options options = {}) const {
    if (a_.positions == position_kind::learned && options.context > s_.context)
      return fail(errc::argument, "encoder session: texts of ", options.context, " tokens: the model knows ",
                  s_.context, " positions");
    bool keeps_input = false;
    for (auto const& layer : w_.layers) keeps_input = keeps_input || !layer.attention_again.scale.empty();
    return session::make(*backend_, a_, s_, ropes_, w_.distances, keeps_input, options);
  }

  /// The vectors of all tokens, [tokens, embedding], valid and the caller's to change until the next call. Each text is
  /// by itself: it gets the same bits whatever else is in the batch. Errors: `errc::argument` for an id or type out of
  /// range, an empty text, or lengths that do not add up; `errc::capacity` for a text longer than the session's
  /// context, or more tokens than its batch.
  constexpr result<std::span<float>> forward(session& s, token_batch const& texts) const {
    if (auto const fine = check(s, texts); !fine) return fine.error();
    auto const x = s.x.first(texts.ids.size() * s_.embedding);
    if (x.empty()) return x;
    embed(s, texts, x);
    for (std::size_t l = 0; l < s_.layers; ++l) layer(s, l, x, texts);
    if (!w_.output_norm.scale.empty()) normalise(s, x, w_.output_norm, x);
    return x;
  }

  /// The classification head's outputs [texts, outputs] for the vectors [texts, embedding] of, mostly, first tokens; at
  /// most `batch` at a time. `errc::missing` if the model has no such head.
  constexpr result<void> classify(session& s, std::span<float const> vectors, std::span<float> logits) const {
    if (outputs() == 0) return fail(errc::missing, "the encoder has no classification head");
    std::size_t const n = vectors.size() / s_.embedding;
    if (n * s_.embedding != vectors.size() || logits.size() != n * outputs() || n > s.batch())
      return fail(errc::argument, "classify: ", vectors.size(), " inputs and ", logits.size(), " outputs: expected ",
                  s_.embedding, " and ", outputs(), " for each of up to ", s.batch(), " texts");
    if (n == 0) return {};
    if (w_.head.weights.rows() == 0) return multiply(s, vectors, n, w_.labels.into(logits)), result<void>();
    auto const inner = s.branch.first(vectors.size());
    multiply(s, vectors, n, w_.head.into(inner));
    backend_->activate(s.work, a_.head, inner);
    if (!w_.head_norm.scale.empty()) normalise(s, inner, w_.head_norm, inner);
    multiply(s, inner, n, w_.labels.into(logits));
    return {};
  }

 private:
  constexpr encoder_model(B const& backend, encoder_architecture const& a, encoder_sizes sizes,
                          encoder_weights<matrix> weights, rope_tables ropes)
      : backend_(&backend), a_(a), s_(std::move(sizes)), w_(std::move(weights)), ropes_(std::move(ropes)) {}

  constexpr result<void> check(session const& s, token_batch const& texts) const {
    auto const& [ids, lengths, types] = texts;
    if (ids.size() > s.batch())
      return fail(errc::capacity, "encoder: ", ids.size(), " tokens exceed the session's batch of ", s.batch());
    std::size_t left = ids.size();
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      if (lengths[i] > s.context())
        return fail(errc::capacity, "encoder: text ", i, " of ", lengths[i],
                    " tokens exceeds the session's context of ", s.context());
      if (lengths[i] == 0 || lengths[i] > left)
        return fail(errc::argument, "encoder: text ", i, " has ", lengths[i], " tokens of the ", left,
                    " that are left");
      left -= lengths[i];
    }
    if (left != 0) return fail(errc::argument, "encoder: ", left, " tokens belong to no text");
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= vocabulary())
        return fail(errc::argument, "encoder: token ", i, " is ", ids[i], ", expected 0 to ", vocabulary() - 1);
    if (types.empty()) return {};
    if (types.size() != ids.size())
      return fail(errc::argument, "encoder: ", types.size(), " types of ", ids.size(), " tokens");
    for (std::size_t i = 0; i < types.size() && w_.types.rows() != 0; ++i)
      if (types[i] < 0 || static_cast<std::size_t>(types[i]) >= w_.types.rows())
        return fail(errc::argument, "encoder: token ", i, " has type ", types[i], ", expected 0 to ",
                    w_.types.rows() - 1);
    return {};
  }

  // x[n, embedding]: what goes into the first layer
  constexpr void embed(session& s, token_batch const& texts, std::span<float> x) const {
    std::size_t const n = texts.ids.size(), small = s_.token_embedding;
    bool const projected = w_.projection.weights.rows() != 0;
    auto const tokens = projected ? s.gate.first(n * small) : x; // [n, token_embedding]
    if (!a_.trigrams) {
      backend_->embed(s.work, w_.tokens, texts.ids, tokens);
      add_places(s, texts, tokens);
      if (projected) multiply(s, tokens, n, w_.projection.into(x));
      return;
    }
    auto const single = s.branch.first(n * small), triples = s.gate.first(n * 3 * small);
    backend_->embed(s.work, w_.tokens, texts.ids, single);
    std::size_t row = 0;
    for (std::size_t const length : texts.lengths)
      for (std::size_t i = 0; i < length; ++i, ++row) // the next token's vector, its own, the one before; zero outside
        for (std::size_t part = 0; part < 3; ++part) {
          bool const outside = part == 0 ? i + 1 == length : part == 2 && i == 0;
          auto const to = triples.subspan((row * 3 + part) * small, small);
          if (outside)
            std::ranges::fill(to, 0.0f);
          else
            std::ranges::copy(single.subspan((row + 1 - part) * small, small), to.begin());
        }
    multiply(s, triples, n, w_.projection.into(x));
    add_places(s, texts, x);
  }

  // adds what stands for types and positions, and normalises
  constexpr void add_places(session& s, token_batch const& texts, std::span<float> x) const {
    std::size_t const n = texts.ids.size();
    auto const rows = s.rows.first(n);
    auto const add = [&](matrix const& m) {
      backend_->embed(s.work, m, rows, s.branch.first(x.size()));
      backend_->add(s.work, x, s.branch.first(x.size()));
    };
    if (w_.types.rows() != 0) {
      if (texts.types.empty())
        std::ranges::fill(rows, token{0});
      else
        std::ranges::copy(texts.types, rows.begin());
      add(w_.types);
    }
    if (a_.positions == position_kind::learned) {
      std::size_t row = 0;
      for (std::size_t const length : texts.lengths)
        for (std::size_t i = 0; i < length; ++i) rows[row++] = static_cast<token>(i);
      add(w_.positions);
    }
    if (!w_.tokens_norm.scale.empty()) normalise(s, x, w_.tokens_norm, x);
  }

  constexpr void layer(session& s, std::size_t l, std::span<float> all, token_batch const& texts) const {
    auto const& w = w_.layers[l * s_.layer_groups / s_.layers];
    std::size_t const n = texts.ids.size();
    bool const narrow = w.narrowed.weights.rows() != 0, shared = w.narrowed_keys.weights.rows() != 0;
    auto const x = narrow ? s.narrowed.first(n * s_.width) : all, branch = s.branch.first(x.size());
    auto const keys = shared ? s.narrowed_keys.first(x.size()) : x;
    if (narrow) {
      multiply(s, all, n, w.narrowed.into(x));
      normalise(s, x, w.narrowed_norm, x);
    }
    if (shared) {
      multiply(s, all, n, w.narrowed_keys.into(keys));
      normalise(s, keys, w.narrowed_keys_norm, keys);
    }
    bool const again = !w.attention_again.scale.empty(), before = !w.attention_before.scale.empty();
    if (again) std::ranges::copy(x, s.input.begin());
    if (before) normalise(s, x, w.attention_before, branch);
    auto const input = before ? branch : keys;
    attend(s, l, w, input, narrow ? all : input, texts, branch);
    backend_->add(s.work, x, branch);
    if (!w.attention_after.scale.empty()) normalise(s, x, w.attention_after, x);
    if (again) {
      backend_->add(s.work, x, s.input.first(x.size()));
      normalise(s, x, w.attention_again, x);
    }
    for (auto const& ffn : w.feed_forwards) {
      if (!ffn.before.scale.empty()) normalise(s, x, ffn.before, branch);
      feed_forward(s, ffn.network, ffn.before.scale.empty() ? x : branch, n, branch);
      backend_->add(s.work, x, branch);
      if (!ffn.after.scale.empty()) normalise(s, x, ffn.after, x);
    }
    if (!narrow) return;
    auto const wide = s.branch.first(all.size());
    multiply(s, x, n, w.widened.into(wide));
    backend_->add(s.work, all, wide);
    normalise(s, all, w.widened_norm, all);
  }

  // output[n, width] of attention within each text: queries and keys of `from`, values of `values_from`
  constexpr void attend(session& s, std::size_t l, encoder_layer<matrix> const& w, std::span<float const> from,
                        std::span<float const> values_from, token_batch const& texts, std::span<float> output) const {
    std::size_t const n = texts.ids.size(), in = s_.heads * s_.head_dim, key_in = s_.kv_heads * s_.head_dim;
    auto const queries = s.queries.first(n * in), mixed = s.mixed.first(n * in);
    auto const keys = s.keys.first(n * key_in), values = s.values.first(n * key_in);
    if (from.data() == values_from.data()) {
      multiply(s, from, n, w.q.into(queries), w.k.into(keys), w.v.into(values));
    } else {
      multiply(s, from, n, w.q.into(queries), w.k.into(keys));
      multiply(s, values_from, n, w.v.into(values));
    }
    if (!w.q_norm.scale.empty()) normalise(s, queries, w.q_norm, queries);
    if (!w.k_norm.scale.empty()) normalise(s, keys, w.k_norm, keys);
    bool const window = sees_window(s_, l);
    auto const cosines = window ? s.window_cosines : s.cosines, sines = window ? s.window_sines : s.sines;
    std::size_t row = 0;
    for (std::size_t const length : texts.lengths) {
      auto const q = queries.subspan(row * in, length * in), out = mixed.subspan(row * in, length * in);
      auto const k = keys.subspan(row * key_in, length * key_in), v = values.subspan(row * key_in, length * key_in);
      if (a_.positions == position_kind::rotary) {
        auto const c = cosines.first(length * s_.rope_dims), sn = sines.first(length * s_.rope_dims);
        backend_->rope(s.work, a_.rope, q, length, s_.head_dim, c, sn);
        backend_->rope(s.work, a_.rope, k, length, s_.head_dim, c, sn);
      }
      backend_->store_kv(s.work, s.cache, 0, 0, k, v);
      attention_task task{q, out, 0, length, s_.heads, length, s_.score_scale};
      task.window = window ? s_.window : 0;
      task.causal = s_.causal;
      task.bias = s.bias;
      task.bias_reach = s.bias.empty() ? 0 : s.context();
      backend_->attention(s.work, s.cache, task);
      row += length;
    }
    multiply(s, mixed, n, w.output.into(output));
  }

  // output[n, width]; may be the input
  constexpr void feed_forward(session& s, feed_forward_weights<matrix> const& w, std::span<float const> x,
                              std::size_t n, std::span<float> output) const {
    auto const gate = s.gate.first(n * s_.feed_forward), up = s.up.first(gate.size());
    if (w.gate.weights.rows() != 0) {
      multiply(s, x, n, w.gate.into(gate), w.up.into(up));
      backend_->gate(s.work, a_.gated, gate, up);
    } else {
      multiply(s, x, n, w.up.into(gate));
      backend_->activate(s.work, a_.feed_forward, gate);
    }
    multiply(s, gate, n, w.down.into(output));
  }

  constexpr void normalise(session& s, std::span<float> x, norm_weights const& w, std::span<float> y) const {
    if (a_.affine_norms) // only in place: its norms are all behind
      detail::scale_and_shift(x, w.scale, w.shift);
    else if (a_.norm == normalisation::rms)
      backend_->rms_norm(s.work, x, w.scale, s_.epsilon, y);
    else
      backend_->layer_norm(s.work, x, w.scale, w.shift, s_.epsilon, y);
  }

  template <class... P>
  constexpr void multiply(session& s, std::span<float const> x, std::size_t n, P const&... outputs) const {
    std::array<projection<matrix>, sizeof...(P)> const all{outputs...};
    backend_->matmul(s.work, x, n, all);
  }

  B const* backend_;
  encoder_architecture a_;
  encoder_sizes s_;
  encoder_weights<matrix> w_;
  rope_tables ropes_;
};

} // namespace loquat
