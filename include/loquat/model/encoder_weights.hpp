#pragma once
/// \file
/// The weights of an encoder: matrices where they lie in the file, vectors as floats of their own. Every tensor's name,
/// type and shape is checked before it is used.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/encoder_architecture.hpp>
#include <loquat/model/encoder_sizes.hpp>
#include <loquat/model/weights.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// One feed-forward network of an encoder's layer, with the norms around it.
template <class Matrix> struct encoder_feed_forward {
  norm_weights before, after; ///< of its input; of the sum of input and output
  feed_forward_weights<Matrix> network;
};

/// One layer of an encoder. Norms that it does not have are empty; `width` is that of the layer.
template <class Matrix> struct encoder_layer {
  linear<Matrix> narrowed;         ///< [width, embedding]: the layer's input, where it is narrower than the embeddings
  norm_weights narrowed_norm;      ///< of it
  linear<Matrix> narrowed_keys;    ///< [width, embedding]: what queries and keys are made of there
  norm_weights narrowed_keys_norm; ///< of it
  norm_weights attention_before, attention_after, attention_again; ///< `again`: of the sum with the layer's input
  norm_weights q_norm, k_norm;                                     ///< [head_dim], or of all heads
  linear<Matrix> q, k, v;                                          ///< [heads · head_dim, width], …
  linear<Matrix> output;                                           ///< [width, heads · head_dim]
  std::vector<encoder_feed_forward<Matrix>> feed_forwards;
  linear<Matrix> widened;    ///< [embedding, width]: added to the layer's input where the layer is narrower
  norm_weights widened_norm; ///< of the sum
};

/// All of an encoder.
template <class Matrix> struct encoder_weights {
  Matrix tokens;             ///< [vocabulary, token_embedding]
  Matrix positions;          ///< [context, embedding], where positions are learned
  Matrix types;              ///< [types, embedding], or no rows
  norm_weights tokens_norm;  ///< of the sum of these, or empty
  linear<Matrix> projection; ///< [embedding, token_embedding], or of trigrams; or no rows
  std::vector<encoder_layer<Matrix>> layers;
  norm_weights output_norm;     ///< behind the last layer, or empty
  std::vector<float> distances; ///< [buckets, heads]: added to scores
  linear<Matrix> head, labels;  ///< of a classification head: [embedding, embedding], [labels, embedding]; or no rows
  norm_weights head_norm;       ///< between them, or empty
};

namespace detail {

/// Reads an encoder.
template <Backend B> class encoder_reader {
  using matrix = typename B::matrix;

 public:
  constexpr encoder_reader(gguf::file const& file, encoder_architecture const& a, encoder_sizes const& s,
                           B const& backend)
      : read_(file, backend), a_(a), s_(s) {}

  constexpr result<encoder_weights<matrix>> weights() {
    encoder_weights<matrix> w;
    embeddings(w);
    bool const part = read_.has("enc.blk.0.attn_q.weight"); // of a file with a decoder, or of which there could be one
    std::string_view const prefix = part ? "enc.blk." : "blk.";
    if (a_.positions == position_kind::relative) distances(w, prefix);
    for (std::size_t i = 0; i < s_.layer_groups && !read_.failed(); ++i) w.layers.push_back(layer(prefix, i));
    if (a_.norm_before) w.output_norm = norm(read_.has("enc.output_norm.weight") ? "enc.output_norm" : "output_norm");
    classifier(w);
    if (a_.causal || part) read_.ignore("output.weight"); // that of a decoder
    if (part) read_.ignore_all("dec.");
    if (!read_.finish()) return read_.first_error();
    return w;
  }

 private:
  using text = typename weight_reader<B>::text;

  constexpr norm_weights norm(std::string_view name, std::size_t n) { return read_.norm(name, a_.norm, n); }
  constexpr norm_weights norm(std::string_view name) { return norm(name, s_.embedding); }
  constexpr bool has(std::string_view name) const { return read_.has(read_.joined(name, ".weight").view()); }
  constexpr norm_weights norm_if_there(std::string_view name, std::size_t n) {
    return has(name) ? norm(name, n) : norm_weights{};
  }

  constexpr void embeddings(encoder_weights<matrix>& w) {
    std::size_t const n = s_.token_embedding, width = a_.trigrams ? s_.embedding : n; // where they are added
    w.tokens = read_.matrix("token_embd.weight", 0, n);
    if (a_.positions == position_kind::learned) w.positions = read_.matrix("position_embd.weight", s_.context, width);
    if (has("token_types")) w.types = read_.matrix("token_types.weight", 0, width);
    w.tokens_norm = norm_if_there("token_embd_norm", width);
    if (a_.trigrams || n != s_.embedding)
      w.projection = read_.linear_of("token_embd_proj", s_.embedding, a_.trigrams ? 3 * n : n);
  }

  constexpr encoder_layer<matrix> layer(std::string_view prefix, std::size_t i) {
    encoder_layer<matrix> out;
    auto const named = [&](auto const&... parts) { return read_.joined(prefix, i, ".", parts...); };
    std::size_t const queries = s_.heads * s_.head_dim, keys = s_.kv_heads * s_.head_dim, width = s_.width;
    bool const narrow = width != s_.embedding;
    if (narrow) {
      out.narrowed = read_.linear_of(named("bottleneck_in").view(), width, s_.embedding);
      out.narrowed_norm = norm(named("bottleneck_in_norm").view(), width);
      if (has(named("bottleneck_qk").view())) {
        out.narrowed_keys = read_.linear_of(named("bottleneck_qk").view(), width, s_.embedding);
        out.narrowed_keys_norm = norm(named("bottleneck_qk_norm").view(), width);
      }
    }
    if (a_.norm_before && (i != 0 || has(named("attn_norm").view()))) // ModernBERT's first layer has none
      out.attention_before = norm(named("attn_norm").view(), width);
    std::size_t const values_in = narrow ? s_.embedding : width;
    if (has(named("attn_qkv").view())) {
      auto parts = read_.parts_of(named("attn_qkv").view(), std::array{queries, keys, keys}, width);
      out.q = std::move(parts[0]);
      out.k = std::move(parts[1]);
      out.v = std::move(parts[2]);
    } else {
      out.q = read_.linear_of(named("attn_q").view(), queries, width);
      out.k = read_.linear_of(named("attn_k").view(), keys, width);
      out.v = read_.linear_of(named("attn_v").view(), keys, values_in);
    }
    bool const each = a_.qk_norm == query_key_norm::heads;
    out.q_norm = norm_if_there(named("attn_q_norm").view(), each ? s_.head_dim : queries);
    out.k_norm = norm_if_there(named("attn_k_norm").view(), each ? s_.head_dim : keys);
    auto const output = named("attn_output"), short_name = named("attn_o");
    out.output = read_.linear_of((has(short_name.view()) ? short_name : output).view(), width, queries);
    if (!a_.norm_before) {
      out.attention_after = norm(named("attn_output_norm").view(), width);
      out.attention_again = norm_if_there(named("attn_norm_2").view(), width);
    }
    for (std::size_t f = 0; f + 1 < s_.feed_forwards && !read_.failed(); ++f) {
      text const suffix = read_.joined("_", f);
      out.feed_forwards.push_back(feed_forward(named, suffix.view(), named("ffn_norm", suffix.view())));
    }
    out.feed_forwards.push_back(feed_forward(named, "", named(a_.norm_before ? "ffn_norm" : "layer_output_norm")));
    if (narrow) {
      out.widened = read_.linear_of(named("bottleneck_out").view(), s_.embedding, width);
      out.widened_norm = norm(named("bottleneck_out_norm").view(), s_.embedding);
    }
    return out;
  }

  constexpr encoder_feed_forward<matrix> feed_forward(auto const& named, std::string_view suffix,
                                                      text const& norm_name) {
    encoder_feed_forward<matrix> out;
    (a_.norm_before ? out.before : out.after) = norm(norm_name.view(), s_.width);
    auto const gate = named("ffn_gate", suffix), up = named("ffn_up", suffix), down = named("ffn_down", suffix);
    std::size_t const inner = s_.feed_forward;
    if (!has(gate.view()) && read_.rows(up.view()) == 2 * inner) {
      auto parts = read_.parts_of(up.view(), std::array{inner, inner}, s_.width);
      out.network.gate = std::move(parts[0]);
      out.network.up = std::move(parts[1]);
    } else {
      if (has(gate.view())) out.network.gate = read_.linear_of(gate.view(), inner, s_.width);
      out.network.up = read_.linear_of(up.view(), inner, s_.width);
    }
    out.network.down = read_.linear_of(down.view(), s_.width, inner);
    return out;
  }

  constexpr void distances(encoder_weights<matrix>& w, std::string_view prefix) {
    auto const name = read_.joined(prefix, "0.attn_rel_b.weight"); // of the first layer; all use it
    w.distances = read_.floats(name.view(), s_.buckets, s_.heads);
  }

  // a head is a matrix for the first token, a function, perhaps a norm, and a matrix for the labels; or only the last
  constexpr void classifier(encoder_weights<matrix>& w) {
    if (has("cls.output")) {
      w.labels = read_.linear_of("cls.output", s_.labels.size(), s_.embedding);
      if (has("cls")) w.head = read_.linear_of("cls", s_.embedding, s_.embedding);
      w.head_norm = norm_if_there("cls.norm", s_.embedding);
    } else if (has("cls")) {
      w.labels = read_.linear_of("cls", s_.labels.size(), s_.embedding);
    }
  }

  weight_reader<B> read_;
  encoder_architecture const& a_;
  encoder_sizes const& s_;
};

} // namespace detail

/// Takes the weights of an encoder from a file. Errors name the tensor and what was expected of it.
template <Backend B>
constexpr result<encoder_weights<typename B::matrix>>
read_encoder_weights(gguf::file const& file, encoder_architecture const& a, encoder_sizes const& s, B const& backend) {
  return detail::encoder_reader<B>(file, a, s, backend).weights();
}

} // namespace loquat
