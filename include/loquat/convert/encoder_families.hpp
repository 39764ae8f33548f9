#pragma once
/// \file
/// Families of `families.hpp` that make vectors of texts.

#include <loquat/convert/family.hpp>

#include <string_view>

namespace loquat::hugging_face {

/// \cond
namespace detail {

using enum change;
using enum key_kind;

inline constexpr tensor_rule bert_tensors[]{
    {"token_embd", "bert.embeddings.word_embeddings"},
    {"position_embd", "bert.embeddings.position_embeddings"},
    {"token_types", "bert.embeddings.token_type_embeddings"},
    {"token_embd_norm", "bert.embeddings.LayerNorm"},
    {"blk.#.attn_q", "bert.encoder.layer.#.attention.self.query"},
    {"blk.#.attn_k", "bert.encoder.layer.#.attention.self.key"},
    {"blk.#.attn_v", "bert.encoder.layer.#.attention.self.value"},
    {"blk.#.attn_output", "bert.encoder.layer.#.attention.output.dense"},
    {"blk.#.attn_output_norm", "bert.encoder.layer.#.attention.output.LayerNorm"},
    {"blk.#.ffn_up", "bert.encoder.layer.#.intermediate.dense"},
    {"blk.#.ffn_down", "bert.encoder.layer.#.output.dense"},
    {"blk.#.layer_output_norm", "bert.encoder.layer.#.output.LayerNorm"},
    {"cls", "bert.pooler.dense"},
    {"cls.output", "classifier"},
};

// rows of positions begin behind that of padding
inline constexpr tensor_rule roberta_tensors[]{
    {"token_embd", "roberta.embeddings.word_embeddings"},
    {"position_embd", "roberta.embeddings.position_embeddings", positions},
    {"token_types", "roberta.embeddings.token_type_embeddings"},
    {"token_embd_norm", "roberta.embeddings.LayerNorm"},
    {"blk.#.attn_q", "roberta.encoder.layer.#.attention.self.query"},
    {"blk.#.attn_k", "roberta.encoder.layer.#.attention.self.key"},
    {"blk.#.attn_v", "roberta.encoder.layer.#.attention.self.value"},
    {"blk.#.attn_output", "roberta.encoder.layer.#.attention.output.dense"},
    {"blk.#.attn_output_norm", "roberta.encoder.layer.#.attention.output.LayerNorm"},
    {"blk.#.ffn_up", "roberta.encoder.layer.#.intermediate.dense"},
    {"blk.#.ffn_down", "roberta.encoder.layer.#.output.dense"},
    {"blk.#.layer_output_norm", "roberta.encoder.layer.#.output.LayerNorm"},
    {"cls", "classifier.dense"},
    {"cls.output", "classifier.out_proj"},
};

// Nomic's names, which Jina's third version has, too
inline constexpr tensor_rule nomic_tensors[]{
    {"token_embd", "bert.embeddings.word_embeddings"},
    {"token_types", "bert.embeddings.token_type_embeddings"},
    {"token_embd_norm", "bert.emb_ln"},
    {"blk.#.attn_qkv", "bert.encoder.layers.#.attn.Wqkv"},
    {"blk.#.attn_output", "bert.encoder.layers.#.attn.out_proj"},
    {"blk.#.attn_output_norm", "bert.encoder.layers.#.norm1"},
    {"blk.#.ffn_up", "bert.encoder.layers.#.mlp.fc11"},
    {"blk.#.ffn_gate", "bert.encoder.layers.#.mlp.fc12"},
    {"blk.#.ffn_down", "bert.encoder.layers.#.mlp.fc2"},
    {"blk.#.layer_output_norm", "bert.encoder.layers.#.norm2"},
};
inline constexpr key_rule nomic_keys[]{
    {"context_length", "n_positions"},
    {"embedding_length", "n_embd"},
    {"block_count", "n_layer"},
    {"feed_forward_length", "n_inner"},
    {"attention.head_count", "n_head"},
    {"rope.freq_base", "rotary_emb_base", number},
    {layer, "layer_norm_epsilon", number},
};
inline constexpr tensor_rule jina3_tensors[]{
    {"token_embd", "roberta.embeddings.word_embeddings"},
    {"token_types", "roberta.embeddings.token_type_embeddings"},
    {"token_embd_norm", "roberta.emb_ln"},
    {"blk.#.attn_qkv", "roberta.encoder.layers.#.mixer.Wqkv"},
    {"blk.#.attn_output", "roberta.encoder.layers.#.mixer.out_proj"},
    {"blk.#.attn_output_norm", "roberta.encoder.layers.#.norm1"},
    {"blk.#.ffn_up", "roberta.encoder.layers.#.mlp.fc1"},
    {"blk.#.ffn_down", "roberta.encoder.layers.#.mlp.fc2"},
    {"blk.#.layer_output_norm", "roberta.encoder.layers.#.norm2"},
};

// two generations: one norm or two of attention, the gate before the other half or behind it
inline constexpr tensor_rule jina2_tensors[]{
    {"token_embd", "bert.embeddings.word_embeddings"},
    {"token_types", "bert.embeddings.token_type_embeddings"},
    {"token_embd_norm", "bert.embeddings.LayerNorm"},
    {"blk.#.attn_q", "bert.encoder.layer.#.attention.self.query"},
    {"blk.#.attn_k", "bert.encoder.layer.#.attention.self.key"},
    {"blk.#.attn_v", "bert.encoder.layer.#.attention.self.value"},
    {"blk.#.attn_output", "bert.encoder.layer.#.attention.output.dense"},
    {"blk.#.attn_output_norm", "bert.encoder.layer.#.attention.output.LayerNorm"},
    {"blk.#.attn_q_norm", "bert.encoder.layer.#.attention.self.layer_norm_q"},
    {"blk.#.attn_k_norm", "bert.encoder.layer.#.attention.self.layer_norm_k"},
    {"blk.#.attn_norm_2", "bert.encoder.layer.#.layer_norm_1"},
    {"blk.#.ffn_gate", "bert.encoder.layer.#.mlp.gated_layers", first_half},
    {"blk.#.ffn_up", "bert.encoder.layer.#.mlp.gated_layers", second_half},
    {"blk.#.ffn_up", "bert.encoder.layer.#.mlp.up_gated_layer", first_half},
    {"blk.#.ffn_gate", "bert.encoder.layer.#.mlp.up_gated_layer", second_half},
    {"blk.#.ffn_down", "bert.encoder.layer.#.mlp.wo"},
    {"blk.#.ffn_down", "bert.encoder.layer.#.mlp.down_layer"},
    {"blk.#.layer_output_norm", "bert.encoder.layer.#.mlp.layernorm"},
    {"blk.#.layer_output_norm", "bert.encoder.layer.#.layer_norm_2"},
};

inline constexpr tensor_rule modern_bert_tensors[]{
    {"token_embd", "model.embeddings.tok_embeddings"},
    {"token_embd_norm", "model.embeddings.norm"},
    {"output_norm", "model.final_norm"},
    {"blk.#.attn_norm", "model.layers.#.attn_norm"},
    {"blk.#.attn_qkv", "model.layers.#.attn.Wqkv"},
    {"blk.#.attn_output", "model.layers.#.attn.Wo"},
    {"blk.#.ffn_norm", "model.layers.#.mlp_norm"},
    {"blk.#.ffn_up", "model.layers.#.mlp.Wi"},
    {"blk.#.ffn_down", "model.layers.#.mlp.Wo"},
    {"cls", "head.dense"},
    {"cls.norm", "head.norm"},
    {"cls.output", "classifier"},
};
inline constexpr key_rule modern_bert_keys[]{
    {"attention.sliding_window", "local_attention"},
    {"attention.sliding_window_pattern", "global_attn_every_n_layers"},
    {"rope.freq_base", "global_rope_theta", number},
    {"rope.freq_base_swa", "local_rope_theta", number},
};

inline constexpr tensor_rule neo_bert_tensors[]{
    {"token_embd", "model.encoder"},
    {"enc.output_norm", "model.layer_norm"},
    {"blk.#.attn_norm", "model.transformer_encoder.#.attention_norm"},
    {"blk.#.attn_qkv", "model.transformer_encoder.#.qkv", fused_heads},
    {"blk.#.attn_output", "model.transformer_encoder.#.wo"},
    {"blk.#.ffn_norm", "model.transformer_encoder.#.ffn_norm"},
    {"blk.#.ffn_up", "model.transformer_encoder.#.ffn.w12"},
    {"blk.#.ffn_down", "model.transformer_encoder.#.ffn.w3"},
};
inline constexpr key_rule neo_bert_keys[]{{rms, "norm_eps", number}};

inline constexpr tensor_rule albert_tensors[]{
    {"token_embd", "albert.embeddings.word_embeddings"},
    {"position_embd", "albert.embeddings.position_embeddings"},
    {"token_types", "albert.embeddings.token_type_embeddings"},
    {"token_embd_norm", "albert.embeddings.LayerNorm"},
    {"token_embd_proj", "albert.encoder.embedding_hidden_mapping_in"},
    {"blk.#.attn_q", "albert.encoder.albert_layer_groups.#.albert_layers.0.attention.query"},
    {"blk.#.attn_k", "albert.encoder.albert_layer_groups.#.albert_layers.0.attention.key"},
    {"blk.#.attn_v", "albert.encoder.albert_layer_groups.#.albert_layers.0.attention.value"},
    {"blk.#.attn_output", "albert.encoder.albert_layer_groups.#.albert_layers.0.attention.dense"},
    {"blk.#.attn_output_norm", "albert.encoder.albert_layer_groups.#.albert_layers.0.attention.LayerNorm"},
    {"blk.#.ffn_up", "albert.encoder.albert_layer_groups.#.albert_layers.0.ffn"},
    {"blk.#.ffn_down", "albert.encoder.albert_layer_groups.#.albert_layers.0.ffn_output"},
    {"blk.#.layer_output_norm", "albert.encoder.albert_layer_groups.#.albert_layers.0.full_layer_layer_norm"},
};
inline constexpr key_rule albert_keys[]{{"layer_group_count", "num_hidden_groups"}};

inline constexpr tensor_rule mobile_bert_tensors[]{
    {"token_embd", "mobilebert.embeddings.word_embeddings"},
    {"position_embd", "mobilebert.embeddings.position_embeddings"},
    {"token_types", "mobilebert.embeddings.token_type_embeddings"},
    {"token_embd_norm", "mobilebert.embeddings.LayerNorm"},
    {"token_embd_proj", "mobilebert.embeddings.embedding_transformation"},
    {"blk.#.bottleneck_in", "mobilebert.encoder.layer.#.bottleneck.input.dense"},
    {"blk.#.bottleneck_in_norm", "mobilebert.encoder.layer.#.bottleneck.input.LayerNorm"},
    {"blk.#.bottleneck_qk", "mobilebert.encoder.layer.#.bottleneck.attention.dense"},
    {"blk.#.bottleneck_qk_norm", "mobilebert.encoder.layer.#.bottleneck.attention.LayerNorm"},
    {"blk.#.bottleneck_out", "mobilebert.encoder.layer.#.output.bottleneck.dense"},
    {"blk.#.bottleneck_out_norm", "mobilebert.encoder.layer.#.output.bottleneck.LayerNorm"},
    {"blk.#.attn_q", "mobilebert.encoder.layer.#.attention.self.query"},
    {"blk.#.attn_k", "mobilebert.encoder.layer.#.attention.self.key"},
    {"blk.#.attn_v", "mobilebert.encoder.layer.#.attention.self.value"},
    {"blk.#.attn_output", "mobilebert.encoder.layer.#.attention.output.dense"},
    {"blk.#.attn_output_norm", "mobilebert.encoder.layer.#.attention.output.LayerNorm"},
    {"blk.#.ffn_up", "mobilebert.encoder.layer.#.intermediate.dense"},
    {"blk.#.ffn_down", "mobilebert.encoder.layer.#.output.dense"},
    {"blk.#.layer_output_norm", "mobilebert.encoder.layer.#.output.LayerNorm"},
    {"blk.#.ffn_up_@", "mobilebert.encoder.layer.#.ffn.@.intermediate.dense"},
    {"blk.#.ffn_down_@", "mobilebert.encoder.layer.#.ffn.@.output.dense"},
    {"blk.#.ffn_norm_@", "mobilebert.encoder.layer.#.ffn.@.output.LayerNorm"},
};
inline constexpr key_rule mobile_bert_keys[]{{"feed_forward_count", "num_feedforward_networks"}};

inline constexpr tensor_rule t5_tensors[]{
    {"token_embd", "shared"},
    {"enc.output_norm", "encoder.final_layer_norm"},
    {"enc.blk.#.attn_norm", "encoder.block.#.layer.0.layer_norm"},
    {"enc.blk.#.attn_q", "encoder.block.#.layer.0.SelfAttention.q"},
    {"enc.blk.#.attn_k", "encoder.block.#.layer.0.SelfAttention.k"},
    {"enc.blk.#.attn_v", "encoder.block.#.layer.0.SelfAttention.v"},
    {"enc.blk.#.attn_o", "encoder.block.#.layer.0.SelfAttention.o"},
    {"enc.blk.#.attn_rel_b", "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"},
    {"enc.blk.#.ffn_norm", "encoder.block.#.layer.1.layer_norm"},
    {"enc.blk.#.ffn_gate", "encoder.block.#.layer.1.DenseReluDense.wi_0"},
    {"enc.blk.#.ffn_up", "encoder.block.#.layer.1.DenseReluDense.wi_1"},
    {"enc.blk.#.ffn_up", "encoder.block.#.layer.1.DenseReluDense.wi"},
    {"enc.blk.#.ffn_down", "encoder.block.#.layer.1.DenseReluDense.wo"},
    {"dec.output_norm", "decoder.final_layer_norm"},
    {"dec.blk.#.attn_norm", "decoder.block.#.layer.0.layer_norm"},
    {"dec.blk.#.attn_q", "decoder.block.#.layer.0.SelfAttention.q"},
    {"dec.blk.#.attn_k", "decoder.block.#.layer.0.SelfAttention.k"},
    {"dec.blk.#.attn_v", "decoder.block.#.layer.0.SelfAttention.v"},
    {"dec.blk.#.attn_o", "decoder.block.#.layer.0.SelfAttention.o"},
    {"dec.blk.#.attn_rel_b", "decoder.block.#.layer.0.SelfAttention.relative_attention_bias"},
    {"dec.blk.#.cross_attn_norm", "decoder.block.#.layer.1.layer_norm"},
    {"dec.blk.#.cross_attn_q", "decoder.block.#.layer.1.EncDecAttention.q"},
    {"dec.blk.#.cross_attn_k", "decoder.block.#.layer.1.EncDecAttention.k"},
    {"dec.blk.#.cross_attn_v", "decoder.block.#.layer.1.EncDecAttention.v"},
    {"dec.blk.#.cross_attn_o", "decoder.block.#.layer.1.EncDecAttention.o"},
    {"dec.blk.#.cross_attn_rel_b", "decoder.block.#.layer.1.EncDecAttention.relative_attention_bias"},
    {"dec.blk.#.ffn_norm", "decoder.block.#.layer.2.layer_norm"},
    {"dec.blk.#.ffn_gate", "decoder.block.#.layer.2.DenseReluDense.wi_0"},
    {"dec.blk.#.ffn_up", "decoder.block.#.layer.2.DenseReluDense.wi_1"},
    {"dec.blk.#.ffn_up", "decoder.block.#.layer.2.DenseReluDense.wi"},
    {"dec.blk.#.ffn_down", "decoder.block.#.layer.2.DenseReluDense.wo"},
};
inline constexpr key_rule t5_keys[]{
    {"embedding_length", "d_model"},       {"feed_forward_length", "d_ff"},
    {"block_count", "num_layers"},         {"decoder_block_count", "num_decoder_layers"},
    {"attention.head_count", "num_heads"}, {"attention.key_length", "d_kv"},
    {"attention.value_length", "d_kv"},    {"attention.relative_buckets_count", "relative_attention_num_buckets"},
    {rms, "layer_norm_epsilon", number},
};
inline constexpr std::string_view t5_defaults = R"({"n_positions":512,"layer_norm_epsilon":1e-6,"d_kv":64,
    "relative_attention_num_buckets":32,"tie_word_embeddings":true})";

inline constexpr family encoder_families[]{
    {"bert",
     "bert",
     "BertModel BertForSequenceClassification",
     "bert.",
     "gelu",
     layer,
     bert_tensors,
     {},
     R"({"layer_norm_eps":1e-12,"type_vocab_size":2})",
     false},
    {"bert",
     "xlm-roberta",
     "XLMRobertaModel XLMRobertaForSequenceClassification",
     "roberta.",
     "gelu",
     layer,
     roberta_tensors,
     {},
     R"({"layer_norm_eps":1e-5,"type_vocab_size":1})",
     false,
     "lm_head."},
    {"bert",
     "roberta",
     "RobertaModel RobertaForSequenceClassification",
     "roberta.",
     "gelu",
     layer,
     roberta_tensors,
     {},
     R"({"layer_norm_eps":1e-5,"type_vocab_size":1})",
     false,
     "lm_head."},
    {"nomic-bert", "nomic_bert", "NomicBertModel", "bert.", "swiglu", layer, nomic_tensors, nomic_keys,
     R"({"layer_norm_epsilon":1e-12,"type_vocab_size":2})"},
    {"jina-bert-v2",
     "bert",
     "JinaBertModel JinaBertForMaskedLM",
     "bert.",
     "gelu",
     layer,
     jina2_tensors,
     {},
     R"({"layer_norm_eps":1e-12,"type_vocab_size":2})",
     false},
    {"jina-bert-v3",
     "xlm-roberta",
     "XLMRobertaLoRA",
     "roberta.",
     "gelu",
     layer,
     jina3_tensors,
     {},
     R"({"layer_norm_eps":1e-5,"type_vocab_size":1})",
     true,
     "lm_head."},
    {"modern-bert", "modernbert", "ModernBertModel ModernBertForMaskedLM ModernBertForSequenceClassification", "model.",
     "gelu", layer, modern_bert_tensors, modern_bert_keys,
     R"({"norm_eps":1e-5,"global_attn_every_n_layers":3,"local_attention":128,"global_rope_theta":160000.0,
         "local_rope_theta":10000.0})",
     true, "decoder."},
    {"neo-bert", "neobert", "NeoBERT NeoBERTLMHead", "model.", "swiglu", rms, neo_bert_tensors, neo_bert_keys,
     R"({"norm_eps":1e-6,"max_length":4096})", true, "decoder. model.decoder."},
    {"albert", "albert", "AlbertModel", "albert.", "gelu", layer, albert_tensors, albert_keys,
     R"({"layer_norm_eps":1e-12,"type_vocab_size":2,"num_hidden_groups":1})", false, "predictions. sop_classifier."},
    {"mobilebert", "mobilebert", "MobileBertModel", "mobilebert.", "relu", layer, mobile_bert_tensors, mobile_bert_keys,
     R"({"layer_norm_eps":1e-12,"type_vocab_size":2,"intra_bottleneck_size":128,"num_feedforward_networks":4})", false},
    {"t5encoder", "t5", "T5EncoderModel", "", "", rms, t5_tensors, t5_keys, t5_defaults, false,
     "encoder.embed_tokens. decoder. lm_head."},
    {"t5", "t5", "T5ForConditionalGeneration T5Model", "", "", rms, t5_tensors, t5_keys, t5_defaults, false,
     "encoder.embed_tokens. decoder.embed_tokens."},
};

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
