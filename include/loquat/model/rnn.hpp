#pragma once
/// \file
/// Language models of recurrent networks: plain RNN (J. Elman, 1990), LSTM (S. Hochreiter, J. Schmidhuber, 1997; with
/// forget gates, F. Gers et al., 2000) and GRU (K. Cho et al., 2014). Layers of cells on top of token vectors, with
/// PyTorch's formulas and order of gates.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/recurrent.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What a layer does at each step.
enum class rnn_cell : unsigned char {
  plain, ///< h = f(W x + U h), f tanh or max(·, 0)
  lstm,  ///< gates i, f, g, o: c = σ(f) · c + σ(i) · tanh(g), h = σ(o) · tanh(c)
  gru,   ///< gates r, z, n: h = (1 − σ(z)) · tanh(n + σ(r) · U h) + σ(z) · h
};

/// The weights of a recurrent network, and a step of it.
template <rnn_cell Cell, class Matrix> struct rnn_network {
  static constexpr std::size_t gates = Cell == rnn_cell::lstm ? 4 : Cell == rnn_cell::gru ? 3 : 1; ///< of a cell
  static constexpr std::size_t states = Cell == rnn_cell::lstm ? 2 : 1; ///< vectors that a layer remembers: h, c

  /// One layer.
  struct layer {
    linear<Matrix> input;     ///< [gates · hidden, embedding], of later layers [gates · hidden, hidden]
    linear<Matrix> recurrent; ///< [gates · hidden, hidden]
  };

  hyperparameters h;
  std::size_t hidden;  ///< elements of h
  activation function; ///< of plain cells
  Matrix embeddings;   ///< [vocabulary, embedding]
  std::vector<layer> layers;
  linear<Matrix> projection; ///< [embedding, hidden], where there is one
  linear<Matrix> output;     ///< [vocabulary, hidden], or [vocabulary, embedding] behind a projection

  constexpr hyperparameters const& sizes() const noexcept { return h; }           ///< what it measures
  constexpr std::size_t vocabulary() const noexcept { return embeddings.rows(); } ///< number of tokens
  constexpr recurrent_sizes needs() const noexcept {                              ///< of a session
    auto const [x, fed, back, projected] = widths();
    return {std::uint64_t{h.layers} * states * hidden, std::uint64_t{x} + fed + back + projected, x};
  }

  /// The last of the tokens' vectors, [hidden], or [embedding] behind a projection.
  template <Backend B, class H>
  constexpr std::span<float const> run(B const& backend, recurrent_session<B>& s, std::span<token const> ids,
                                       H& hooks) const {
    std::size_t const n = ids.size(), width = gates * hidden;
    auto const [x, fed, back, projected] = s.buffers(n, widths());
    backend.embed(s.work, embeddings, ids, x.first(n * h.embedding));
    [[maybe_unused]] hook_site at{0, s.position(), n};
    if constexpr (requires { hooks.embeddings(at, x); }) hooks.embeddings(at, x.first(n * h.embedding));
    for (std::size_t l = 0; l < layers.size(); ++l) {
      auto const below = x.first(n * (l == 0 ? h.embedding : hidden));
      at.layer = l;
      if constexpr (requires { hooks.block_input(at, below); }) hooks.block_input(at, below);
      auto const state = s.state.subspan(l * states * hidden, states * hidden);
      auto const memory = state.first(hidden);
      // what comes from below, for all tokens at once; then one after another
      detail::multiply(backend, s, below, n, layers[l].input.into(fed));
      for (std::size_t t = 0; t < n; ++t) {
        detail::multiply(backend, s, memory, 1, layers[l].recurrent.into(back.first(width)));
        auto const next = step(backend, s.work, fed.subspan(t * width, width), back.first(width), state);
        std::ranges::copy(next, memory.begin());
        std::ranges::copy(next, x.begin() + static_cast<std::ptrdiff_t>(t * hidden));
      }
      if constexpr (requires { hooks.block_output(at, x); }) hooks.block_output(at, x.first(n * hidden));
    }
    auto const last = x.subspan((n - 1) * hidden, hidden), out = projected.first(projection.weights.rows());
    if (out.empty()) return last;
    detail::multiply(backend, s, last, 1, projection.into(out));
    return out;
  }

  /// Logits from the last token's vector.
  template <Backend B>
  constexpr void predict(B const& backend, recurrent_session<B>& s, std::span<float const> last) const {
    detail::multiply(backend, s, last, 1, output.into(s.logits));
  }

 private:
  // floats per token of x, of what gates get from below and from before, and of the projection
  constexpr std::array<std::size_t, 4> widths() const noexcept {
    return {std::max(h.embedding, hidden), gates * hidden, gates * hidden, projection.weights.rows()};
  }

  // h from what the gates get from below, fed[gates, hidden], and from before, back[gates, hidden]; in one of them
  template <Backend B>
  constexpr std::span<float> step(B const& backend, typename B::workspace& work, std::span<float> fed,
                                  std::span<float> back, std::span<float> state) const {
    auto const part = [this](std::span<float> of, std::size_t i) { return of.subspan(i * hidden, hidden); };
    if constexpr (Cell == rnn_cell::plain) {
      backend.add(work, fed, back);
      backend.activate(work, function, fed);
      return fed;
    } else if constexpr (Cell == rnn_cell::lstm) {
      auto const i = part(fed, 0), f = part(fed, 1), g = part(fed, 2), o = part(fed, 3), c = part(state, 1);
      backend.add(work, fed, back);
      backend.gate(work, activation::sigmoid, f, c);
      backend.activate(work, activation::tanh, g);
      backend.gate(work, activation::sigmoid, i, g);
      backend.add(work, f, i);
      std::ranges::copy(f, c.begin());
      backend.activate(work, activation::tanh, f);
      backend.gate(work, activation::sigmoid, o, f);
      return o;
    } else {
      auto const r = part(fed, 0), z = part(fed, 1), n = part(fed, 2);
      backend.add(work, fed.first(2 * hidden), back.first(2 * hidden));
      backend.gate(work, activation::sigmoid, r, part(back, 2));
      backend.add(work, n, r);
      backend.activate(work, activation::tanh, n);
      std::ranges::transform(z, r.begin(), [](float gate) { return -gate; }); // 1 − σ(z) = σ(−z)
      backend.gate(work, activation::sigmoid, r, n);
      backend.gate(work, activation::sigmoid, z, state);
      backend.add(work, r, z);
      return r;
    }
  }
};

/// The `ModelBuilder` of recurrent networks: `lstm::build(file, backend)`.
template <rnn_cell Cell> struct rnn_builder {
  /// The model it builds on a backend.
  template <Backend B> using model = recurrent_model<rnn_network<Cell, typename B::matrix>, B>;

  /// The name of its files' `general.architecture`.
  static constexpr std::string_view name() noexcept {
    return Cell == rnn_cell::lstm ? "lstm" : Cell == rnn_cell::gru ? "gru" : "rnn";
  }

  /// A model from a file, which must outlive it, as must the backend. Errors name the key or tensor.
  template <Backend B> static constexpr result<model<B>> build(gguf::file const& file, B const& backend) {
    rnn_network<Cell, typename B::matrix> net{};
    detail::parameter_reader keys(file, name());
    net.h.layers = keys.size("block_count");
    net.h.embedding = keys.size("embedding_length");
    net.h.context = keys.size("context_length", 4096);
    net.hidden = net.h.feed_forward = keys.size("hidden_length", net.h.embedding);
    auto const function = keys.word("activation");
    keys.require(function.empty() || function == "tanh" || (function == "relu" && Cell == rnn_cell::plain),
                 errc::unsupported, "activation ", function, ": expected tanh",
                 Cell == rnn_cell::plain ? " or relu" : "");
    net.function = function == "relu" ? activation::relu : activation::tanh;
    if (keys.failed()) return keys.first_error();
    auto ends = read_end_tokens(file);
    if (!ends) return ends.error();
    net.h.end_tokens = std::move(*ends);

    detail::weight_reader<B> read(file, backend);
    net.embeddings = read.matrix("token_embd.weight", 0, net.h.embedding);
    for (std::size_t l = 0; l < net.h.layers && !read.failed(); ++l) {
      auto const input = read.joined("blk.", l, ".rnn_ih"), recurrent = read.joined("blk.", l, ".rnn_hh");
      std::size_t const rows = net.gates * net.hidden, below = l == 0 ? net.h.embedding : net.hidden;
      auto first = read.linear_of(input.view(), rows, below); // in this order, for the first error
      net.layers.push_back({std::move(first), read.linear_of(recurrent.view(), rows, net.hidden)});
    }
    bool const projects = read.has("output_proj.weight");
    if (projects) net.projection = read.linear_of("output_proj", net.h.embedding, net.hidden);
    std::size_t const width = projects ? net.h.embedding : net.hidden;
    if (read.has("output.weight"))
      net.output = read.linear_of("output", net.embeddings.rows(), width);
    else if (width == net.h.embedding)
      net.output.weights = net.embeddings;
    else if (!read.failed())
      return fail(errc::mismatch, file.name(), ": hidden_length ", net.hidden, " differs from embedding_length ",
                  net.h.embedding, ": expected a tensor output.weight or output_proj.weight");
    if (!read.finish()) return read.first_error();
    return model<B>(backend, std::move(net));
  }
};

using rnn = rnn_builder<rnn_cell::plain>; ///< `general.architecture` rnn
using lstm = rnn_builder<rnn_cell::lstm>; ///< `general.architecture` lstm
using gru = rnn_builder<rnn_cell::gru>;   ///< `general.architecture` gru

} // namespace loquat
