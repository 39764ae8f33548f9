#pragma once
/// \file
/// The weights of a transformer: matrices where they lie in the file, vectors as floats of their own. Every tensor's
/// name, type and shape is checked before it is used.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/quant/formats.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// A matrix with an optional bias.
template <class Matrix> struct linear {
  Matrix weights;
  std::vector<float> bias; ///< [rows], or empty

  /// The product of this matrix into y[n, rows], for `Backend::matmul`.
  constexpr projection<Matrix> into(std::span<float> y) const { return {&weights, y, bias}; }
};

/// The scale, and for a layer norm the shift, of a normalisation.
struct norm_weights {
  std::vector<float> scale, shift;
};

/// One layer.
template <class Matrix> struct layer_weights {
  norm_weights attention_norm, feed_forward_norm;
  linear<Matrix> q, k, v;  ///< [heads · head_dim, embedding], [kv_heads · head_dim, embedding] twice
  linear<Matrix> output;   ///< [embedding, heads · head_dim]
  linear<Matrix> gate, up; ///< [feed_forward, embedding]; gate only where the architecture is gated
  linear<Matrix> down;     ///< [embedding, feed_forward]
};

/// All of a model.
template <class Matrix> struct model_weights {
  Matrix embeddings; ///< [vocabulary, embedding]
  std::vector<layer_weights<Matrix>> layers;
  norm_weights output_norm;
  linear<Matrix> output;           ///< [vocabulary, embedding]; the embeddings where the file has none of its own
  std::vector<float> rope_factors; ///< [rope_dims / 2] divisors of the frequencies, or empty
};

namespace detail {

/// Takes tensors from a file, remembering the first error.
template <Backend B> class weight_reader {
 public:
  constexpr weight_reader(gguf::file const& file, B const& backend) : file_(&file), backend_(&backend) {}

  constexpr bool has(std::string_view name) const { return file_->find_tensor(name) != nullptr; }

  /// A matrix of the given shape; `rows` of 0 accepts any number.
  constexpr typename B::matrix matrix(std::string_view name, std::size_t rows, std::size_t columns) {
    auto const tensor = find(name, rows, columns);
    if (failed_) return {};
    auto made = backend_->make_matrix(tensor);
    if (!made) return note(made.error().within(file_->name())), typename B::matrix{};
    return *made;
  }

  /// A vector of n floats.
  constexpr std::vector<float> vector(std::string_view name, std::size_t n) {
    auto const tensor = find(name, 1, n);
    std::vector<float> out(failed_ ? 0 : n, 0.0f);
    if (failed_) return out;
    if (auto const done = unpack_tensor(builtin_formats{}, tensor, out); !done)
      note(done.error().within(file_->name()));
    return out;
  }

  /// `NAME.weight`, and `NAME.bias` where there is one.
  constexpr linear<typename B::matrix> linear_of(std::string_view name, std::size_t rows, std::size_t columns) {
    linear<typename B::matrix> out{matrix(joined(name, ".weight").view(), rows, columns), {}};
    if (auto const bias = joined(name, ".bias"); !failed_ && has(bias.view()))
      out.bias = vector(bias.view(), out.weights.rows());
    return out;
  }
  /// `NAME.weight`, and for a layer norm `NAME.bias`.
  constexpr norm_weights norm(std::string_view name, normalisation kind, std::size_t n) {
    norm_weights out{vector(joined(name, ".weight").view(), n), {}};
    if (kind == normalisation::layer) {
      auto const shift = joined(name, ".bias");
      out.shift = has(shift.view()) ? vector(shift.view(), n) : std::vector<float>(n, 0.0f);
    }
    return out;
  }

  constexpr error const& first_error() const { return error_; }
  constexpr bool failed() const { return failed_; }

  /// Text made of parts, to look tensors up by.
  struct text {
    std::vector<char> characters;
    constexpr std::string_view view() const { return {characters.data(), characters.size()}; }
  };
  static constexpr text joined(auto const&... parts) {
    text out;
    (append(out.characters, parts), ...);
    return out;
  }

 private:
  constexpr tensor_view find(std::string_view name, std::size_t rows, std::size_t columns) {
    if (failed_) return {};
    auto const tensor = file_->tensor(name);
    if (!tensor) return note(tensor.error()), tensor_view{};
    if (tensor->columns() != columns || (rows != 0 && tensor->rows() != rows) || tensor->rows() == 0)
      note(fail(errc::mismatch, file_->name(), ": tensor ", name, ": expected ", columns, " columns and ", rows,
                rows == 0 ? " (any number of) rows, found " : " rows, found ", tensor->columns(), " and ",
                tensor->rows()));
    return *tensor;
  }
  constexpr void note(error const& e) {
    if (!failed_) error_ = e, failed_ = true;
  }

  gguf::file const* file_;
  B const* backend_;
  error error_;
  bool failed_ = false;
};

} // namespace detail

/// Takes the weights of a transformer from a file. Errors name the tensor and what was expected of it.
template <Backend B>
constexpr result<model_weights<typename B::matrix>> read_weights(gguf::file const& file, architecture const& a,
                                                                 hyperparameters const& h, B const& backend) {
  detail::weight_reader<B> read(file, backend);
  model_weights<typename B::matrix> w;
  w.embeddings = read.matrix("token_embd.weight", 0, h.embedding);
  for (std::size_t i = 0; i < h.layers && !read.failed(); ++i) {
    auto const named = [i](std::string_view part) { return detail::weight_reader<B>::joined("blk.", i, ".", part); };
    auto& layer = w.layers.emplace_back();
    layer.attention_norm = read.norm(named("attn_norm").view(), a.norm, h.embedding);
    layer.q = read.linear_of(named("attn_q").view(), h.heads * h.head_dim, h.embedding);
    layer.k = read.linear_of(named("attn_k").view(), h.kv_heads * h.head_dim, h.embedding);
    layer.v = read.linear_of(named("attn_v").view(), h.kv_heads * h.head_dim, h.embedding);
    layer.output = read.linear_of(named("attn_output").view(), h.embedding, h.heads * h.head_dim);
    layer.feed_forward_norm = read.norm(named("ffn_norm").view(), a.norm, h.embedding);
    if (a.gated) layer.gate = read.linear_of(named("ffn_gate").view(), h.feed_forward, h.embedding);
    layer.up = read.linear_of(named("ffn_up").view(), h.feed_forward, h.embedding);
    layer.down = read.linear_of(named("ffn_down").view(), h.embedding, h.feed_forward);
  }
  w.output_norm = read.norm("output_norm", a.norm, h.embedding);
  if (read.has("output.weight"))
    w.output = read.linear_of("output", w.embeddings.rows(), h.embedding);
  else
    w.output.weights = w.embeddings;
  if (read.has("rope_freqs.weight")) w.rope_factors = read.vector("rope_freqs.weight", h.rope_dims / 2);
  if (read.failed()) return read.first_error();
  return w;
}

} // namespace loquat
