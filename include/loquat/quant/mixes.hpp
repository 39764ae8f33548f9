#pragma once
/// \file
/// Which type each tensor of a model gets when the model is quantized: the mixes that the GGUF world knows as Q4_K_M
/// and so on, with more bits for the matrices that need them. The numbers are llama.cpp's (`general.file_type`), and so
/// are the choices; exceptions for single architectures (falcon) are left out.

#include <loquat/format/gguf.hpp>
#include <loquat/format/tensor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat {

/// The value of the key `general.file_type`: what most tensors of a file are.
enum class file_type : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q8_0 = 7,
  q5_0 = 8,
  q5_1 = 9,
  q2_k = 10,
  q3_k_s = 11,
  q3_k_m = 12,
  q3_k_l = 13,
  q4_k_s = 14,
  q4_k_m = 15,
  q5_k_s = 16,
  q5_k_m = 17,
  q6_k = 18,
  q2_k_s = 21,
  iq4_nl = 25,
  iq4_xs = 30,
  bf16 = 32,
  tq1_0 = 36,
  tq2_0 = 37,
  mxfp4 = 38,
  nvfp4 = 39,
};

/// A way to quantize a model.
struct mix {
  std::string_view name;
  file_type number;
  tensor_type base; ///< of every matrix that no rule names
};

/// Every mix, under all of its names.
inline constexpr std::array mixes{
    mix{"F32", file_type::f32, tensor_type::f32},          mix{"F16", file_type::f16, tensor_type::f16},
    mix{"BF16", file_type::bf16, tensor_type::bf16},       mix{"Q8_0", file_type::q8_0, tensor_type::q8_0},
    mix{"Q6_K", file_type::q6_k, tensor_type::q6_k},       mix{"Q5_K_M", file_type::q5_k_m, tensor_type::q5_k},
    mix{"Q5_K", file_type::q5_k_m, tensor_type::q5_k},     mix{"Q5_K_S", file_type::q5_k_s, tensor_type::q5_k},
    mix{"Q5_1", file_type::q5_1, tensor_type::q5_1},       mix{"Q5_0", file_type::q5_0, tensor_type::q5_0},
    mix{"Q4_K_M", file_type::q4_k_m, tensor_type::q4_k},   mix{"Q4_K", file_type::q4_k_m, tensor_type::q4_k},
    mix{"Q4_K_S", file_type::q4_k_s, tensor_type::q4_k},   mix{"Q4_1", file_type::q4_1, tensor_type::q4_1},
    mix{"Q4_0", file_type::q4_0, tensor_type::q4_0},       mix{"IQ4_NL", file_type::iq4_nl, tensor_type::iq4_nl},
    mix{"IQ4_XS", file_type::iq4_xs, tensor_type::iq4_xs}, mix{"MXFP4", file_type::mxfp4, tensor_type::mxfp4},
    mix{"NVFP4", file_type::nvfp4, tensor_type::nvfp4},    mix{"Q3_K_L", file_type::q3_k_l, tensor_type::q3_k},
    mix{"Q3_K_M", file_type::q3_k_m, tensor_type::q3_k},   mix{"Q3_K", file_type::q3_k_m, tensor_type::q3_k},
    mix{"Q3_K_S", file_type::q3_k_s, tensor_type::q3_k},   mix{"Q2_K", file_type::q2_k, tensor_type::q2_k},
    mix{"Q2_K_S", file_type::q2_k_s, tensor_type::q2_k},   mix{"TQ2_0", file_type::tq2_0, tensor_type::tq2_0},
    mix{"TQ1_0", file_type::tq1_0, tensor_type::tq1_0},
};

/// The mix of that name, in capitals, or null.
constexpr mix const* find_mix(std::string_view name) noexcept {
  auto const found = std::ranges::find(mixes, name, &mix::name);
  return found == mixes.end() ? nullptr : &*found;
}

/// What the choice of types depends on besides the tensor.
struct mix_facts {
  std::uint64_t layers = 1;
  std::uint64_t sharing = 1; ///< query heads that share a head of keys and values
  std::uint64_t experts = 0; ///< of a layer; 0 for a dense model
  bool own_output = true;    ///< there is an output matrix besides the token embeddings
  bool calibrated = false;   ///< importance of the columns is known
};

/// The facts about a model file; what it does not say, or says per layer, is taken from its defaults or first layer.
constexpr mix_facts mix_facts_of(gguf::file const& file) {
  auto const architecture = file.get_or<std::string_view>("general.architecture", "").value_or("");
  auto const number = [&](std::string_view suffix, std::uint64_t fallback) {
    for (auto const& [key, value] : file.metadata()) {
      if (key.size() != architecture.size() + suffix.size() || !key.starts_with(architecture) || !key.ends_with(suffix))
        continue;
      if (auto const one = value.get<std::uint64_t>()) return *one;
      if (auto const many = value.array<std::uint64_t>(); many && many->size() != 0) return (*many)[0];
    }
    return fallback;
  };
  mix_facts out;
  out.layers = std::clamp<std::uint64_t>(number(".block_count", 1), 1, 1'000'000);
  auto const heads = number(".attention.head_count", 1), shared = number(".attention.head_count_kv", heads);
  out.sharing = shared == 0 ? 1 : heads / shared;
  out.experts = number(".expert_count", 0);
  out.own_output = file.find_tensor("output.weight") != nullptr;
  return out;
}

namespace detail {

/// When a rule holds: in some of the layers, or for some models.
enum class when {
  always,
  first_two,
  first_four,
  first_eighth,
  first_sixteenth,
  spread_out,         // the first and the last eighth of the layers, and every third between
  shared_heads,       // four query heads or more share their keys and values, whose matrices are small then
  early_calibrated,   // the first eighth, and importance is known
  early_uncalibrated, // the first eighth, and it is not
};

/// Tensors whose name contains `part` get `type`.
struct mix_rule {
  file_type mix;
  std::string_view part;
  when condition;
  tensor_type type;
};

// The first rule that holds counts.
inline constexpr mix_rule mix_rules[]{
    {file_type::q2_k, "attn_v.weight", when::shared_heads, tensor_type::q4_k},
    {file_type::q2_k, "attn_v.weight", when::always, tensor_type::q3_k},
    {file_type::q2_k, "attn_output.weight", when::always, tensor_type::q3_k},
    {file_type::q2_k, "ffn_down", when::always, tensor_type::q3_k},
    {file_type::q2_k_s, "attn_v.weight", when::shared_heads, tensor_type::q4_k},
    {file_type::q2_k_s, "ffn_down", when::first_eighth, tensor_type::q4_k},
    {file_type::q3_k_m, "attn_v.weight", when::first_two, tensor_type::q5_k},
    {file_type::q3_k_m, "attn_v.weight", when::always, tensor_type::q4_k},
    {file_type::q3_k_m, "attn_qkv.weight", when::always, tensor_type::q4_k},
    {file_type::q3_k_m, "attn_output.weight", when::always, tensor_type::q4_k},
    {file_type::q3_k_m, "ffn_down", when::first_sixteenth, tensor_type::q5_k},
    {file_type::q3_k_m, "ffn_down", when::always, tensor_type::q4_k},
    {file_type::q3_k_l, "attn_v.weight", when::always, tensor_type::q5_k},
    {file_type::q3_k_l, "attn_qkv.weight", when::always, tensor_type::q4_k},
    {file_type::q3_k_l, "attn_output.weight", when::always, tensor_type::q5_k},
    {file_type::q3_k_l, "ffn_down", when::always, tensor_type::q5_k},
    {file_type::q4_0, "ffn_down", when::early_calibrated, tensor_type::q4_1},
    {file_type::q4_k_s, "attn_v.weight", when::first_four, tensor_type::q5_k},
    {file_type::q4_k_s, "ffn_down", when::first_eighth, tensor_type::q5_k},
    {file_type::q4_k_m, "attn_v.weight", when::spread_out, tensor_type::q6_k},
    {file_type::q4_k_m, "attn_qkv.weight", when::always, tensor_type::q5_k},
    {file_type::q4_k_m, "ffn_down", when::spread_out, tensor_type::q6_k},
    {file_type::q5_0, "ffn_down", when::early_calibrated, tensor_type::q5_1},
    {file_type::q5_k_m, "attn_v.weight", when::spread_out, tensor_type::q6_k},
    {file_type::q5_k_m, "attn_qkv.weight", when::always, tensor_type::q6_k},
    {file_type::q5_k_m, "ffn_down", when::spread_out, tensor_type::q6_k},
    {file_type::iq4_nl, "attn_v.weight", when::shared_heads, tensor_type::q5_k},
    {file_type::iq4_nl, "ffn_down", when::early_uncalibrated, tensor_type::q5_k},
    {file_type::iq4_xs, "attn_v.weight", when::shared_heads, tensor_type::q5_k},
    {file_type::iq4_xs, "ffn_down", when::early_uncalibrated, tensor_type::q5_k},
    {file_type::tq1_0, "token_embd.weight", when::always, tensor_type::q4_k},
    {file_type::tq2_0, "token_embd.weight", when::always, tensor_type::q4_k},
};

// Mixes that give Q5_K to the attention's output where there are eight experts.
inline constexpr file_type wide_output[]{file_type::q2_k,   file_type::q3_k_s, file_type::q3_k_m, file_type::q4_k_s,
                                         file_type::q4_k_m, file_type::iq4_nl, file_type::iq4_xs};

// Small matrices, or such that a model does not compute a product with: they stay as they are.
inline constexpr std::string_view never_quantized[]{
    "_norm.weight",         "ffn_gate_inp", "position_embd",  "token_types",    "altup",       "laurel",
    "per_layer_model_proj", "ssm_conv1d",   "shortconv.conv", "time_mix_first", "time_mix_w",  "time_mix_v0",
    "time_mix_v1",          "time_mix_v2",  "time_mix_a",     "time_mix_g1",    "time_mix_g2", "time_mix_decay_w",
    "time_mix_lerp",        "attn_rel_b",   "patch_embd"};

constexpr bool contains(std::string_view text, std::string_view part) noexcept { return text.find(part) != text.npos; }

// The layer of "blk.12.ffn_up.weight"; 0 for other names.
constexpr std::uint64_t layer_of(std::string_view name) noexcept {
  std::uint64_t layer = 0;
  if (name.starts_with("blk."))
    for (std::size_t i = 4; i < name.size() && name[i] >= '0' && name[i] <= '9' && layer < 1'000'000; ++i)
      layer = layer * 10 + static_cast<std::uint64_t>(name[i] - '0');
  return layer;
}

constexpr bool holds(when condition, std::uint64_t layer, mix_facts const& facts) noexcept {
  auto const n = facts.layers, eighth = n / 8;
  switch (condition) {
  case when::always:
    return true;
  case when::first_two:
    return layer < 2;
  case when::first_four:
    return layer < 4;
  case when::first_eighth:
    return layer < eighth;
  case when::first_sixteenth:
    return layer < n / 16;
  case when::spread_out:
    return layer < eighth || layer >= 7 * n / 8 || (layer - eighth) % 3 == 2;
  case when::shared_heads:
    return facts.sharing >= 4;
  case when::early_calibrated:
    return facts.calibrated && layer < eighth;
  case when::early_uncalibrated:
    return !facts.calibrated && layer < eighth;
  }
  return false;
}

constexpr bool fits(tensor_type type, std::uint64_t columns) noexcept {
  return std::ranges::any_of(type_layouts,
                             [&](type_layout const& t) { return t.type == type && columns % t.block_length == 0; });
}

} // namespace detail

/// Whether weights of this type are 16- or 32-bit floats, not quantized.
constexpr bool is_float(tensor_type type) noexcept {
  return type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16;
}

/// Whether a mix changes a tensor: matrices of weights, but not norms, the choice of experts and small matrices. Types
/// that hold no weights (integers, F64) stay as well.
constexpr bool is_quantizable(tensor_view const& tensor) noexcept {
  if (tensor.rows() < 2 || !tensor.name.ends_with("weight")) return false;
  if (tensor.type >= tensor_type::i8 && tensor.type <= tensor_type::f64) return false;
  return std::ranges::none_of(detail::never_quantized,
                              [&](std::string_view part) { return detail::contains(tensor.name, part); });
}

/// `type`, or where a row of so many columns is no whole number of its blocks, the nearest one of shorter blocks, or
/// F16.
constexpr tensor_type fitting_type(tensor_type type, std::uint64_t columns) noexcept {
  if (detail::fits(type, columns)) return type;
  auto const shorter = [&] {
    switch (type) {
    case tensor_type::q6_k:
      return tensor_type::q8_0;
    case tensor_type::q5_k:
      return tensor_type::q5_1;
    case tensor_type::q4_k:
      return tensor_type::q5_0;
    case tensor_type::tq1_0:
    case tensor_type::tq2_0:
      return tensor_type::q4_0;
    case tensor_type::q3_k:
    case tensor_type::q2_k:
    case tensor_type::iq4_xs:
    case tensor_type::nvfp4:
      return tensor_type::iq4_nl;
    default:
      return tensor_type::f16;
    }
  }();
  return detail::fits(shorter, columns) ? shorter : tensor_type::f16;
}

/// The type of a tensor in a mix; its own type if it stays as it is.
constexpr tensor_type type_in_mix(mix const& m, mix_facts const& facts, tensor_view const& tensor) noexcept {
  if (!is_quantizable(tensor)) return tensor.type;
  if (is_float(m.base)) return m.base;
  auto const name = tensor.name;
  auto const has = [&](std::string_view part) { return detail::contains(name, part); };
  auto type = m.base;
  if (name == "output.weight" || (name == "token_embd.weight" && !facts.own_output)) {
    bool const bytes = m.base == tensor_type::q8_0 || m.base == tensor_type::mxfp4;
    type = bytes || !detail::fits(m.base, tensor.columns()) ? tensor_type::q8_0 : tensor_type::q6_k;
  } else if (m.base == tensor_type::mxfp4) { // for experts, of which there are many
    type = tensor.shape[2] > 1 ? tensor_type::mxfp4 : tensor_type::q8_0;
  } else if (facts.experts == 8 && (has("attn_v.weight") || has("attn_k.weight"))) {
    type = tensor_type::q8_0; // small beside the experts
  } else if (facts.experts == 8 && has("attn_output.weight")) {
    if (std::ranges::find(detail::wide_output, m.number) != std::ranges::end(detail::wide_output))
      type = tensor_type::q5_k;
  } else {
    auto const* const rule = std::ranges::find_if(detail::mix_rules, [&](detail::mix_rule const& r) {
      return r.mix == m.number && has(r.part) && detail::holds(r.condition, detail::layer_of(name), facts);
    });
    if (rule != std::ranges::end(detail::mix_rules)) type = rule->type;
    bool const large = facts.layers == 80 && facts.sharing > 1; // the models of 70 G weights
    if (large && has("attn_v.weight") && (type == tensor_type::q3_k || type == tensor_type::q4_k))
      type = tensor_type::q5_k;
  }
  return fitting_type(type, tensor.columns());
}

} // namespace loquat
