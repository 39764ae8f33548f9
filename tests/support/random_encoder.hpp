#pragma once
/// \file
/// Small random encoders as GGUF files in memory, whose weights stay readable by name for independent computations.

#include "support/tiny_model.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/model/encoder_architecture.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Sizes of a random encoder, and what it has.
struct random_encoder_options {
  std::uint32_t layers = 3, embedding = 32, heads = 4, kv_heads = 4, head_dim = 8, feed_forward = 48, vocabulary = 40,
                context = 64, token_embedding = 32, width = 32, groups = 0, feed_forwards = 1, window = 0, buckets = 0,
                labels = 0;
  bool gate = false;                ///< a gated feed-forward network,
  bool fused = false;               ///< its matrices one; queries, keys and values too
  bool qk_norm = false;             ///< norms of queries and keys
  bool norm_again = false;          ///< jina-bert-v2's third norm
  bool decoder = false;             ///< also tensors of a decoder
  std::string_view without = "";    ///< tensor or key to leave out
  std::string_view transposed = ""; ///< matrix whose shape is turned round
  std::string_view extra = "";      ///< tensor to add
};

/// The file of a random encoder.
class random_encoder {
 public:
  explicit random_encoder(loquat::encoder_architecture const& a, random_encoder_options const& options)
      : o(options), a_(a) {
    using namespace loquat;
    std::string const prefix(name(a));
    auto const key = [&](std::string const& suffix, auto value) {
      if (suffix != o.without) out_.add(prefix + "." + suffix, value);
    };
    out_.add("general.architecture", std::string_view(prefix));
    key("block_count", o.layers);
    key("context_length", o.context);
    key("embedding_length", o.embedding);
    key("feed_forward_length", o.feed_forward);
    key("attention.head_count", o.heads);
    key("attention.head_count_kv", o.kv_heads);
    key("attention.key_length", o.head_dim);
    key("attention.value_length", o.head_dim);
    if (o.width != o.embedding) key("bottleneck_length", o.width);
    if (o.groups != 0) key("layer_group_count", o.groups);
    if (o.feed_forwards != 1) key("feed_forward_count", o.feed_forwards);
    if (o.window != 0) key("attention.sliding_window", o.window), key("rope.freq_base", 160000.0f);
    if (o.buckets != 0) key("attention.relative_buckets_count", o.buckets);
    if (o.labels != 0) {
      std::vector<std::string_view> const names(o.labels, "label");
      out_.add(prefix + ".classifier.output_labels", std::span<std::string_view const>(names));
    }

    std::uint32_t const places = a.trigrams ? o.embedding : o.token_embedding;
    matrix("token_embd", o.vocabulary, o.token_embedding, false);
    if (a.positions == position_kind::learned) matrix("position_embd", o.context, places, false);
    bool const t5 = a.positions == position_kind::relative;
    if (!t5 && !a.causal) matrix("token_types", 2, places, false), norm("token_embd_norm", places);
    if (a.trigrams || o.token_embedding != o.embedding)
      matrix("token_embd_proj", o.embedding, a.trigrams ? 3 * o.token_embedding : o.token_embedding);
    for (std::uint32_t l = 0; l < (o.groups != 0 ? o.groups : o.layers); ++l) layer(l);
    if (a.norm_before) norm(t5 ? "enc.output_norm" : "output_norm", o.embedding);
    if (o.decoder || a.causal) matrix("output", o.vocabulary, o.embedding, false);
    if (o.decoder) matrix("dec.blk.0.attn_q", 8, 8, false), norm("dec.output_norm", o.embedding);
    if (o.labels != 0) matrix("cls", o.embedding, o.embedding), matrix("cls.output", o.labels, o.embedding);
    if (!o.extra.empty()) tensor(std::string(o.extra), 4, 4, 1, 0);
  }

  std::vector<std::byte> bytes() const { return out_.bytes().value(); } ///< of the file
  /// The weights of a tensor, row by row; none if it has no such tensor.
  std::vector<float> const& operator[](std::string const& name) const {
    static std::vector<float> const none;
    auto const found = weights_.find(name);
    return found == weights_.end() ? none : found->second;
  }

  random_encoder_options o; ///< what it measures

 private:
  void layer(std::uint32_t l) {
    using namespace loquat;
    bool const t5 = a_.positions == position_kind::relative, narrow = o.width != o.embedding;
    auto const named = [&](std::string const& part) {
      return (t5 ? "enc.blk." : "blk.") + std::to_string(l) + "." + part;
    };
    std::uint32_t const queries = o.heads * o.head_dim, keys = o.kv_heads * o.head_dim;
    if (narrow) {
      matrix(named("bottleneck_in"), o.width, o.embedding), norm(named("bottleneck_in_norm"), o.width);
      matrix(named("bottleneck_qk"), o.width, o.embedding), norm(named("bottleneck_qk_norm"), o.width);
      matrix(named("bottleneck_out"), o.embedding, o.width), norm(named("bottleneck_out_norm"), o.embedding);
    }
    if (a_.norm_before && !(l == 0 && a_.global_every != 0)) norm(named("attn_norm"), o.width);
    if (!a_.norm_before) norm(named("attn_output_norm"), o.width);
    if (o.norm_again) norm(named("attn_norm_2"), o.width);
    if (o.qk_norm) {
      bool const each = a_.qk_norm == query_key_norm::heads;
      norm(named("attn_q_norm"), each ? o.head_dim : queries), norm(named("attn_k_norm"), each ? o.head_dim : keys);
    }
    if (o.fused) {
      matrix(named("attn_qkv"), queries + 2 * keys, o.width);
    } else {
      matrix(named("attn_q"), queries, o.width);
      matrix(named("attn_k"), keys, o.width);
      matrix(named("attn_v"), keys, narrow ? o.embedding : o.width);
    }
    matrix(named(t5 ? "attn_o" : "attn_output"), o.width, queries);
    if (t5 && l == 0) tensor("enc.blk.0.attn_rel_b.weight", o.buckets, o.heads, 1, 0);
    for (std::uint32_t f = 0; f < o.feed_forwards; ++f) {
      bool const last = f + 1 == o.feed_forwards;
      std::string const suffix = last ? "" : "_" + std::to_string(f);
      if (o.gate && !o.fused) matrix(named("ffn_gate" + suffix), o.feed_forward, o.width);
      matrix(named("ffn_up" + suffix), (o.gate && o.fused ? 2 : 1) * o.feed_forward, o.width);
      matrix(named("ffn_down" + suffix), o.width, o.feed_forward);
      norm(named(!last ? "ffn_norm" + suffix : a_.norm_before ? "ffn_norm" : "layer_output_norm"), o.width);
    }
  }

  void tensor(std::string const& name, std::uint64_t rows, std::uint64_t columns, float gain, float mean) {
    if (name == o.without) return;
    auto const [at, is_new] = weights_.emplace(name, random_(static_cast<std::size_t>(rows * columns)));
    for (float& x : at->second) x = x * gain + mean;
    loquat::tensor_view view{at->first,
                             loquat::tensor_type::f32,
                             rows == 1 ? 1u : 2u,
                             {columns, rows, 1, 1},
                             std::as_bytes(std::span(at->second))};
    if (name == o.transposed) view.shape = {rows, columns, 1, 1};
    out_.add(view);
  }
  void matrix(std::string const& name, std::uint32_t rows, std::uint32_t columns, bool bias = true) {
    tensor(name + ".weight", rows, columns, 0.5f, 0);
    if (bias && a_.norm == loquat::normalisation::layer) tensor(name + ".bias", 1, rows, 0.3f, 0);
  }
  void norm(std::string const& name, std::uint32_t n) {
    tensor(name + ".weight", 1, n, 0.3f, 1);
    if (a_.norm == loquat::normalisation::layer) tensor(name + ".bias", 1, n, 0.3f, 0);
  }

  loquat::encoder_architecture a_;
  loquat::gguf::writer out_;
  random_floats random_;
  std::map<std::string, std::vector<float>> weights_; // the writer refers to their names and numbers
};

} // namespace test
