#pragma once
/// \file
/// From the keys of a GGUF file to a `config.json`: the way back of `metadata.hpp`.

#include <loquat/convert/family.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/core/json.hpp>
#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/quant/block.hpp>
#include <loquat/quant/formats.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// A JSON object that is written with its keys in order.
class json_object {
 public:
  /// Sets a member.
  void set(std::string_view key, std::string_view text) {
    std::string out;
    json::append_string(out, text);
    members_[std::string(key)] = out;
  }
  void set(std::string_view key, char const* text) { set(key, std::string_view(text)); }   ///< \overload
  void set(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }       ///< \overload
  void set(std::string_view key, std::uint64_t value) { raw(key, std::to_string(value)); } ///< \overload
  void set(std::string_view key, float value) { raw(key, number(value)); }                 ///< \overload
  /// Sets a member to something that is JSON already.
  void raw(std::string_view key, std::string value) { members_[std::string(key)] = std::move(value); }
  bool has(std::string_view key) const { return members_.count(std::string(key)) != 0; } ///< whether it is set

  /// The text.
  std::string text(std::string_view indent = "") const {
    std::string out = "{";
    for (auto const& [key, value] : members_) {
      out.append(out.size() > 1 ? ",\n" : "\n").append(indent).append("  ");
      json::append_string(out, key);
      out.append(": ").append(value);
    }
    return out.append("\n").append(indent).append("}");
  }
  /// The shortest text that reads as this number.
  static std::string number(float value) {
    char digits[32];
    std::string out(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    return out.find_first_of(".en") == out.npos ? out + ".0" : out;
  }

 private:
  std::map<std::string, std::string> members_;
};

/// \cond
namespace detail {

/// Reads the keys of a file.
class config_writer {
 public:
  config_writer(gguf::file const& file, family const& f) : file_(file), f_(f) {}

  result<shape> sizes() {
    shape s;
    if (f_.architecture == "mamba2") s.groups = size("ssm.group_count", 1);
    if (error_) return *error_;
    if (f_.architecture.starts_with("mamba")) return s;
    auto const embedding = size("embedding_length");
    s.heads = size("attention.head_count");
    s.kv_heads = size("attention.head_count_kv", s.heads);
    s.head_dim = size("attention.key_length", embedding < s.heads ? 1 : embedding / s.heads);
    s.rope_dims = size("rope.dimension_count", s.head_dim);
    if (!error_ && s.heads % s.kv_heads != 0)
      error_ = fail(errc::malformed, file_.name(), ": attention.head_count ", s.heads,
                    " is no multiple of attention.head_count_kv ", s.kv_heads);
    if (error_) return *error_;
    return s;
  }

  result<json_object> write(shape const& s, tensor_type type) {
    auto const [usual, others] = split_names(f_.model_class);
    bool const classifies = is_encoder(f_) && file_.find_tensor("cls.output.weight") && !others.empty();
    out_.raw("architectures",
             "[\"" + std::string(classifies ? others.substr(others.find_last_of(' ') + 1) : usual) + "\"]");
    if (classifies) labels();
    out_.set("model_type", f_.model_type);
    out_.set("torch_dtype", type == tensor_type::f32 ? "float32" : type == tensor_type::f16 ? "float16" : "bfloat16");
    out_.set("tie_word_embeddings", file_.find_tensor("output.weight") == nullptr);
    for (auto const rules : {f_.keys, std::span<key_rule const>(common_keys)})
      for (auto const& rule : rules) add(rule);
    if (auto const* const tokens = file_.find_tensor("token_embd.weight")) out_.set("vocab_size", tokens->rows());
    bool const gemma = f_.architecture.starts_with("gemma"), nomic = f_.architecture == "nomic-bert",
               gpt2 = f_.architecture == "gpt2" || nomic, erf = f_.architecture != "albert" && !nomic;
    if (!f_.activation.empty())
      out_.set(gemma  ? "hidden_activation"
               : gpt2 ? "activation_function"
                      : "hidden_act",
               f_.activation != "gelu"                     ? f_.activation
               : gpt2 || f_.architecture == "phi2" || !erf ? "gelu_new"
               : gemma || f_.architecture == "starcoder2"  ? "gelu_pytorch_tanh"
                                                           : "gelu");
    special(s);
    if (f_.rotates) rotary(s);
    for (auto const& [key, theirs] :
         {std::pair{"tokenizer.ggml.bos_token_id", "bos_token_id"}, {"tokenizer.ggml.eos_token_id", "eos_token_id"}})
      if (file_.find(key)) {
        auto const id = file_.get<std::uint32_t>(key);
        if (!id) return id.error();
        out_.set(theirs, std::uint64_t{*id});
      }
    if (error_) return *error_;
    return std::move(out_);
  }

 private:
  void add(key_rule const& rule) {
    auto const key = key_of(rule.gguf);
    auto const name = split_names(rule.theirs).first;
    if (rule.gguf == f_.epsilon && !out_.has(name) && !file_.find(key)) out_.set(name, 1e-5f); // what readers take then
    if (out_.has(name) || !file_.find(key)) return;
    if (rule.gguf.starts_with("attention.layer_norm") && rule.gguf != f_.epsilon) return;
    if (rule.kind == key_kind::flag)
      out_.set(name, take(file_.get<bool>(key)));
    else if (rule.kind == key_kind::number)
      out_.set(name, take(file_.get<float>(key)));
    else if (auto const value = take(file_.get<std::uint64_t>(key)); value != 0)
      out_.set(name, value);
    else if (name == "sliding_window")
      out_.raw(name, "null");
  }

  /// What a family says otherwise.
  void special(shape const& s) {
    auto const is = [&](std::string_view architecture) { return f_.architecture == architecture; };
    auto const has = [&](char const* tensor) { return file_.find_tensor(tensor) != nullptr; };
    auto const embedding = size("embedding_length"), layers = size("block_count");
    if (is("falcon")) {
      out_.set("new_decoder_architecture", s.kv_heads != 1 || has("blk.0.attn_norm_2.weight"));
      out_.set("multi_query", s.kv_heads == 1);
      out_.set("parallel_attn", true);
      out_.set("num_kv_heads", s.kv_heads);
      out_.set("bias", has("blk.0.attn_qkv.bias"));
    }
    if (f_.defaults.find("query_pre_attn_scalar") != std::string_view::npos) {
      bool const wide = (is("gemma2") && layers == 46) || (is("gemma3") && layers == 62);
      auto scalar = static_cast<float>(wide ? embedding / s.heads : s.head_dim);
      if (auto const key = key_of("attention.scale"); file_.find(key)) {
        auto const scale = take(file_.get<float>(key));
        scalar = 1 / (scale * scale);
      }
      auto const nearest = static_cast<float>(static_cast<std::int64_t>(scalar + 0.5f));
      out_.set("query_pre_attn_scalar", scalar > nearest * 0.999f && scalar < nearest * 1.001f ? nearest : scalar);
    }
    if (f_.defaults.find("head_dim") != std::string_view::npos) out_.set("head_dim", s.head_dim);
    if (f_.model_type == "mixtral")
      if (auto const key = key_of("expert_feed_forward_length"); file_.find(key))
        out_.set("intermediate_size", take(file_.get<std::uint64_t>(key)));
    if (is_encoder(f_) && has("token_types.weight"))
      out_.set("type_vocab_size",
               std::uint64_t{take(file_.get_or<std::uint32_t>("tokenizer.ggml.token_type_count", 2))});
    if (is("mamba2")) {
      auto const inner = size("ssm.inner_size"), heads = size("ssm.time_step_rank");
      out_.set("num_heads", heads);
      out_.set("head_dim", inner / heads);
      out_.set("n_groups", s.groups);
      out_.set("expand", static_cast<float>(inner) / static_cast<float>(embedding));
      out_.set("intermediate_size", inner);
    }
    if (is("neo-bert")) {
      out_.set("intermediate_size", size("feed_forward_length") * 3 / 2);
      out_.set("max_length", size("context_length"));
    }
    if (f_.architecture.starts_with("t5"))
      out_.set("feed_forward_proj", has("enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu");
    if (is("mobilebert")) out_.set("intra_bottleneck_size", size("bottleneck_length", embedding));
    if (auto const* const tokens = file_.find_tensor("token_embd.weight"); tokens && (is("mobilebert") || is("albert")))
      out_.set("embedding_size", tokens->columns());
    if (is("gemma3")) {
      out_.set("sliding_window_pattern", std::uint64_t{6});
      out_.set("rope_local_base_freq", 10000.0f);
    }
    if (is("qwen2moe") || is("qwen3moe")) {
      out_.set("norm_topk_prob", is("qwen3moe"));
      out_.set("decoder_sparse_step", std::uint64_t{1});
    }
    bool const biases = has("blk.0.attn_q.bias");
    if (is("stablelm")) out_.set("use_qkv_bias", biases);
    if (is("starcoder2")) out_.set("use_bias", biases);
    if (is("llama") || is("granite") || is("command-r") || is("olmo2")) out_.set("attention_bias", biases);
    if (is("llama")) out_.set("mlp_bias", has("blk.0.ffn_up.bias"));
  }

  void labels() {
    auto const names = file_.array<std::string_view>(key_of("classifier.output_labels"));
    json_object all;
    std::size_t i = 0;
    if (names)
      for (auto const label : *names) all.set(std::to_string(i++), label);
    if (i != 0) out_.raw("id2label", all.text("  "));
  }

  void rotary(shape const& s) {
    if (auto const key = key_of("rope.freq_base");
        file_.find(key) || f_.defaults.find("rope_theta") != std::string_view::npos)
      out_.set("rope_theta", file_.find(key) ? take(file_.get<float>(key)) : 10000.0f);
    auto const name = f_.architecture == "gptneox" ? "rotary_pct" : "partial_rotary_factor";
    if (s.rope_dims != s.head_dim || f_.defaults.find(name) != std::string_view::npos)
      out_.set(name, static_cast<float>(s.rope_dims) / static_cast<float>(s.head_dim));
    json_object scaling;
    auto const type = file_.get_or<std::string_view>(key_of("rope.scaling.type"), "none");
    auto const number = [&](std::string_view suffix, std::string_view to, float by = 1) {
      auto const key = key_of("rope.scaling." + std::string(suffix));
      if (file_.find(key)) scaling.set(to, take(file_.get<float>(key)) * by);
    };
    auto const original = size("rope.scaling.original_context_length", size("context_length"));
    bool const is_long = file_.find_tensor("rope_factors_long.weight") != nullptr;
    if (!type) error_ = error_.value_or(type.error());
    if (is_long) {
      scaling.set("rope_type", "longrope"), scaling.set("type", "longrope");
      number("attn_factor", "attention_factor");
      factors(scaling, "short_factor", "rope_factors_short.weight");
      factors(scaling, "long_factor", "rope_factors_long.weight");
      out_.set("original_max_position_embeddings", original);
    } else if (file_.find_tensor("rope_freqs.weight")) {
      llama3(scaling, s);
    } else if (type && (*type == "linear" || *type == "yarn")) {
      scaling.set("rope_type", *type), scaling.set("type", *type);
      number("factor", "factor");
      if (*type == "yarn") {
        scaling.set("original_max_position_embeddings", original);
        number("yarn_beta_fast", "beta_fast"), number("yarn_beta_slow", "beta_slow");
        auto const key = key_of("rope.scaling.factor");
        auto const by = file_.find(key) ? take(file_.get<float>(key)) : 1.0f;
        number("attn_factor", "attention_factor", 1 + 0.1f * static_cast<float>(math::log(static_cast<double>(by))));
      }
    } else {
      return;
    }
    out_.raw("rope_scaling", scaling.text("  "));
  }
  std::vector<float> floats(std::string_view name) {
    auto const tensor = take(file_.tensor(name));
    std::vector<float> out(static_cast<std::size_t>(error_ ? 0 : tensor.elements()));
    if (error_) return out;
    if (auto done = unpack_tensor(builtin_formats{}, tensor, out); !done) error_ = done.error().within(file_.name());
    return out;
  }
  void factors(json_object& to, std::string_view key, std::string_view tensor) {
    std::string list;
    for (float const x : floats(tensor)) list.append(list.empty() ? "[" : ", ").append(json_object::number(x));
    to.raw(key, list.empty() ? "[]" : list + "]");
  }
  /// There are words only for the factors that Llama 3.1 and its successors have.
  void llama3(json_object& to, shape const& s) {
    auto const found = floats("rope_freqs.weight");
    float factor = 1;
    for (float const x : found) factor = x > factor ? x : factor;
    std::vector<float> const made =
        llama3_factors(s.rope_dims, static_cast<double>(take(file_.get_or<float>(key_of("rope.freq_base"), 10000))),
                       static_cast<double>(factor), 1, 4, 8192);
    bool alike = made.size() == found.size();
    for (std::size_t i = 0; alike && i < made.size(); ++i)
      alike = found[i] > made[i] * 0.999f && found[i] < made[i] * 1.001f;
    if (!alike && !error_)
      error_ = fail(errc::unsupported, file_.name(), ": tensor rope_freqs.weight: config.json has no words for it");
    to.set("rope_type", "llama3");
    to.set("factor", factor);
    to.set("low_freq_factor", 1.0f), to.set("high_freq_factor", 4.0f);
    to.set("original_max_position_embeddings", std::uint64_t{8192});
  }

  std::string key_of(std::string_view suffix) const { return std::string(f_.architecture) + "." + std::string(suffix); }
  template <class T> T take(result<T> read) {
    if (read) return *std::move(read);
    if (!error_) error_ = read.error();
    return T{};
  }
  std::uint64_t size(std::string_view suffix, std::uint64_t fallback = 0) {
    auto const key = key_of(suffix);
    if (fallback != 0 && !file_.find(key)) return fallback;
    auto const value = take(file_.get<std::uint64_t>(key));
    if (!error_ && (value == 0 || value > std::uint64_t{1} << 31))
      error_ = fail(errc::malformed, file_.name(), ": key ", std::string_view(key), ": expected 1 to 2^31");
    return error_ ? 1 : value;
  }

  gguf::file const& file_;
  family const& f_;
  json_object out_;
  std::optional<error> error_;
};

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
