#pragma once
/// \file
/// Families of `families.hpp` whose layers have experts and an attention of their own kind: DeepSeek 2 and 3, gpt-oss.

#include <loquat/convert/family.hpp>

#include <string_view>

namespace loquat::hugging_face {

/// \cond
namespace detail {

using enum change;
using enum key_kind;

inline constexpr tensor_rule deepseek2_tensors[]{
    {"blk.#.attn_q_a", "model.layers.#.self_attn.q_a_proj"},
    {"blk.#.attn_q_a_norm", "model.layers.#.self_attn.q_a_layernorm"},
    {"blk.#.attn_q_b", "model.layers.#.self_attn.q_b_proj"},
    {"blk.#.attn_kv_a_mqa", "model.layers.#.self_attn.kv_a_proj_with_mqa"},
    {"blk.#.attn_kv_a_norm", "model.layers.#.self_attn.kv_a_layernorm"},
    {"blk.#.attn_k_b", "model.layers.#.self_attn.kv_b_proj", latent_keys},
    {"blk.#.attn_v_b", "model.layers.#.self_attn.kv_b_proj", latent_values},
    {"blk.#.ffn_gate_inp", "model.layers.#.mlp.gate"},
    {"blk.#.exp_probs_b.bias", "model.layers.#.mlp.gate.e_score_correction_bias"},
    {"blk.#.ffn_gate_exps", "model.layers.#.mlp.experts.@.gate_proj"},
    {"blk.#.ffn_up_exps", "model.layers.#.mlp.experts.@.up_proj"},
    {"blk.#.ffn_down_exps", "model.layers.#.mlp.experts.@.down_proj"},
    {"blk.#.ffn_gate_shexp", "model.layers.#.mlp.shared_experts.gate_proj"},
    {"blk.#.ffn_up_shexp", "model.layers.#.mlp.shared_experts.up_proj"},
    {"blk.#.ffn_down_shexp", "model.layers.#.mlp.shared_experts.down_proj"},
};
inline constexpr key_rule deepseek2_keys[]{
    {"attention.q_lora_rank", "q_lora_rank"},
    {"attention.kv_lora_rank", "kv_lora_rank"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {"expert_count", "n_routed_experts"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_weights_scale", "routed_scaling_factor", number},
    {"expert_weights_norm", "norm_topk_prob", flag},
};

// experts of three layouts: blocks of 4-bit floats, and matrices whose rows are columns of the others'
inline constexpr tensor_rule gpt_oss_tensors[]{
    {"blk.#.attn_sinks.weight", "model.layers.#.self_attn.sinks"},
    {"blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"},
    {"blk.#.ffn_gate_inp", "model.layers.#.mlp.router"},
    {"blk.#.ffn_gate_exps.weight", "model.layers.#.mlp.experts.gate_up_proj_blocks", even_rows},
    {"blk.#.ffn_up_exps.weight", "model.layers.#.mlp.experts.gate_up_proj_blocks", odd_rows},
    {"blk.#.ffn_down_exps.weight", "model.layers.#.mlp.experts.down_proj_blocks"},
    {"blk.#.ffn_gate_exps.weight", "model.layers.#.mlp.experts.gate_up_proj", even_columns},
    {"blk.#.ffn_up_exps.weight", "model.layers.#.mlp.experts.gate_up_proj", odd_columns},
    {"blk.#.ffn_down_exps.weight", "model.layers.#.mlp.experts.down_proj", transpose},
    {"blk.#.ffn_gate_exps.bias", "model.layers.#.mlp.experts.gate_up_proj_bias", even_rows},
    {"blk.#.ffn_up_exps.bias", "model.layers.#.mlp.experts.gate_up_proj_bias", odd_rows},
    {"blk.#.ffn_down_exps.bias", "model.layers.#.mlp.experts.down_proj_bias"},
};
inline constexpr key_rule gpt_oss_keys[]{
    {"attention.sliding_window", "sliding_window"},
    {"expert_used_count", "num_experts_per_tok experts_per_token"},
};

inline constexpr family expert_families[]{
    {"deepseek2", "deepseek_v3", "DeepseekV3ForCausalLM", "model.", "silu", rms, deepseek2_tensors, deepseek2_keys,
     R"({"rms_norm_eps":1e-6,"scoring_func":"sigmoid","topk_method":"noaux_tc","norm_topk_prob":true})"},
    {"deepseek2", "deepseek_v2", "DeepseekV2ForCausalLM", "model.", "silu", rms, deepseek2_tensors, deepseek2_keys,
     R"({"rms_norm_eps":1e-6,"scoring_func":"softmax","topk_method":"greedy","norm_topk_prob":false})"},
    {"gpt-oss", "gpt_oss", "GptOssForCausalLM", "model.", "silu", rms, gpt_oss_tensors, gpt_oss_keys,
     R"({"head_dim":64,"rms_norm_eps":1e-5,"rope_theta":150000.0,"num_key_value_heads":8,"sliding_window":128,
         "num_experts_per_tok":4})"},
};

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
