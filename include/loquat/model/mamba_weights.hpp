#pragma once
/// \file
/// Sizes and weights of Mamba and Mamba-2 from a GGUF file. Matrices that a file keeps in one tensor, because they are
/// multiplied with the same vector, are taken apart; what the convolution and the scan read is laid out for them.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Which of the two papers a model follows.
enum class mamba_version : unsigned char {
  first, ///< time steps of their own for all channels, made through few dimensions; a decay for each element of a state
  second ///< channels in heads, which share time step and decay; groups of heads with input and output vectors
};

/// Sizes of a model.
struct mamba_sizes : hyperparameters {
  std::size_t taps = 0;   ///< of the convolution
  std::size_t inner = 0;  ///< channels
  std::size_t state = 0;  ///< elements of a channel's state
  std::size_t rank = 0;   ///< dimensions that time steps are made from; of the second version the number of heads
  std::size_t groups = 1; ///< of heads, of the second version
  bool norms = false;     ///< of what steps, input and output vectors are made from (Falcon Mamba)
};

/// A causal convolution of some channels.
struct convolution_weights {
  std::vector<float> weights; ///< [taps, channels]
  std::vector<float> bias;    ///< [channels], or empty
};

/// One layer.
template <class Matrix> struct mamba_layer {
  std::vector<float> norm;         ///< [embedding]
  linear<Matrix> channels, gate;   ///< [inner, embedding]
  convolution_weights convolution; ///< of the channels
  linear<Matrix> inputs, reads;    ///< [groups · state, inner], of the second version [groups · state, embedding]
  convolution_weights input_convolution, read_convolution; ///< of the second version
  linear<Matrix> low_steps;                                ///< [rank, inner], of the first version
  linear<Matrix> steps;          ///< [inner, rank], of the second version [heads, embedding]; with a bias
  std::vector<float> decays;     ///< see `scan_task`
  std::vector<float> skips;      ///< [inner]
  std::vector<float> inner_norm; ///< [inner], of the second version
  linear<Matrix> output;         ///< [embedding, inner]
};

/// All of a model.
template <class Matrix> struct mamba_weights {
  Matrix embeddings; ///< [vocabulary, embedding]
  std::vector<mamba_layer<Matrix>> layers;
  std::vector<float> output_norm; ///< [embedding]
  linear<Matrix> output;          ///< [vocabulary, embedding]; the embeddings where the file has none of its own
  std::vector<float> ones;        ///< the weights of norms that have none, where there are such norms
};

/// Reads the sizes of a model. Errors name the key.
constexpr result<mamba_sizes> read_mamba_sizes(gguf::file const& file, mamba_version kind, std::string_view name) {
  detail::parameter_reader read(file, name);
  mamba_sizes h;
  h.layers = read.size("block_count");
  h.embedding = read.size("embedding_length");
  h.context = read.size("context_length", 4096);
  h.epsilon = read.number("attention.layer_norm_rms_epsilon", h.epsilon);
  h.taps = read.size("ssm.conv_kernel");
  h.inner = h.feed_forward = read.size("ssm.inner_size");
  h.state = read.size("ssm.state_size");
  h.rank = read.size("ssm.time_step_rank");
  constexpr std::uint64_t most = std::uint64_t{1} << 31; // sums and products of such sizes fit 64 bits
  auto const bounded = [&](std::uint64_t a, std::uint64_t b) { return a * b <= most; };
  if (kind == mamba_version::second) {
    h.groups = read.size("ssm.group_count", 1);
    read.require(h.inner % h.rank == 0, errc::malformed, "ssm.inner_size ", h.inner,
                 " is no multiple of the number of heads, ssm.time_step_rank ", h.rank);
    read.require(h.rank % h.groups == 0, errc::malformed, "ssm.time_step_rank ", h.rank,
                 " is no multiple of ssm.group_count ", h.groups);
  } else {
    h.norms = read.flag("ssm.dt_b_c_rms", false);
  }
  read.require(bounded(h.inner, h.state) && bounded(h.groups, h.state) && bounded(h.inner, h.taps), errc::malformed,
               "ssm.inner_size ", h.inner, ": expected at most 2^31 elements in all states of ", h.state, " and ",
               h.taps, " taps");
  if (read.failed()) return read.first_error();
  auto ends = read_end_tokens(file);
  if (!ends) return ends.error();
  h.end_tokens = std::move(*ends);
  return h;
}

namespace detail {

/// Reads one layer.
template <Backend B> class mamba_layer_reader {
 public:
  constexpr mamba_layer_reader(weight_reader<B>& read, mamba_sizes const& h, std::size_t layer)
      : read_(read), h_(h), layer_(layer) {}

  constexpr mamba_layer<typename B::matrix> first() {
    mamba_layer<typename B::matrix> out;
    out.norm = read_.vector(named("attn_norm.weight").view(), h_.embedding);
    auto in = read_.parts_of(named("ssm_in").view(), std::array{h_.inner, h_.inner}, h_.embedding);
    out.channels = std::move(in[0]);
    out.gate = std::move(in[1]);
    read_convolution(h_.inner);
    out.convolution = convolution(0, h_.inner);
    auto x = read_.parts_of(named("ssm_x").view(), std::array{h_.rank, h_.state, h_.state}, h_.inner);
    out.low_steps = std::move(x[0]);
    out.inputs = std::move(x[1]);
    out.reads = std::move(x[2]);
    out.steps = read_.linear_of(named("ssm_dt").view(), h_.inner, h_.rank);
    auto const decays = read_.floats(named("ssm_a").view(), h_.inner, h_.state);
    out.decays = laid_out(decays, h_.state, [&](std::size_t c, std::size_t e) { return c * h_.state + e; });
    out.skips = read_.vector(named("ssm_d").view(), h_.inner);
    out.output = read_.linear_of(named("ssm_out").view(), h_.embedding, h_.inner);
    return out;
  }

  constexpr mamba_layer<typename B::matrix> second() {
    mamba_layer<typename B::matrix> out;
    std::size_t const vectors = h_.groups * h_.state, head_dim = h_.inner / h_.rank;
    out.norm = read_.vector(named("attn_norm.weight").view(), h_.embedding);
    auto in =
        read_.parts_of(named("ssm_in").view(), std::array{h_.inner, h_.inner, vectors, vectors, h_.rank}, h_.embedding);
    out.gate = std::move(in[0]);
    out.channels = std::move(in[1]);
    out.inputs = std::move(in[2]);
    out.reads = std::move(in[3]);
    out.steps = std::move(in[4]);
    read_convolution(h_.inner + 2 * vectors);
    out.convolution = convolution(0, h_.inner);
    out.input_convolution = convolution(h_.inner, vectors);
    out.read_convolution = convolution(h_.inner + vectors, vectors);
    add(out.steps.bias, read_.vector(named("ssm_dt.bias").view(), h_.rank));
    auto const decays = of_heads("ssm_a", h_.rank, 1);
    out.decays = laid_out(decays, 1, [&](std::size_t c, std::size_t) { return c / head_dim; });
    auto const skips = of_heads("ssm_d", h_.rank, 1);
    out.skips.assign(read_.failed() ? 0 : h_.inner, 0.0f);
    for (std::size_t c = 0; c < out.skips.size(); ++c) out.skips[c] = skips[c / head_dim];
    if (read_.has(named("ssm_norm.weight").view()))
      out.inner_norm = of_heads("ssm_norm.weight", h_.groups, h_.inner / h_.groups);
    out.output = read_.linear_of(named("ssm_out").view(), h_.embedding, h_.inner);
    return out;
  }

 private:
  using text = typename weight_reader<B>::text;
  constexpr text named(std::string_view part) const { return read_.joined("blk.", layer_, ".", part); }

  // one row for each head or group, or all in one row: files have both
  constexpr std::vector<float> of_heads(std::string_view part, std::size_t rows, std::size_t columns) {
    auto const name = named(part);
    bool const one_row = read_.columns(name.view()) == rows * columns;
    return one_row ? read_.vector(name.view(), rows * columns) : read_.floats(name.view(), rows, columns);
  }
  // the matrix of several parts may have a bias itself
  static constexpr void add(std::vector<float>& bias, std::vector<float> more) {
    for (std::size_t i = 0; i < bias.size() && i < more.size(); ++i) more[i] += bias[i];
    bias = std::move(more);
  }
  constexpr void read_convolution(std::size_t channels) {
    taps_ = read_.floats(named("ssm_conv1d.weight").view(), channels, h_.taps); // [channels, taps]
    if (auto const bias = named("ssm_conv1d.bias"); read_.has(bias.view())) bias_ = read_.vector(bias.view(), channels);
  }
  // of some of the channels
  constexpr convolution_weights convolution(std::size_t first, std::size_t channels) const {
    convolution_weights out;
    if (read_.failed()) return out;
    out.weights.assign(h_.taps * channels, 0.0f);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t k = 0; k < h_.taps; ++k) out.weights[k * channels + c] = taps_[(first + c) * h_.taps + k];
    if (!bias_.empty())
      out.bias.assign(bias_.begin() + static_cast<std::ptrdiff_t>(first),
                      bias_.begin() + static_cast<std::ptrdiff_t>(first + channels));
    return out;
  }
  // floats as a scan has them; from(channel, element) says where they come from
  template <class From>
  constexpr std::vector<float> laid_out(std::vector<float> const& floats, std::size_t elements, From from) const {
    if (read_.failed()) return {};
    scan_layout const layout{h_.inner, h_.groups, elements};
    std::vector<float> out(layout.floats(), 0.0f);
    for (std::size_t c = 0; c < h_.inner; ++c)
      for (std::size_t e = 0; e < elements; ++e) out[layout.at(c, e)] = floats[from(c, e)];
    return out;
  }

  weight_reader<B>& read_;
  mamba_sizes const& h_;
  std::size_t layer_;
  std::vector<float> taps_, bias_; // of the layer's convolution
};

} // namespace detail

/// Takes the weights of a model from a file. Errors name the tensor and what was expected of it.
template <Backend B>
constexpr result<mamba_weights<typename B::matrix>> read_mamba_weights(gguf::file const& file, mamba_version kind,
                                                                       mamba_sizes const& h, B const& backend) {
  detail::weight_reader<B> read(file, backend);
  mamba_weights<typename B::matrix> w;
  w.embeddings = read.matrix("token_embd.weight", 0, h.embedding);
  for (std::size_t i = 0; i < h.layers && !read.failed(); ++i) {
    detail::mamba_layer_reader<B> layer(read, h, i);
    w.layers.push_back(kind == mamba_version::first ? layer.first() : layer.second());
  }
  w.output_norm = read.vector("output_norm.weight", h.embedding);
  if (read.has("output.weight"))
    w.output = read.linear_of("output", w.embeddings.rows(), h.embedding);
  else
    w.output.weights = w.embeddings;
  if (!read.finish()) return read.first_error();
  if (h.norms) w.ones.assign(std::max(h.rank, h.state), 1.0f);
  return w;
}

} // namespace loquat
