/// \file
/// Folders of encoders: each kind's names, arrangements and keys, and the same vectors as those of its GGUF file.

#include "convert/renamed.hpp"
#include "support/random_encoder.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/convert/folder.hpp>
#include <loquat/convert/folder_writer.hpp>
#include <loquat/model/load_encoder.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace convert_encoders_test {

using namespace loquat;

namespace {

std::vector<float> vectors(gguf::file const& file) {
  auto const model = load_encoder(file, reference{});
  INFO(std::string(model ? "" : model.error().message()));
  REQUIRE(model);
  auto s = model->make_session({.context = 64, .batch = 64}).value();
  std::vector<token> ids;
  for (std::size_t i = 0; i < 30; ++i) ids.push_back(static_cast<token>(i * 7 % 40));
  std::vector<std::size_t> const lengths{21, 9};
  auto const out = model->forward(s, {ids, lengths, {}});
  REQUIRE(out);
  return {out->begin(), out->end()};
}
bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Writes a file as a folder, whose vectors must be the same.
void check_back(gguf::file const& file) {
  test::temporary_folder const again;
  auto const saved = hugging_face::save(file, again / "", {.tokenizer = false});
  INFO(std::string(saved ? "" : saved.error().message()));
  REQUIRE(saved);
  auto const opened = hugging_face::open(again / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  CHECK(same_bits(vectors(*opened), vectors(file)));
}

/// Compares a folder with the random file that it is made of.
void check(encoder_architecture const& a, test::random_encoder_options const& o, std::string const& config,
           test::renamings const& names, std::function<bool(test::model_folder&, tensor_view const&)> const& other = {},
           std::function<void(gguf::file const&)> const& more = {}) {
  CAPTURE(std::string(name(a)));
  auto const bytes = test::random_encoder(a, o).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const expected = vectors(file);
  test::check_opens_as(file, test::folder_of(file, names, other), config, [&](gguf::file const& opened) {
    CHECK(same_bits(vectors(opened), expected));
    CHECK(opened.get<std::string_view>("general.architecture").value() == name(a));
    if (more) more(opened);
  });
  check_back(file);
}

/// A `config.json` with the sizes of random encoders.
std::string config(std::string_view model, std::string_view more) {
  return R"({"architectures":[")" + std::string(model) +
         R"("],"hidden_size":32,"num_attention_heads":4,"num_hidden_layers":3,"intermediate_size":48,)"
         R"("vocab_size":40)" +
         std::string(more) + "}";
}

test::renamings const bert_names{{"token_embd_norm", "embeddings.LayerNorm"},
                                 {"token_embd.", "embeddings.word_embeddings."},
                                 {"position_embd", "embeddings.position_embeddings"},
                                 {"token_types", "embeddings.token_type_embeddings"},
                                 {"blk.", "encoder.layer."},
                                 {"attn_q.", "attention.self.query."},
                                 {"attn_k.", "attention.self.key."},
                                 {"attn_v.", "attention.self.value."},
                                 {"attn_output.", "attention.output.dense."},
                                 {"attn_output_norm", "attention.output.LayerNorm"},
                                 {"ffn_up.", "intermediate.dense."},
                                 {"ffn_down.", "output.dense."},
                                 {"layer_output_norm", "output.LayerNorm"},
                                 {"cls.output", "classifier"},
                                 {"cls.", "bert.pooler.dense."}};

/// With other renamings before and behind.
test::renamings around(test::renamings before, test::renamings const& names) {
  before.insert(before.end(), names.begin(), names.end());
  return before;
}

TEST_CASE("bert's folders, with and without a classification head") {
  check(arch::bert, {}, config("BertModel", R"(,"max_position_embeddings":64,"layer_norm_eps":1e-5)"), bert_names);
  check(arch::bert, {.labels = 3},
        config("BertForSequenceClassification", R"(,"max_position_embeddings":64,"layer_norm_eps":1e-5,
               "id2label":{"0":"no","1":"perhaps","2":"yes"})"),
        bert_names, {}, [](gguf::file const& file) {
          CHECK(file.get<std::uint32_t>("bert.pooling_type").value() == 4);
          auto const model = load_encoder(file, reference{}).value();
          CHECK(model.outputs() == 3);
          CHECK(model.label(1) == "perhaps");
        });
}

TEST_CASE("sentence-transformers say beside the model how it pools") {
  test::model_folder none;
  none.add("embeddings.word_embeddings.weight", {40, 32}, std::vector<float>(40 * 32));
  for (bool const first : {false, true}) {
    test::temporary_folder const folder;
    none.write(folder, config("BertModel", R"(,"max_position_embeddings":64)"));
    std::filesystem::create_directory(folder / "1_Pooling");
    folder.put("1_Pooling/config.json", first ? R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})"
                                              : R"({"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true})");
    auto const opened = hugging_face::open(folder / "");
    REQUIRE(opened);
    CHECK(opened->get<std::uint32_t>("bert.pooling_type").value() == (first ? 2 : 1));
  }
}

TEST_CASE("the positions of roberta's folders begin behind those of padding") {
  auto const names = around({{"cls.output", "classifier.out_proj"}, {"cls.", "classifier.dense."}}, bert_names);
  auto const prefixed = [&](test::model_folder& out, tensor_view const& t) {
    auto const name = test::renamed(t.name, names);
    if (t.name != "position_embd.weight")
      return test::add_as(out, t, name.starts_with("cl") ? name : "roberta." + name), true;
    auto rows = test::floats_of(t);
    rows.insert(rows.begin(), 2 * 32, 99.0f);
    out.add("roberta." + name, {66, 32}, rows);
    return true;
  };
  auto const more = [](gguf::file const& file) { CHECK(file.get<std::uint32_t>("bert.context_length").value() == 64); };
  for (std::string const model : {"XLMRoberta", "Roberta"})
    check(arch::bert, {.labels = 1},
          config(model + "ForSequenceClassification", R"(,"max_position_embeddings":66,"layer_norm_eps":1e-5,
                 "pad_token_id":1,"id2label":{"0":"LABEL_0"})"),
          {}, prefixed, more);
}

TEST_CASE("nomic-bert's and jina-bert-v3's folders") {
  test::renamings const names{{"token_embd_norm", "emb_ln"},
                              {"token_embd.", "embeddings.word_embeddings."},
                              {"token_types", "embeddings.token_type_embeddings"},
                              {"blk.", "encoder.layers."},
                              {"attn_qkv", "attn.Wqkv"},
                              {"attn_output.", "attn.out_proj."},
                              {"attn_output_norm", "norm1"},
                              {"layer_output_norm", "norm2"},
                              {"ffn_up", "mlp.fc11"},
                              {"ffn_gate", "mlp.fc12"},
                              {"ffn_down", "mlp.fc2"}};
  std::string const sizes = R"({"architectures":["NomicBertModel"],"n_embd":32,"n_head":4,"n_layer":3,"n_inner":48,
    "n_positions":64,"vocab_size":40,"layer_norm_epsilon":1e-5,"activation_function":"swiglu","rotary_emb_base":1000,
    "rotary_emb_fraction":1.0)";
  auto const base = [](gguf::file const& file) {
    CHECK(file.get<float>("nomic-bert.rope.freq_base").value() == 1000);
    CHECK(file.get<std::uint32_t>("nomic-bert.feed_forward_length").value() == 48);
  };
  test::random_encoder_options const o{.gate = true};
  auto const bytes = test::random_encoder(arch::nomic_bert, o).bytes();
  auto const file = gguf::file::parse(bytes).value();
  // the random file has three matrices where the folder has one
  test::model_folder folder = test::folder_of(file, names, [&](test::model_folder& out, tensor_view const& t) {
    auto const at = t.name.find("attn_");
    auto const part = at == t.name.npos ? "" : t.name.substr(at, 7);
    if (part != "attn_q." && part != "attn_k." && part != "attn_v.") return false;
    if (part != "attn_q.") return true;
    std::vector<float> all;
    for (auto const* one : {"attn_q", "attn_k", "attn_v"}) {
      auto const rows = test::floats_of(file.tensor(test::renamed(t.name, {{"attn_q", one}})).value());
      all.insert(all.end(), rows.begin(), rows.end());
    }
    std::vector<std::uint64_t> shape{96};
    if (t.rank == 2) shape.push_back(32);
    out.add(test::renamed(t.name, around({{"attn_q", "attn_qkv"}}, names)), shape, all);
    return true;
  });
  test::temporary_folder const place;
  folder.write(place, sizes + "}");
  auto const opened = hugging_face::open(place / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  base(*opened);
  CHECK_FALSE(same_bits(vectors(*opened), vectors(file))); // another base of rotation
  folder.write(place, test::renamed(sizes, {{"1000", "10000"}}) + "}");
  auto const same = hugging_face::open(place / "").value();
  CHECK(same_bits(vectors(same), vectors(file)));
  check_back(same);
  folder.write(place, sizes + R"(,"prenorm":true})");
  auto const other = hugging_face::open(place / "");
  REQUIRE_FALSE(other);
  CHECK(other.error().message().find("prenorm: expected false") != std::string_view::npos);
}

TEST_CASE("jina-bert-v3's folders, whose adapters are left out") {
  auto const bytes = test::random_encoder(arch::jina_bert_v3, {}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  test::renamings const names{{"token_embd_norm", "emb_ln"},
                              {"token_embd.", "embeddings.word_embeddings.parametrizations."},
                              {"token_types", "embeddings.token_type_embeddings"},
                              {"blk.", "encoder.layers."},
                              {"attn_output.", "mixer.out_proj.parametrizations."},
                              {"attn_output_norm", "norm1"},
                              {"layer_output_norm", "norm2"},
                              {"ffn_up", "mlp.fc1"},
                              {"ffn_down", "mlp.fc2"},
                              {"parametrizations.weight", "parametrizations.weight.original"},
                              {"parametrizations.bias", "bias"}};
  test::model_folder folder;
  for (auto const& t : file.tensors()) {
    auto const name = test::renamed(t.name, names);
    if (t.name.find("attn_k.") != t.name.npos || t.name.find("attn_v.") != t.name.npos) continue;
    if (t.name.find("attn_q.") == t.name.npos) {
      test::add_as(folder, t, "roberta." + name);
      continue;
    }
    std::vector<float> all;
    for (auto const* one : {"attn_q", "attn_k", "attn_v"}) {
      auto const rows = test::floats_of(file.tensor(test::renamed(t.name, {{"attn_q", one}})).value());
      all.insert(all.end(), rows.begin(), rows.end());
    }
    std::vector<std::uint64_t> shape{96};
    if (t.rank == 2) shape.push_back(32);
    folder.add("roberta." + test::renamed(name, {{"attn_q", "mixer.Wqkv"}}), shape, all);
  }
  folder.add("roberta.encoder.layers.0.mixer.Wqkv.parametrizations.weight.0.lora_A", {1}, {9});
  folder.add("roberta.pooler.dense.weight", {1}, {9});
  test::temporary_folder const place;
  folder.write(place, config("XLMRobertaLoRA", R"(,"model_type":"xlm-roberta","max_position_embeddings":64,
    "layer_norm_eps":1e-5,"hidden_act":"gelu","rotary_emb_base":10000.0)"));
  auto const opened = hugging_face::open(place / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  CHECK(same_bits(vectors(*opened), vectors(file)));
}

TEST_CASE("jina-bert-v2's folders, of both generations") {
  std::string const more = R"(,"model_type":"bert","max_position_embeddings":64,"layer_norm_eps":1e-5,
    "feed_forward_type":"geglu","position_embedding_type":"alibi","hidden_act":"gelu")";
  test::renamings const gate{{"attn_q_norm", "attention.self.layer_norm_q"},
                             {"attn_k_norm", "attention.self.layer_norm_k"},
                             {"attn_norm_2", "layer_norm_1"}};
  for (bool const newer : {false, true}) {
    auto const names =
        newer
            ? around(gate, around({{"layer_output_norm", "layer_norm_2"}, {"ffn_down", "mlp.down_layer"}}, bert_names))
            : around({{"layer_output_norm", "mlp.layernorm"}, {"ffn_down", "mlp.wo"}}, bert_names);
    auto const bytes =
        test::random_encoder(arch::jina_bert_v2, {.gate = true, .qk_norm = newer, .norm_again = newer}).bytes();
    auto const file = gguf::file::parse(bytes).value();
    auto const joined = [&](test::model_folder& out, tensor_view const& t) {
      if (t.name.find("ffn_up") != t.name.npos) return true;
      if (t.name.find("ffn_gate") == t.name.npos) return false;
      auto all = test::floats_of(t);
      auto const up = test::floats_of(file.tensor(test::renamed(t.name, {{"ffn_gate", "ffn_up"}})).value());
      all.insert(newer ? all.begin() : all.end(), up.begin(), up.end());
      std::vector<std::uint64_t> shape{96};
      if (t.rank == 2) shape.push_back(32);
      auto const* const theirs = newer ? "mlp.up_gated_layer" : "mlp.gated_layers";
      out.add(test::renamed(t.name, around({{"ffn_gate", theirs}}, names)), shape, all);
      return true;
    };
    auto const expected = vectors(file);
    test::check_opens_as(file, test::folder_of(file, names, joined), config("JinaBertForMaskedLM", more),
                         [&](gguf::file const& opened) { CHECK(same_bits(vectors(opened), expected)); });
  }
}

TEST_CASE("modern-bert's folders") {
  test::renamings const names{{"token_embd_norm", "embeddings.norm"},
                              {"token_embd.", "embeddings.tok_embeddings."},
                              {"output_norm", "final_norm"},
                              {"blk.", "layers."},
                              {"attn_qkv", "attn.Wqkv"},
                              {"attn_output", "attn.Wo"},
                              {"ffn_norm", "mlp_norm"},
                              {"ffn_up", "mlp.Wi"},
                              {"ffn_down", "mlp.Wo"}};
  auto const more = [](gguf::file const& file) {
    CHECK(file.get<std::uint32_t>("modern-bert.attention.sliding_window").value() == 8);
    CHECK(file.get<std::uint32_t>("modern-bert.attention.sliding_window_pattern").value() == 3);
    CHECK(file.get<float>("modern-bert.rope.freq_base").value() == 160000);
    CHECK(file.get<float>("modern-bert.rope.freq_base_swa").value() == 10000);
  };
  // of token types the folder has none
  check(
      arch::modern_bert, {.layers = 3, .window = 8, .gate = true, .fused = true, .without = "token_types.weight"},
      config("ModernBertModel", R"(,"max_position_embeddings":64,"norm_eps":1e-5,"local_attention":8,
               "global_attn_every_n_layers":3,"hidden_activation":"gelu")"),
      names,
      [&](test::model_folder& out, tensor_view const& t) {
        test::add_as(out, t, "model." + test::renamed(t.name, names));
        return true;
      },
      more);
  check(arch::modern_bert, {.layers = 3, .window = 8, .gate = true, .fused = true, .without = "token_types.weight"},
        config("ModernBertModel", R"(,"max_position_embeddings":64,"norm_eps":1e-5,"local_attention":8,
               "rope_parameters":{"full_attention":{"rope_theta":160000.0,"rope_type":"default"},
               "sliding_attention":{"rope_theta":10000.0,"rope_type":"default"}})"),
        names, {}, more);
}

TEST_CASE("neo-bert's folders: queries, keys and values of each head together") {
  test::renamings const names{{"token_embd.", "encoder."},     {"enc.output_norm", "layer_norm"},
                              {"output_norm", "layer_norm"},   {"blk.", "transformer_encoder."},
                              {"attn_norm", "attention_norm"}, {"attn_output", "wo"},
                              {"ffn_up", "ffn.w12"},           {"ffn_down", "ffn.w3"}};
  auto const bytes =
      test::random_encoder(arch::neo_bert, {.gate = true, .fused = true, .without = "token_types.weight"}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const heads = [&](test::model_folder& out, tensor_view const& t) {
    if (t.name.find("token_types") != t.name.npos || t.name.find("token_embd_norm") != t.name.npos) return true;
    if (t.name.find("attn_qkv") == t.name.npos) return false;
    auto const from = test::floats_of(t);
    std::vector<float> rows;
    for (std::size_t head = 0; head < 4; ++head)
      for (std::size_t part = 0; part < 3; ++part)
        for (std::size_t i = 0; i < 8 * 32; ++i) rows.push_back(from[(part * 4 + head) * 8 * 32 + i]);
    out.add(test::renamed(t.name, around({{"attn_qkv", "qkv"}}, names)), {96, 32}, rows);
    return true;
  };
  test::temporary_folder const place;
  test::folder_of(file, names, heads)
      .write(place, R"({"architectures":["NeoBERT"],"hidden_size":32,"num_attention_heads":4,"num_hidden_layers":3,
                        "intermediate_size":72,"max_length":64,"norm_eps":1e-5,"vocab_size":40})");
  auto const opened = hugging_face::open(place / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  auto const* const qkv = opened->find_tensor("blk.1.attn_qkv.weight");
  REQUIRE(qkv);
  CHECK(std::ranges::equal(qkv->data, file.find_tensor("blk.1.attn_qkv.weight")->data));
  CHECK(opened->get<std::uint32_t>("neo-bert.feed_forward_length").value() == 48);
  CHECK(opened->get<std::uint32_t>("neo-bert.context_length").value() == 64);
  CHECK(vectors(*opened).size() == 30 * 32);
  check_back(*opened);
}

TEST_CASE("albert's and mobile-bert's folders") {
  test::renamings const albert{{"token_embd_proj", "encoder.embedding_hidden_mapping_in"},
                               {"blk.0.", "encoder.albert_layer_groups.0.albert_layers.0."},
                               {"attn_q.", "attention.query."},
                               {"attn_k.", "attention.key."},
                               {"attn_v.", "attention.value."},
                               {"attn_output.", "attention.dense."},
                               {"attn_output_norm", "attention.LayerNorm"},
                               {"ffn_up", "ffn"},
                               {"ffn_down", "ffn_output"},
                               {"layer_output_norm", "full_layer_layer_norm"}};
  check(arch::albert, {.token_embedding = 16, .groups = 1},
        config("AlbertModel", R"(,"max_position_embeddings":64,"embedding_size":16,"num_hidden_groups":1,
               "layer_norm_eps":1e-5,"hidden_act":"gelu_new","inner_group_num":1)"),
        around(albert, bert_names));

  test::renamings const mobile{{"token_embd_proj", "embeddings.embedding_transformation"},
                               {"bottleneck_in_norm", "bottleneck.input.LayerNorm"},
                               {"bottleneck_in.", "bottleneck.input.dense."},
                               {"bottleneck_qk_norm", "bottleneck.attention.LayerNorm"},
                               {"bottleneck_qk.", "bottleneck.attention.dense."},
                               {"bottleneck_out_norm", "output.bottleneck.LayerNorm"},
                               {"bottleneck_out.", "output.bottleneck.dense."},
                               {"ffn_up_0", "ffn.0.intermediate.dense"},
                               {"ffn_down_0", "ffn.0.output.dense"},
                               {"ffn_norm_0", "ffn.0.output.LayerNorm"}};
  check(arch::mobile_bert, {.layers = 2, .head_dim = 4, .token_embedding = 8, .width = 16, .feed_forwards = 2},
        R"({"architectures":["MobileBertModel"],"hidden_size":32,"num_attention_heads":4,"num_hidden_layers":2,
            "intermediate_size":48,"vocab_size":40,"max_position_embeddings":64,"embedding_size":8,
            "intra_bottleneck_size":16,"num_feedforward_networks":2,"trigram_input":true,"use_bottleneck":true,
            "use_bottleneck_attention":false,"key_query_shared_bottleneck":true,"normalization_type":"no_norm",
            "hidden_act":"relu"})",
        around(mobile, bert_names));
}

TEST_CASE("t5's folders, with a decoder and without") {
  test::renamings const names{{"token_embd", "shared"},
                              {"enc.output_norm", "encoder.final_layer_norm"},
                              {"dec.output_norm", "decoder.final_layer_norm"},
                              {"enc.blk.", "encoder.block."},
                              {"dec.blk.", "decoder.block."},
                              {"attn_norm", "layer.0.layer_norm"},
                              {"attn_q", "layer.0.SelfAttention.q"},
                              {"attn_k", "layer.0.SelfAttention.k"},
                              {"attn_v", "layer.0.SelfAttention.v"},
                              {"attn_o.", "layer.0.SelfAttention.o."},
                              {"attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"},
                              {"ffn_norm", "layer.1.layer_norm"},
                              {"ffn_gate", "layer.1.DenseReluDense.wi_0"},
                              {"ffn_up", "layer.1.DenseReluDense.wi_1"},
                              {"ffn_down", "layer.1.DenseReluDense.wo"},
                              {"output.weight", "lm_head.weight"}};
  std::string const sizes = R"("d_model":32,"num_heads":4,"num_layers":3,"d_ff":48,"d_kv":8,"n_positions":64,
    "vocab_size":40,"layer_norm_epsilon":1e-5,"relative_attention_num_buckets":8,"feed_forward_proj":"gated-gelu",
    "relative_attention_max_distance":128})";
  check(arch::t5_encoder, {.buckets = 8, .gate = true}, R"({"architectures":["T5EncoderModel"],)" + sizes, names);
  check(arch::t5, {.buckets = 8, .gate = true, .decoder = true},
        R"({"architectures":["T5ForConditionalGeneration"],"tie_word_embeddings":false,)" + sizes, names);
}

TEST_CASE("folders of encoders that are other models say which value makes them so") {
  test::model_folder none;
  none.add("embeddings.word_embeddings.weight", {40, 32}, std::vector<float>(40 * 32));
  auto const complains = [&](std::string const& text, std::string_view about) {
    test::temporary_folder const folder;
    none.write(folder, text);
    auto const file = hugging_face::open(folder / "");
    CAPTURE(text);
    REQUIRE_FALSE(file);
    CAPTURE(std::string(file.error().message()));
    CHECK(file.error().message().find(about) != std::string_view::npos);
  };
  std::string const positions = R"(,"max_position_embeddings":64)";
  complains(config("BertModel", positions + R"(,"position_embedding_type":"relative_key")"), "position_embedding_type");
  complains(config("JinaBertModel", positions + R"(,"feed_forward_type":"original")"), "feed_forward_type");
  complains(config("XLMRobertaModel", R"(,"max_position_embeddings":2)"), "more than pad_token_id");
  complains(config("XLMRobertaModel", positions + R"(,"pad_token_id":-7)"), "pad_token_id");
  complains(config("AlbertModel", positions + R"(,"inner_group_num":2)"), "inner_group_num: expected 1");
  complains(config("MobileBertModel", positions + R"(,"trigram_input":false)"), "trigram_input: expected true");
  complains(config("MobileBertModel", positions + R"(,"intra_bottleneck_size":6)"), "intra_bottleneck_size");
  complains(config("NomicBertModel", positions + R"(,"num_experts":8)"), "num_experts");
  complains(config("T5EncoderModel", R"(,"feed_forward_proj":"gated-silu")"), "feed_forward_proj");
}

} // namespace
} // namespace convert_encoders_test
