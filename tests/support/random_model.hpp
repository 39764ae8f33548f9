#pragma once
/// \file
/// A small random model of any architecture as a GGUF file in memory.

#include "support/tiny_model.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/model/architecture.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// What architectures leave open.
struct random_model_options {
  std::uint32_t layers = 7, experts = 0, shared = 0; ///< shared: feed-forward length of the expert of every token
  bool fused = false;                                ///< queries, keys and values are one matrix, gate and up another
  bool long_factors = false, absorbed = false;       ///< absorbed: latent attention in the newer form
  std::uint32_t experts_used = 2;
  bool embedding_norm = false;
  std::uint32_t window = 5;                                                        ///< of layers that have one
  std::function<void(loquat::gguf::writer&, std::string const& prefix)> more = {}; ///< keys to add
};

/// Its file.
class random_model {
 public:
  static constexpr std::uint32_t embedding = 32, heads = 4, kv_heads = 2, head_dim = 8, feed_forward = 48,
                                 vocabulary = 40, context = 64;

  explicit random_model(loquat::architecture const& a, random_model_options const& o = {}) : a_(a) {
    using namespace loquat;
    std::string const prefix(name(a));
    auto const key = [&](std::string const& suffix, auto value) { out_.add(prefix + "." + suffix, value); };
    out_.add("general.architecture", std::string_view(prefix));
    key("block_count", o.layers);
    key("context_length", context);
    key("embedding_length", embedding);
    key("feed_forward_length", feed_forward);
    key("attention.head_count", heads);
    key("rope.dimension_count", head_dim / 2);
    if (a.latent)
      latent_keys(key, o.absorbed);
    else
      key("attention.head_count_kv", kv_heads);
    if (a.window != window_layers::none) key("attention.sliding_window", o.window);
    if (a.soft_caps) key("attn_logit_softcapping", 3.0f);
    if (a.soft_caps) key("final_logit_softcapping", 2.0f);
    if (o.experts != 0) {
      key("expert_count", o.experts);
      key("expert_used_count", o.experts_used);
      key("expert_feed_forward_length", std::uint32_t{16});
      if (o.shared != 0) key("expert_shared_feed_forward_length", o.shared);
    }
    if (o.more) o.more(out_, prefix);

    matrix("token_embd", vocabulary, embedding);
    if (o.embedding_norm) norm("token_embd_norm", embedding);
    if (a.learned_positions) matrix("position_embd", context, embedding, false);
    if (o.long_factors)
      for (auto const* part : {"rope_factors_short", "rope_factors_long"})
        tensor(std::string(part) + ".weight", {head_dim / 4, 1, 1, 1}, 0.2f, part[13] == 'l' ? 4 : 1);
    for (std::uint32_t l = 0; l < o.layers; ++l) {
      auto const named = [&](std::string const& part) { return "blk." + std::to_string(l) + "." + part; };
      std::uint32_t const queries = heads * head_dim, keys = kv_heads * head_dim;
      bool const parallel = a.block == block_form::parallel, own = a.block != block_form::by_norms || !o.fused;
      if (a.norm_before) norm(named("attn_norm"), embedding);
      if (a.norm_before && own && (!parallel || l % 2 == 0))
        norm(named("ffn_norm"), embedding); // in some layers one for both
      if (a.norm_after) norm(named("post_attention_norm"), embedding), norm(named("post_ffw_norm"), embedding);
      if (a.inner_norms) norm(named("attn_sub_norm"), queries), norm(named("ffn_sub_norm"), feed_forward);
      if (a.qk_norm == query_key_norm::own) {
        tensor(named("attn_q_norm.weight"), {head_dim, heads, 1, 1}, 0.3f, 1);
        tensor(named("attn_k_norm.weight"), {head_dim, kv_heads, 1, 1}, 0.3f, 1);
      } else if (a.qk_norm != query_key_norm::none) {
        bool const each = a.qk_norm == query_key_norm::heads;
        norm(named("attn_q_norm"), each ? head_dim : queries);
        norm(named("attn_k_norm"), each ? head_dim : keys);
      }
      if (a.latent) {
        latent(named, o.absorbed);
      } else if (o.fused) {
        matrix(named("attn_qkv"), queries + 2 * keys, embedding);
      } else {
        matrix(named("attn_q"), queries, embedding);
        matrix(named("attn_k"), keys, embedding);
        matrix(named("attn_v"), keys, embedding);
      }
      if (a.sinks) tensor(named("attn_sinks.weight"), {heads, 1, 1, 1}, 3.0f, 0);
      matrix(named("attn_output"), embedding, a.latent ? heads * 10 : queries);
      if (o.experts != 0) {
        matrix(named("ffn_gate_inp"), o.experts, embedding, false);
        if (a.latent) tensor(named("exp_probs_b.bias"), {o.experts, 1, 1, 1}, 0.3f, 0);
        if (a.sinks) {
          tensor(named("ffn_gate_inp.bias"), {o.experts, 1, 1, 1}, 0.3f, 0);
          tensor(named("ffn_gate_exps.bias"), {16, o.experts, 1, 1}, 2.0f, 0);
          tensor(named("ffn_up_exps.bias"), {16, o.experts, 1, 1}, 5.0f, 0);
          tensor(named("ffn_down_exps.bias"), {embedding, o.experts, 1, 1}, 0.3f, 0);
        }
        for (auto const* part : {"ffn_gate_exps", "ffn_up_exps"})
          tensor(named(part) + ".weight", {embedding, 16, o.experts, 1}, 0.5f, 0);
        tensor(named("ffn_down_exps") + ".weight", {16, embedding, o.experts, 1}, 0.5f, 0);
        if (o.shared != 0) {
          matrix(named("ffn_gate_inp_shexp"), 1, embedding, false);
          feed(named, "_shexp", o.shared, false);
        }
      } else {
        feed(named, "", feed_forward, o.fused);
      }
    }
    norm("output_norm", embedding);
  }

  std::vector<std::byte> bytes() const { return out_.bytes().value(); } ///< of the file

 private:
  static constexpr std::uint32_t latent_rank = 24, latent_key = 12,
                                 latent_value = 10; // of latent attention; four elements rotate
  template <class Key> void latent_keys(Key key_of, bool absorbed) {
    key_of("attention.q_lora_rank", std::uint32_t{20});
    key_of("attention.kv_lora_rank", latent_rank);
    if (absorbed) key_of("attention.key_length_mla", latent_key), key_of("attention.value_length_mla", latent_value);
    key_of("attention.key_length", absorbed ? latent_rank + 4 : latent_key);
    key_of("attention.value_length", absorbed ? latent_rank : latent_value);
  }
  template <class Named> void latent(Named named, bool absorbed) {
    matrix(named("attn_q_a"), 20, embedding);
    norm(named("attn_q_a_norm"), 20);
    matrix(named("attn_q_b"), heads * latent_key, 20);
    matrix(named("attn_kv_a_mqa"), latent_rank + 4, embedding);
    norm(named("attn_kv_a_norm"), latent_rank);
    std::uint32_t const still = latent_key - 4;
    if (!absorbed) return matrix(named("attn_kv_b"), heads * (still + latent_value), latent_rank);
    tensor(named("attn_k_b.weight"), {still, latent_rank, heads, 1}, 0.5f, 0);
    tensor(named("attn_v_b.weight"), {latent_rank, latent_value, heads, 1}, 0.5f, 0);
  }
  template <class Named> void feed(Named named, std::string const& suffix, std::uint32_t inner, bool fused) {
    if (a_.gated && !fused) matrix(named("ffn_gate" + suffix), inner, embedding);
    matrix(named("ffn_up" + suffix), a_.gated && fused ? 2 * inner : inner, embedding);
    matrix(named("ffn_down" + suffix), embedding, inner);
  }
  void tensor(std::string name, loquat::tensor_shape shape, float gain, float mean) {
    auto weights = random_(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
    for (float& x : weights) x = x * gain + mean;
    auto const& kept_name = names_.emplace_back(std::move(name));
    auto const& kept = weights_.emplace_back(std::move(weights));
    std::uint32_t const rank = shape[2] != 1 ? 3 : shape[1] != 1 ? 2 : 1;
    out_.add(loquat::tensor_view{kept_name, loquat::tensor_type::f32, rank, shape, std::as_bytes(std::span(kept))});
  }
  void matrix(std::string const& name, std::uint32_t rows, std::uint32_t columns, bool bias = true) {
    tensor(name + ".weight", {columns, rows, 1, 1}, 0.5f, 0);
    bool const has_biases = a_.norm == loquat::normalisation::layer || a_.sinks;
    if (bias && has_biases && name != "token_embd") tensor(name + ".bias", {rows, 1, 1, 1}, 0.1f, 0);
  }
  void norm(std::string const& name, std::uint32_t n) {
    tensor(name + ".weight", {n, 1, 1, 1}, 0.1f, 1);
    if (a_.norm == loquat::normalisation::layer) tensor(name + ".bias", {n, 1, 1, 1}, 0.1f, 0);
  }

  loquat::architecture a_;
  loquat::gguf::writer out_;
  random_floats random_;
  std::deque<std::string> names_; // the writer only refers to them
  std::deque<std::vector<float>> weights_;
};

} // namespace test
