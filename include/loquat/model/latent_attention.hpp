#pragma once
/// \file
/// Multi-head latent attention (DeepSeek-AI, "DeepSeek-V2", 2024): keys and values of all heads are made of one short
/// vector per token. Older files hold the matrix that makes them, and the cache holds what it makes. Newer ones hold
/// its two parts per head, of which the first goes to the queries and the second to the output: then the cache holds
/// the short vectors alone, as one head for all. Rotated elements stand behind the others in both.

#include <loquat/backend/backend.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/session.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

namespace loquat {

/// The steps of a layer's latent attention in a session's buffers. Queries, keys and values are `head_dim` apart, with
/// zeros behind those that are shorter.
template <Backend B> struct latent_attention {
  using matrix = typename B::matrix; ///< of the backend

  B const& backend;                ///< what it runs on
  session<B>& s;                   ///< whose buffers it uses
  hyperparameters const& h;        ///< of the model
  latent_weights<matrix> const& w; ///< of the layer
  std::size_t n;                   ///< tokens

  /// What projects the input to queries, and to the short vectors: their norm is `normalise(x, weights)`.
  template <class Normalise>
  constexpr void project(linear<matrix> const& q, std::span<float const> input, Normalise const& normalise) const {
    auto const low = s.low_queries.first(n * h.latent.queries), latent = latents(), turned = turned_keys();
    auto const queries = s.queries.first(n * h.heads * h.latent.key);
    if (h.latent.queries == 0) {
      multiply(input, q.into(queries), w.latents.into(latent), w.turned.into(turned));
    } else {
      multiply(input, w.low_queries.into(low), w.latents.into(latent), w.turned.into(turned));
      normalise(low, w.low_queries_norm);
      multiply(low, q.into(queries));
    }
    normalise(latent, w.latents_norm);
  }

  /// Rotates the last elements of queries and keys by cosines and signed sines [n, rope_dims].
  constexpr void turn(rope_style style, std::span<float const> cosines, std::span<float const> sines) const {
    std::size_t const still = h.latent.key - h.rope_dims;
    auto const ends = s.expanded.first(n * h.heads * h.rope_dims);
    copy(s.queries, h.latent.key, still, ends, h.rope_dims, 0, n * h.heads, h.rope_dims);
    backend.rope(s.work, style, ends, n, h.rope_dims, cosines, sines);
    backend.rope(s.work, style, turned_keys(), n, h.rope_dims, cosines, sines);
    copy(ends, h.rope_dims, 0, s.queries, h.latent.key, still, n * h.heads, h.rope_dims);
  }

  /// Leaves what attention takes in `s.queries`, `s.keys` and `s.values`.
  constexpr void expand() const {
    std::size_t const still = h.latent.key - h.rope_dims, rank = h.latent.rank, value = h.latent.value;
    auto const latent = latents(), turned = turned_keys();
    std::ranges::fill(s.keys.first(n * h.kv_heads * h.head_dim), 0.0f);
    std::ranges::fill(s.values.first(n * h.kv_heads * h.head_dim), 0.0f);
    if (w.key_parts.empty()) {
      auto const made = s.expanded.first(n * h.heads * (still + value));
      multiply(latent, w.keys_values.into(made));
      copy(made, still + value, 0, s.keys, h.head_dim, 0, n * h.heads, still);
      copy(made, still + value, still, s.values, h.head_dim, 0, n * h.heads, value);
      for (std::size_t t = 0; t < n; ++t)
        for (std::size_t head = 0; head < h.heads; ++head)
          copy(turned.subspan(t * h.rope_dims), 0, 0, s.keys.subspan((t * h.heads + head) * h.head_dim), 0, still, 1,
               h.rope_dims);
      widen(s.queries, h.latent.key);
      return;
    }
    copy(latent, rank, 0, s.keys, h.head_dim, 0, n, rank);
    copy(turned, h.rope_dims, 0, s.keys, h.head_dim, rank, n, h.rope_dims);
    copy(latent, rank, 0, s.values, h.head_dim, 0, n, rank);
    auto const narrow = s.mixed.first(n * h.heads * h.latent.key); // until attention writes there
    std::ranges::copy(s.queries.first(narrow.size()), narrow.begin());
    copy(narrow, h.latent.key, still, s.queries, h.head_dim, rank, n * h.heads, h.rope_dims);
    each_head(w.key_parts, narrow, h.latent.key, still, s.queries, h.head_dim, rank);
  }

  /// The mixed values [n, heads · value] of `s.mixed` after attention.
  constexpr std::span<float> values() const {
    std::size_t const value = h.latent.value;
    if (w.value_parts.empty()) {
      for (std::size_t i = 0; i < n * h.heads; ++i) // ascending, to the front
        std::copy_n(s.mixed.begin() + static_cast<std::ptrdiff_t>(i * h.head_dim), value,
                    s.mixed.begin() + static_cast<std::ptrdiff_t>(i * value));
      return s.mixed.first(n * h.heads * value);
    }
    auto const out = s.queries.first(n * h.heads * value);
    each_head(w.value_parts, s.mixed, h.head_dim, h.latent.rank, out, value, value);
    return out;
  }

 private:
  constexpr std::span<float> latents() const { return s.latents.first(n * h.latent.rank); }
  constexpr std::span<float> turned_keys() const { return s.turned_keys.first(n * h.rope_dims); }

  // `length` elements from column `from_column` of each of so many rows to those of other rows
  static constexpr void copy(std::span<float const> from, std::size_t from_width, std::size_t from_column,
                             std::span<float> to, std::size_t to_width, std::size_t to_column, std::size_t rows,
                             std::size_t length) {
    for (std::size_t i = 0; i < rows; ++i)
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i * from_width + from_column), length,
                  to.begin() + static_cast<std::ptrdiff_t>(i * to_width + to_column));
  }
  // rows of `width` elements become rows of head_dim, in place
  constexpr void widen(std::span<float> x, std::size_t width) const {
    if (width == h.head_dim) return;
    for (std::size_t i = n * h.heads; i-- > 0;) {
      auto const from = x.begin() + static_cast<std::ptrdiff_t>(i * width);
      auto const to = x.begin() + static_cast<std::ptrdiff_t>(i * h.head_dim);
      std::copy_backward(from, from + static_cast<std::ptrdiff_t>(width), to + static_cast<std::ptrdiff_t>(width));
      std::fill(to + static_cast<std::ptrdiff_t>(width), to + static_cast<std::ptrdiff_t>(h.head_dim), 0.0f);
    }
  }
  // y[t, head] = parts[head] · x[t, head], of rows that are so wide and elements that are so many
  constexpr void each_head(std::vector<linear<matrix>> const& parts, std::span<float const> x, std::size_t x_width,
                           std::size_t columns, std::span<float> y, std::size_t y_width, std::size_t rows) const {
    auto const in = s.expanded.first(n * columns), out = s.head_output.first(n * rows);
    for (std::size_t head = 0; head < h.heads; ++head) {
      copy(x.subspan(head * x_width), h.heads * x_width, 0, in, columns, 0, n, columns);
      multiply(in, parts[head].into(out));
      copy(out, rows, 0, y.subspan(head * y_width), h.heads * y_width, 0, n, rows);
    }
  }
  constexpr void multiply(std::span<float const> x, auto const&... products) const {
    std::array<projection<matrix>, sizeof...(products)> const all{products...};
    backend.matmul(s.work, x, n, all);
  }
};

} // namespace loquat
