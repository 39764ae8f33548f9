#pragma once
/// \file
/// The sizes of a transformer, from its file's metadata, checked against each other.

#include <loquat/core/math.hpp>
#include <loquat/core/token.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/architecture.hpp>
#include <loquat/model/routing.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Sizes of latent attention, see `latent_attention`.
struct latent_sizes {
  std::size_t rank = 0;    ///< elements of the vector that keys and values are made of; 0: there is none
  std::size_t queries = 0; ///< the same of queries; 0: they are made of the input
  std::size_t key = 0;     ///< elements of a head's query and key, of which the last `rope_dims` rotate
  std::size_t value = 0;   ///< elements of a head's value
  bool absorbed = false;   ///< queries and outputs go through the matrices of keys and values
};

/// Sizes and constants of one model.
struct hyperparameters {
  std::size_t layers = 0;
  std::size_t embedding = 0;    ///< elements of a token's vector
  std::size_t heads = 0;        ///< query heads
  std::size_t kv_heads = 0;     ///< key-value heads; divides `heads`
  std::size_t head_dim = 0;     ///< elements of a head
  std::size_t feed_forward = 0; ///< elements between the feed-forward matrices
  std::size_t context = 0;      ///< positions the model was trained for
  std::size_t rope_dims = 0;    ///< elements of a head that rotate; even
  float rope_base = 10000;      ///< wavelengths grow as rope_base^(2i / rope_dims)
  float rope_factor = 1;        ///< positions are divided by it (linear scaling); with yarn those of slow pairs only
  float epsilon = 1e-5f;        ///< of the norms
  bool yarn = false;            ///< B. Peng et al., 2023
  double yarn_beta_fast = 32, yarn_beta_slow = 1; ///< rotations within `original_context`
  float alibi = 0;                                ///< exponent of ALiBi's longest slope; 0: positions are others
  float qkv_limit = 0;                            ///< queries, keys and values are cut to ±this; 0: they are not
  float window_rope_base = 0;                     ///< `rope_base` of layers with a window; 0: that of all
  float rope_magnitude = 1;                       ///< cosines and sines are multiplied by it
  std::size_t original_context = 0;               ///< positions before the model was extended; 0: `context`
  bool parallel = false;                          ///< `block_form::parallel`
  std::size_t window = 0;                         ///< positions that a layer with a window sees; 0: all
  float score_scale = 0;                          ///< of attention's scores
  float score_cap = 0, logit_cap = 0;             ///< c of c · tanh(x / c); 0: none
  float embedding_scale = 1, residual_scale = 1, logit_scale = 1; ///< factors of token vectors, what layers add, logits
  std::size_t experts = 0;                                        ///< 0: a feed-forward layer
  std::size_t experts_used = 0;                                   ///< for each token
  std::size_t expert_feed_forward = 0;                            ///< elements between an expert's matrices
  std::size_t shared_feed_forward = 0; ///< the same of the expert that every token uses; 0: there is none
  routing router;                      ///< what a token's experts are chosen by
  latent_sizes latent;                 ///< where attention is latent
  std::vector<token> end_tokens;       ///< tokens after which there is no more
};

namespace detail {

/// Reads `ARCHITECTURE.KEY` of a file.
class parameter_reader {
 public:
  constexpr parameter_reader(gguf::file const& file, std::string_view prefix) : file_(&file), prefix_(prefix) {}

  /// A size of 1 … 2³¹; `fallback` where the file has none, and 0 as fallback makes it required.
  constexpr std::size_t size(std::string_view suffix, std::size_t fallback = 0) {
    auto const key = key_of(suffix);
    if (fallback != 0 && !file_->find(view(key))) return fallback;
    auto const value = file_->get<std::uint64_t>(view(key));
    if (!value) return note(value.error()), 1;
    if (*value == 0 || *value > std::uint64_t{1} << 31)
      return note(fail(errc::malformed, file_->name(), ": key ", view(key), ": expected 1 to 2^31, found ", *value)), 1;
    return static_cast<std::size_t>(*value);
  }
  /// A yes or no.
  constexpr bool flag(std::string_view suffix, bool fallback) {
    auto const value = file_->get_or<bool>(view(key_of(suffix)), fallback);
    return value ? *value : (note(value.error()), fallback);
  }
  /// A positive, finite number.
  constexpr float number(std::string_view suffix, float fallback) {
    auto const key = key_of(suffix);
    auto const value = file_->get_or<float>(view(key), fallback);
    if (!value) return note(value.error()), fallback;
    if (!(*value > 0 && *value < 1e30f))
      return note(fail(errc::malformed, file_->name(), ": key ", view(key), ": expected a positive number")), fallback;
    return *value;
  }
  /// A text, empty where the file has none.
  constexpr std::string_view word(std::string_view suffix) {
    auto const value = file_->get_or<std::string_view>(view(key_of(suffix)), "");
    return value ? *value : (note(value.error()), "");
  }
  /// Whether the file has it, and it is not 0.
  constexpr bool has_some(std::string_view suffix) const {
    auto const value = file_->get<std::uint64_t>(view(key_of(suffix)));
    return has(suffix) && (!value || *value != 0);
  }
  constexpr bool has(std::string_view suffix) const { return file_->find(view(key_of(suffix))) != nullptr; }

  constexpr void require(bool holds, errc code, auto const&... message) {
    if (!holds) note(fail(code, file_->name(), ": ", message...));
  }
  constexpr error const& first_error() const { return error_; }
  constexpr bool failed() const { return failed_; }

 private:
  constexpr std::vector<char> key_of(std::string_view suffix) const {
    std::vector<char> key;
    (append(key, prefix_), append(key, '.'), append(key, suffix));
    return key;
  }
  static constexpr std::string_view view(std::vector<char> const& key) { return {key.data(), key.size()}; }
  constexpr void note(error const& e) {
    if (!failed_) error_ = e, failed_ = true;
  }

  gguf::file const* file_;
  std::string_view prefix_;
  error error_;
  bool failed_ = false;
};

constexpr void read_experts(parameter_reader& read, architecture const& a, hyperparameters& h) {
  if (!read.has("expert_count")) return;
  h.experts = read.size("expert_count");
  h.experts_used = read.size("expert_used_count");
  constexpr std::size_t most = 4096;
  read.require(h.experts <= most, errc::unsupported, "expert_count ", h.experts, ": expected at most ", most);
  read.require(h.experts_used <= h.experts, errc::malformed, "expert_used_count ", h.experts_used, " of expert_count ",
               h.experts);
  h.expert_feed_forward = read.size("expert_feed_forward_length", h.feed_forward);
  if (read.has("expert_shared_feed_forward_length"))
    h.shared_feed_forward = read.size("expert_shared_feed_forward_length");
  else if (read.has("expert_shared_count"))
    h.shared_feed_forward = read.size("expert_shared_count") * h.expert_feed_forward;
  read.require(h.shared_feed_forward <= std::uint64_t{1} << 31, errc::malformed,
               "expert_shared_count: ", h.shared_feed_forward, " elements in all, expected at most 2^31");
  auto const gating = read.size("expert_gating_func", 1);
  read.require(gating <= 3, errc::unsupported, "expert_gating_func ", gating,
               ": expected 1 (softmax), 2 (logistic function) or 3 (softmax of the chosen)");
  h.router.logistic = gating == 2;
  h.router.normalised = gating == 3 || read.flag("expert_weights_norm", a.normalised_experts);
  h.router.scale = read.number("expert_weights_scale", 1);
  h.router.groups = read.size("expert_group_count", 1);
  h.router.groups_used = read.size("expert_group_used_count", h.router.groups);
  read.require(h.router.groups <= 64 && h.experts % h.router.groups == 0, errc::malformed, "expert_group_count ",
               h.router.groups, ": expected up to 64, a divisor of expert_count ", h.experts);
}

/// Reads the sizes of heads: of latent attention.
constexpr void read_latent_heads(parameter_reader& read, hyperparameters& h) {
  auto& l = h.latent;
  l.rank = read.size("attention.kv_lora_rank");
  if (read.has("attention.q_lora_rank")) l.queries = read.size("attention.q_lora_rank");
  l.absorbed = read.has("attention.key_length_mla");
  l.key = read.size(l.absorbed ? "attention.key_length_mla" : "attention.key_length");
  l.value = read.size(l.absorbed ? "attention.value_length_mla" : "attention.value_length");
  h.rope_dims = read.size("rope.dimension_count");
  read.require(h.rope_dims % 2 == 0 && h.rope_dims < l.key, errc::malformed, "rope.dimension_count ", h.rope_dims,
               ": expected an even number below the key's ", l.key);
  constexpr std::uint64_t most = std::uint64_t{1} << 31;
  read.require(std::uint64_t{h.heads} * (l.key + l.value) <= most, errc::malformed, "attention.head_count ", h.heads,
               ": expected at most 2^31 elements in all heads of ", l.key, " and ", l.value);
  h.kv_heads = l.absorbed ? 1 : h.heads;
  h.head_dim = l.absorbed ? l.rank + h.rope_dims : std::max(l.key, l.value);
}
/// The same of usual attention.
constexpr void read_heads(parameter_reader& read, architecture const& a, hyperparameters& h) {
  h.kv_heads = read.size("attention.head_count_kv", h.heads);
  read.require(read.has("attention.key_length") || h.embedding % h.heads == 0, errc::malformed, "embedding_length ",
               h.embedding, " is no multiple of attention.head_count ", h.heads);
  read.require(h.heads % h.kv_heads == 0, errc::malformed, "attention.head_count ", h.heads,
               " is no multiple of attention.head_count_kv ", h.kv_heads);
  h.head_dim = read.size("attention.key_length", h.embedding / h.heads == 0 ? 1 : h.embedding / h.heads);
  read.require(read.size("attention.value_length", h.head_dim) == h.head_dim, errc::unsupported,
               "attention.value_length differs from attention.key_length");
  h.rope_dims = read.size("rope.dimension_count", h.head_dim);
  read.require((h.rope_dims % 2 == 0 || a.rope == rope_style::none) && h.rope_dims <= h.head_dim, errc::malformed,
               "rope.dimension_count ", h.rope_dims, ": expected an even number up to the head's ", h.head_dim);
}

} // namespace detail

/// The tokens of a file after which there is no more.
constexpr result<std::vector<token>> read_end_tokens(gguf::file const& file) {
  std::vector<token> out;
  for (std::string_view key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (file.find(key)) {
      auto const id = file.get<token>(key);
      if (!id) return id.error();
      out.push_back(*id);
    }
  return out;
}

/// Reads the sizes of a model of architecture `a`. Errors name the key.
constexpr result<hyperparameters> read_hyperparameters(gguf::file const& file, architecture const& a) {
  detail::parameter_reader read(file, name(a));
  hyperparameters h;
  h.layers = read.size("block_count");
  h.embedding = read.size("embedding_length");
  h.heads = read.size("attention.head_count");
  h.feed_forward = read.size("feed_forward_length");
  h.context = read.size("context_length");
  a.latent ? detail::read_latent_heads(read, h) : detail::read_heads(read, a, h);
  constexpr std::uint64_t most = std::uint64_t{1} << 31; // fits 32 bits, and its product with another size 64
  read.require(std::uint64_t{h.heads} * h.head_dim <= most, errc::malformed, "attention.head_count ", h.heads,
               ": expected at most 2^31 elements in all heads of ", h.head_dim);
  h.rope_base = read.number("rope.freq_base", h.rope_base);
  h.epsilon = read.number(
      a.norm == normalisation::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", h.epsilon);
  auto const scaling = read.word("rope.scaling.type");
  h.yarn = scaling == "yarn";
  read.require(scaling.empty() || scaling == "none" || scaling == "linear" || scaling == "longrope" || h.yarn,
               errc::unsupported, "rope.scaling.type ", scaling, ": expected none, linear, yarn or longrope");
  if (scaling == "linear" || h.yarn) h.rope_factor = read.number("rope.scaling.factor", 1);
  h.yarn_beta_fast = static_cast<double>(read.number("rope.scaling.yarn_beta_fast", 32));
  h.yarn_beta_slow = static_cast<double>(read.number("rope.scaling.yarn_beta_slow", 1));
  h.window_rope_base = a.window_rope_base;
  h.rope_magnitude = read.number("rope.scaling.attn_factor", 1);
  h.original_context = read.size("rope.scaling.original_context_length", h.context);
  h.parallel = a.block == block_form::by_norms ? file.find_tensor("blk.0.ffn_norm.weight") == nullptr
                                               : read.flag("use_parallel_residual", a.block == block_form::parallel);
  if (a.window != window_layers::none && read.has_some("attention.sliding_window")) // files of Phi-4 say 0: none
    h.window = read.size("attention.sliding_window");
  auto const head = a.latent ? h.latent.key : h.head_dim;
  auto const width = a.broad_scores == h.layers ? static_cast<float>(h.embedding) / static_cast<float>(h.heads)
                                                : static_cast<float>(head);
  h.score_scale = read.number("attention.scale", 1.0f / (a.scores_by_size ? width : math::sqrt(width)));
  if (a.alibi != 0 && (a.alibi_layers == 0 || a.alibi_layers == h.layers))
    h.alibi = read.number("attention.max_alibi_bias", a.alibi);
  if (read.has("attention.clamp_kqv")) h.qkv_limit = read.number("attention.clamp_kqv", 1);
  if (h.yarn && read.has("rope.scaling.yarn_log_multiplier")) { // YaRN's magnitude is in the scores, its own in none
    float const log_factor = static_cast<float>(math::log(static_cast<double>(h.rope_factor)));
    float const magnitude = 1 + read.number("rope.scaling.yarn_log_multiplier", 0) * log_factor;
    h.score_scale *= magnitude * magnitude;
    h.rope_magnitude /= 1 + 0.1f * log_factor;
  }
  if (a.soft_caps) {
    if (read.has("attn_logit_softcapping")) h.score_cap = read.number("attn_logit_softcapping", 1);
    if (read.has("final_logit_softcapping")) h.logit_cap = read.number("final_logit_softcapping", 1);
  }
  h.embedding_scale =
      a.scales_embeddings ? math::sqrt(static_cast<float>(h.embedding)) : read.number("embedding_scale", 1);
  h.residual_scale = read.number("residual_scale", 1);
  h.logit_scale = read.number("logit_scale", 1);
  if (a.divides_logits) h.logit_scale = 1.0f / h.logit_scale;
  read_experts(read, a, h);
  if (read.failed()) return read.first_error();

  auto ends = read_end_tokens(file);
  if (!ends) return ends.error();
  h.end_tokens = std::move(*ends);
  return h;
}

} // namespace loquat
