#pragma once
/// \file
/// Families of `families.hpp` with a state instead of attention: Mamba and Mamba-2.

#include <loquat/convert/family.hpp>

#include <string_view>

namespace loquat::hugging_face {

/// \cond
namespace detail {

using enum change;
using enum key_kind;

inline constexpr tensor_rule mamba_tensors[]{
    {"token_embd", "backbone.embeddings"},
    {"token_embd", "backbone.embedding"},
    {"output_norm", "backbone.norm_f"},
    {"blk.#.attn_norm", "backbone.layers.#.norm"},
    {"blk.#.ssm_in", "backbone.layers.#.mixer.in_proj"},
    {"blk.#.ssm_conv1d", "backbone.layers.#.mixer.conv1d"},
    {"blk.#.ssm_x", "backbone.layers.#.mixer.x_proj"},
    {"blk.#.ssm_dt", "backbone.layers.#.mixer.dt_proj"},
    {"blk.#.ssm_a", "backbone.layers.#.mixer.A_log", negative_exp},
    {"blk.#.ssm_d", "backbone.layers.#.mixer.D"},
    {"blk.#.ssm_out", "backbone.layers.#.mixer.out_proj"},
};
inline constexpr key_rule mamba_keys[]{
    {"embedding_length", "hidden_size d_model"},      {"ssm.conv_kernel", "conv_kernel d_conv"},
    {"ssm.inner_size", "intermediate_size d_inner"},  {"ssm.state_size", "state_size d_state"},
    {"ssm.time_step_rank", "time_step_rank dt_rank"}, {rms, "layer_norm_epsilon rms_norm_eps", number},
};

inline constexpr tensor_rule mamba2_tensors[]{
    {"token_embd", "backbone.embeddings"},
    {"token_embd", "backbone.embedding"},
    {"output_norm", "backbone.norm_f"},
    {"blk.#.attn_norm", "backbone.layers.#.norm"},
    {"blk.#.ssm_in", "backbone.layers.#.mixer.in_proj"},
    {"blk.#.ssm_conv1d", "backbone.layers.#.mixer.conv1d"},
    {"blk.#.ssm_dt.bias", "backbone.layers.#.mixer.dt_bias"},
    {"blk.#.ssm_a", "backbone.layers.#.mixer.A_log", negative_exp},
    {"blk.#.ssm_d", "backbone.layers.#.mixer.D"},
    {"blk.#.ssm_norm", "backbone.layers.#.mixer.norm"},
    {"blk.#.ssm_out", "backbone.layers.#.mixer.out_proj"},
};
inline constexpr key_rule mamba2_keys[]{
    {"embedding_length", "hidden_size d_model"},
    {"ssm.conv_kernel", "conv_kernel d_conv"},
    {"ssm.state_size", "state_size d_state"},
    {rms, "layer_norm_epsilon rms_norm_eps", number},
};

inline constexpr family recurrent_families[]{
    {"mamba", "mamba", "MambaForCausalLM", "backbone.", "silu", rms, mamba_tensors, mamba_keys,
     R"({"conv_kernel":4,"state_size":16,"layer_norm_epsilon":1e-5,"tie_word_embeddings":true})", false},
    {"mamba", "falcon_mamba", "FalconMambaForCausalLM", "backbone.", "silu", rms, mamba_tensors, mamba_keys,
     R"({"conv_kernel":4,"state_size":16,"layer_norm_epsilon":1e-5,"tie_word_embeddings":true})", false},
    {"mamba2", "mamba2", "Mamba2ForCausalLM", "backbone.", "silu", rms, mamba2_tensors, mamba2_keys,
     R"({"conv_kernel":4,"state_size":128,"layer_norm_epsilon":1e-5,"n_groups":8,"head_dim":64,
         "tie_word_embeddings":false})",
     false},
};

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
