#pragma once
/// \file
/// From a `config.json` to the keys of a GGUF file: sizes, constants, and how rotary embeddings are extended.

#include <loquat/convert/config.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/family_keys.hpp>
#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// A tensor that is no file's, but follows from `config.json`.
struct made_tensor {
  std::string name;
  std::vector<float> values;
};

/// \cond
namespace detail {

/// Llama 3.1: slow pairs are slowed down by `factor`, fast ones stay, between them there is a ramp.
inline std::vector<float> llama3_factors(std::uint64_t dims, double base, double factor, double low, double high,
                                         double context) {
  std::vector<float> out;
  for (std::uint64_t i = 0; i < dims / 2; ++i) {
    auto const exponent = 2 * static_cast<double>(i) / static_cast<double>(dims);
    auto const length = 2 * math::pi * math::exp(exponent * math::log(base)); // of a turn, in positions
    auto const ramp = (context / length - low) / (high - low);
    auto const divisor = length < context / high  ? 1
                         : length > context / low ? factor
                                                  : 1 / ((1 - ramp) / factor + ramp);
    out.push_back(static_cast<float>(divisor));
  }
  return out;
}

/// Writes keys "ARCHITECTURE.…".
class metadata_writer {
 public:
  metadata_writer(gguf::writer& out, family const& f, config& in) : out_(out), f_(f), in_(in) {}

  result<shape> write(std::vector<made_tensor>& made) {
    refuse();
    if (f_.architecture.starts_with("mamba")) return write_recurrent();
    shape s = sizes();
    family_keys(f_, in_, s, [&](std::string_view suffix, auto const& value) { put(suffix, value); });
    for (auto const rules : {f_.keys, std::span<key_rule const>(common_keys)})
      for (auto const& rule : rules) add(rule);
    if (f_.architecture == "falcon" && !in_.flag("new_decoder_architecture", false))
      s.kv_heads = in_.flag("multi_query", true) ? 1 : s.heads; // whatever `num_kv_heads` says
    if (f_.defaults.find("query_pre_attn_scalar") != std::string_view::npos) scale(s);
    put("attention.head_count_kv", static_cast<std::uint32_t>(s.kv_heads));
    if (!has("feed_forward_length"))
      put("feed_forward_length", static_cast<std::uint32_t>(4 * in_.size("hidden_size n_embd d_model")));
    if (f_.architecture == "phi3" && !has("attention.sliding_window"))
      put("attention.sliding_window", std::uint32_t{0}); // which others want to read
    if (f_.rotates) rotary(s, made);
    if (is_encoder(f_)) {
      put("attention.causal", false);
      if (in_.has("type_vocab_size"))
        out_.add("tokenizer.ggml.token_type_count", static_cast<std::uint32_t>(in_.size("type_vocab_size")));
    }
    if (in_.failed()) return in_.first_error();
    return s;
  }

 private:
  /// What would make it another kind of model.
  void refuse() {
    for (std::string_view const name : {"alibi", "use_qk_norm", "qk_layernorm"})
      if (in_.flag(name, false)) in_.wrong(name, "expected false, models with it are not supported", errc::unsupported);
    if (in_.has("clip_qkv")) in_.wrong("clip_qkv", "models with it are not supported", errc::unsupported);
    if (f_.architecture == "falcon" && !in_.flag("parallel_attn", true))
      in_.wrong("parallel_attn", "expected true, models without it are not supported", errc::unsupported);
    if (f_.architecture.starts_with("qwen") && in_.has("norm_topk_prob") &&
        in_.flag("norm_topk_prob", false) != (f_.architecture == "qwen3moe"))
      in_.wrong("norm_topk_prob", f_.architecture == "qwen3moe" ? "expected true" : "expected false",
                errc::unsupported);
    auto const activation = in_.word("hidden_activation hidden_act activation_function activation");
    if (!activation.empty() && !activation.starts_with(f_.activation))
      in_.wrong("hidden_act", "another function than the one of this family, " + std::string(f_.activation),
                errc::unsupported);
    if (f_.architecture == "gemma3" && in_.number("rope_local_base_freq", 10000) != 10000)
      in_.wrong("rope_local_base_freq", "expected 10000", errc::unsupported);
    if (auto const pattern = in_.find("sliding_window_pattern");
        pattern && f_.architecture == "gemma3" && pattern.as_int64().value_or(0) != 6)
      in_.wrong("sliding_window_pattern", "expected 6", errc::unsupported);
  }

  /// Mamba has no heads, and no positions; others want to read the keys all the same.
  result<shape> write_recurrent() {
    auto const embedding = in_.size("hidden_size d_model");
    for (auto const* zero : {"feed_forward_length", "attention.head_count"}) put(zero, std::uint32_t{0});
    put("context_length", std::uint32_t{1} << 20);
    if (f_.architecture == "mamba" && !in_.find("time_step_rank dt_rank").as_int64()) // "auto"
      put("ssm.time_step_rank", static_cast<std::uint32_t>(embedding / 16 + (embedding % 16 != 0)));
    shape s;
    family_keys(f_, in_, s, [&](std::string_view suffix, auto const& value) { put(suffix, value); });
    for (auto const rules : {f_.keys, std::span<key_rule const>(common_keys)})
      for (auto const& rule : rules) add(rule);
    if (!has("ssm.inner_size")) put("ssm.inner_size", static_cast<std::uint32_t>(2 * embedding));
    if (in_.failed()) return in_.first_error();
    return s;
  }

  shape sizes() {
    shape s;
    auto const embedding = in_.size("hidden_size n_embd d_model");
    s.heads = in_.size("num_attention_heads n_head num_heads");
    s.kv_heads = in_.size("num_key_value_heads num_kv_heads n_head_kv", s.heads);
    if (!in_.has("head_dim d_kv kv_lora_rank") && embedding % s.heads != 0)
      in_.wrong("hidden_size", "expected a multiple of the attention heads");
    s.head_dim = in_.size("head_dim d_kv", embedding < s.heads ? 1 : embedding / s.heads);
    if (s.heads % s.kv_heads != 0) in_.wrong("num_key_value_heads", "expected a divisor of the attention heads");
    return s;
  }

  void add(key_rule const& rule) {
    if (has(rule.gguf) || rule.gguf == "attention.head_count_kv" || !in_.has(rule.theirs)) return;
    if (rule.gguf.starts_with("attention.layer_norm") && rule.gguf != f_.epsilon) return;
    if (rule.gguf == "attention.sliding_window" && !in_.flag("use_sliding_window", true)) return;
    if (rule.gguf == "leading_dense_block_count" && in_.find(rule.theirs).as_int64().value_or(1) == 0)
      put(rule.gguf, std::uint32_t{0}); // no other size may be 0
    else if (rule.kind == key_kind::flag)
      put(rule.gguf, in_.flag(rule.theirs, false));
    else if (rule.kind == key_kind::number)
      put(rule.gguf, static_cast<float>(in_.number(rule.theirs, 0)));
    else
      put(rule.gguf, static_cast<std::uint32_t>(in_.size(rule.theirs)));
  }

  /// Gemma's factor of scores, where it is not what follows from the sizes.
  void scale(shape const& s) {
    auto const scalar = in_.number("query_pre_attn_scalar", static_cast<double>(s.head_dim));
    auto const layers = in_.size("num_hidden_layers");
    bool const broad = layers == (f_.architecture == "gemma2" ? 46 : 62); // the largest ones have another rule
    auto const usual = static_cast<double>(broad ? in_.size("hidden_size") / s.heads : s.head_dim);
    if (!(scalar > 0)) return in_.wrong("query_pre_attn_scalar", "expected a positive number");
    if (scalar != usual) put("attention.scale", 1 / math::sqrt(static_cast<float>(scalar)));
  }

  void rotary(shape& s, std::vector<made_tensor>& made) {
    auto scaling = in_.find("rope_scaling rope_parameters");
    if (auto const full = scaling["full_attention"]) scaling = full;
    auto const of = [&](std::string_view name) { // a number there, or at the top
      return scaling[name] && scaling[name].kind() != json::kind::null ? scaling[name] : in_.find(name);
    };
    auto share = of("partial_rotary_factor");
    if (!share) share = in_.find("rotary_pct rope_pct rotary_emb_fraction");
    auto const part = in_.number_of("partial_rotary_factor", share, 1);
    s.rope_dims = static_cast<std::uint64_t>(part * static_cast<double>(s.head_dim));
    if (!(part > 0 && part <= 1) || s.rope_dims < 2 || s.rope_dims % 2 != 0)
      return in_.wrong("partial_rotary_factor", "expected an even number of elements of a head, up to all");
    put("rope.dimension_count", static_cast<std::uint32_t>(s.rope_dims));
    auto base = of("rope_theta");
    if (!base) base = in_.find("rotary_emb_base global_rope_theta");
    auto const theta = in_.number_of("rope_theta", base, 10000);
    put("rope.freq_base", static_cast<float>(theta));

    auto const type_of = scaling["rope_type"] ? scaling["rope_type"] : scaling["type"];
    auto const type = type_of ? type_of.as_string().value_or("?") : std::string_view("default");
    auto const factor = in_.number_of("rope_scaling.factor", scaling["factor"], 1);
    auto const context = in_.size("max_position_embeddings n_positions", 2048);
    auto const original =
        in_.size_of("rope_scaling.original_max_position_embeddings", of("original_max_position_embeddings"), context);
    if (!(factor > 0)) return in_.wrong("rope_scaling.factor", "expected a positive number");
    if (type == "linear") {
      put("rope.scaling.type", std::string_view("linear"));
      put("rope.scaling.factor", static_cast<float>(factor));
    } else if (type == "yarn") {
      put("rope.scaling.type", std::string_view("yarn"));
      put("rope.scaling.factor", static_cast<float>(factor));
      put("rope.scaling.original_context_length", static_cast<std::uint32_t>(original));
      for (std::string_view const beta : {"beta_fast", "beta_slow"})
        if (auto const value = scaling[beta])
          put("rope.scaling.yarn_" + std::string(beta), static_cast<float>(in_.number_of("rope_scaling", value, 1)));
      if (auto const value = scaling["attention_factor"]; value && value.kind() != json::kind::null)
        put("rope.scaling.attn_factor", static_cast<float>(in_.number_of("rope_scaling.attention_factor", value, 1) /
                                                           (1 + 0.1 * math::log(factor))));
      if (f_.architecture == "deepseek2") latent_magnitude(scaling, factor);
    } else if (type == "llama3") {
      made.push_back({"rope_freqs.weight", llama3(scaling, s, theta, factor, static_cast<double>(original))});
    } else if (type == "longrope" || type == "su") {
      longrope(scaling, s, static_cast<double>(context), original, made);
    } else if (type != "default" && type != "dynamic") { // up to the original context the latter changes nothing
      in_.wrong("rope_scaling", std::string(type) + ": expected linear, dynamic, yarn, longrope or llama3",
                errc::unsupported);
    }
  }

  /// DeepSeek's YaRN has a factor of scores, m², and one of cosines and sines that is usually 1.
  void latent_magnitude(json::value scaling, double factor) {
    auto const of_scores = in_.number_of("rope_scaling.mscale_all_dim", scaling["mscale_all_dim"], 0);
    auto const of_turns = in_.number_of("rope_scaling.mscale", scaling["mscale"], 1);
    auto const magnitude = [&](double m) { return factor > 1 ? 1 + 0.1 * m * math::log(factor) : 1; };
    if (of_scores < 0 || of_turns < 0) return in_.wrong("rope_scaling.mscale_all_dim", "expected a positive number");
    if (of_scores != 0) put("rope.scaling.yarn_log_multiplier", static_cast<float>(0.1 * of_scores));
    auto const usual = of_scores != 0 ? 1 : magnitude(1); // of readers
    auto const ratio = magnitude(of_turns) / magnitude(of_scores);
    if (ratio != usual) put("rope.scaling.attn_factor", static_cast<float>(ratio / usual));
  }

  std::vector<float> llama3(json::value scaling, shape const& s, double theta, double factor, double context) {
    auto const low = in_.number_of("rope_scaling.low_freq_factor", scaling["low_freq_factor"], 1);
    auto const high = in_.number_of("rope_scaling.high_freq_factor", scaling["high_freq_factor"], 4);
    if (!scaling["original_max_position_embeddings"] && !in_.has("original_max_position_embeddings")) context = 8192;
    if (!(low > 0 && high > low)) in_.wrong("rope_scaling.high_freq_factor", "expected more than low_freq_factor > 0");
    if (!(theta > 0)) in_.wrong("rope_theta", "expected a positive number");
    if (in_.failed()) return {};
    return llama3_factors(s.rope_dims, theta, factor, low, high, context);
  }

  void longrope(json::value scaling, shape const& s, double context, std::uint64_t original,
                std::vector<made_tensor>& made) {
    put("rope.scaling.type", std::string_view("longrope"));
    put("rope.scaling.original_context_length", static_cast<std::uint32_t>(original));
    auto const start = static_cast<double>(original), ratio = context / start;
    double const usual =
        ratio > 1 && start > 1
            ? static_cast<double>(math::sqrt(static_cast<float>(1 + math::log(ratio) / math::log(start))))
            : 1;
    auto const given = scaling["attention_factor"];
    put("rope.scaling.attn_factor",
        static_cast<float>(in_.number_of("rope_scaling.attention_factor",
                                         given.kind() == json::kind::null ? json::value() : given, usual)));
    for (std::string_view const which : {"long", "short"}) {
      auto const key = std::string(which) + "_factor";
      made_tensor out{"rope_factors_" + std::string(which) + ".weight", {}};
      for (auto const value : scaling[key].elements())
        out.values.push_back(static_cast<float>(in_.number_of("rope_scaling." + key, value, 1)));
      if (out.values.size() != s.rope_dims / 2)
        return in_.wrong("rope_scaling." + key, "expected " + std::to_string(s.rope_dims / 2) + " numbers, found " +
                                                    std::to_string(out.values.size()));
      made.push_back(std::move(out));
    }
  }

  bool has(std::string_view suffix) const {
    for (auto const& w : written_)
      if (w == suffix) return true;
    return false;
  }
  template <class T> void put(std::string_view suffix, T const& value) {
    if (has(suffix)) return;
    written_.emplace_back(suffix);
    out_.add(std::string(f_.architecture) + "." + std::string(suffix), value);
  }

  gguf::writer& out_;
  family const& f_;
  config& in_;
  std::vector<std::string> written_;
};

} // namespace detail
/// \endcond

/// Adds the keys of a model to `out`, and tensors that follow from `in` to `made`. Errors name the file and the value:
/// `errc::missing`, `errc::malformed`; `errc::unsupported` for what makes it another kind of model.
inline result<shape> write_metadata(gguf::writer& out, family const& f, config& in, std::vector<made_tensor>& made) {
  return detail::metadata_writer(out, f, in).write(made);
}

} // namespace loquat::hugging_face
