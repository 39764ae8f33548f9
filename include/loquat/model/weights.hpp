#pragma once
/// \file
/// The weights of a transformer: matrices where they lie in the file, vectors as floats of their own. Every tensor's
/// name, type and shape is checked before it is used.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/i2_s.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
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

/// A gated feed-forward network, or one without a gate.
template <class Matrix> struct feed_forward_weights {
  linear<Matrix> gate, up; ///< [feed_forward, embedding]; gate only where the architecture is gated
  linear<Matrix> down;     ///< [embedding, feed_forward]
};

/// Experts, of which a router chooses some for each token.
template <class Matrix> struct expert_weights {
  linear<Matrix> router;                             ///< [experts, embedding]
  std::vector<float> choice_bias;                    ///< [experts] of what a token chooses by, or empty
  std::vector<feed_forward_weights<Matrix>> experts; ///< none: a feed-forward layer instead
  feed_forward_weights<Matrix> shared;               ///< of every token, where there is one
  linear<Matrix> shared_gate;                        ///< [1, embedding]: its weight, before the logistic function
};

/// What latent attention makes queries, keys and values of.
template <class Matrix> struct latent_weights {
  linear<Matrix> low_queries; ///< [latent.queries, embedding], where queries are made of a short vector as well
  norm_weights low_queries_norm, latents_norm; ///< of the short vectors
  linear<Matrix> latents;                      ///< [rank, embedding]
  linear<Matrix> turned;      ///< [rope_dims, embedding]: the rotated part of the keys, the same for all heads
  linear<Matrix> keys_values; ///< [heads · (key − rope_dims + value), rank]; or absorbed, per head:
  std::vector<linear<Matrix>> key_parts;   ///< [rank, key − rope_dims]
  std::vector<linear<Matrix>> value_parts; ///< [value, rank]
};

/// One layer. Norms that it does not have are empty.
template <class Matrix> struct layer_weights {
  norm_weights attention_norm, feed_forward_norm;   ///< before
  norm_weights attention_after, feed_forward_after; ///< behind
  norm_weights attention_inner, feed_forward_inner; ///< of what the last matrix takes
  norm_weights q_norm, k_norm;                      ///< [head_dim], or of all heads, or [heads, head_dim]
  linear<Matrix> q, k, v;        ///< [heads · head_dim, embedding], [kv_heads · head_dim, embedding] twice
  linear<Matrix> output;         ///< [embedding, heads · head_dim]
  latent_weights<Matrix> latent; ///< instead of k and v, where attention is latent
  std::vector<float> sinks;      ///< [heads], see `attention_task`, or empty
  feed_forward_weights<Matrix> feed_forward; ///< where there are no experts
  expert_weights<Matrix> mixture;            ///< where there are
};

/// All of a model.
template <class Matrix> struct model_weights {
  Matrix embeddings; ///< [vocabulary, embedding]
  Matrix positions;  ///< [context, embedding], where positions are learned
  std::vector<layer_weights<Matrix>> layers;
  norm_weights embeddings_norm; ///< of a token's vector, or empty
  norm_weights output_norm;
  linear<Matrix> output;           ///< [vocabulary, embedding]; the embeddings where the file has none of its own
  std::vector<float> rope_factors; ///< [rope_dims / 2] divisors of the frequencies, or empty
  std::vector<std::vector<std::byte>> converted; ///< matrices that are not in the file as they are used
  std::vector<float> long_rope_factors;          ///< the same for contexts beyond the original one
};

namespace detail {

/// Rows `first` … `first + rows` of a matrix, of the matrices of a tensor one behind the other.
constexpr tensor_view rows_of(tensor_view tensor, std::size_t first, std::size_t rows) noexcept {
  auto const all = static_cast<std::size_t>(tensor.elements() / tensor.columns());
  auto const bytes = tensor.data.size() / all;
  tensor.data = tensor.data.subspan(first * bytes, rows * bytes);
  tensor.shape = {tensor.shape[0], rows, 1, 1};
  tensor.rank = 2;
  return tensor;
}

/// Takes tensors from a file, remembering the first error, and which ones were taken.
template <Backend B> class weight_reader {
 public:
  constexpr weight_reader(gguf::file const& file, B const& backend, i2_s_order order = {})
      : file_(&file), backend_(&backend), order_(order), taken_(file.tensors().size(), 0) {}

  constexpr bool has(std::string_view name) const { return file_->find_tensor(name) != nullptr; }
  /// The rows of `NAME.weight`; 0 if there is none.
  constexpr std::size_t rows(std::string_view name) const {
    auto const* const found = file_->find_tensor(joined(name, ".weight").view());
    return found ? static_cast<std::size_t>(found->rows()) : 0;
  }
  /// Elements of a tensor's first dimension; 0 if there is none of this name.
  constexpr std::size_t columns(std::string_view name) const {
    auto const* const found = file_->find_tensor(name);
    return found ? static_cast<std::size_t>(found->columns()) : 0;
  }

  /// A matrix of the given shape; `rows` of 0 accepts any number.
  constexpr typename B::matrix matrix(std::string_view name, std::size_t rows, std::size_t columns) {
    auto const tensor = find(name, rows, columns);
    return failed_ ? typename B::matrix{} : made_of(tensor);
  }

  /// A vector of n floats.
  constexpr std::vector<float> vector(std::string_view name, std::size_t n) { return floats(name, 1, n); }
  /// A matrix as floats, [rows, columns].
  constexpr std::vector<float> floats(std::string_view name, std::size_t rows, std::size_t columns) {
    auto const tensor = find(name, rows, columns);
    std::vector<float> out(failed_ ? 0 : rows * columns, 0.0f);
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
  /// The same for matrices that are one in the file, so many rows each.
  template <std::size_t N>
  constexpr std::array<linear<typename B::matrix>, N> parts_of(std::string_view name, std::array<std::size_t, N> rows,
                                                               std::size_t columns) {
    std::size_t all = 0;
    for (auto const n : rows) all += n;
    std::array<linear<typename B::matrix>, N> out;
    auto const tensor = find(joined(name, ".weight").view(), all, columns);
    auto const bias_name = joined(name, ".bias");
    auto const bias = has(bias_name.view()) ? vector(bias_name.view(), all) : std::vector<float>();
    std::size_t first = 0;
    for (std::size_t i = 0; i < N && !failed_; first += rows[i++]) {
      out[i].weights = made_of(rows_of(tensor, first, rows[i]));
      if (!bias.empty())
        out[i].bias.assign(bias.begin() + static_cast<std::ptrdiff_t>(first),
                           bias.begin() + static_cast<std::ptrdiff_t>(first + rows[i]));
    }
    return out;
  }
  /// `count` matrices in a tensor of three dimensions, and their biases [count, rows] where there are some.
  constexpr std::vector<linear<typename B::matrix>> stack_of(std::string_view name, std::size_t count, std::size_t rows,
                                                             std::size_t columns) {
    std::vector<linear<typename B::matrix>> out;
    auto const weight = joined(name, ".weight");
    auto const tensor = take(weight.view());
    if (failed_) return out;
    if (tensor.shape != std::array<std::uint64_t, 4>{columns, rows, count, 1}) {
      note(fail(errc::mismatch, file_->name(), ": tensor ", weight.view(), ": expected ", columns, " columns, ", rows,
                " rows and ", count, " matrices, found ", tensor.shape[0], ", ", tensor.shape[1], " and ",
                tensor.shape[2]));
      return out;
    }
    auto const bias_name = joined(name, ".bias");
    auto const bias = has(bias_name.view()) ? floats(bias_name.view(), count, rows) : std::vector<float>();
    for (std::size_t i = 0; i < count && !failed_; ++i) {
      auto const first = bias.begin() + static_cast<std::ptrdiff_t>(bias.empty() ? 0 : i * rows);
      out.push_back({made_of(rows_of(tensor, i * rows, rows)),
                     {first, bias.empty() ? first : first + static_cast<std::ptrdiff_t>(rows)}});
    }
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

  /// Whether all went well and every tensor was taken: one that was not would mean another kind of model.
  constexpr bool finish() {
    for (std::size_t i = 0; i < taken_.size() && !failed_; ++i)
      if (!taken_[i])
        note(fail(errc::unsupported, file_->name(), ": tensor ", file_->tensors()[i].name,
                  " has no place in this architecture"));
    return !failed_;
  }
  /// Says that a tensor may be there and is not needed.
  constexpr void ignore(std::string_view name) {
    if (auto const* const found = file_->find_tensor(name)) mark(found);
  }
  /// The same of all tensors whose names begin so.
  constexpr void ignore_all(std::string_view prefix) {
    for (auto const& tensor : file_->tensors())
      if (tensor.name.starts_with(prefix)) mark(&tensor);
  }
  /// Tensors that had to be converted; matrices refer to them.
  constexpr std::vector<std::vector<std::byte>> converted() { return std::move(converted_); }
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
  constexpr void mark(tensor_view const* tensor) noexcept {
    taken_[static_cast<std::size_t>(tensor - file_->tensors().data())] = 1;
  }
  constexpr tensor_view take(std::string_view name) {
    if (failed_) return {};
    auto const tensor = file_->tensor(name);
    if (!tensor) return note(tensor.error()), tensor_view{};
    mark(file_->find_tensor(name));
    if (tensor->elements() == 0) note(fail(errc::mismatch, file_->name(), ": tensor ", name, " is empty"));
    return *tensor;
  }
  constexpr tensor_view find(std::string_view name, std::size_t rows, std::size_t columns) {
    auto const tensor = take(name);
    if (failed_) return {};
    if (tensor.columns() != columns || (rows != 0 && tensor.rows() != rows) || tensor.rows() == 0)
      note(fail(errc::mismatch, file_->name(), ": tensor ", name, ": expected ", columns, " columns and ", rows,
                rows == 0 ? " (any number of) rows, found " : " rows, found ", tensor.columns(), " and ",
                tensor.rows()));
    return tensor;
  }
  constexpr typename B::matrix made_of(tensor_view tensor) {
    if (tensor.type == tensor_type::i2_s) {
      auto bytes = i2_s_to_tq2_0(tensor, order_);
      if (!bytes) return note(bytes.error().within(file_->name())), typename B::matrix{};
      converted_.push_back(std::move(*bytes));
      tensor.type = tensor_type::tq2_0;
      tensor.data = converted_.back();
    }
    auto made = backend_->make_matrix(tensor);
    if (!made) return note(made.error().within(file_->name())), typename B::matrix{};
    return *made;
  }
  constexpr void note(error const& e) {
    if (!failed_) error_ = e, failed_ = true;
  }

  gguf::file const* file_;
  B const* backend_;
  i2_s_order order_;
  std::vector<std::vector<std::byte>> converted_;
  std::vector<char> taken_; // by number of the tensor; of bool, clang cannot evaluate it
  error error_;
  bool failed_ = false;
};

/// Reads one layer.
template <Backend B> class layer_reader {
 public:
  constexpr layer_reader(weight_reader<B>& read, architecture const& a, hyperparameters const& h, std::size_t layer)
      : read_(read), a_(a), h_(h), layer_(layer) {}

  constexpr layer_weights<typename B::matrix> layer() {
    layer_weights<typename B::matrix> out;
    read_.ignore(named("attn_rot_embd.weight").view()); // of old files: the frequencies, which follow from their keys
    norms(out);
    auto const queries = h_.heads * h_.head_dim, keys = h_.kv_heads * h_.head_dim;
    if (a_.latent) {
      latent(out);
    } else if (has("attn_qkv.weight")) {
      auto parts = read_.parts_of(named("attn_qkv").view(), std::array{queries, keys, keys}, h_.embedding);
      out.q = std::move(parts[0]);
      out.k = std::move(parts[1]);
      out.v = std::move(parts[2]);
    } else {
      out.q = read_.linear_of(named("attn_q").view(), queries, h_.embedding);
      out.k = read_.linear_of(named("attn_k").view(), keys, h_.embedding);
      out.v = read_.linear_of(named("attn_v").view(), keys, h_.embedding);
    }
    if (a_.sinks) out.sinks = read_.vector(named("attn_sinks.weight").view(), h_.heads);
    if (a_.qk_norm == query_key_norm::own) {
      out.q_norm = norm_of_heads("attn_q_norm", h_.heads);
      out.k_norm = norm_of_heads("attn_k_norm", h_.kv_heads);
    } else if (a_.qk_norm != query_key_norm::none) {
      bool const heads = a_.qk_norm == query_key_norm::heads;
      out.q_norm = norm("attn_q_norm", heads ? h_.head_dim : queries);
      out.k_norm = norm("attn_k_norm", heads ? h_.head_dim : keys);
    }
    out.output =
        read_.linear_of(named("attn_output").view(), h_.embedding, a_.latent ? h_.heads * h_.latent.value : queries);
    if (h_.experts == 0 || !has("ffn_gate_inp.weight"))
      out.feed_forward = feed_forward("", h_.feed_forward);
    else
      experts(out.mixture);
    return out;
  }

 private:
  using text = typename weight_reader<B>::text;
  constexpr text named(auto const&... parts) const { return read_.joined("blk.", layer_, ".", parts...); }
  constexpr bool has(std::string_view part) const { return read_.has(named(part).view()); }
  constexpr norm_weights norm(std::string_view part, std::size_t n) {
    return read_.norm(named(part).view(), a_.norm, n);
  }
  // one for each head, if there are some
  constexpr norm_weights norm_of_heads(std::string_view part, std::size_t heads) {
    auto const scale = named(part, ".weight"), shift = named(part, ".bias");
    if (!read_.has(scale.view())) return {};
    norm_weights out{read_.floats(scale.view(), heads, h_.head_dim), {}};
    if (read_.has(shift.view()))
      out.shift = read_.floats(shift.view(), heads, h_.head_dim);
    else if (a_.norm == normalisation::layer)
      out.shift.assign(out.scale.size(), 0.0f);
    return out;
  }

  constexpr void norms(layer_weights<typename B::matrix>& out) {
    auto const n = h_.embedding;
    if (a_.norm_before) {
      bool const two = has("attn_norm_2.weight"); // falcon: of attention; the other is of feed-forward
      out.attention_norm = norm(two ? "attn_norm_2" : "attn_norm", n);
      if (two)
        out.feed_forward_norm = norm("attn_norm", n);
      else if (bool const behind = !a_.norm_after && has("post_attention_norm.weight"); behind) // gpt-oss
        out.feed_forward_norm = norm("post_attention_norm", n);
      else if (!h_.parallel || has("ffn_norm.weight"))
        out.feed_forward_norm = norm("ffn_norm", n);
    }
    if (a_.norm_after) {
      out.attention_after = norm("post_attention_norm", n);
      out.feed_forward_after = norm("post_ffw_norm", n);
    }
    if (a_.inner_norms) {
      out.attention_inner = norm("attn_sub_norm", h_.heads * h_.head_dim);
      out.feed_forward_inner = norm("ffn_sub_norm", h_.feed_forward);
    }
  }

  constexpr void latent(layer_weights<typename B::matrix>& out) {
    auto& w = out.latent;
    auto const& l = h_.latent;
    auto const still = l.key - h_.rope_dims, queries = h_.heads * l.key;
    if (l.queries == 0) {
      out.q = read_.linear_of(named("attn_q").view(), queries, h_.embedding);
    } else {
      w.low_queries = read_.linear_of(named("attn_q_a").view(), l.queries, h_.embedding);
      w.low_queries_norm = norm("attn_q_a_norm", l.queries);
      out.q = read_.linear_of(named("attn_q_b").view(), queries, l.queries);
    }
    auto parts = read_.parts_of(named("attn_kv_a_mqa").view(), std::array{l.rank, h_.rope_dims}, h_.embedding);
    w.latents = std::move(parts[0]);
    w.turned = std::move(parts[1]);
    w.latents_norm = norm("attn_kv_a_norm", l.rank);
    if (!l.absorbed) {
      w.keys_values = read_.linear_of(named("attn_kv_b").view(), h_.heads * (still + l.value), l.rank);
    } else {
      w.key_parts = read_.stack_of(named("attn_k_b").view(), h_.heads, l.rank, still);
      w.value_parts = read_.stack_of(named("attn_v_b").view(), h_.heads, l.value, l.rank);
    }
  }

  // names are ffn_gate, ffn_up, ffn_down and `suffix`; gate and up may be one matrix
  constexpr feed_forward_weights<typename B::matrix> feed_forward(std::string_view suffix, std::size_t inner) {
    feed_forward_weights<typename B::matrix> out;
    auto const gate = named("ffn_gate", suffix), up = named("ffn_up", suffix);
    if (a_.gated && !read_.has(read_.joined(gate.view(), ".weight").view()) && fused(up.view(), inner)) {
      auto parts = read_.parts_of(up.view(), std::array{inner, inner}, h_.embedding);
      out.gate = std::move(parts[0]);
      out.up = std::move(parts[1]);
    } else {
      if (a_.gated) out.gate = read_.linear_of(gate.view(), inner, h_.embedding);
      out.up = read_.linear_of(up.view(), inner, h_.embedding);
    }
    out.down = read_.linear_of(named("ffn_down", suffix).view(), h_.embedding, inner);
    return out;
  }
  constexpr bool fused(std::string_view up, std::size_t inner) const { return read_.rows(up) == 2 * inner; }

  constexpr void experts(expert_weights<typename B::matrix>& out) {
    auto const n = h_.experts, inner = h_.expert_feed_forward;
    out.router = read_.linear_of(named("ffn_gate_inp").view(), n, h_.embedding);
    if (has("exp_probs_b.bias")) out.choice_bias = read_.vector(named("exp_probs_b.bias").view(), n);
    auto gates = read_.stack_of(named("ffn_gate_exps").view(), n, inner, h_.embedding);
    auto ups = read_.stack_of(named("ffn_up_exps").view(), n, inner, h_.embedding);
    auto downs = read_.stack_of(named("ffn_down_exps").view(), n, h_.embedding, inner);
    if (read_.failed()) return;
    for (std::size_t i = 0; i < n; ++i)
      out.experts.push_back({std::move(gates[i]), std::move(ups[i]), std::move(downs[i])});
    if (h_.shared_feed_forward == 0) return;
    out.shared = feed_forward("_shexp", h_.shared_feed_forward);
    if (has("ffn_gate_inp_shexp.weight"))
      out.shared_gate = read_.linear_of(named("ffn_gate_inp_shexp").view(), 1, h_.embedding);
  }

  weight_reader<B>& read_;
  architecture const& a_;
  hyperparameters const& h_;
  std::size_t layer_;
};

} // namespace detail

/// Takes the weights of a transformer from a file. Errors name the tensor and what was expected of it.
template <Backend B>
constexpr result<model_weights<typename B::matrix>> read_weights(gguf::file const& file, architecture const& a,
                                                                 hyperparameters const& h, B const& backend,
                                                                 i2_s_order order = {}) {
  detail::weight_reader<B> read(file, backend, order);
  model_weights<typename B::matrix> w;
  w.embeddings = read.matrix("token_embd.weight", 0, h.embedding);
  if (read.has("token_embd_norm.weight")) w.embeddings_norm = read.norm("token_embd_norm", a.norm, h.embedding);
  if (a.learned_positions) w.positions = read.matrix("position_embd.weight", h.context, h.embedding);
  for (std::size_t i = 0; i < h.layers && !read.failed(); ++i)
    w.layers.push_back(detail::layer_reader<B>(read, a, h, i).layer());
  w.output_norm = read.norm("output_norm", a.norm, h.embedding);
  if (read.has("output.weight"))
    w.output = read.linear_of("output", w.embeddings.rows(), h.embedding);
  else
    w.output.weights = w.embeddings;
  auto const factors = [&](std::string_view name) {
    return read.has(name) ? read.vector(name, h.rope_dims / 2) : std::vector<float>();
  };
  w.rope_factors = factors("rope_freqs.weight");
  if (read.has("rope_factors_short.weight")) w.rope_factors = factors("rope_factors_short.weight");
  w.long_rope_factors = factors("rope_factors_long.weight");
  if (!read.finish()) return read.first_error();
  w.converted = read.converted();
  return w;
}

} // namespace loquat
