#pragma once
/// \file
/// Keys of single families that no table says: sizes that follow from others, and what would make it another model.

#include <loquat/convert/config.hpp>
#include <loquat/convert/family.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// What conversion of tensors must know of a model.
struct shape {
  std::uint64_t heads = 1, kv_heads = 1, head_dim = 1, rope_dims = 0;
  std::uint64_t latent_key = 0, latent_value = 0; ///< rows of a head's key and value that are made of a latent vector
  std::uint64_t first_position = 0;               ///< row of the position's matrix
  std::uint64_t groups = 0;                       ///< of Mamba-2's heads
};

/// \cond
namespace detail {

/// Whether the models of a family make vectors of texts.
constexpr bool is_encoder(family const& f) noexcept {
  return f.architecture.find("bert") != std::string_view::npos || f.architecture.starts_with("t5");
}

/// Whether a model has a classification head.
inline bool classifies(config const& c) noexcept {
  return c.root()["architectures"][std::size_t{0}].as_string().value_or("").ends_with("ForSequenceClassification");
}

/// The tensors of Mamba-2 that have a number for each head.
constexpr bool is_one_for_each_head(std::string_view name) noexcept {
  return name.ends_with(".ssm_a") || name.ends_with(".ssm_d");
}

/// Finds the keys; `put(suffix, value)` writes one that is not there yet.
template <class Put> class family_key_writer {
 public:
  family_key_writer(family const& f, config& in, shape& s, Put put) : f_(f), in_(in), s_(s), put_(put) {}

  void write() {
    auto const is = [&](std::string_view architecture) { return f_.architecture == architecture; };
    if (is("deepseek2")) latent();
    if (is("gpt-oss")) gpt_oss();
    if (is("mamba2")) mamba2();
    if (is("mobilebert")) narrow();
    if (is("modern-bert")) windows();
    if (is("neo-bert")) neo_bert();
    if (is("albert")) demand_size("inner_group_num", 1);
    if (is("jina-bert-v2")) demand("feed_forward_type", "geglu"), demand("position_embedding_type", "alibi");
    if (is("bert")) demand("position_embedding_type", "absolute");
    if (is("mamba") && f_.model_type == "falcon_mamba") put_("ssm.dt_b_c_rms", true);
    if (is("nomic-bert")) {
      for (auto const* flag : {"prenorm", "rotary_emb_interleaved"}) demand_flag(flag, false);
      if (in_.has("num_experts")) unsupported("num_experts", "models with it are not supported");
    }
    if (f_.model_type == "roberta" || f_.model_type == "xlm-roberta") { // positions begin behind that of padding
      auto const padding = in_.find("pad_token_id").as_int64().value_or(1);
      s_.first_position = padding >= 0 && padding < 1 << 20 ? static_cast<std::uint64_t>(padding) + 1 : 0;
      auto const all = in_.size("max_position_embeddings");
      if (s_.first_position == 0 || all <= s_.first_position)
        return in_.wrong("max_position_embeddings", "expected more than pad_token_id");
      put("context_length", all - s_.first_position);
    }
    if (f_.architecture.starts_with("t5")) {
      auto const kind = in_.word("feed_forward_proj");
      if (!kind.empty() && kind != "relu" && kind != "gated-gelu")
        unsupported("feed_forward_proj", "expected relu or gated-gelu");
      demand_size("relative_attention_max_distance", 128);
    }
    if (is_encoder(f_) && classifies(in_)) labels();
  }

 private:
  void put(std::string_view suffix, std::uint64_t value) { put_(suffix, static_cast<std::uint32_t>(value)); }
  void unsupported(std::string_view name, std::string_view message) { in_.wrong(name, message, errc::unsupported); }
  void demand(std::string_view name, std::string_view value) {
    if (auto const found = in_.word(name); !found.empty() && found != value)
      unsupported(name, "expected " + std::string(value) + ", found " + std::string(found));
  }
  void demand_flag(std::string_view name, bool value) {
    if (in_.flag(name, value) != value) unsupported(name, value ? "expected true" : "expected false");
  }
  void demand_size(std::string_view name, std::uint64_t value) {
    if (in_.size(name, value) != value) unsupported(name, "expected " + std::to_string(value));
  }

  /// Keys and values of all heads are made of one vector: then they have one head of their own.
  void latent() {
    auto const turned = in_.size("qk_rope_head_dim"), rank = in_.size("kv_lora_rank");
    s_.latent_key = in_.size("qk_nope_head_dim");
    s_.latent_value = in_.size("v_head_dim");
    s_.kv_heads = 1;
    s_.head_dim = turned; // of which all rotates
    put("attention.key_length", rank + turned);
    put("attention.value_length", rank);
    put("attention.key_length_mla", s_.latent_key + turned);
    put("attention.value_length_mla", s_.latent_value);
    demand_size("moe_layer_freq", 1);
    if (!in_.has("n_routed_experts")) return;
    auto const scores = in_.word("scoring_func");
    if (!scores.empty() && scores != "softmax" && scores != "sigmoid")
      unsupported("scoring_func", "expected softmax or sigmoid");
    put("expert_gating_func", scores == "sigmoid" ? 2 : 1);
    auto const method = in_.word("topk_method");
    auto const groups = in_.size("n_group", 1), used = in_.size("topk_group", groups);
    if (method == "noaux_tc" && groups > 1) {
      put("expert_group_count", groups);
      put("expert_group_used_count", used);
    } else if (!method.empty() && method != "noaux_tc" && method != "greedy" && used < groups) {
      unsupported("topk_method", "expected greedy or noaux_tc, found " + std::string(method));
    }
  }

  void gpt_oss() {
    put("expert_feed_forward_length", in_.size("intermediate_size"));
    if (in_.number("swiglu_limit", 7) != 7) unsupported("swiglu_limit", "expected 7");
    std::size_t i = 0;
    for (auto const kind : in_.find("layer_types").elements())
      if (kind.as_string().value_or("") != (i++ % 2 == 0 ? "sliding_attention" : "full_attention"))
        return unsupported("layer_types", "expected sliding_attention and full_attention by turns");
  }

  void mamba2() {
    auto const embedding = in_.size("hidden_size d_model");
    auto const expanded = in_.number("expand", 2) * static_cast<double>(embedding);
    if (!(expanded >= 1 && expanded < 0x1p31)) return in_.wrong("expand", "expected a positive number");
    auto const inner = in_.size("intermediate_size d_inner", static_cast<std::uint64_t>(expanded));
    auto const wide = in_.size("head_dim headdim", 64);
    auto const heads = in_.size("num_heads", inner < wide ? 1 : inner / wide);
    if (heads * wide != inner)
      in_.wrong("num_heads", "expected as many heads of head_dim as fill expand · hidden_size");
    s_.groups = in_.size("n_groups ngroups", 1);
    put("ssm.inner_size", inner);
    put("ssm.time_step_rank", heads);
    put("ssm.group_count", s_.groups);
    demand_flag("norm_before_gate", false);
    auto const limits = in_.find("time_step_limit");
    if (limits && !(limits[std::size_t{0}].as_double().value_or(0) <= 0 &&
                    limits[std::size_t{1}].as_double().value_or(1e30) > 1e29))
      unsupported("time_step_limit", "expected 0 and infinity");
  }

  void narrow() {
    auto const width = in_.size("true_hidden_size intra_bottleneck_size");
    put("bottleneck_length", width);
    if (width % s_.heads != 0) return in_.wrong("intra_bottleneck_size", "expected a multiple of the attention heads");
    s_.head_dim = width / s_.heads;
    put("attention.key_length", s_.head_dim);
    put("attention.value_length", s_.head_dim);
    for (auto const* flag : {"use_bottleneck", "key_query_shared_bottleneck", "trigram_input"}) demand_flag(flag, true);
    demand_flag("use_bottleneck_attention", false);
    demand("normalization_type", "no_norm");
  }

  void windows() { // newer transformers say it otherwise
    for (auto const& [kind, key] :
         {std::pair{"full_attention", "rope.freq_base"}, std::pair{"sliding_attention", "rope.freq_base_swa"}})
      if (auto const base = in_.find("rope_parameters")[kind]["rope_theta"])
        put_(key, static_cast<float>(in_.number_of("rope_parameters", base, 10000)));
  }

  void neo_bert() {
    auto const inner = 2 * in_.size("intermediate_size") / 3;
    put("feed_forward_length", (inner + 7) / 8 * 8);
    put("context_length", in_.size("max_length", 4096));
  }

  /// The names of a classification head's outputs.
  void labels() {
    put("pooling_type", 4); // rank
    auto const names = in_.find("id2label");
    auto const count = names ? names.size() : std::size_t{2};
    if (count > 4096) return unsupported("id2label", "expected at most 4096 labels");
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
      auto const number = std::to_string(i);
      auto const text = names[number].as_string();
      all.push_back(text ? std::string(*text) : "LABEL_" + number);
    }
    std::vector<std::string_view> const views(all.begin(), all.end());
    put_("classifier.output_labels", std::span<std::string_view const>(views));
  }

  family const& f_;
  config& in_;
  shape& s_;
  Put put_;
};

template <class Put> void family_keys(family const& f, config& in, shape& s, Put put) {
  family_key_writer<Put>(f, in, s, put).write();
}

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
