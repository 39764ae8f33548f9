#pragma once
/// \file
/// Language models of selective state spaces: Mamba (A. Gu, T. Dao, "Mamba: linear-time sequence modeling with
/// selective state spaces", 2023), Falcon Mamba (J. Zuo et al., 2024) and Mamba-2 (T. Dao, A. Gu, "Transformers are
/// SSMs", 2024).
///
/// A layer widens its input to `inner` channels, mixes each channel's last tokens by a short convolution, lets it run
/// through a scan, whose step sizes and input and output vectors depend on the token, gates it, and narrows it again.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/mamba_weights.hpp>
#include <loquat/model/recurrent.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace loquat {

/// The weights of a Mamba and how they are run.
template <mamba_version Version, class Matrix> struct mamba_network {
  static constexpr bool second =
      Version == mamba_version::second; ///< input, output and steps do not pass the convolution

  mamba_sizes h;
  mamba_weights<Matrix> w;

  constexpr hyperparameters const& sizes() const noexcept { return h; }             ///< what it measures
  constexpr std::size_t vocabulary() const noexcept { return w.embeddings.rows(); } ///< number of tokens
  constexpr recurrent_sizes needs() const noexcept {                                ///< of a session
    std::uint64_t row = 0;
    for (std::uint64_t const width : widths()) row += width;
    return {std::uint64_t{h.layers} * layer_floats(), row, std::max({h.embedding, h.inner, h.rank})};
  }

  /// The last of the tokens' vectors, normalised: [embedding].
  template <Backend B, class H>
  constexpr std::span<float const> run(B const& backend, recurrent_session<B>& s, std::span<token const> ids,
                                       H& hooks) const {
    auto const x = s.buffers(ids.size(), widths())[0];
    backend.embed(s.work, w.embeddings, ids, x);
    [[maybe_unused]] hook_site at{0, s.position(), ids.size()};
    if constexpr (requires { hooks.embeddings(at, x); }) hooks.embeddings(at, x);
    for (std::size_t l = 0; l < w.layers.size(); at.layer = ++l) {
      if constexpr (requires { hooks.block_input(at, x); }) hooks.block_input(at, x);
      layer(backend, s, w.layers[l], s.state.subspan(l * layer_floats(), layer_floats()), ids.size());
      if constexpr (requires { hooks.block_output(at, x); }) hooks.block_output(at, x);
    }
    auto const last = x.subspan((ids.size() - 1) * h.embedding, h.embedding);
    backend.rms_norm(s.work, last, w.output_norm, h.epsilon, last);
    return last;
  }

  /// Logits from the last token's vector.
  template <Backend B>
  constexpr void predict(B const& backend, recurrent_session<B>& s, std::span<float const> last) const {
    detail::multiply(backend, s, last, 1, w.output.into(s.logits));
  }

 private:
  // a layer's state: tails of the convolutions, then that of the scan
  constexpr std::size_t vectors() const noexcept { return h.groups * h.state; } // B and C of a token
  constexpr std::size_t tail_floats() const noexcept { return (h.taps - 1) * (h.inner + (second ? 2 * vectors() : 0)); }
  constexpr scan_layout layout() const noexcept { return {h.inner, h.groups, h.state}; }
  constexpr std::size_t layer_floats() const noexcept { return tail_floats() + layout().floats(); }
  constexpr std::size_t heads() const noexcept { return second ? h.rank : h.inner; }

  // floats per token of x, its norm; z; the channels before and behind the convolution; B and C, the same; low-rank
  // steps, steps
  constexpr std::array<std::size_t, 11> widths() const noexcept {
    std::size_t const v = vectors(), before = second ? v : 0;
    return {h.embedding, h.embedding, h.inner, h.inner, h.inner, before, v, before, v, second ? 0 : h.rank, heads()};
  }

  template <Backend B>
  constexpr void layer(B const& backend, recurrent_session<B>& s, mamba_layer<Matrix> const& l, std::span<float> state,
                       std::size_t n) const {
    auto const [x, normed, z, channels, mixed, to_inputs, inputs, to_reads, reads, low, steps] = s.buffers(n, widths());
    auto tails = state.first(tail_floats());
    auto const convolve = [&](std::span<float> from, convolution_weights const& own, std::span<float> to) {
      auto const tail = tails.first((h.taps - 1) * (from.size() / n));
      tails = tails.subspan(tail.size());
      backend.convolve(s.work, {from, own.weights, own.bias, tail, to, n, from.size() / n});
      backend.activate(s.work, activation::silu, to);
    };
    backend.rms_norm(s.work, x, l.norm, h.epsilon, normed);
    if constexpr (second) {
      detail::multiply(backend, s, normed, n, l.gate.into(z), l.channels.into(channels), l.inputs.into(to_inputs),
                       l.reads.into(to_reads), l.steps.into(steps));
      convolve(channels, l.convolution, mixed);
      convolve(to_inputs, l.input_convolution, inputs);
      convolve(to_reads, l.read_convolution, reads);
    } else {
      detail::multiply(backend, s, normed, n, l.gate.into(z), l.channels.into(channels));
      convolve(channels, l.convolution, mixed);
      detail::multiply(backend, s, mixed, n, l.low_steps.into(low), l.inputs.into(inputs), l.reads.into(reads));
      if (!w.ones.empty())
        for (auto const part : {low, inputs, reads})
          backend.rms_norm(s.work, part, std::span(w.ones).first(part.size() / n), h.epsilon, part);
      detail::multiply(backend, s, low, n, l.steps.into(steps));
    }
    backend.activate(s.work, activation::softplus, steps);
    auto const y = channels; // what the convolution took is not needed any more
    backend.scan(s.work,
                 {layout(), mixed, steps, inputs, reads, l.decays, l.skips, state.subspan(tail_floats()), y, n});
    backend.gate(s.work, activation::silu, z, y);
    if constexpr (second) normalise(backend, s, l.inner_norm, z);
    detail::multiply(backend, s, z, n, l.output.into(normed));
    backend.add(s.work, x, normed);
  }

  // each group of channels by itself
  template <Backend B>
  constexpr void normalise(B const& backend, recurrent_session<B>& s, std::span<float const> weights,
                           std::span<float> z) const {
    if (weights.empty()) return;
    if (h.groups == 1) return backend.rms_norm(s.work, z, weights, h.epsilon, z);
    std::size_t const size = h.inner / h.groups;
    for (std::size_t at = 0; at < z.size(); at += size)
      backend.rms_norm(s.work, z.subspan(at, size), weights.subspan(at % h.inner, size), h.epsilon,
                       z.subspan(at, size));
  }
};

/// The `ModelBuilder` of state space models: `mamba::build(file, backend)`.
template <mamba_version Version> struct mamba_builder {
  /// The model it builds on a backend.
  template <Backend B> using model = recurrent_model<mamba_network<Version, typename B::matrix>, B>;

  /// The name of its files' `general.architecture`.
  static constexpr std::string_view name() noexcept { return Version == mamba_version::first ? "mamba" : "mamba2"; }

  /// A model from a file, which must outlive it, as must the backend. Errors name the key or tensor.
  template <Backend B> static constexpr result<model<B>> build(gguf::file const& file, B const& backend) {
    auto sizes = read_mamba_sizes(file, Version, name());
    if (!sizes) return sizes.error();
    auto weights = read_mamba_weights(file, Version, *sizes, backend);
    if (!weights) return weights.error();
    return model<B>(backend, {std::move(*sizes), std::move(*weights)});
  }
};

using mamba = mamba_builder<mamba_version::first>;   ///< `general.architecture` mamba
using mamba2 = mamba_builder<mamba_version::second>; ///< `general.architecture` mamba2

} // namespace loquat
