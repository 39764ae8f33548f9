/// \file
/// Which type a tensor gets: as llama.cpp chooses for models of known shape.

#include <loquat/format/gguf_writer.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/mixes.hpp>
#include <loquat/quant/quantize.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

namespace quant_mixes_test {

using namespace loquat;

namespace {

constexpr mix_facts llama_7b{.layers = 32}, llama_8b{.layers = 32, .sharing = 4}, llama_70b{.layers = 80, .sharing = 8},
    mixtral{.layers = 32, .sharing = 4, .experts = 8};

constexpr tensor_type chosen(std::string_view mix, mix_facts const& facts, std::string_view tensor,
                             std::uint64_t columns = 4096, std::uint64_t matrices = 1) {
  return type_in_mix(*find_mix(mix), facts, {tensor, tensor_type::f16, 3, {columns, 4096, matrices, 1}, {}});
}

using enum tensor_type;

static_assert(chosen("Q4_K_M", llama_7b, "output.weight") == q6_k);
static_assert(chosen("Q4_K_M", llama_7b, "token_embd.weight") == q4_k);
static_assert(chosen("Q4_K_M", llama_7b, "blk.0.attn_q.weight") == q4_k);
static_assert(chosen("Q4_K_M", llama_7b, "blk.0.attn_output.weight") == q4_k);
static_assert(chosen("Q4_K_M", llama_7b, "blk.0.attn_qkv.weight") == q5_k);
static_assert(chosen("Q4_K_M", {.layers = 32, .own_output = false}, "token_embd.weight") == q6_k);
static_assert(chosen("Q8_0", llama_7b, "output.weight") == q8_0);
static_assert(chosen("F16", llama_7b, "output.weight") == f16 && chosen("F16", llama_7b, "output.weight", 7) == f16);
static_assert(chosen("BF16", mixtral, "blk.3.attn_v.weight") == bf16);

// The numbers of the layers whose tensor gets more than Q4_K or Q5_K, as in published files of such models.
constexpr bool is_one_of_half(std::size_t i) {
  return i < 4 || i >= 28 || i == 6 || i == 9 || i == 12 || i == 15 || i == 18 || i == 21 || i == 24 || i == 27;
}

TEST_CASE("the medium mixes give six bits to half of attn_v and ffn_down") {
  for (std::size_t i = 0; i < 32; ++i) {
    auto const layer = "blk." + std::to_string(i) + ".";
    for (std::string_view const part : {"attn_v.weight", "ffn_down.weight"}) {
      auto const name = layer + std::string(part);
      CAPTURE(name);
      CHECK(chosen("Q4_K_M", llama_8b, name) == (is_one_of_half(i) ? q6_k : q4_k));
      CHECK(chosen("Q5_K", llama_8b, name) == (is_one_of_half(i) ? q6_k : q5_k));
    }
    CHECK(chosen("Q4_K_S", llama_7b, layer + "attn_v.weight") == (i < 4 ? q5_k : q4_k));
    CHECK(chosen("Q4_K_S", llama_7b, layer + "ffn_down.weight") == (i < 4 ? q5_k : q4_k));
    CHECK(chosen("Q3_K_M", llama_7b, layer + "attn_v.weight") == (i < 2 ? q5_k : q4_k));
    CHECK(chosen("Q3_K_M", llama_7b, layer + "ffn_down.weight") == (i < 2 ? q5_k : q4_k));
    CHECK(chosen("Q3_K_L", llama_7b, layer + "ffn_down.weight") == q5_k);
    CHECK(chosen("Q3_K_S", llama_7b, layer + "attn_v.weight") == q3_k);
    CHECK(chosen("Q2_K_S", llama_8b, layer + "ffn_down.weight") == (i < 4 ? q4_k : q2_k));
    CHECK(chosen("Q6_K", llama_8b, layer + "attn_v.weight") == q6_k);
  }
}

TEST_CASE("shared heads, importance, many layers and experts change the choice") {
  CHECK(chosen("Q2_K", llama_7b, "blk.9.attn_v.weight") == q3_k);
  CHECK(chosen("Q2_K", llama_8b, "blk.9.attn_v.weight") == q4_k);
  CHECK(chosen("Q2_K", llama_8b, "blk.9.attn_output.weight") == q3_k);
  CHECK(chosen("IQ4_XS", llama_7b, "blk.9.attn_v.weight") == iq4_xs);
  CHECK(chosen("IQ4_XS", {.layers = 32, .sharing = 2}, "blk.9.attn_v.weight") == iq4_xs);
  CHECK(chosen("IQ4_XS", llama_8b, "blk.9.attn_v.weight") == q5_k);
  CHECK(chosen("IQ4_NL", llama_7b, "blk.1.ffn_down.weight") == q5_k);
  mix_facts calibrated = llama_7b;
  calibrated.calibrated = true;
  CHECK(chosen("IQ4_NL", calibrated, "blk.1.ffn_down.weight") == iq4_nl);
  CHECK(chosen("Q4_0", llama_7b, "blk.1.ffn_down.weight") == q4_0);
  CHECK(chosen("Q4_0", calibrated, "blk.1.ffn_down.weight") == q4_1);
  CHECK(chosen("Q5_0", calibrated, "blk.4.ffn_down.weight") == q5_0);
  CHECK(chosen("Q4_K_S", llama_70b, "blk.40.attn_v.weight") == q5_k);
  CHECK(chosen("Q4_K_M", mixtral, "blk.9.attn_v.weight") == q8_0);
  CHECK(chosen("Q4_K_M", mixtral, "blk.9.attn_k.weight") == q8_0);
  CHECK(chosen("Q4_K_M", mixtral, "blk.9.attn_output.weight") == q5_k);
  CHECK(chosen("Q3_K_L", mixtral, "blk.9.attn_output.weight") == q3_k);
  CHECK(chosen("Q4_K_M", mixtral, "blk.9.ffn_down_exps.weight", 4096, 8) == q6_k);
  CHECK(chosen("TQ1_0", llama_7b, "token_embd.weight") == q4_k);
  CHECK(chosen("MXFP4", mixtral, "blk.9.ffn_up_exps.weight", 4096, 8) == mxfp4);
  CHECK(chosen("MXFP4", mixtral, "blk.9.attn_q.weight") == q8_0);
}

TEST_CASE("columns that are no multiple of a block get a type of shorter blocks") {
  constexpr auto fallback = [](std::string_view mix, std::uint64_t columns) {
    return chosen(mix, llama_7b, "blk.9.attn_q.weight", columns);
  };
  CHECK(fallback("Q4_K_M", 96) == q5_0);
  CHECK(fallback("Q5_K_M", 96) == q5_1);
  CHECK(fallback("Q6_K", 96) == q8_0);
  CHECK(fallback("Q3_K_M", 96) == iq4_nl);
  CHECK(fallback("Q2_K", 96) == iq4_nl);
  CHECK(fallback("IQ4_XS", 96) == iq4_nl);
  CHECK(fallback("TQ2_0", 96) == q4_0);
  CHECK(fallback("NVFP4", 96) == iq4_nl);
  CHECK(fallback("Q8_0", 172) == f16);
  CHECK(fallback("Q4_K_M", 172) == f16);
  CHECK(chosen("Q4_K_M", llama_7b, "output.weight", 96) == q8_0);
  CHECK(chosen("Q4_K_M", llama_7b, "output.weight", 172) == f16);
}

TEST_CASE("norms, vectors, positions and the choice of experts stay as they are") {
  for (std::string_view const name :
       {"blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "position_embd.weight", "token_types.weight",
        "blk.0.attn_q.bias", "blk.0.ssm_conv1d.weight", "blk.0.attn_rel_b.weight"})
    CHECK(chosen("Q4_0", llama_7b, name) == f16);
  auto const q4_0_mix = *find_mix("Q4_0");
  CHECK(type_in_mix(q4_0_mix, {}, {"rope_freqs.weight", f32, 1, {64, 1, 1, 1}, {}}) == f32);
  CHECK(type_in_mix(q4_0_mix, {}, {"x.weight", i32, 2, {64, 64, 1, 1}, {}}) == i32);
  CHECK(type_in_mix(q4_0_mix, {}, {"x.weight", f32, 2, {64, 64, 1, 1}, {}}) == q4_0);
}

TEST_CASE("every mix has its number, and types that can be packed") {
  for (auto const& m : mixes) {
    CAPTURE(m.name);
    CHECK(find_mix(m.name) == &m);
    CHECK(can_pack(builtin_formats{}, m.base));
    for (std::uint64_t const columns : {1u, 32u, 64u, 256u})
      CHECK(can_pack(builtin_formats{}, fitting_type(m.base, columns)));
  }
  for (auto const& rule : detail::mix_rules) CHECK(can_pack(builtin_formats{}, rule.type));
  CHECK(find_mix("Q4_K")->number == find_mix("Q4_K_M")->number);
  CHECK(static_cast<std::uint32_t>(find_mix("Q4_K_M")->number) == 15);
  CHECK(static_cast<std::uint32_t>(find_mix("Q8_0")->number) == 7);
  CHECK(find_mix("Q4_K_X") == nullptr);
}

TEST_CASE("the facts come from the metadata") {
  gguf::writer w;
  w.add("general.architecture", "toy");
  w.add("toy.block_count", std::uint32_t{12});
  w.add("toy.attention.head_count", std::uint32_t{32});
  w.add("toy.attention.head_count_kv", std::array{std::uint32_t{8}, std::uint32_t{4}});
  w.add("other.expert_count", std::uint32_t{5});
  auto const bytes = w.bytes().value();
  auto const facts = mix_facts_of(gguf::file::parse(bytes).value());
  CHECK(facts.layers == 12);
  CHECK(facts.sharing == 4);
  CHECK(facts.experts == 0);
  CHECK(!facts.own_output);
  auto const nothing = gguf::writer().bytes().value();
  CHECK(mix_facts_of(gguf::file::parse(nothing).value()).layers == 1);
}

} // namespace

} // namespace quant_mixes_test
