#pragma once
/// \file
/// Small random recurrent models as GGUF files in memory, whose tensors a test can read by name.

#include "support/tiny_model.hpp"

#include <loquat/format/gguf_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Sizes of a model, and what it has; those of other architectures do not count.
struct recurrent_options {
  std::string architecture = "mamba";
  std::uint32_t layers = 2, embedding = 24, vocabulary = 40;
  std::uint32_t inner = 40, state = 5, rank = 3, taps = 4, groups = 1; ///< mamba; rank: heads of mamba2
  bool norms = false;                                                  ///< ssm.dt_b_c_rms
  bool flat = false;         ///< vectors of mamba2's heads are rows, not columns
  bool inner_norm = true;    ///< of mamba2
  std::uint32_t hidden = 28; ///< rnn, lstm, gru
  std::string activation = "";
  bool biases = true, own_output = true, projection = false;
  std::function<void(loquat::gguf::writer&)> more = {}; ///< keys and tensors to add
  std::string without = "";                             ///< a key or tensor to leave out
};

/// Its file.
class recurrent_file {
 public:
  explicit recurrent_file(recurrent_options const& options) : o(options) {
    out_.add("general.architecture", std::string_view(o.architecture));
    key("block_count", o.layers);
    key("embedding_length", o.embedding);
    key("context_length", std::uint32_t{64});
    out_.add("tokenizer.ggml.eos_token_id", std::uint32_t{39});
    matrix("token_embd.weight", o.vocabulary, o.embedding, 1);
    o.architecture.starts_with("mamba") ? mamba() : rnn();
    if (o.more) o.more(out_);
  }

  std::vector<std::byte> bytes() const { return out_.bytes().value(); } ///< of the file
  /// A tensor's floats; empty if there is none.
  std::vector<float> const& operator[](std::string const& name) const {
    static std::vector<float> const none;
    auto const found = tensors_.find(name);
    return found == tensors_.end() ? none : found->second;
  }
  std::vector<float> const& operator()(std::uint32_t layer, std::string const& name) const { ///< of a layer
    return (*this)["blk." + std::to_string(layer) + "." + name];
  }

  recurrent_options o; ///< what it was made from

 private:
  void mamba() {
    bool const second = o.architecture == "mamba2";
    key("attention.layer_norm_rms_epsilon", 1e-5f);
    key("ssm.conv_kernel", o.taps);
    key("ssm.inner_size", o.inner);
    key("ssm.state_size", o.state);
    key("ssm.time_step_rank", o.rank);
    if (second) key("ssm.group_count", o.groups);
    if (o.norms) key("ssm.dt_b_c_rms", true);
    std::uint32_t const vectors = second ? 2 * o.groups * o.state : 0, convolved = o.inner + vectors;
    for (std::uint32_t l = 0; l < o.layers; ++l) {
      auto const named = [&](std::string const& part) { return "blk." + std::to_string(l) + "." + part; };
      matrix(named("attn_norm.weight"), 1, o.embedding, 0.1f, 1);
      matrix(named("ssm_in.weight"), second ? o.inner + convolved + o.rank : 2 * o.inner, o.embedding, 0.5f);
      matrix(named("ssm_conv1d.weight"), convolved, o.taps, 0.8f);
      if (o.biases) matrix(named("ssm_conv1d.bias"), 1, convolved, 0.3f);
      if (second) {
        matrix(named("ssm_dt.bias"), 1, o.rank, 0.5f);
        matrix(named("ssm_a"), o.flat ? 1 : o.rank, o.flat ? o.rank : 1, 0.9f, -1);
        matrix(named("ssm_d"), o.flat ? 1 : o.rank, o.flat ? o.rank : 1, 1);
        std::uint32_t const norms = o.flat ? 1 : o.groups;
        if (o.inner_norm) matrix(named("ssm_norm.weight"), norms, o.inner / norms, 0.1f, 1);
      } else {
        matrix(named("ssm_x.weight"), o.rank + 2 * o.state, o.inner, 0.5f);
        matrix(named("ssm_dt.weight"), o.inner, o.rank, 0.5f);
        matrix(named("ssm_dt.bias"), 1, o.inner, 0.5f);
        matrix(named("ssm_a"), o.inner, o.state, 0.9f, -1);
        matrix(named("ssm_d"), 1, o.inner, 1);
      }
      matrix(named("ssm_out.weight"), o.embedding, o.inner, 0.5f);
    }
    matrix("output_norm.weight", 1, o.embedding, 0.1f, 1);
    if (o.own_output) matrix("output.weight", o.vocabulary, o.embedding, 1);
  }

  void rnn() {
    key("hidden_length", o.hidden);
    if (!o.activation.empty()) key("activation", std::string_view(o.activation));
    std::uint32_t const rows = (o.architecture == "lstm" ? 4 : o.architecture == "gru" ? 3 : 1) * o.hidden;
    for (std::uint32_t l = 0; l < o.layers; ++l) {
      auto const named = [&](std::string const& part) { return "blk." + std::to_string(l) + "." + part; };
      matrix(named("rnn_ih.weight"), rows, l == 0 ? o.embedding : o.hidden, 0.4f);
      matrix(named("rnn_hh.weight"), rows, o.hidden, 0.3f);
      if (!o.biases) continue;
      matrix(named("rnn_ih.bias"), 1, rows, 0.3f);
      matrix(named("rnn_hh.bias"), 1, rows, 0.3f);
    }
    if (o.projection) matrix("output_proj.weight", o.embedding, o.hidden, 0.5f);
    if (o.projection && o.biases) matrix("output_proj.bias", 1, o.embedding, 0.5f);
    if (o.own_output) matrix("output.weight", o.vocabulary, o.projection ? o.embedding : o.hidden, 1);
    if (o.own_output && o.biases) matrix("output.bias", 1, o.vocabulary, 0.5f);
  }

  void key(std::string const& suffix, auto value) {
    if (suffix != o.without) out_.add(o.architecture + "." + suffix, value);
  }
  void matrix(std::string const& name, std::uint32_t rows, std::uint32_t columns, float gain, float mean = 0) {
    auto weights = random_(std::size_t{rows} * columns);
    for (float& x : weights) x = x * gain + mean;
    if (name == o.without) return;
    auto const kept = tensors_.emplace(name, std::move(weights)).first; // the writer only refers to it
    out_.add(loquat::tensor_view{kept->first,
                                 loquat::tensor_type::f32,
                                 rows == 1 ? 1u : 2u,
                                 {columns, rows, 1, 1},
                                 std::as_bytes(std::span(kept->second))});
  }

  loquat::gguf::writer out_;
  random_floats random_;
  std::map<std::string, std::vector<float>> tensors_;
};

} // namespace test
