#pragma once
/// \file
/// Small folders of Hugging Face transformers for tests, written tensor by tensor.

#include "support/temporary.hpp"
#include "support/tiny_model.hpp"

#include <loquat/core/float16.hpp>
#include <loquat/format/safetensors_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// Tensors by name, which a folder gets.
class model_folder {
 public:
  using element = loquat::safetensors::element;

  /// Adds floats as F32.
  model_folder& add(std::string name, std::vector<std::uint64_t> shape, std::vector<float> const& values) {
    auto& bytes = data_.emplace_back();
    for (float const x : values) loquat::append_little(bytes, x);
    return raw(std::move(name), element::f32, std::move(shape));
  }
  /// Adds random floats, as BF16.
  model_folder& add_random(std::string name, std::vector<std::uint64_t> shape, float gain = 0.5f, float mean = 0) {
    std::uint64_t n = 1;
    for (auto const length : shape) n *= length;
    auto& bytes = data_.emplace_back();
    for (float const x : random_(static_cast<std::size_t>(n)))
      loquat::append_little(bytes, loquat::bfloat_from_float(x * gain + mean));
    return raw(std::move(name), element::bf16, std::move(shape));
  }
  /// Adds bytes.
  model_folder& add(std::string name, element type, std::vector<std::uint64_t> shape, std::vector<std::byte> bytes) {
    data_.push_back(std::move(bytes));
    return raw(std::move(name), type, std::move(shape));
  }

  /// The bytes of `model.safetensors`.
  std::vector<std::byte> bytes() const { return writer_of(tensors_).bytes().value(); }
  std::span<loquat::safetensors::tensor const> tensors() const { return tensors_; }

  /// Writes a folder: one file of weights or, with an index, so many.
  void write(temporary_folder const& folder, std::string_view config, std::size_t parts = 1) const {
    folder.put("config.json", config);
    if (parts == 1) return writer_of(tensors_).write(folder / "model.safetensors").value();
    std::string map;
    for (std::size_t i = 0; i < parts; ++i) {
      auto const name = "model-" + std::to_string(i + 1) + ".safetensors";
      std::vector<loquat::safetensors::tensor> some;
      for (std::size_t j = i; j < tensors_.size(); j += parts) {
        some.push_back(tensors_[j]);
        map += (map.empty() ? "\"" : ",\"") + std::string(tensors_[j].name) + "\":\"" + name + "\"";
      }
      writer_of(some).write(folder / name).value();
    }
    folder.put("model.safetensors.index.json", R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
  }

 private:
  model_folder& raw(std::string name, element type, std::vector<std::uint64_t> shape) {
    tensors_.push_back({names_.emplace_back(std::move(name)), type, std::move(shape), data_.back()});
    return *this;
  }
  static loquat::safetensors::writer writer_of(std::vector<loquat::safetensors::tensor> const& tensors) {
    loquat::safetensors::writer out;
    out.add(loquat::safetensors::note{"format", "pt"});
    for (auto const& t : tensors) out.add(t);
    return out;
  }

  random_floats random_;
  std::deque<std::string> names_;
  std::deque<std::vector<std::byte>> data_;
  std::vector<loquat::safetensors::tensor> tensors_;
};

/// A llama of two layers: 32 wide, 4 heads of 8, 2 of keys and values, 40 tokens.
inline model_folder llama_folder() {
  model_folder out;
  out.add_random("model.embed_tokens.weight", {40, 32});
  for (std::string const l : {"model.layers.0.", "model.layers.1."}) {
    out.add_random(l + "input_layernorm.weight", {32}, 0.1f, 1);
    out.add_random(l + "self_attn.q_proj.weight", {32, 32});
    out.add_random(l + "self_attn.k_proj.weight", {16, 32});
    out.add_random(l + "self_attn.v_proj.weight", {16, 32});
    out.add_random(l + "self_attn.o_proj.weight", {32, 32});
    out.add_random(l + "post_attention_layernorm.weight", {32}, 0.1f, 1);
    out.add_random(l + "mlp.gate_proj.weight", {48, 32});
    out.add_random(l + "mlp.up_proj.weight", {48, 32});
    out.add_random(l + "mlp.down_proj.weight", {32, 48});
    out.add_random(l + "self_attn.rotary_emb.inv_freq", {4});
  }
  out.add_random("model.norm.weight", {32}, 0.1f, 1);
  out.add_random("lm_head.weight", {40, 32});
  return out;
}

/// Its `config.json`, with `more` at the end.
inline std::string llama_config(std::string_view more = "") {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":32,"num_attention_heads":4,
    "num_key_value_heads":2,"num_hidden_layers":2,"intermediate_size":48,"max_position_embeddings":64,"vocab_size":40,
    "rms_norm_eps":1e-6,"rope_theta":500000.0,"hidden_act":"silu","bos_token_id":1,"eos_token_id":[2,3])" +
         std::string(more) + "}";
}

} // namespace test
