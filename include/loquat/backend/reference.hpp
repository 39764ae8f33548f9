#pragma once
/// \file
/// The `reference` backend: every operation as an obvious loop. It defines the library's numerics (which operations
/// round, and in which order sums are taken), is the oracle of every kernel test, and works in constant expressions.
///
/// A float sum runs over sixteen lanes, element i in lane i mod 16, with fused multiply-adds; the lanes are then added
/// pairwise, i with i + 8, + 4, + 2, + 1. Norms sum floats in double, in the same order.

#include <loquat/backend/backend.hpp>
#include <loquat/backend/reference_attention.hpp>
#include <loquat/backend/reference_recurrence.hpp>
#include <loquat/core/math.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/integer_block.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// Sixteen lanes of a sum of floats in double.
struct wide_lane_sums {
  std::array<double, 16> lanes{};

  constexpr void add(std::size_t i, float a) { lanes[i % 16] += static_cast<double>(a); }
  constexpr double total() const {
    auto sums = lanes;
    for (std::size_t width = 8; width > 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
    return sums[0];
  }
  constexpr float mean(std::size_t n) const { return static_cast<float>(total() / static_cast<double>(n)); }
};

constexpr float dot(float const* a, float const* b, std::size_t n) {
  lane_sums sums;
  for (std::size_t i = 0; i < n; ++i) sums.add_product(i, a[i], b[i]);
  return sums.total();
}

constexpr float apply(activation kind, float x) {
  if (kind == activation::tanh) return math::tanh(x);
  if (kind == activation::sigmoid) return math::sigmoid(x);
  if (kind == activation::softplus) return math::softplus(x);
  if (kind == activation::gelu_erf) return math::gelu(x);
  if (kind == activation::relu) return 0.0f > x ? 0.0f : x;
  if (kind == activation::relu_squared) return x < 0 ? 0 : x * x;
  if (kind == activation::clipped_silu && x > 7) x = 7;
  float const exponent = kind == activation::silu           ? 0 - x
                         : kind == activation::clipped_silu ? x * -1.702f
                                                            : x * -1.59576912f * math::fma(x * x, 0.044715f, 1.0f);
  return x / (1.0f + math::exp(exponent));
}
constexpr float gated(activation kind, float x, float factor) {
  if (kind == activation::clipped_silu) factor = (factor > 7 ? 7 : factor < -7 ? -7 : factor) + 1.0f;
  return apply(kind, x) * factor;
}

} // namespace detail

/// See the specialisation for a list of formats.
template <class Formats> class basic_reference;

/// A backend of plain loops for weights of the given block formats.
template <BlockFormat... Formats> class basic_reference<type_list<Formats...>> {
 public:
  /// A weight matrix where it lies in the file.
  class matrix {
   public:
    constexpr std::size_t rows() const noexcept { return rows_; }       ///< outputs
    constexpr std::size_t columns() const noexcept { return columns_; } ///< inputs

   private:
    friend basic_reference;
    std::byte const* data_ = nullptr;
    std::size_t rows_ = 0, columns_ = 0, row_bytes_ = 0;
    tensor_type type_{};
  };

  /// Nothing: this backend allocates what it needs.
  struct workspace {};

  /// A matrix of the tensor's first two dimensions; the bytes must outlive it. `errc::unsupported` names a type without
  /// a format here, `errc::mismatch` a tensor of another rank or layout.
  constexpr result<matrix> make_matrix(tensor_view const& tensor) const {
    if (tensor.shape[2] != 1 || tensor.shape[3] != 1)
      return fail(errc::mismatch, "tensor ", tensor.name, ": expected a matrix, found ", tensor.rank, " dimensions");
    if (tensor.elements() == 0) return fail(errc::mismatch, "tensor ", tensor.name, ": an empty matrix");
    matrix m;
    m.data_ = tensor.data.data();
    m.rows_ = static_cast<std::size_t>(tensor.rows());
    m.columns_ = static_cast<std::size_t>(tensor.columns());
    m.type_ = tensor.type;
    result<void> layout =
        fail(errc::unsupported, "tensor ", tensor.name, ": no kernel for type ", loquat::name(tensor.type));
    with(m, [&]<BlockFormat F>(F) { layout = check_layout<F>(tensor), m.row_bytes_ = row_bytes<F>(m.columns_); });
    if (!layout) return layout.error();
    return m;
  }

  constexpr void reserve(workspace_limits const&, arena_size&) const {}                    ///< nothing
  constexpr workspace make_workspace(workspace_limits const&, arena&) const { return {}; } ///< nothing

  /// y[n, columns]: the matrix rows of the ids, which must be below its number of rows.
  constexpr void embed(workspace&, matrix const& m, std::span<token const> ids, std::span<float> y) const {
    for (std::size_t t = 0; t < ids.size(); ++t)
      with(m, [&]<BlockFormat F>(F) {
        unpack_row<F>(m.data_ + static_cast<std::size_t>(ids[t]) * m.row_bytes_, y.data() + t * m.columns_, m.columns_);
      });
  }

  /// All products of the same activations x[n, columns].
  constexpr void matmul(workspace&, std::span<float const> x, std::size_t n,
                        std::span<projection<matrix> const> projections) const {
    for (auto const& p : projections)
      with(*p.weights, [&]<BlockFormat F>(F) {
        matrix const& w = *p.weights;
        for (std::size_t t = 0; t < n; ++t)
          for (std::size_t r = 0; r < w.rows_; ++r) {
            float const y = row_product<F>(w.data_ + r * w.row_bytes_, x.data() + t * w.columns_, w.columns_);
            p.y[t * w.rows_ + r] = p.bias.empty() ? y : y + p.bias[r];
          }
      });
  }

  /// y = x / √(mean(x²) + ε) · weight for each of the vectors x[n, d]; y may be x.
  constexpr void rms_norm(workspace&, std::span<float const> x, std::span<float const> weight, float epsilon,
                          std::span<float> y) const {
    std::size_t const d = weight.size();
    for (std::size_t at = 0; at < x.size(); at += d) {
      detail::wide_lane_sums squares;
      for (std::size_t i = 0; i < d; ++i) squares.add(i, x[at + i] * x[at + i]);
      float const scale = 1.0f / math::sqrt(squares.mean(d) + epsilon);
      for (std::size_t i = 0; i < d; ++i) y[at + i] = x[at + i] * scale * weight[i];
    }
  }
  /// y = (x − mean) / √(variance + ε) · weight + bias for each of the vectors x[n, d]; y may be x.
  constexpr void layer_norm(workspace&, std::span<float const> x, std::span<float const> weight,
                            std::span<float const> bias, float epsilon, std::span<float> y) const {
    std::size_t const d = weight.size();
    for (std::size_t at = 0; at < x.size(); at += d) {
      detail::wide_lane_sums sum, squares;
      for (std::size_t i = 0; i < d; ++i) sum.add(i, x[at + i]);
      float const mean = sum.mean(d);
      for (std::size_t i = 0; i < d; ++i) squares.add(i, (x[at + i] - mean) * (x[at + i] - mean));
      float const scale = 1.0f / math::sqrt(squares.mean(d) + epsilon);
      for (std::size_t i = 0; i < d; ++i) y[at + i] = math::fma((x[at + i] - mean) * scale, weight[i], bias[i]);
    }
  }

  /// Rotates y[n, heads, head_dim] in place by cosines and signed sines [n, rope_dims].
  constexpr void rope(workspace&, rope_style style, std::span<float> y, std::size_t n, std::size_t head_dim,
                      std::span<float const> cosines, std::span<float const> sines) const {
    std::size_t const width = y.size() / n, dims = cosines.size() / n, half = dims / 2;
    for (std::size_t at = 0; at < y.size(); at += head_dim) { // one head of one token
      float const *c = cosines.data() + at / width * dims, *s = sines.data() + at / width * dims;
      for (std::size_t i = 0; i < half; ++i) {
        std::size_t const first = style == rope_style::adjacent ? 2 * i : i;
        std::size_t const second = style == rope_style::adjacent ? 2 * i + 1 : i + half;
        float const a = y[at + first], b = y[at + second];
        y[at + first] = math::fma(a, c[first], b * s[first]);
        y[at + second] = math::fma(b, c[second], a * s[second]);
      }
    }
  }

  /// Stores keys and values [n, kv_heads, head_dim] of a layer at positions `position`, ….
  constexpr void store_kv(workspace&, kv_cache& cache, std::size_t layer, std::size_t position,
                          std::span<float const> keys, std::span<float const> values) const {
    std::size_t const dim = cache.head_dim;
    for (std::size_t i = 0; i < keys.size(); i += dim)
      cache.store(layer, i / dim % cache.kv_heads, position + i / dim / cache.kv_heads, keys.data() + i,
                  values.data() + i);
  }

  /// Attention of n tokens over the cache: causal, token i sees all but the last n − 1 − i positions, and of these only
  /// a window if there is one. Tiles of positions (`kv_layout`) have a softmax each, with their own maximum, and are
  /// then merged in ascending order.
  constexpr void attention(workspace&, kv_cache const& cache, attention_task const& task) const {
    std::size_t const dim = cache.head_dim, group = task.heads / cache.kv_heads;
    for (std::size_t i = 0; i < task.n * task.heads; ++i) {
      auto const [from, to] = task.seen_by(i / task.heads);
      std::vector<float> query(task.queries.begin() + static_cast<std::ptrdiff_t>(i * dim),
                               task.queries.begin() + static_cast<std::ptrdiff_t>(i * dim + dim));
      for (float& q : query) q *= task.scale;
      detail::tile_attention state;
      bool empty = true;
      for (std::size_t first = from / kv_layout::positions * kv_layout::positions; first < to;
           first += kv_layout::positions) {
        std::size_t const tile = cache.tile(task.layer, i % task.heads / group, first);
        detail::tile_attention next(cache, tile, std::max(from, first) - first,
                                    std::min(kv_layout::positions, to - first), query, task.cap,
                                    bias_of(task, i, first, std::min(kv_layout::positions, to - first)));
        empty ? void(state = std::move(next)) : state.merge(next);
        empty = false;
      }
      if (!task.sinks.empty()) state.add_sink(task.sinks[i % task.heads]);
      for (std::size_t d = 0; d < dim; ++d) task.output[i * dim + d] = state.mixed[d] * (1.0f / state.sum);
    }
  }

  /// A causal convolution of each channel.
  constexpr void convolve(workspace&, convolution_task const& task) const { detail::convolve(task); }
  /// A selective scan.
  constexpr void scan(workspace&, scan_task const& task) const { detail::scan(task); }

  /// y = f(y) · x, or as the activation says.
  constexpr void gate(workspace&, activation kind, std::span<float> y, std::span<float const> x) const {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = detail::gated(kind, y[i], x[i]);
  }
  /// y = f(y).
  constexpr void activate(workspace&, activation kind, std::span<float> y) const {
    for (float& v : y) v = detail::apply(kind, v);
  }
  /// y += x.
  constexpr void add(workspace&, std::span<float> y, std::span<float const> x) const {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += x[i];
  }

 private:
  // what is added to the scores of query i for n positions from `first` on
  static constexpr std::span<float const> bias_of(attention_task const& task, std::size_t i, std::size_t first,
                                                  std::size_t n) {
    if (task.bias.empty()) return {};
    std::size_t const position = task.length - task.n + i / task.heads, row = 2 * task.bias_reach - 1;
    return task.bias.subspan(i % task.heads * row + task.bias_reach - 1 + first - position, n);
  }
  // calls f with the format of a matrix
  template <class F> static constexpr void with(matrix const& m, F f) {
    ((m.type_ == Formats::type ? f(Formats{}) : void()), ...);
  }

  template <BlockFormat F> static constexpr float row_product(std::byte const* row, float const* x, std::size_t k) {
    if constexpr (integer_format<F>) {
      constexpr std::size_t step = F::integer.activations;
      float sum = 0;
      for (std::size_t b = 0; b < k; b += F::block_length, row += F::block_bytes) {
        integer_block<F> const block(row);
        for (std::size_t i = 0; i < F::block_length; i += step) {
          rounded_activations<step> const rounded(x + b + i);
          sum = plus_product(sum, block, i, rounded.quants.data(), rounded.sums.data(), rounded.scale, rounded.total);
        }
      }
      return sum;
    } else {
      std::vector<float> weights(k, 0.0f);
      unpack_row<F>(row, weights.data(), k);
      return detail::dot(weights.data(), x, k);
    }
  }
};

/// The reference backend for the library's own block formats.
using reference = basic_reference<builtin_formats>;

} // namespace loquat
