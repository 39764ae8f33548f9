/// \file
/// GGUF files become folders, and these the same files again, for every architecture of the zoo.

#include "support/random_model.hpp"
#include "support/temporary.hpp"

#include <loquat/convert/hugging_face.hpp>
#include <loquat/convert/folder_writer.hpp>
#include <loquat/model/architecture.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/q8_0.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace convert_save_test {

using namespace loquat;

namespace {

/// What the folders of a family can have of `file`: the random models' second norm is not of all.
std::vector<std::byte> without(gguf::file const& file, std::string_view part) {
  gguf::writer out;
  for (auto const& [key, value] : file.metadata()) out.add(key, value);
  for (auto const& t : file.tensors())
    if (part.empty() || t.name.find(part) == t.name.npos) out.add(t);
  return out.bytes().value();
}

bool same_value(gguf::value const& a, gguf::value const& b) {
  return a.kind() == b.kind() && a.payload() == b.payload();
}

/// Every key of the architecture and every tensor is in the other, bit by bit.
void check_same(gguf::file const& file, gguf::file const& other, std::string_view architecture) {
  for (auto const& [key, value] : file.metadata()) {
    if (!key.starts_with(architecture)) continue;
    if (architecture == "llama" && key.ends_with("feed_forward_length")) continue; // mixtral has one for all
    if (architecture == "gpt2" && key.starts_with("gpt2.rope.")) continue;
    CAPTURE(std::string(key));
    auto const* const found = other.find(key);
    CHECK(found);
    if (found) CHECK(same_value(value, *found));
  }
  CHECK(file.tensors().size() == other.tensors().size());
  for (auto const& t : file.tensors()) {
    CAPTURE(std::string(t.name));
    auto const* const found = other.find_tensor(t.name);
    CHECK(found);
    if (!found) continue;
    CHECK(found->type == t.type);
    CHECK(found->shape == t.shape);
    CHECK(std::ranges::equal(found->data, t.data));
  }
}

void round_trip(std::string_view architecture, loquat::architecture const& forms, test::random_model_options options,
                std::string_view leave_out = "") {
  CAPTURE(std::string(architecture));
  options.layers = 2;
  auto const bytes = test::random_model(forms, options).bytes();
  auto const kept = without(gguf::file::parse(bytes).value(), leave_out);
  auto const file = gguf::file::parse(kept).value();
  test::temporary_folder const folder;
  auto const saved = hugging_face::save(file, folder / "");
  INFO(std::string(saved ? "" : saved.error().message()));
  CHECK(saved);
  if (!saved) return;
  auto const again = hugging_face::open(folder / "");
  INFO(std::string(again ? "" : again.error().message()));
  CHECK(again);
  if (!again) return;
  check_same(file, *again, architecture);
}

TEST_CASE("every family comes back from its folder as it went") {
  constexpr architecture rms_halves{.rope = rope_style::halves}; // only names and forms matter here
  auto const named = [](architecture a, std::string_view name) {
    std::fill(std::begin(a.name), std::end(a.name), '\0');
    std::ranges::copy(name, a.name);
    return a;
  };
  auto const trip = [&](std::string_view name, architecture a, test::random_model_options const& o = {},
                        std::string_view leave_out = "") { round_trip(name, named(a, name), o, leave_out); };
  auto const number = [](char const* key, float value) {
    return [=](gguf::writer& out, std::string const& prefix) { out.add(prefix + "." + key, value); };
  };
  architecture const layer{.norm = normalisation::layer, .gated = false};
  trip("llama", {});
  trip("llama", {}, {.experts = 3});
  trip("llama", {}, {.more = [](gguf::writer& out, std::string const& prefix) {
         out.add(prefix + ".rope.scaling.type", std::string_view("yarn"));
         out.add(prefix + ".rope.scaling.factor", 4.0f);
         out.add(prefix + ".rope.scaling.original_context_length", std::uint32_t{16});
         out.add(prefix + ".rope.freq_base", 1e6f);
       }});
  trip("granite", {}, {.more = [](gguf::writer& out, std::string const& prefix) {
         for (auto const* key : {"attention.scale", "embedding_scale", "residual_scale", "logit_scale"})
           out.add(prefix + "." + key, 0.3f);
       }});
  trip("qwen2", rms_halves);
  trip("qwen2moe", {.normalised_experts = false}, {.experts = 3, .shared = 24});
  trip("qwen3", {.qk_norm = query_key_norm::heads}, {.more = number("attention.layer_norm_rms_epsilon", 1e-6f)});
  trip("qwen3moe", {.qk_norm = query_key_norm::heads}, {.experts = 3});
  trip("gemma", {});
  trip("gemma2", {.norm_after = true, .soft_caps = true, .window = window_layers::even},
       {.more = number("attention.scale", 0.5f)});
  trip("gemma3", {.norm_after = true, .qk_norm = query_key_norm::heads, .window = window_layers::all},
       {.more = [](gguf::writer& out, std::string const& prefix) {
         out.add(prefix + ".rope.scaling.type", std::string_view("linear"));
         out.add(prefix + ".rope.scaling.factor", 8.0f);
       }});
  trip("phi2", layer, {}, ".ffn_norm"); // with one matrix of queries, keys and values see the last test
  trip("phi3", {.window = window_layers::all},
       {.fused = true, .long_factors = true, .more = number("rope.scaling.attn_factor", 1.25f)});
  trip("gpt2", {.norm = normalisation::layer, .rope = rope_style::none, .gated = false, .learned_positions = true},
       {.fused = true});
  trip("gptneox", layer, {.fused = true, .more = [](gguf::writer& out, std::string const& prefix) {
                            out.add(prefix + ".use_parallel_residual", false);
                          }});
  trip("falcon", layer, {.fused = true}, ".ffn_norm");
  trip("starcoder2", layer);
  trip("stablelm", {.norm = normalisation::layer});
  trip("olmo2", {.norm_before = false, .norm_after = true, .qk_norm = query_key_norm::all});
  trip("command-r", {.norm = normalisation::layer}, {}, ".ffn_norm");
}

TEST_CASE("what has no place in a folder is an error, and leaves nothing") {
  constexpr architecture own{.name = "own"};
  auto const bytes = test::random_model(own).bytes();
  auto const file = gguf::file::parse(bytes).value();
  test::temporary_folder const folder;
  auto const saved = hugging_face::save(file, folder / "");
  REQUIRE_FALSE(saved);
  CHECK(saved.error().message().find("general.architecture own") != std::string_view::npos);
  CHECK(folder.files() == 0);
  auto const go_on = [](hugging_face::export_step const&) { return result<void>(); };
  REQUIRE(hugging_face::save_weights(file, nullptr, folder / "w.safetensors", std::nullopt, go_on));
  auto const weights = safetensors::open(folder / "w.safetensors");
  REQUIRE(weights);
  auto const* const t = weights->find("blk.3.attn_q.weight");
  REQUIRE(t);
  CHECK(std::ranges::equal(t->data, file.find_tensor("blk.3.attn_q.weight")->data));
}

TEST_CASE("quantized weights are unpacked to the type that is asked for") {
  auto const bytes = test::tiny_model<q8_0>();
  auto const file = gguf::file::parse(bytes).value();
  test::temporary_folder const folder;
  auto const save = [&](std::optional<tensor_type> type) {
    REQUIRE(hugging_face::save(file, folder / "", {.type = type}));
    return safetensors::open(folder / "model.safetensors").value();
  };
  auto const* const packed = file.find_tensor("blk.0.attn_v.weight");
  std::vector<float> expected(static_cast<std::size_t>(packed->elements())), found(expected.size());
  REQUIRE(unpack_tensor(builtin_formats{}, *packed, expected));
  for (auto const type : {tensor_type::f32, tensor_type::f16, tensor_type::bf16}) {
    auto const weights = save(type);
    auto const* const t = weights.find("model.layers.0.self_attn.v_proj.weight");
    REQUIRE(t);
    CHECK(safetensors::common_type(t->type) == type);
    hugging_face::to_floats(t->type, t->data.data(), found);
    double worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i)
      worst = std::max(worst, std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    CHECK(worst <= (type == tensor_type::f32 ? 0 : 0.01));
    CHECK(safetensors::common_type(weights.find("model.norm.weight")->type) == type);
  }
  auto const weights = save(std::nullopt);
  CHECK(weights.find("model.layers.0.self_attn.q_proj.weight")->type == safetensors::element::bf16);
  CHECK(weights.find("model.norm.weight")->type == safetensors::element::f32);
}

TEST_CASE("one matrix of queries, keys and values is taken apart where folders have three") {
  constexpr architecture phi2{.name = "phi2", .norm = normalisation::layer, .gated = false};
  auto const bytes = test::random_model(phi2, {.layers = 1, .fused = true}).bytes();
  auto const kept = without(gguf::file::parse(bytes).value(), ".ffn_norm");
  auto const file = gguf::file::parse(kept).value();
  test::temporary_folder const folder;
  REQUIRE(hugging_face::save(file, folder / ""));
  auto const weights = safetensors::open(folder / "model.safetensors").value();
  auto const all = file.tensor("blk.0.attn_qkv.weight").value().data;
  std::size_t at = 0;
  for (std::string const part : {"q", "k", "v"}) {
    auto const* const t = weights.find("model.layers.0.self_attn." + part + "_proj.weight");
    REQUIRE(t);
    CHECK(t->shape == std::vector<std::uint64_t>{part == "q" ? 32u : 16u, 32});
    CHECK(std::ranges::equal(t->data, all.subspan(at, t->data.size())));
    at += t->data.size();
    CHECK(weights.find("model.layers.0.self_attn." + part + "_proj.bias"));
  }
  CHECK(at == all.size());
}

} // namespace
} // namespace convert_save_test
