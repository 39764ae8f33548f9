/// \file
/// Folders of Hugging Face transformers as GGUF files: the arrangements that differ, and what folders may lie about.

#include "convert/folder_fuzz.hpp"
#include "convert/folders.hpp"
#include "support/data.hpp"
#include "support/temporary.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/convert/hugging_face.hpp>
#include <loquat/core/float8.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/model/zoo.hpp>
#include <loquat/quant/formats.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace convert_hugging_face_test {

using namespace loquat;
using element = safetensors::element;

namespace {

std::vector<float> logits(gguf::file const& file) {
  cpu const machine({1});
  auto const model = transformer<arch::llama>::build(file, machine).value();
  auto s = model.make_session({.context = 64}).value();
  std::vector<token> ids(9);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token>(i * 7 % 40);
  auto const out = model.forward(s, ids).value();
  return {out.begin(), out.end()};
}
bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
std::vector<float> floats(gguf::file const& file, std::string_view name) {
  auto const t = file.tensor(name).value();
  std::vector<float> out(static_cast<std::size_t>(t.elements()));
  unpack_tensor(builtin_formats{}, t, out).value();
  return out;
}
std::vector<float> counted(std::size_t n) {
  std::vector<float> out(n);
  std::iota(out.begin(), out.end(), 0.0f);
  return out;
}

TEST_CASE("a folder of llama is the model of a GGUF file that is written directly, bit for bit") {
  auto const source = test::llama_folder();
  test::temporary_folder const folder, parts;
  source.write(folder, test::llama_config());
  source.write(parts, test::llama_config(), 3);

  // the GGUF file, with rows of queries and keys as the format has them: pairs beside each other
  gguf::writer out;
  out.add("general.architecture", std::string_view("llama"));
  auto const key = [&](std::string_view suffix, auto value) { out.add("llama." + std::string(suffix), value); };
  key("block_count", 2u), key("embedding_length", 32u), key("feed_forward_length", 48u), key("context_length", 64u);
  key("attention.head_count", 4u), key("attention.head_count_kv", 2u);
  key("attention.layer_norm_rms_epsilon", 1e-6f), key("rope.freq_base", 500000.0f);
  std::deque<std::string> names;
  std::deque<std::vector<std::byte>> data;
  for (auto const& t : source.tensors()) {
    std::string name(t.name);
    if (name.ends_with("inv_freq")) continue;
    for (auto const& [from, to] : {std::pair{"model.layers.", "blk."},
                                   {"self_attn.q_proj", "attn_q"},
                                   {"self_attn.k_proj", "attn_k"},
                                   {"self_attn.v_proj", "attn_v"},
                                   {"self_attn.o_proj", "attn_output"},
                                   {"input_layernorm", "attn_norm"},
                                   {"post_attention_layernorm", "ffn_norm"},
                                   {"mlp.gate_proj", "ffn_gate"},
                                   {"mlp.up_proj", "ffn_up"},
                                   {"mlp.down_proj", "ffn_down"},
                                   {"model.embed_tokens", "token_embd"},
                                   {"model.norm", "output_norm"},
                                   {"lm_head", "output"}})
      if (auto const at = name.find(from); at != name.npos) name.replace(at, std::strlen(from), to);
    std::vector<std::byte> bytes(t.data.begin(), t.data.end());
    std::size_t const row_bytes = 64;
    if (name.find("attn_q") != name.npos || name.find("attn_k") != name.npos)
      for (std::size_t head = 0; head < t.shape[0] / 8; ++head)
        for (std::size_t pair = 0; pair < 4; ++pair)
          for (std::size_t part = 0; part < 2; ++part)
            std::memcpy(bytes.data() + (head * 8 + 2 * pair + part) * row_bytes,
                        t.data.data() + (head * 8 + part * 4 + pair) * row_bytes, row_bytes);
    bool const vector = t.shape.size() == 1;
    data.push_back(std::move(bytes));
    out.add(tensor_view{names.emplace_back(name),
                        tensor_type::bf16,
                        vector ? 1u : 2u,
                        {vector ? t.shape[0] : t.shape[1], vector ? 1 : t.shape[0], 1, 1},
                        data.back()});
  }
  auto const bytes = out.bytes().value();
  auto const expected = logits(gguf::file::parse(bytes).value());
  for (float const x : expected) REQUIRE(std::isfinite(x));

  auto const file = hugging_face::open(folder / "");
  INFO(std::string(file ? "" : file.error().message()));
  REQUIRE(file);
  CHECK(same_bits(logits(*file), expected));
  CHECK(same_bits(logits(hugging_face::open(parts / "").value()), expected));
  // and converted
  auto const path = folder / "converted.gguf";
  REQUIRE(gguf::writer(*file).write(path));
  auto const converted = gguf::open(path).value();
  CHECK(same_bits(logits(converted), expected));
  CHECK(converted.find_tensor("blk.0.attn_norm.weight")->type == tensor_type::f32);
  CHECK(converted.find_tensor("blk.0.attn_q.weight")->type == tensor_type::bf16);
  CHECK(converted.get<std::uint32_t>("general.file_type").value() == 32);
  CHECK(converted.get<std::uint32_t>("llama.vocab_size").value() == 40);
  CHECK(converted.get<std::string_view>("tokenizer.ggml.model").value() == "none");
  CHECK(converted.get<std::uint32_t>("tokenizer.ggml.eos_token_id").value() == 2);
  // what need not change is not copied
  auto const* const lies = file->find_tensor("blk.0.attn_v.weight");
  CHECK(file->intact());
  REQUIRE(lies);
}

/// The file of a folder of these tensors.
gguf::file opened(test::model_folder const& tensors, std::string const& config) {
  test::temporary_folder const folder;
  tensors.write(folder, config);
  auto file = hugging_face::open(folder / "", {.access = file_access::copied});
  INFO(std::string(file ? "" : file.error().message()));
  REQUIRE(file);
  return *std::move(file);
}
std::string config(std::string_view model, std::string_view more) {
  return R"({"architectures":[")" + std::string(model) +
         R"("],"hidden_size":8,"num_attention_heads":4,"num_hidden_layers":1,"intermediate_size":8,)"
         R"("max_position_embeddings":64)" +
         std::string(more) + "}";
}

TEST_CASE("queries, keys and values that are one matrix are taken apart by heads") {
  // neox: for each of 4 heads query, key, value of 2 rows each
  test::model_folder neox;
  neox.add("gpt_neox.layers.0.attention.query_key_value.bias", {24}, counted(24));
  neox.add("gpt_neox.layers.0.attention.query_key_value.weight", {24, 8}, counted(24 * 8));
  auto const file = opened(neox, config("GPTNeoXForCausalLM", R"(,"rotary_pct":1)"));
  auto const bias = floats(file, "blk.0.attn_qkv.bias"), weight = floats(file, "blk.0.attn_qkv.weight");
  std::vector<float> expected;
  for (int part = 0; part < 3; ++part)
    for (int head = 0; head < 4; ++head)
      for (int row = 0; row < 2; ++row) expected.push_back(static_cast<float>((head * 3 + part) * 2 + row));
  CHECK(bias == expected);
  for (std::size_t i = 0; i < weight.size(); ++i) CHECK(weight[i] == expected[i / 8] * 8 + static_cast<float>(i % 8));

  // falcon: for each of 2 keys 2 queries, the key, the value
  test::model_folder falcon;
  falcon.add("transformer.h.0.self_attention.query_key_value.bias", {16}, counted(16));
  falcon.add("transformer.h.0.ln_attn.weight", {8}, counted(8));
  falcon.add("transformer.h.0.ln_mlp.weight", {8}, std::vector<float>(8, 1.0f));
  auto const other =
      opened(falcon, config("FalconForCausalLM", R"(,"num_kv_heads":2,"new_decoder_architecture":true)"));
  CHECK(floats(other, "blk.0.attn_qkv.bias") ==
        std::vector<float>{0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15});
  CHECK(other.get<std::uint32_t>("falcon.attention.head_count_kv").value() == 2);
  CHECK(floats(other, "blk.0.attn_norm_2.weight")[7] == 7);
  CHECK(floats(other, "blk.0.attn_norm.weight")[7] == 1);
  CHECK(other.get<std::uint32_t>("falcon.feed_forward_length").value() == 8);
  test::model_folder single;
  single.add("transformer.h.0.self_attention.query_key_value.bias", {12}, counted(12));
  auto const old = opened(single, config("FalconForCausalLM", R"(,"num_kv_heads":4)")); // one key, whatever it says
  CHECK(old.get<std::uint32_t>("falcon.attention.head_count_kv").value() == 1);
}

TEST_CASE("gpt2's matrices are turned, its names may lack their prefix, its masks are left out") {
  test::model_folder gpt2;
  gpt2.add("h.0.mlp.c_fc.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  gpt2.add("h.0.mlp.c_fc.bias", {3}, {1, 2, 3});
  gpt2.add("h.0.attn.bias", {1, 1, 2, 2}, {1, 0, 1, 1});
  gpt2.add("wpe.weight", {1, 2}, {7, 8});
  auto const file = opened(gpt2, R"({"model_type":"gpt2","n_embd":8,"n_head":4,"n_layer":1,"n_positions":64,
      "activation_function":"gelu_new","n_inner":null})");
  CHECK(file.tensors().size() == 3);
  auto const t = file.tensor("blk.0.ffn_up.weight").value();
  CHECK(t.shape == tensor_shape{2, 3, 1, 1});
  CHECK(floats(file, "blk.0.ffn_up.weight") == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(file.get<std::uint32_t>("gpt2.feed_forward_length").value() == 32);
  CHECK_FALSE(file.find("gpt2.rope.freq_base"));
}

TEST_CASE("experts become one tensor, in their order; all of them must be there") {
  auto const experts = [](std::vector<int> const& numbers) {
    test::model_folder out;
    for (int const i : numbers)
      out.add("model.layers.0.block_sparse_moe.experts." + std::to_string(i) + ".w2.weight", {2, 2},
              std::vector<float>(4, static_cast<float>(i)));
    out.add("model.layers.0.block_sparse_moe.gate.weight", {3, 8}, std::vector<float>(24));
    return out;
  };
  auto const text = config("MixtralForCausalLM", R"(,"num_local_experts":3,"num_key_value_heads":2)");
  auto const file = opened(experts({2, 0, 1}), text);
  auto const t = file.tensor("blk.0.ffn_down_exps.weight").value();
  CHECK(t.shape == tensor_shape{2, 2, 3, 1});
  CHECK(floats(file, t.name) == std::vector<float>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});
  CHECK(file.get<std::uint32_t>("llama.expert_count").value() == 3);
  CHECK(file.get<std::uint32_t>("llama.expert_used_count").value() == 2);
  CHECK(file.tensor("blk.0.ffn_gate_inp.weight").value().type == tensor_type::f32);
  test::temporary_folder const folder;
  experts({0, 2}).write(folder, text);
  auto const lacking = hugging_face::open(folder / "");
  REQUIRE_FALSE(lacking);
  CHECK(lacking.error().message().find("expert 1 is missing") != std::string_view::npos);
}

TEST_CASE("gemma's norms are one more, its output matrix is that of the tokens; what sees is left out") {
  test::model_folder gemma;
  gemma.add("language_model.model.layers.0.self_attn.q_norm.weight", {2}, {0.5f, -1});
  gemma.add("language_model.lm_head.weight", {1, 8}, std::vector<float>(8));
  gemma.add("vision_tower.x.weight", {1}, {1});
  auto const file = opened(gemma, R"({"architectures":["Gemma3ForConditionalGeneration"],"text_config":{
      "hidden_size":8,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":4,"num_key_value_heads":2,
      "head_dim":2,"rope_scaling":{"rope_type":"linear","factor":8.0},"sliding_window":16}})");
  CHECK(file.tensors().size() == 1);
  CHECK(floats(file, "blk.0.attn_q_norm.weight") == std::vector<float>{1.5f, 0});
  CHECK(file.get<float>("gemma3.rope.freq_base").value() == 1e6f);
  CHECK(file.get<float>("gemma3.rope.scaling.factor").value() == 8);
  CHECK(file.get<std::uint32_t>("gemma3.attention.key_length").value() == 2);
  CHECK(file.get<std::uint32_t>("gemma3.attention.sliding_window").value() == 16);
}

TEST_CASE("bitnet's weights are rounded to three values") {
  test::model_folder bitnet;
  bitnet.add("model.layers.0.mlp.up_proj.weight", {2, 2}, {1, -3, 0.5f, -1.5f}); // mean magnitude 1.5
  auto const file = opened(bitnet, config("BitnetForCausalLM", ""));
  CHECK(floats(file, "blk.0.ffn_up.weight") == std::vector<float>{1.5f, -1.5f, 0, -1.5f});
}

TEST_CASE("mamba and bert have names and keys of their own") {
  test::model_folder mamba;
  mamba.add("backbone.layers.0.mixer.A_log", {1, 2}, {0, 1});
  mamba.add("backbone.layers.0.mixer.D", {2}, {3, 4});
  mamba.add("backbone.layers.0.mixer.conv1d.weight", {2, 1, 3}, counted(6));
  mamba.add("backbone.layers.0.mixer.conv1d.bias", {2}, counted(2));
  mamba.add("lm_head.weight", {1, 8}, counted(8)); // that of the tokens
  auto const file = opened(mamba, R"({"architectures":["MambaForCausalLM"],"hidden_size":40,"num_hidden_layers":1,
      "time_step_rank":"auto","layer_norm_epsilon":1e-6})");
  auto const a = floats(file, "blk.0.ssm_a");
  REQUIRE(a.size() == 2);
  CHECK(a[0] == -1);
  CHECK(static_cast<double>(a[1]) == doctest::Approx(-2.718281828));
  CHECK(floats(file, "blk.0.ssm_d") == std::vector<float>{3, 4});
  CHECK(file.tensor("blk.0.ssm_conv1d.weight").value().shape == tensor_shape{3, 2, 1, 1});
  CHECK(file.tensors().size() == 4);
  CHECK(file.get<std::uint32_t>("mamba.ssm.inner_size").value() == 80);
  CHECK(file.get<std::uint32_t>("mamba.ssm.time_step_rank").value() == 3);
  CHECK(file.get<std::uint32_t>("mamba.ssm.conv_kernel").value() == 4);
  CHECK(file.get<float>("mamba.attention.layer_norm_rms_epsilon").value() == 1e-6f);
  CHECK(file.get<std::uint32_t>("mamba.attention.head_count").value() == 0);

  test::model_folder bert;
  bert.add("encoder.layer.0.attention.output.LayerNorm.bias", {8}, counted(8));
  bert.add("embeddings.token_type_embeddings.weight", {2, 8}, counted(16));
  bert.add("embeddings.position_ids", element::i64, {1, 1}, std::vector<std::byte>(8));
  bert.add("pooler.dense.bias", {8}, counted(8));
  auto const other = opened(bert, config("BertModel", R"(,"hidden_act":"gelu")"));
  CHECK(other.tensors().size() == 2);
  CHECK(floats(other, "blk.0.attn_output_norm.bias") == counted(8));
  CHECK(floats(other, "token_types.weight") == counted(16));
  CHECK(other.get<float>("bert.attention.layer_norm_epsilon").value() == 1e-12f);
  CHECK_FALSE(other.get<bool>("bert.attention.causal").value());
  CHECK(other.get<std::uint32_t>("tokenizer.ggml.token_type_count").value() == 2);
}

TEST_CASE("8-bit weights and their factors become 16-bit ones, 64-bit floats F32") {
  auto const bytes = [](std::initializer_list<unsigned> list) {
    std::vector<std::byte> out;
    for (auto const b : list) out.push_back(static_cast<std::byte>(b));
    return out;
  };
  test::model_folder folder;
  auto const name = [](std::string const& part) { return "model.layers.0.mlp." + part; };
  folder.add(name("up_proj.weight"), element::f8_e4m3, {2, 2}, bytes({0x38, 0xb8, 0x01, 0x7e})); // 1, -1, 2^-9, 448
  folder.add(name("down_proj.weight"), element::f8_e5m2, {1, 2}, bytes({0x3c, 0x40}));           // 1, 2
  folder.add(name("gate_proj.weight"), element::f8_e4m3, {3, 2}, bytes({0x38, 0x38, 0x38, 0x38, 0x38, 0x38}));
  folder.add(name("gate_proj.weight_scale_inv"), {2, 1}, {2, 4});
  folder.add(name("gate_proj.input_scale"), {1}, {9});
  folder.add("model.layers.0.self_attn.v_proj.weight", element::i8, {2, 2}, bytes({1, 0xff, 2, 0}));
  folder.add("model.layers.0.self_attn.v_proj.weight_scale", {2, 1}, {0.5f, 3});
  std::vector<std::byte> doubles;
  for (double const x : {0.1, -2.0}) append_little(doubles, x);
  folder.add("model.layers.0.self_attn.o_proj.weight", element::f64, {1, 2}, doubles);
  auto const file =
      opened(folder, config("LlamaForCausalLM",
                            R"(,"quantization_config":{"quant_method":"fp8","weight_block_size":[2,128]})"));
  CHECK(floats(file, "blk.0.ffn_up.weight") == std::vector<float>{1, -1, 0x1p-9f, 448});
  CHECK(file.tensor("blk.0.ffn_up.weight").value().type == tensor_type::f16);
  CHECK(floats(file, "blk.0.ffn_down.weight") == std::vector<float>{1, 2});
  CHECK(floats(file, "blk.0.ffn_gate.weight") == std::vector<float>{2, 2, 2, 2, 4, 4});
  CHECK(file.tensor("blk.0.ffn_gate.weight").value().type == tensor_type::bf16);
  CHECK(floats(file, "blk.0.attn_v.weight") == std::vector<float>{0.5f, -0.5f, 6, 0});
  CHECK(floats(file, "blk.0.attn_output.weight") == std::vector<float>{0.1f, -2});
}

TEST_CASE("rotary embeddings are extended as config.json says") {
  test::model_folder none;
  none.add("model.norm.weight", {32}, counted(32));
  auto const with = [&](std::string_view scaling) {
    return opened(none, test::llama_config(R"(,"rope_scaling":)" + std::string(scaling)));
  };
  // the factors of Llama 3.1, by the definition's own words
  auto const file = with(R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                             "original_max_position_embeddings":8192})");
  auto const factors = floats(file, "rope_freqs.weight");
  REQUIRE(factors.size() == 4);
  for (int i = 0; i < 4; ++i) {
    double const frequency = std::pow(500000.0, -2.0 * i / 8), length = 2 * 3.141592653589793 / frequency;
    double const smooth = (8192 / length - 1) / 3;
    double const slowed = length > 8192   ? frequency / 8
                          : length < 2048 ? frequency
                                          : (1 - smooth) * frequency / 8 + smooth * frequency;
    CHECK(static_cast<double>(factors[static_cast<std::size_t>(i)]) == doctest::Approx(frequency / slowed));
  }
  auto const yarn = with(R"({"type":"yarn","factor":4.0,"original_max_position_embeddings":16,"beta_fast":16})");
  CHECK(yarn.get<std::string_view>("llama.rope.scaling.type").value() == "yarn");
  CHECK(yarn.get<float>("llama.rope.scaling.factor").value() == 4);
  CHECK(yarn.get<std::uint32_t>("llama.rope.scaling.original_context_length").value() == 16);
  CHECK(yarn.get<float>("llama.rope.scaling.yarn_beta_fast").value() == 16);
  CHECK_FALSE(with(R"({"type":"dynamic","factor":4.0})").find("llama.rope.scaling.type"));
  auto const modern =
      opened(none, test::llama_config(R"(,"rope_parameters":{"rope_theta":7.5,"rope_type":"default"})"));
  CHECK(modern.get<float>("llama.rope.freq_base").value() == 7.5f);

  test::model_folder phi;
  phi.add("model.norm.weight", {8}, counted(8));
  auto const text = config("Phi3ForCausalLM", R"(,"original_max_position_embeddings":16,"sliding_window":null,
      "rope_scaling":{"type":"longrope","long_factor":[2],"short_factor":[1.5]})");
  auto const extended = opened(phi, text);
  CHECK(floats(extended, "rope_factors_long.weight") == std::vector<float>{2});
  CHECK(floats(extended, "rope_factors_short.weight") == std::vector<float>{1.5f});
  CHECK(static_cast<double>(extended.get<float>("phi3.rope.scaling.attn_factor").value()) ==
        doctest::Approx(std::sqrt(1 + std::log(4.0) / std::log(16.0))));
  CHECK(extended.get<std::uint32_t>("phi3.attention.sliding_window").value() == 0);
}

TEST_CASE("folders that lie or lack something say what is wrong") {
  auto const source = test::llama_folder();
  auto const complains = [&](std::string const& text, std::string_view about, errc code = errc::malformed) {
    test::temporary_folder const folder;
    source.write(folder, text);
    auto const file = hugging_face::open(folder / "");
    CAPTURE(text);
    REQUIRE_FALSE(file);
    CAPTURE(std::string(file.error().message()));
    CHECK(file.error().message().find(about) != std::string_view::npos);
    CHECK(file.error().message().find(std::string_view(folder / "")) != std::string_view::npos);
    CHECK(file.error().code() == code);
  };
  complains("", "JSON");
  complains("[]", "expected an object");
  complains("{}", "architectures: none; known: LlamaForCausalLM", errc::unsupported);
  complains(R"({"architectures":["Other"],"model_type":"other"})", "Other", errc::unsupported);
  complains(R"({"model_type":"llama"})", "hidden_size", errc::missing);
  auto const replaced = [](std::string_view from, std::string_view to) {
    auto text = test::llama_config();
    return text.replace(text.find(from), from.size(), to);
  };
  complains(replaced("\"hidden_size\":32", "\"hidden_size\":0"), "hidden_size: expected 1 to 2^31");
  complains(replaced("\"hidden_size\":32", "\"hidden_size\":-1"), "hidden_size");
  complains(replaced("\"hidden_size\":32", "\"hidden_size\":1e300"), "hidden_size");
  complains(replaced("\"hidden_size\":32", "\"hidden_size\":33"), "hidden_size: expected a multiple");
  complains(replaced("\"num_attention_heads\":4", "\"num_attention_heads\":\"4\""), "num_attention_heads");
  complains(replaced("heads\":2", "heads\":3"), "num_key_value_heads: expected a divisor");
  complains(replaced("heads\":4", "heads\":16").replace(0, 1, "{\"head_dim\":1,"), "partial_rotary_factor");
  complains(replaced("silu", "relu"), "hidden_act", errc::unsupported);
  complains(test::llama_config(R"(,"rope_scaling":{"type":"mrope"})"), "mrope", errc::unsupported);
  complains(test::llama_config(R"(,"rope_scaling":{"type":"longrope","long_factor":[1]})"),
            "expected 4 numbers, found 1");
  complains(test::llama_config(R"(,"quantization_config":{"quant_method":"gptq"})"), "gptq", errc::unsupported);
  complains(test::llama_config(R"(,"qk_layernorm":true)"), "qk_layernorm", errc::unsupported);

  test::temporary_folder const folder;
  auto const message = [&] {
    auto const file = hugging_face::open(folder / "");
    REQUIRE_FALSE(file);
    return std::string(file.error().message());
  };
  CHECK(message().find("config.json: there is none") != std::string::npos);
  folder.put("config.json", test::llama_config());
  CHECK(message().find("expected model.safetensors or") != std::string::npos);
  test::model_folder odd;
  odd.add("model.layers.0.self_attn.q_proj.weight", {6, 2}, counted(12)); // no 4 heads
  odd.write(folder, test::llama_config());
  CHECK(message().find("q_proj.weight: expected 4 heads") != std::string::npos);
  test::model_folder stranger;
  stranger.add("model.layers.0.self_attn.x_proj.weight", {1}, {1});
  stranger.write(folder, test::llama_config());
  CHECK(message().find("x_proj.weight has no place in models of the kind llama") != std::string::npos);
  test::model_folder twice;
  twice.add("model.norm.weight", {1}, {1}).add("norm.weight", {1}, {1});
  twice.write(folder, test::llama_config());
  CHECK(message().find("are the same tensor, output_norm.weight") != std::string::npos);
  test::model_folder empty;
  empty.add("model.norm.weight", {0}, {});
  empty.write(folder, test::llama_config());
  CHECK(message().find("a dimension has length 0") != std::string::npos);
  test::model_folder numbers;
  numbers.add("model.norm.weight", element::i64, {1}, std::vector<std::byte>(8));
  numbers.write(folder, test::llama_config());
  CHECK(message().find("weights of type I64") != std::string::npos);
}

TEST_CASE("sizes that the tensors do not have are found when the model is built") {
  test::temporary_folder const folder;
  auto text = test::llama_config();
  text.replace(text.find("size\":48"), 8, "size\":47");
  test::llama_folder().write(folder, text);
  auto const file = hugging_face::open(folder / "").value();
  auto const model = transformer<arch::llama>::build(file, cpu({1}));
  REQUIRE_FALSE(model);
  CHECK(model.error().message().find("ffn_gate.weight") != std::string_view::npos);
}

TEST_CASE("every file of the corpus is a folder that opens, or an error") {
  std::size_t inputs = 0, opened = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/hugging_face")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const bytes = test::read(path);
    auto const outcome = test::fuzz_folder(std::as_bytes(std::span(bytes)));
    CHECK(outcome != test::folder_outcome::wrong);
    ++inputs;
    opened += outcome == test::folder_outcome::opened;
  }
  CHECK(inputs >= 10);
  CHECK(opened >= 8);
  CHECK(opened < inputs);
}

} // namespace
} // namespace convert_hugging_face_test
