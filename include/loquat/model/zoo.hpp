#pragma once
/// \file
/// The architectures the library knows, one constant each. A new one is a constant here and its name in `zoo`; in a
/// program of one's own it needs neither (`examples/08_architecture.cpp`). Where papers and files differ, what files
/// say counts; names of fields are explained in `architecture.hpp`.

#include <loquat/model/architecture.hpp>
#include <loquat/model/mamba.hpp>
#include <loquat/model/rnn.hpp>
#include <loquat/model/transformer.hpp>
#include <loquat/quant/block.hpp>

namespace loquat {

/// Architectures, as template arguments of `transformer`.
namespace arch {

/// Llama 1, 2, 3 and all that share their form: Mistral 7B, TinyLlama, SmolLM, … (H. Touvron et al., 2023); with
/// experts Mixtral (A. Jiang et al., 2024).
inline constexpr architecture llama{};

/// Llama with factors for embeddings, residuals, scores and logits (IBM, 2024).
inline constexpr architecture granite{.name = "granite", .divides_logits = true};

/// Qwen 1.5, 2 and 2.5: biases of queries, keys and values (A. Yang et al., 2024).
inline constexpr architecture qwen2{.name = "qwen2", .rope = rope_style::halves};

/// The same with experts, one of which every token takes.
inline constexpr architecture qwen2moe{.name = "qwen2moe", .rope = rope_style::halves, .normalised_experts = false};

/// Qwen 3: a norm of each query and key (A. Yang et al., 2025).
inline constexpr architecture qwen3{.name = "qwen3", .rope = rope_style::halves, .qk_norm = query_key_norm::heads};

/// The same with experts.
inline constexpr architecture qwen3moe{
    .name = "qwen3moe", .rope = rope_style::halves, .qk_norm = query_key_norm::heads};

/// Gemma (T. Mesnard et al., 2024).
inline constexpr architecture gemma{
    .name = "gemma", .rope = rope_style::halves, .feed_forward = activation::gelu, .scales_embeddings = true};

/// Gemma 2: norms on both sides, soft caps, every other layer with a window (M. Riviere et al., 2024).
inline constexpr architecture gemma2{.name = "gemma2",
                                     .rope = rope_style::halves,
                                     .feed_forward = activation::gelu,
                                     .norm_after = true,
                                     .scales_embeddings = true,
                                     .soft_caps = true,
                                     .window = window_layers::even,
                                     .broad_scores = 46};

/// Gemma 3, its language part: five layers of six with a window (Gemma Team, 2025).
inline constexpr architecture gemma3{.name = "gemma3",
                                     .rope = rope_style::halves,
                                     .feed_forward = activation::gelu,
                                     .norm_after = true,
                                     .qk_norm = query_key_norm::heads,
                                     .scales_embeddings = true,
                                     .window = window_layers::five_of_six,
                                     .window_rope_base = 10000,
                                     .broad_scores = 62};

/// Phi-1.5 and Phi-2 (S. Gunasekar et al., 2023).
inline constexpr architecture phi2{.name = "phi2",
                                   .norm = normalisation::layer,
                                   .rope = rope_style::halves,
                                   .feed_forward = activation::gelu,
                                   .gated = false,
                                   .block = block_form::parallel};

/// Phi-3, 3.5 and 4-mini (M. Abdin et al., 2024), which LongRoPE extends.
inline constexpr architecture phi3{.name = "phi3", .rope = rope_style::halves, .window = window_layers::all};

/// GPT-2 (A. Radford et al., 2019).
inline constexpr architecture gpt2{.name = "gpt2",
                                   .norm = normalisation::layer,
                                   .rope = rope_style::none,
                                   .feed_forward = activation::gelu,
                                   .gated = false,
                                   .learned_positions = true};

/// GPT-NeoX and Pythia (S. Black et al., 2022).
inline constexpr architecture gptneox{.name = "gptneox",
                                      .norm = normalisation::layer,
                                      .rope = rope_style::halves,
                                      .feed_forward = activation::gelu,
                                      .gated = false,
                                      .block = block_form::parallel};

/// Falcon 7B and 40B (E. Almazrouei et al., 2023).
inline constexpr architecture falcon{.name = "falcon",
                                     .norm = normalisation::layer,
                                     .rope = rope_style::halves,
                                     .feed_forward = activation::gelu,
                                     .gated = false,
                                     .block = block_form::parallel};

/// StarCoder 2 (A. Lozhkov et al., 2024).
inline constexpr architecture starcoder2{.name = "starcoder2",
                                         .norm = normalisation::layer,
                                         .rope = rope_style::halves,
                                         .feed_forward = activation::gelu,
                                         .gated = false};

/// StableLM 3B and StableLM 2 (J. Tow et al., 2023).
inline constexpr architecture stablelm{.name = "stablelm",
                                       .norm = normalisation::layer,
                                       .rope = rope_style::halves,
                                       .block = block_form::by_norms,
                                       .qk_norm = query_key_norm::own};

/// OLMo 2: norms behind attention and feed-forward only (T. OLMo et al., 2025).
inline constexpr architecture olmo2{.name = "olmo2",
                                    .rope = rope_style::halves,
                                    .norm_before = false,
                                    .norm_after = true,
                                    .qk_norm = query_key_norm::all};

/// Command R and Command R+ (Cohere, 2024).
inline constexpr architecture command_r{
    .name = "command-r", .norm = normalisation::layer, .block = block_form::parallel, .qk_norm = query_key_norm::own};

/// DeepSeek V2, V3 and R1: latent attention; experts, chosen with a bias, after some layers without (DeepSeek-AI,
/// 2024).
inline constexpr architecture deepseek2{.name = "deepseek2", .normalised_experts = false, .latent = true};

/// gpt-oss: experts with biases, attention sinks, every other layer with a window (OpenAI, 2025).
inline constexpr architecture gpt_oss{.name = "gpt-oss",
                                      .rope = rope_style::halves,
                                      .feed_forward = activation::clipped_silu,
                                      .window = window_layers::even,
                                      .sinks = true};

/// BLOOM: ALiBi, a norm of the token vectors (T. Le Scao et al., 2022).
inline constexpr architecture bloom{.name = "bloom",
                                    .norm = normalisation::layer,
                                    .rope = rope_style::none,
                                    .feed_forward = activation::gelu,
                                    .gated = false,
                                    .alibi = 8};

/// MPT: ALiBi, no biases, perhaps queries, keys and values that are cut (MosaicML, 2023).
inline constexpr architecture mpt{.name = "mpt",
                                  .norm = normalisation::layer,
                                  .rope = rope_style::none,
                                  .feed_forward = activation::gelu,
                                  .gated = false,
                                  .alibi = 8};

/// Baichuan 1 and 2, of which 7B rotates and 13B, the one with 40 layers, has ALiBi (A. Yang et al., 2023).
inline constexpr architecture baichuan{.name = "baichuan", .alibi = 8, .alibi_layers = 40};

/// Refact 1.6B: llama with ALiBi and one head of keys (Small Magellanic Cloud AI, 2023).
inline constexpr architecture refact{.name = "refact", .rope = rope_style::none, .alibi = 8};

/// Jais: ALiBi, gates, scores divided by the size of a head (N. Sengupta et al., 2023).
inline constexpr architecture jais{
    .name = "jais", .norm = normalisation::layer, .rope = rope_style::none, .alibi = 8, .scores_by_size = true};

/// BitNet b1.58 (S. Ma et al., 2024), with weights of any type.
inline constexpr architecture bitnet{.name = "bitnet", .rope = rope_style::halves, .inner_norms = true};

/// BitNet b1.58 2B 4T (S. Ma et al., 2025), in files of Microsoft's own type.
inline constexpr architecture bitnet_b158{
    .name = "bitnet-b1.58", .rope = rope_style::halves, .feed_forward = activation::relu_squared, .inner_norms = true};

} // namespace arch

/// The transformers among them.
using transformers =
    type_list<transformer<arch::llama>, transformer<arch::granite>, transformer<arch::qwen2>,
              transformer<arch::qwen2moe>, transformer<arch::qwen3>, transformer<arch::qwen3moe>,
              transformer<arch::gemma>, transformer<arch::gemma2>, transformer<arch::gemma3>, transformer<arch::phi2>,
              transformer<arch::phi3>, transformer<arch::gpt2>, transformer<arch::gptneox>, transformer<arch::falcon>,
              transformer<arch::starcoder2>, transformer<arch::stablelm>, transformer<arch::olmo2>,
              transformer<arch::command_r>, transformer<arch::bitnet>, transformer<arch::bitnet_b158>,
              transformer<arch::deepseek2>, transformer<arch::gpt_oss>, transformer<arch::bloom>,
              transformer<arch::mpt>, transformer<arch::baichuan>, transformer<arch::refact>, transformer<arch::jais>>;

/// The models that have a state instead of a cache: networks of their own, no values.
using recurrent_models = type_list<mamba, mamba2, rnn, lstm, gru>;

namespace detail {
template <class... As, class... Bs> type_list<As..., Bs...> joined(type_list<As...>, type_list<Bs...>);
}

/// The builders that `load` chooses from by the file's `general.architecture`.
using zoo = decltype(detail::joined(transformers{}, recurrent_models{}));

} // namespace loquat
