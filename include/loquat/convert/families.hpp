#pragma once
/// \file
/// The families of models that can be converted, one constant each: names, tables of tensors and keys, and what a
/// `config.json` may leave out. Everything that converts, in either direction, reads these tables. The arrangements of
/// GGUF are those of llama.cpp's converters (github.com/ggml-org/llama.cpp, `conversion/`).

#include <loquat/convert/encoder_families.hpp>
#include <loquat/convert/expert_families.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/recurrent_families.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <tuple>

namespace loquat::hugging_face {

/// \cond
namespace detail {

using enum change;
using enum key_kind;

inline constexpr tensor_rule llama_tensors[]{
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", query_pairs},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", key_pairs},
};
inline constexpr tensor_rule mixtral_tensors[]{
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", query_pairs},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", key_pairs},
    {"blk.#.ffn_gate_inp", "model.layers.#.block_sparse_moe.gate"},
    {"blk.#.ffn_gate_exps", "model.layers.#.block_sparse_moe.experts.@.w1"},
    {"blk.#.ffn_down_exps", "model.layers.#.block_sparse_moe.experts.@.w2"},
    {"blk.#.ffn_up_exps", "model.layers.#.block_sparse_moe.experts.@.w3"},
};
inline constexpr tensor_rule qwen_moe_tensors[]{
    {"blk.#.ffn_gate_inp", "model.layers.#.mlp.gate"},
    {"blk.#.ffn_gate_exps", "model.layers.#.mlp.experts.@.gate_proj"},
    {"blk.#.ffn_up_exps", "model.layers.#.mlp.experts.@.up_proj"},
    {"blk.#.ffn_down_exps", "model.layers.#.mlp.experts.@.down_proj"},
    {"blk.#.ffn_gate_inp_shexp", "model.layers.#.mlp.shared_expert_gate"},
    {"blk.#.ffn_gate_shexp", "model.layers.#.mlp.shared_expert.gate_proj"},
    {"blk.#.ffn_up_shexp", "model.layers.#.mlp.shared_expert.up_proj"},
    {"blk.#.ffn_down_shexp", "model.layers.#.mlp.shared_expert.down_proj"},
};
inline constexpr tensor_rule gemma_tensors[]{
    {"output_norm", "model.norm", add_one},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm", add_one},
    {"blk.#.ffn_norm", "model.layers.#.post_attention_layernorm", add_one},
};
inline constexpr tensor_rule gemma2_tensors[]{
    {"output_norm", "model.norm", add_one},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm", add_one},
    {"blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm", add_one},
    {"blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm", add_one},
    {"blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm", add_one},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm", add_one},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm", add_one},
};
inline constexpr tensor_rule phi2_tensors[]{
    {"output_norm", "model.final_layernorm"},
    {"blk.#.attn_output", "model.layers.#.self_attn.dense"},
    {"blk.#.ffn_up", "model.layers.#.mlp.fc1"},
    {"blk.#.ffn_down", "model.layers.#.mlp.fc2"},
};
inline constexpr tensor_rule phi3_tensors[]{
    {"blk.#.attn_qkv", "model.layers.#.self_attn.qkv_proj"},
    {"blk.#.ffn_up", "model.layers.#.mlp.gate_up_proj"},
};
inline constexpr tensor_rule gpt2_tensors[]{
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"blk.#.attn_norm", "transformer.h.#.ln_1"},
    {"blk.#.attn_qkv", "transformer.h.#.attn.c_attn", transpose},
    {"blk.#.attn_output", "transformer.h.#.attn.c_proj", transpose},
    {"blk.#.ffn_norm", "transformer.h.#.ln_2"},
    {"blk.#.ffn_up", "transformer.h.#.mlp.c_fc", transpose},
    {"blk.#.ffn_down", "transformer.h.#.mlp.c_proj", transpose},
};
inline constexpr tensor_rule gptneox_tensors[]{
    {"token_embd", "gpt_neox.embed_in"},
    {"output_norm", "gpt_neox.final_layer_norm"},
    {"output", "embed_out"},
    {"blk.#.attn_norm", "gpt_neox.layers.#.input_layernorm"},
    {"blk.#.attn_qkv", "gpt_neox.layers.#.attention.query_key_value", fused_heads},
    {"blk.#.attn_output", "gpt_neox.layers.#.attention.dense"},
    {"blk.#.ffn_norm", "gpt_neox.layers.#.post_attention_layernorm"},
    {"blk.#.ffn_up", "gpt_neox.layers.#.mlp.dense_h_to_4h"},
    {"blk.#.ffn_down", "gpt_neox.layers.#.mlp.dense_4h_to_h"},
};
inline constexpr tensor_rule falcon_tensors[]{
    {"token_embd", "transformer.word_embeddings"},
    {"output_norm", "transformer.ln_f"},
    {"blk.#.attn_norm", "transformer.h.#.input_layernorm"},
    {"blk.#.attn_norm", "transformer.h.#.ln_mlp"},
    {"blk.#.attn_norm_2", "transformer.h.#.ln_attn"},
    {"blk.#.attn_qkv", "transformer.h.#.self_attention.query_key_value", fused_heads},
    {"blk.#.attn_output", "transformer.h.#.self_attention.dense"},
    {"blk.#.ffn_up", "transformer.h.#.mlp.dense_h_to_4h"},
    {"blk.#.ffn_down", "transformer.h.#.mlp.dense_4h_to_h"},
};
inline constexpr tensor_rule starcoder2_tensors[]{
    {"blk.#.ffn_up", "model.layers.#.mlp.c_fc"},
    {"blk.#.ffn_down", "model.layers.#.mlp.c_proj"},
};
inline constexpr tensor_rule olmo2_tensors[]{
    {"blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"},
    {"blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm"},
};
inline constexpr tensor_rule bitnet_tensors[]{
    {"blk.#.attn_sub_norm", "model.layers.#.self_attn.inner_attn_ln"},
    {"blk.#.ffn_sub_norm", "model.layers.#.mlp.ffn_layernorm"},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", ternary},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", ternary},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj", ternary},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj", ternary},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj", ternary},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj", ternary},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj", ternary},
};

inline constexpr tensor_rule bitnet_b158_tensors[]{
    {"blk.#.attn_sub_norm", "model.layers.#.self_attn.attn_sub_norm"},
    {"blk.#.ffn_sub_norm", "model.layers.#.mlp.ffn_sub_norm"},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", ternary},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", ternary},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj", ternary},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj", ternary},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj", ternary},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj", ternary},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj", ternary},
};

inline constexpr key_rule granite_keys[]{
    {"attention.scale", "attention_multiplier", number},
    {"embedding_scale", "embedding_multiplier", number},
    {"residual_scale", "residual_multiplier", number},
    {"logit_scale", "logits_scaling", number},
};
inline constexpr key_rule qwen_moe_keys[]{
    {"expert_count", "num_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
};
inline constexpr key_rule gemma2_keys[]{
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping", number},
    {"final_logit_softcapping", "final_logit_softcapping", number},
};
inline constexpr key_rule window_keys[]{{"attention.sliding_window", "sliding_window"}};
inline constexpr key_rule gpt2_keys[]{
    {"context_length", "n_positions n_ctx"}, {"embedding_length", "n_embd"},     {"block_count", "n_layer"},
    {"feed_forward_length", "n_inner"},      {"attention.head_count", "n_head"}, {layer, "layer_norm_epsilon", number},
};
inline constexpr key_rule parallel_keys[]{{"use_parallel_residual", "use_parallel_residual", flag}};
inline constexpr key_rule falcon_keys[]{
    {"attention.head_count_kv", "num_kv_heads n_head_kv"},
    {"feed_forward_length", "ffn_hidden_size"},
    {layer, "layer_norm_epsilon", number},
};
inline constexpr key_rule starcoder2_keys[]{{layer, "norm_epsilon", number}};
inline constexpr key_rule command_r_keys[]{{"logit_scale", "logit_scale", number}};

/// Decoders.
inline constexpr family decoder_families[]{
    {"llama", "llama", "LlamaForCausalLM", "model.", "silu", detail::rms, detail::llama_tensors, {}},
    {"llama",
     "mistral",
     "MistralForCausalLM",
     "model.",
     "silu",
     detail::rms,
     detail::llama_tensors,
     {},
     R"({"num_key_value_heads":8})"},
    {"llama",
     "mixtral",
     "MixtralForCausalLM",
     "model.",
     "silu",
     detail::rms,
     detail::mixtral_tensors,
     {},
     R"({"num_key_value_heads":8,"num_local_experts":8,"num_experts_per_tok":2,"rope_theta":1e6,"rms_norm_eps":1e-5})"},
    {"granite", "granite", "GraniteForCausalLM", "model.", "silu", detail::rms, detail::llama_tensors,
     detail::granite_keys},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", "model.", "silu", detail::rms, {}, {}},
    {"qwen2moe", "qwen2_moe", "Qwen2MoeForCausalLM", "model.", "silu", detail::rms, detail::qwen_moe_tensors,
     detail::qwen_moe_keys, R"({"num_experts_per_tok":4,"norm_topk_prob":false})"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", "model.", "silu", detail::rms, {}, {}, R"({"head_dim":128})"},
    {"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM", "model.", "silu", detail::rms, detail::qwen_moe_tensors,
     detail::qwen_moe_keys, R"({"num_experts_per_tok":8,"norm_topk_prob":false})"},
    {"gemma",
     "gemma",
     "GemmaForCausalLM",
     "model.",
     "gelu",
     detail::rms,
     detail::gemma_tensors,
     {},
     R"({"head_dim":256,"rms_norm_eps":1e-6,"tie_word_embeddings":true})"},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", "model.", "gelu", detail::rms, detail::gemma2_tensors,
     detail::gemma2_keys,
     R"({"head_dim":256,"rms_norm_eps":1e-6,"tie_word_embeddings":true,"sliding_window":4096,
         "query_pre_attn_scalar":256,"attn_logit_softcapping":50.0,"final_logit_softcapping":30.0})"},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM", "model.", "gelu", detail::rms, detail::gemma2_tensors,
     detail::window_keys,
     R"({"head_dim":256,"rms_norm_eps":1e-6,"tie_word_embeddings":true,"sliding_window":4096,"num_attention_heads":8,
         "num_key_value_heads":4,"max_position_embeddings":131072,"rope_theta":1e6,"query_pre_attn_scalar":256})"},
    {"gemma3", "gemma3", "Gemma3ForConditionalGeneration", "model.", "gelu", detail::rms, detail::gemma2_tensors,
     detail::window_keys,
     R"({"head_dim":256,"rms_norm_eps":1e-6,"tie_word_embeddings":true,"sliding_window":4096,"num_attention_heads":8,
         "num_key_value_heads":4,"max_position_embeddings":131072,"rope_theta":1e6,"query_pre_attn_scalar":256})"},
    {"phi2",
     "phi",
     "PhiForCausalLM",
     "model.",
     "gelu",
     detail::layer,
     detail::phi2_tensors,
     {},
     R"({"partial_rotary_factor":0.5,"layer_norm_eps":1e-5})"},
    {"phi3", "phi3", "Phi3ForCausalLM", "model.", "silu", detail::rms, detail::phi3_tensors, detail::window_keys,
     R"({"rms_norm_eps":1e-5})"},
    {"gpt2", "gpt2", "GPT2LMHeadModel", "transformer.", "gelu", detail::layer, detail::gpt2_tensors, detail::gpt2_keys,
     R"({"layer_norm_epsilon":1e-5})", false},
    {"gptneox", "gpt_neox", "GPTNeoXForCausalLM", "gpt_neox.", "gelu", detail::layer, detail::gptneox_tensors,
     detail::parallel_keys, R"({"rotary_pct":0.25,"use_parallel_residual":true,"layer_norm_eps":1e-5})"},
    {"falcon", "falcon", "FalconForCausalLM", "transformer.", "gelu", detail::layer, detail::falcon_tensors,
     detail::falcon_keys, R"({"max_position_embeddings":2048,"layer_norm_epsilon":1e-5,"parallel_attn":true,
         "multi_query":true,"new_decoder_architecture":false})"},
    {"starcoder2", "starcoder2", "Starcoder2ForCausalLM", "model.", "gelu", detail::layer, detail::starcoder2_tensors,
     detail::starcoder2_keys, R"({"norm_epsilon":1e-5})"},
    {"stablelm",
     "stablelm",
     "StableLmForCausalLM",
     "model.",
     "silu",
     detail::layer,
     {},
     detail::parallel_keys,
     R"({"partial_rotary_factor":0.25,"layer_norm_eps":1e-5,"use_parallel_residual":false})"},
    {"olmo2",
     "olmo2",
     "Olmo2ForCausalLM",
     "model.",
     "silu",
     detail::rms,
     detail::olmo2_tensors,
     {},
     R"({"rms_norm_eps":1e-5})"},
    {"command-r",
     "cohere",
     "CohereForCausalLM",
     "model.",
     "silu",
     detail::layer,
     {},
     detail::command_r_keys,
     R"({"logit_scale":0.0625,"layer_norm_eps":1e-5,"tie_word_embeddings":true})"},
    {"bitnet", "bitnet", "BitnetForCausalLM", "model.", "silu", detail::rms, detail::bitnet_tensors, {}},
    {"bitnet-b1.58",
     "bitnet",
     "BitNetForCausalLM",
     "model.",
     "relu2",
     rms,
     bitnet_b158_tensors,
     {},
     R"({"rms_norm_eps":1e-5,"rope_theta":500000.0,"tie_word_embeddings":true})"},
};

template <std::size_t A, std::size_t B>
constexpr std::array<family, A + B> joined(std::array<family, A> a, family const (&b)[B]) noexcept {
  std::array<family, A + B> out{};
  for (std::size_t i = 0; i < A; ++i) out[i] = a[i];
  for (std::size_t i = 0; i < B; ++i) out[A + i] = b[i];
  return out;
}

} // namespace detail
/// \endcond

/// All of them. Where several have an architecture, the first without experts is what a file without is taken for.
inline constexpr auto families =
    detail::joined(detail::joined(detail::joined(detail::joined(std::array<family, 0>{}, detail::decoder_families),
                                                 detail::expert_families),
                                  detail::recurrent_families),
                   detail::encoder_families);

/// The family of a class or, if it is in none, of a `model_type`; null if there is none.
constexpr family const* find_family(std::string_view model_class, std::string_view model_type) noexcept {
  for (auto const& f : families)
    for (auto [name, more] = split_names(f.model_class); !name.empty(); std::tie(name, more) = split_names(more))
      if (name == model_class) return &f;
  for (auto const& f : families)
    if (f.model_type == model_type) return &f;
  return nullptr;
}

} // namespace loquat::hugging_face
