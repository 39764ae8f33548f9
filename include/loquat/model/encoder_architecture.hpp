#pragma once
/// \file
/// What distinguishes one encoder from another, as a value; the encoders the library knows, one constant each. Unlike
/// those of decoders the value is read at run time: once per layer, which costs nothing, and one piece of code serves
/// them all. What a file has or lacks is taken as it is: biases, gates, token types, norms of queries and keys, one
/// matrix for several.

#include <loquat/kernel/choices.hpp>
#include <loquat/model/architecture.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace loquat {

/// How an encoder knows where a token is.
enum class position_kind : unsigned char {
  learned,  ///< a vector for each position is added to that of the token
  rotary,   ///< queries and keys turn (J. Su et al., 2021)
  alibi,    ///< scores sink with the distance, in each head at another rate (O. Press et al., 2022)
  relative, ///< scores get a learned number for each range of distances (C. Raffel et al., 2020)
};

/// What an encoder is made of. The defaults are those of bert; sizes come from the file.
struct encoder_architecture {
  char name[24] = "bert";                           ///< `general.architecture` of its files and prefix of their keys
  normalisation norm = normalisation::layer;        ///< of the embeddings, and around attention and feed-forward
  bool affine_norms = false;                        ///< "norms" scale and shift, without normalising: mobilebert
  bool norm_before = false;                         ///< x + f(norm(x)), rather than norm(x + f(x))
  position_kind positions = position_kind::learned; ///< how it knows where a token is
  rope_style rope = rope_style::halves;             ///< which elements of a head are a pair
  activation feed_forward = activation::gelu_erf;   ///< non-linear function of down(f(up(x))),
  activation gated = activation::silu;              ///< and of down(f(gate(x)) · up(x)), where files have a gate
  query_key_norm qk_norm = query_key_norm::all;     ///< where files have one
  bool scales_scores = true;                        ///< by 1 / √head_dim
  bool causal = false;                              ///< tokens see those before them only; files may say otherwise
  std::size_t global_every = 0;                     ///< of so many layers the first sees all, others a window
  float window_rope_base = 10000;                   ///< of layers with a window, where the file does not say
  bool trigrams = false;                            ///< token vectors of three neighbours are projected: mobilebert
  activation head = activation::tanh;               ///< between the matrices of a classification head

  friend constexpr bool operator==(encoder_architecture const&, encoder_architecture const&) = default;
};

/// The architecture's name as text.
constexpr std::string_view name(encoder_architecture const& a) noexcept { return a.name; }

namespace arch {

/// BERT, RoBERTa, XLM-RoBERTa, MiniLM, BGE, E5, GTE (J. Devlin et al., 2019).
inline constexpr encoder_architecture bert{};

/// Nomic Embed 1 and 1.5: rotary positions, SwiGLU (Z. Nussbaum et al., 2024).
inline constexpr encoder_architecture nomic_bert{.name = "nomic-bert", .positions = position_kind::rotary};

/// Jina Embeddings 2: ALiBi on both sides, GEGLU (M. Günther et al., 2023).
inline constexpr encoder_architecture jina_bert_v2{
    .name = "jina-bert-v2", .positions = position_kind::alibi, .gated = activation::gelu_erf};

/// Jina Embeddings 3 without its adapters: XLM-RoBERTa with rotary positions (S. Sturua et al., 2024).
inline constexpr encoder_architecture jina_bert_v3{.name = "jina-bert-v3", .positions = position_kind::rotary};

/// ModernBERT: norms before, GEGLU, two layers of three see 64 tokens on each side (B. Warner et al., 2024).
inline constexpr encoder_architecture modern_bert{.name = "modern-bert",
                                                  .norm_before = true,
                                                  .positions = position_kind::rotary,
                                                  .gated = activation::gelu_erf,
                                                  .global_every = 3,
                                                  .head = activation::gelu_erf};

/// NeoBERT (L. Le Breton et al., 2025).
inline constexpr encoder_architecture neo_bert{.name = "neo-bert",
                                               .norm = normalisation::rms,
                                               .norm_before = true,
                                               .positions = position_kind::rotary,
                                               .rope = rope_style::adjacent};

/// The encoder of T5 and its kin: gte-t5, sentence-t5, instructor (C. Raffel et al., 2020), in a file of its own.
inline constexpr encoder_architecture t5_encoder{.name = "t5encoder",
                                                 .norm = normalisation::rms,
                                                 .norm_before = true,
                                                 .positions = position_kind::relative,
                                                 .feed_forward = activation::relu,
                                                 .gated = activation::gelu,
                                                 .scales_scores = false};

/// The same in a file with the decoder, which is left alone.
inline constexpr encoder_architecture t5{.name = "t5",
                                         .norm = normalisation::rms,
                                         .norm_before = true,
                                         .positions = position_kind::relative,
                                         .feed_forward = activation::relu,
                                         .gated = activation::gelu,
                                         .scales_scores = false};

/// ALBERT: layers share weights, small token vectors are projected (Z. Lan et al., 2020).
inline constexpr encoder_architecture albert{.name = "albert", .feed_forward = activation::gelu};

/// MobileBERT: narrow layers between bottlenecks, several feed-forward networks in each (Z. Sun et al., 2020).
inline constexpr encoder_architecture mobile_bert{
    .name = "mobilebert", .affine_norms = true, .feed_forward = activation::relu, .trigrams = true};

/// Decoders as embedders, whose last token sees all: Qwen3-Embedding (Y. Zhang et al., 2025),
inline constexpr encoder_architecture qwen3_embedding{.name = "qwen3",
                                                      .norm = normalisation::rms,
                                                      .norm_before = true,
                                                      .positions = position_kind::rotary,
                                                      .qk_norm = query_key_norm::heads,
                                                      .causal = true};
/// those made of Qwen 2, such as gte-Qwen2,
inline constexpr encoder_architecture qwen2_embedding{.name = "qwen2",
                                                      .norm = normalisation::rms,
                                                      .norm_before = true,
                                                      .positions = position_kind::rotary,
                                                      .causal = true};
/// and those made of Llama or Mistral, such as E5-Mistral.
inline constexpr encoder_architecture llama_embedding{.name = "llama",
                                                      .norm = normalisation::rms,
                                                      .norm_before = true,
                                                      .positions = position_kind::rotary,
                                                      .rope = rope_style::adjacent,
                                                      .causal = true};

} // namespace arch

/// The encoders that `load_encoder` chooses from by the file's `general.architecture`.
inline constexpr std::array encoder_zoo{
    arch::bert,           arch::nomic_bert,  arch::jina_bert_v2,    arch::jina_bert_v3,
    arch::modern_bert,    arch::neo_bert,    arch::t5_encoder,      arch::t5,
    arch::albert,         arch::mobile_bert, arch::qwen3_embedding, arch::qwen2_embedding,
    arch::llama_embedding};

} // namespace loquat
