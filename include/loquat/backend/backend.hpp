#pragma once
/// \file
/// The `Backend` contract: where weights live, and the operations a model is made of.

#include <loquat/backend/kv_cache.hpp>
#include <loquat/backend/recurrence.hpp>
#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/kernel/choices.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace loquat {

/// One of the products that `Backend::matmul` computes from the same activations: y[n, rows] = x[n, columns] · Wᵀ (+
/// b).
template <class Matrix> struct projection {
  Matrix const* weights;
  std::span<float> y;            ///< [n, rows]
  std::span<float const> bias{}; ///< [rows], or empty
};

/// One layer's attention over n new tokens, which are the last n of `length` in the cache.
struct attention_task {
  std::span<float const> queries; ///< [n, heads, head_dim]
  std::span<float> output;        ///< [n, heads, head_dim]
  std::size_t layer, n, heads, length;
  float scale;            ///< of the scores: 1/√head_dim
  std::size_t window = 0; ///< positions that a token sees, the last ones up to its own; 0: all. Not causal: those
                          ///< that are not farther away than half of it
  float cap = 0;          ///< scores s become cap · tanh(s / cap); 0: they stay
  bool causal = true;     ///< else every token sees all of `length`
  /// [heads, 2 · bias_reach − 1]: added to the scores, for a key at position k and a query at position q the number
  /// k − q + bias_reach − 1 of its head: ALiBi (O. Press et al., 2022), relative positions. Empty: nothing is added.
  std::span<float const> bias{};
  std::size_t bias_reach = 0;     ///< above all distances: at least `length`
  std::span<float const> sinks{}; ///< [heads]: scores of a key that all tokens see, whose value is zero; or empty

  /// The positions that new token i sees: from the first to behind the last.
  constexpr std::pair<std::size_t, std::size_t> seen_by(std::size_t i) const noexcept {
    std::size_t const own = length - n + i, half = window / 2;
    if (!causal && window != 0) return {own > half ? own - half : 0, length - own > half + 1 ? own + half + 1 : length};
    std::size_t const end = causal ? own + 1 : length;
    return {window != 0 && end > window ? end - window : 0, end};
  }
};

/// The largest operations a session will ask for; a backend sizes its workspace by them.
struct workspace_limits {
  std::size_t tokens;          ///< of one forward pass
  std::size_t columns;         ///< of the widest matrix
  std::size_t context;         ///< positions of the cache
  std::size_t head_dim, heads; ///< of the queries
};

/// Executes models. A backend is immutable and shared: what an operation changes is in the caller's spans and in the
/// session's workspace, so any number of threads may use one backend, each with a session of its own.
///
/// Called by models only. Every operation must give the same bits for n tokens at once as for one at a time;
/// `reference` defines them, and `cpu` equals it. Shapes are row-major; the last one varies fastest. Smallest way to
/// write one: wrap `cpu` and hide the operation of interest (`examples/07_backend.cpp`). Neighbours: `BlockFormat`,
/// `ModelBuilder`.
template <class B>
concept Backend = requires(B const& backend, typename B::workspace& work, typename B::matrix const& matrix,
                           tensor_view tensor, workspace_limits limits, arena_size& size, arena& memory,
                           std::span<float> y, std::span<float const> x, std::span<token const> ids, std::size_t n,
                           float epsilon, std::span<projection<typename B::matrix> const> projections, kv_cache& cache,
                           attention_task const& task, convolution_task const& convolution, scan_task const& scan) {
  { backend.make_matrix(tensor) } -> std::same_as<result<typename B::matrix>>; // checks type, layout, alignment
  { matrix.rows() } -> std::convertible_to<std::size_t>;
  { matrix.columns() } -> std::convertible_to<std::size_t>;
  backend.reserve(limits, size);                                                     // memory of a workspace …
  { backend.make_workspace(limits, memory) } -> std::same_as<typename B::workspace>; // … and the workspace
  backend.embed(work, matrix, ids, y);             // y[n, columns]: rows of the matrix
  backend.matmul(work, x, n, projections);         // x[n, columns], n ≥ 1
  backend.rms_norm(work, x, x, epsilon, y);        // x[n, d], weight[d]
  backend.layer_norm(work, x, x, x, epsilon, y);   // x[n, d], weight[d], bias[d]
  backend.rope(work, rope_style{}, y, n, n, x, x); // y[n, heads, head_dim]; cosines, sines [n, rope_dims]
  backend.store_kv(work, cache, n, n, x, x);       // layer, position; keys, values [n, kv_heads, head_dim]
  backend.attention(work, cache, task);
  backend.convolve(work, convolution);
  backend.scan(work, scan);
  backend.gate(work, activation{}, y, x);  // y = f(y) · x
  backend.activate(work, activation{}, y); // y = f(y)
  backend.add(work, y, x);                 // y += x
};

} // namespace loquat
