/// \file
/// Folders of models whose tensors are packed, joined or stacked otherwise: gpt-oss, DeepSeek, BitNet, Mamba-2; and
/// weights in several files.

#include "convert/renamed.hpp"
#include "support/random_model.hpp"
#include "support/recurrent_model.hpp"
#include "support/tiny_model.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/convert/folder.hpp>
#include <loquat/convert/folder_writer.hpp>
#include <loquat/model/zoo.hpp>
#include <loquat/quant/formats.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace convert_packed_test {

using namespace loquat;
using element = safetensors::element;

namespace {

template <class Builder> std::vector<float> logits(gguf::file const& file) {
  reference const machine;
  auto const model = Builder::build(file, machine);
  INFO(std::string(model ? "" : model.error().message()));
  REQUIRE(model);
  auto s = model->make_session({.context = 16}).value();
  auto const out = model->forward(s, std::vector<token>{3, 1, 4, 1, 5, 9, 2, 6, 39}).value();
  return {out.begin(), out.end()};
}
bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
std::vector<float> unpacked(gguf::file const& file, std::string_view name) {
  auto const t = file.tensor(name).value();
  std::vector<float> out(static_cast<std::size_t>(t.elements()));
  unpack_tensor(builtin_formats{}, t, out).value();
  return out;
}
std::string complaint(test::model_folder const& tensors, std::string const& config) {
  test::temporary_folder const folder;
  tensors.write(folder, config);
  auto const file = hugging_face::open(folder / "");
  return file ? "no error" : std::string(file.error().message());
}

test::renamings const names{{"blk.", "layers."},
                            {"token_embd", "model.embed_tokens"},
                            {"output_norm", "model.norm"},
                            {"layers.", "model.layers."},
                            {"attn_norm", "input_layernorm"},
                            {"post_attention_norm", "post_attention_layernorm"},
                            {"ffn_norm", "post_attention_layernorm"},
                            {"attn_q_a_norm", "self_attn.q_a_layernorm"},
                            {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
                            {"attn_q_a", "self_attn.q_a_proj"},
                            {"attn_q_b", "self_attn.q_b_proj"},
                            {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
                            {"attn_q.", "self_attn.q_proj."},
                            {"attn_k.", "self_attn.k_proj."},
                            {"attn_v.", "self_attn.v_proj."},
                            {"attn_output", "self_attn.o_proj"},
                            {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"}};

TEST_CASE("deepseek's keys and values of all heads are taken apart, its experts put together") {
  auto const bytes =
      test::random_model(arch::deepseek2, {.layers = 2,
                                           .experts = 4,
                                           .absorbed = true,
                                           .more =
                                               [](gguf::writer& out, std::string const& p) {
                                                 out.add(p + ".expert_gating_func", 2u);
                                                 out.add(p + ".expert_weights_norm", true);
                                                 out.add(p + ".expert_weights_scale", 2.5f);
                                                 out.add(p + ".expert_group_count", 2u);
                                                 out.add(p + ".expert_group_used_count", 1u);
                                                 out.add(p + ".rope.scaling.type", std::string_view("yarn"));
                                                 out.add(p + ".rope.scaling.factor", 4.0f);
                                                 out.add(p + ".rope.scaling.original_context_length", 16u);
                                                 out.add(p + ".rope.scaling.yarn_log_multiplier", 0.1f);
                                               }})
          .bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const other = [&](test::model_folder& out, tensor_view const& t) {
    auto const is = [&](std::string_view part) { return t.name.find(part) != t.name.npos; };
    auto const x = test::floats_of(t);
    auto const layer = std::string(t.name.substr(0, 6));
    if (is("attn_v_b")) return true;
    if (is("attn_k_b")) { // [heads, 24, 8] and [heads, 10, 24] become [heads · (8 + 10), 24]
      auto const v = test::floats_of(file.tensor(layer + "attn_v_b.weight").value());
      std::vector<float> joined;
      for (std::size_t head = 0; head < 4; ++head)
        for (std::size_t row = 0; row < 18; ++row)
          for (std::size_t column = 0; column < 24; ++column)
            joined.push_back(row < 8 ? x[(head * 24 + column) * 8 + row] : v[(head * 10 + row - 8) * 24 + column]);
      out.add(test::renamed(layer, names) + "self_attn.kv_b_proj.weight", {72, 24}, joined);
      return true;
    }
    if (is("ffn_gate_inp")) return test::add_as(out, t, test::renamed(layer, names) + "mlp.gate.weight"), true;
    for (std::string const part : {"gate", "up", "down"})
      if (is("ffn_" + part + "_exps")) {
        auto const size = x.size() / 4;
        for (std::size_t e = 0; e < 4; ++e)
          out.add(test::renamed(layer, names) + "mlp.experts." + std::to_string(e) + "." + part + "_proj.weight",
                  {t.shape[1], t.shape[0]},
                  {x.begin() + static_cast<std::ptrdiff_t>(e * size),
                   x.begin() + static_cast<std::ptrdiff_t>((e + 1) * size)});
        return true;
      }
    return false;
  };
  std::string const config = R"({"architectures":["DeepseekV3ForCausalLM"],"hidden_size":32,"num_attention_heads":4,
    "num_key_value_heads":4,"num_hidden_layers":2,"intermediate_size":48,"moe_intermediate_size":16,"vocab_size":40,
    "max_position_embeddings":64,"rms_norm_eps":1e-5,"n_routed_experts":4,"num_experts_per_tok":2,"n_group":2,
    "topk_group":1,"routed_scaling_factor":2.5,"first_k_dense_replace":0,"q_lora_rank":20,"kv_lora_rank":24,
    "qk_rope_head_dim":4,"qk_nope_head_dim":8,"v_head_dim":10,"norm_topk_prob":true,"hidden_act":"silu",
    "rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":16,"mscale":1.0,
    "mscale_all_dim":1.0})";
  auto folder = test::folder_of(file, names, other);
  folder.add("model.layers.2.mlp.gate.weight", {1, 1}, {9}); // predicts further tokens
  auto const expected = logits<transformer<arch::deepseek2>>(file);
  test::check_opens_as(file, folder, config + "}", [&](gguf::file const& opened) {
    CHECK(same_bits(logits<transformer<arch::deepseek2>>(opened), expected));
    for (auto const& [key, value] : file.metadata())
      if (key.starts_with("deepseek2.")) {
        CAPTURE(std::string(key));
        auto const* const found = opened.find(key);
        CHECK((found && found->payload() == value.payload()));
      }
    CHECK(opened.get<std::uint32_t>("deepseek2.attention.head_count_kv").value() == 1);
  });
  CHECK(complaint(folder, config + R"(,"moe_layer_freq":2})").find("moe_layer_freq: expected 1") != std::string::npos);
  CHECK(complaint(folder, config + R"(,"topk_method":"group_limited_greedy"})").find("topk_method") !=
        std::string::npos);
  CHECK(complaint(folder, test::renamed(config, {{"v_head_dim\":10", "v_head_dim\":11"}}) + "}")
            .find("kv_b_proj.weight: expected the keys and values of 4 heads of 8 and 11 rows") != std::string::npos);
}

std::string const gpt_oss_config = R"({"architectures":["GptOssForCausalLM"],"hidden_size":32,"num_attention_heads":4,
    "num_key_value_heads":2,"head_dim":8,"num_hidden_layers":2,"intermediate_size":16,"vocab_size":40,
    "max_position_embeddings":64,"rms_norm_eps":1e-5,"num_local_experts":4,"experts_per_token":2,"sliding_window":5,
    "rope_theta":10000.0,"partial_rotary_factor":0.5,"hidden_act":"silu","swiglu_limit":7.0,
    "layer_types":["sliding_attention","full_attention"])";

TEST_CASE("gpt-oss' experts as floats: gate and up take turns, and matrices are turned") {
  auto const bytes = test::random_model(arch::gpt_oss, {.layers = 2, .experts = 4}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const other = [&](test::model_folder& out, tensor_view const& t) {
    auto const is = [&](std::string_view part) { return t.name.find(part) != t.name.npos; };
    auto const x = test::floats_of(t);
    auto const layer = std::string(t.name.substr(0, 6)), to = test::renamed(layer, names) + "mlp.experts.";
    if (is("attn_sinks")) return test::add_as(out, t, test::renamed(layer, names) + "self_attn.sinks"), true;
    if (is("ffn_gate_inp"))
      return test::add_as(out, t, test::renamed(t.name, {{"blk.", "model.layers."}, {"ffn_gate_inp", "mlp.router"}})),
             true;
    if (is("ffn_up_exps")) return true;
    if (is("ffn_down_exps.bias")) return test::add_as(out, t, to + "down_proj_bias"), true;
    std::vector<float> y;
    if (is("ffn_gate_exps.bias")) {
      auto const up = test::floats_of(file.tensor(layer + "ffn_up_exps.bias").value());
      for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i]), y.push_back(up[i]);
      return out.add(to + "gate_up_proj_bias", {4, 32}, y), true;
    }
    if (is("ffn_gate_exps.weight")) { // [4, 16, 32] to [4, 32, 2 · 16]
      auto const up = test::floats_of(file.tensor(layer + "ffn_up_exps.weight").value());
      for (std::size_t e = 0; e < 4; ++e)
        for (std::size_t column = 0; column < 32; ++column)
          for (std::size_t row = 0; row < 16; ++row)
            y.push_back(x[(e * 16 + row) * 32 + column]), y.push_back(up[(e * 16 + row) * 32 + column]);
      return out.add(to + "gate_up_proj", {4, 32, 32}, y), true;
    }
    if (!is("ffn_down_exps.weight")) return false;
    for (std::size_t e = 0; e < 4; ++e) // [4, 32, 16] to [4, 16, 32]
      for (std::size_t column = 0; column < 16; ++column)
        for (std::size_t row = 0; row < 32; ++row) y.push_back(x[(e * 32 + row) * 16 + column]);
    return out.add(to + "down_proj", {4, 16, 32}, y), true;
  };
  auto const expected = logits<transformer<arch::gpt_oss>>(file);
  // its second norm goes by another name in files of others
  auto const folder = test::folder_of(file, names, other);
  test::temporary_folder const place;
  folder.write(place, gpt_oss_config + "}");
  auto const opened = hugging_face::open(place / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  CHECK(opened->find_tensor("blk.0.post_attention_norm.weight"));
  CHECK(opened->find_tensor("blk.0.ffn_gate_exps.bias")->type == tensor_type::f32);
  CHECK(same_bits(logits<transformer<arch::gpt_oss>>(*opened), expected));
  CHECK(complaint(folder, gpt_oss_config + R"(,"swiglu_limit":8})").find("no error") == 0); // the first one counts
  CHECK(complaint(folder, test::renamed(gpt_oss_config, {{"7.0", "8.0"}}) + "}").find("swiglu_limit: expected 7") !=
        std::string::npos);
  CHECK(complaint(folder, test::renamed(gpt_oss_config, {{"full", "sliding"}}) + "}").find("layer_types") !=
        std::string::npos);
}

TEST_CASE("gpt-oss' experts of 4-bit floats become MXFP4 without loss") {
  constexpr float levels[]{0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  std::vector<std::byte> blocks(2 * 4 * 2 * 16), scales(2 * 4 * 2); // two experts of four rows of 64
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::byte>(i * 37 + i / 7);
  for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<std::byte>(120 + i);
  auto const weight = [&](std::size_t expert, std::size_t row, std::size_t column) { // by the format's own words
    auto const block = (expert * 4 + row) * 2 + column / 32;
    auto const two = std::to_integer<unsigned>(blocks[block * 16 + column % 32 / 2]);
    auto const code = column % 2 == 0 ? two & 15 : two >> 4;
    float const x = std::ldexp(levels[code & 7], std::to_integer<int>(scales[block]) - 127);
    return code & 8 ? -x : x;
  };
  std::string const name = "model.layers.0.mlp.experts.gate_up_proj_";
  test::model_folder folder;
  folder.add(name + "blocks", element::u8, {2, 4, 2, 16}, blocks);
  folder.add(name + "scales", element::u8, {2, 4, 2}, scales);
  folder.add("model.layers.0.mlp.experts.down_proj_blocks", element::u8, {2, 4, 2, 16}, blocks);
  folder.add("model.layers.0.mlp.experts.down_proj_scales", element::u8, {2, 4, 2}, scales);
  auto const config = gpt_oss_config + R"(,"quantization_config":{"quant_method":"mxfp4"}})";
  test::temporary_folder const place;
  folder.write(place, config);
  auto const file = hugging_face::open(place / "");
  INFO(std::string(file ? "" : file.error().message()));
  REQUIRE(file);
  auto const gate = file->tensor("blk.0.ffn_gate_exps.weight").value();
  CHECK(gate.type == tensor_type::mxfp4);
  CHECK(gate.shape == tensor_shape{64, 2, 2, 1});
  CHECK(file->tensor("blk.0.ffn_down_exps.weight").value().shape == tensor_shape{64, 4, 2, 1});
  auto const found_gate = unpacked(*file, gate.name), found_up = unpacked(*file, "blk.0.ffn_up_exps.weight"),
             found_down = unpacked(*file, "blk.0.ffn_down_exps.weight");
  for (std::size_t e = 0; e < 2; ++e)
    for (std::size_t row = 0; row < 4; ++row)
      for (std::size_t c = 0; c < 64; ++c) {
        REQUIRE(found_down[(e * 4 + row) * 64 + c] == weight(e, row, c));
        REQUIRE((row % 2 == 0 ? found_gate : found_up)[(e * 2 + row / 2) * 64 + c] == weight(e, row, c));
      }
  test::model_folder lacking;
  lacking.add(name + "blocks", element::u8, {2, 4, 2, 16}, blocks);
  CHECK(complaint(lacking, config).find("gate_up_proj_blocks: there are no *_scales") != std::string::npos);
  lacking.add(name + "scales", element::u8, {2, 4, 1}, std::vector<std::byte>(8));
  CHECK(complaint(lacking, config).find("gate_up_proj_scales: expected a byte for each block") != std::string::npos);
}

TEST_CASE("bitnet's packed weights: four to a byte, and factors that multiply or divide") {
  // rows 0 and 1 are the lowest two bits, and so on
  std::vector<int> const ternary{1, 0, -1, 1, 0, 0, -1, -1, 1, 1, 0, -1, 1, 0, 1, -1}; // [8, 2]
  std::vector<std::byte> packed(4);
  for (std::size_t i = 0; i < 16; ++i) packed[i % 4] |= static_cast<std::byte>((ternary[i] + 1) << (i / 4 * 2));
  std::string const name = "model.layers.0.mlp.up_proj.weight";
  test::model_folder folder;
  folder.add(name, element::u8, {2, 2}, packed);
  folder.add(name + "_scale", {1}, {4});
  folder.add("model.layers.0.self_attn.attn_sub_norm.weight", {8}, std::vector<float>(8, 2.0f));
  auto const config = [](std::string_view more) {
    return R"({"architectures":["BitNetForCausalLM"],"model_type":"bitnet","hidden_size":8,"num_attention_heads":4,
      "num_hidden_layers":1,"intermediate_size":8,"max_position_embeddings":64,"hidden_act":"relu2",
      "quantization_config":{"quant_method":"bitnet",)" +
           std::string(more) + R"("quantization_mode":"offline"}})";
  };
  for (bool const divides : {false, true}) {
    test::temporary_folder const place;
    folder.write(place, config(divides ? "" : R"("linear_class":"autobitlinear",)"));
    auto const file = hugging_face::open(place / "");
    INFO(std::string(file ? "" : file.error().message()));
    REQUIRE(file);
    CHECK(file->get<std::string_view>("general.architecture").value() == "bitnet-b1.58");
    CHECK(file->find_tensor("blk.0.attn_sub_norm.weight"));
    auto const found = unpacked(*file, "blk.0.ffn_up.weight");
    REQUIRE(found.size() == 16);
    for (std::size_t i = 0; i < 16; ++i) CHECK(found[i] == static_cast<float>(ternary[i]) * (divides ? 0.25f : 4.0f));
  }
  test::model_folder lacking;
  lacking.add(name, element::u8, {2, 2}, packed);
  CHECK(complaint(lacking, config("")).find("up_proj.weight: expected one factor") != std::string::npos);
}

TEST_CASE("mamba's folders, of both versions, and back") {
  for (bool const second : {false, true}) {
    test::recurrent_options o;
    if (second) o.architecture = "mamba2", o.rank = 4, o.groups = 2, o.own_output = true;
    o.own_output = second;
    auto const bytes = test::recurrent_file(o).bytes();
    auto const file = gguf::file::parse(bytes).value();
    auto const use = [&](gguf::file const& f) { return second ? logits<mamba2>(f) : logits<mamba>(f); };
    auto const expected = use(file);
    test::temporary_folder const place;
    auto const saved = hugging_face::save(file, place / "");
    INFO(std::string(saved ? "" : saved.error().message()));
    REQUIRE(saved);
    auto const weights = safetensors::open(place / "model.safetensors").value();
    auto const* const d = weights.find("backbone.layers.0.mixer.D");
    REQUIRE(d);
    CHECK(d->shape == std::vector<std::uint64_t>{second ? 4u : 40u});
    if (second) CHECK(weights.find("backbone.layers.0.mixer.dt_bias"));
    auto const opened = hugging_face::open(place / "");
    INFO(std::string(opened ? "" : opened.error().message()));
    REQUIRE(opened);
    auto const again = use(*opened); // decays go through a logarithm
    REQUIRE(again.size() == expected.size());
    for (std::size_t i = 0; i < again.size(); ++i)
      CHECK(static_cast<double>(again[i]) == doctest::Approx(static_cast<double>(expected[i])).epsilon(1e-3));
    if (second) CHECK(opened->tensor("blk.0.ssm_a").value().shape == tensor_shape{1, 4, 1, 1});
    if (second) CHECK(opened->tensor("blk.0.ssm_norm.weight").value().shape == tensor_shape{20, 2, 1, 1});
  }
  test::model_folder none;
  none.add("backbone.norm_f.weight", {24}, std::vector<float>(24));
  std::string const sizes = R"({"architectures":["Mamba2ForCausalLM"],"hidden_size":24,"num_hidden_layers":1,
    "vocab_size":40,"head_dim":12,"n_groups":2,"state_size":4)";
  CHECK(complaint(none, sizes + R"(,"num_heads":4,"time_step_limit":[0.0,Infinity]})") == "no error");
  CHECK(complaint(none, sizes + R"(,"num_heads":4,"time_step_limit":[0.0,1.0]})").find("time_step_limit") !=
        std::string::npos);
  CHECK(complaint(none, sizes + R"(,"num_heads":5})").find("num_heads: expected as many heads") != std::string::npos);
}

TEST_CASE("weights are written into several files with an index") {
  auto const bytes = test::tiny_model<f32>();
  auto const file = gguf::file::parse(bytes).value();
  test::temporary_folder const place, one;
  REQUIRE(hugging_face::save(file, place / "", {.max_shard_bytes = 20000}));
  REQUIRE(hugging_face::save(file, one / "", {.max_shard_bytes = std::uint64_t{1} << 40}));
  CHECK(safetensors::open(one / "model.safetensors"));
  CHECK_FALSE(safetensors::open(one / "model.safetensors.index.json"));
  CHECK_FALSE(safetensors::open(place / "model.safetensors"));
  auto const all = safetensors::open(one / "model.safetensors").value();
  auto const parts = safetensors::open(place / "model.safetensors.index.json");
  INFO(std::string(parts ? "" : parts.error().message()));
  REQUIRE(parts);
  CHECK(parts->tensors().size() == all.tensors().size());
  std::uint64_t total = 0;
  for (auto const& t : all.tensors()) {
    auto const* const found = parts->find(t.name);
    REQUIRE(found);
    CHECK(std::ranges::equal(found->data, t.data));
    total += t.data.size();
  }
  auto const text = hugging_face::detail::text_of_file(place / "model.safetensors.index.json").value().value();
  auto const index = json::parse(text).value();
  CHECK(index["metadata"]["total_size"].as_int64().value() == static_cast<std::int64_t>(total));
  auto const name = std::string(index["weight_map"]["model.norm.weight"].as_string().value());
  auto const count = name.substr(15, 5);
  CHECK(name.substr(0, 6) == "model-");
  CHECK(name.substr(11) == "-of-" + count + ".safetensors");
  std::uint64_t before = 20000;
  for (int i = 1; i <= std::stoi(count); ++i) {
    auto const shard = "model-0000" + std::to_string(i) + "-of-" + count + ".safetensors";
    auto const some = safetensors::open(place / shard.c_str());
    REQUIRE(some);
    std::uint64_t size = 0;
    for (auto const& t : some->tensors()) size += t.data.size();
    CHECK((size <= 20000 || some->tensors().size() == 1));
    CHECK(before + size > 20000); // or one file would have done
    before = size;
  }
}

} // namespace
} // namespace convert_packed_test
