#pragma once
/// \file
/// How models of Hugging Face and GGUF files name and arrange the same things: what a table of a family of models is
/// made of, and finding a tensor's place in one. The tables are in `families.hpp`.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// Models as Hugging Face transformers (github.com/huggingface/transformers) keep them, in folders.
namespace loquat::hugging_face {

/// The first of names that are separated by spaces, and the rest.
constexpr std::pair<std::string_view, std::string_view> split_names(std::string_view names) noexcept {
  auto const end = names.find(' ');
  return {names.substr(0, end), end == names.npos ? std::string_view() : names.substr(end + 1)};
}

/// What a tensor of a GGUF file has different from its original.
enum class change : unsigned char {
  none,
  query_pairs,   ///< rows of each head: those of a rotary pair are neighbours, not half a head apart
  key_pairs,     ///< the same of key-value heads
  fused_heads,   ///< rows: all queries, keys and values, not those of each key-value head together
  transpose,     ///< of the weight
  add_one,       ///< to the weight
  negative_exp,  ///< its exponential, less than nothing
  ternary,       ///< the weight is rounded to −m, 0 and m, of which m is the mean magnitude
  even_rows,     ///< of joined matrices whose rows take turns: those of the first,
  odd_rows,      ///< of the second
  even_columns,  ///< the same of columns, turned,
  odd_columns,   ///< of the second
  first_half,    ///< rows: those of the first of two joined matrices,
  second_half,   ///< of the second
  latent_keys,   ///< of each head: the rows that make its key, turned (latent attention),
  latent_values, ///< those that make its value
  positions,     ///< rows: without those of padding, before the first position
};

/// Whether what a change makes is only a part of the original.
constexpr bool is_part(change how) noexcept { return how >= change::even_rows; }

/// A tensor's names, to which ".weight" or ".bias" is appended. `#` stands for the number of a layer, `@` for that of
/// an expert: the experts' matrices are one tensor of a GGUF file.
struct tensor_rule {
  std::string_view gguf, theirs;
  change how = change::none;
};

/// What kind of value a key has.
enum class key_kind : unsigned char { size, number, flag };

/// A key of a GGUF file, without the architecture's name, and where `config.json` has the value: alternatives that are
/// separated by spaces, the usual one first.
struct key_rule {
  std::string_view gguf, theirs;
  key_kind kind = key_kind::size;
};

/// The models that share a class of transformers.
struct family {
  std::string_view architecture; ///< `general.architecture`
  std::string_view model_type;   ///< of `config.json`
  std::string_view model_class;  ///< first of its `architectures`; of several, separated by spaces, the usual one
  std::string_view prefix;       ///< of names of tensors, which files of a bare model leave out
  std::string_view activation;   ///< what `hidden_act` begins with
  std::string_view epsilon;      ///< key of the norms' epsilon
  std::span<tensor_rule const> tensors; ///< come before those of llama
  std::span<key_rule const> keys;       ///< come before `common_keys`
  std::string_view defaults = "{}";     ///< what `config.json` need not say, as JSON
  bool rotates = true;                  ///< has rotary embeddings
  std::string_view needless = {};       ///< what names of tensors begin with that are left out, separated by spaces
};

/// Whether conversion turns rows into columns.
constexpr bool is_turned(change how) noexcept {
  return how == change::transpose || how == change::even_columns || how == change::odd_columns ||
         how == change::latent_keys;
}

/// \cond
namespace detail {

inline constexpr std::string_view rms = "attention.layer_norm_rms_epsilon", layer = "attention.layer_norm_epsilon";

} // namespace detail
/// \endcond

/// Keys that mean the same in all families.
inline constexpr key_rule common_keys[]{
    {"vocab_size", "vocab_size"},
    {"context_length", "max_position_embeddings n_positions n_ctx seq_length"},
    {"embedding_length", "hidden_size n_embd"},
    {"block_count", "num_hidden_layers n_layer"},
    {"feed_forward_length", "intermediate_size n_inner ffn_hidden_size"},
    {"attention.head_count", "num_attention_heads n_head"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"attention.value_length", "head_dim"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", key_kind::number},
    {"attention.layer_norm_epsilon", "layer_norm_eps layer_norm_epsilon norm_epsilon norm_eps", key_kind::number},
    {"expert_count", "num_local_experts num_experts"},
    {"expert_used_count", "num_experts_per_tok"},
};

/// Tensors that most families name like this.
inline constexpr tensor_rule common_tensors[]{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm"},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj"},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj"},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj"},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj"},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"},
    {"blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj"},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj"},
};

/// A tensor's place: the rule that names it, the layer and the expert.
struct tensor_place {
  tensor_rule const* rule = nullptr;
  std::size_t layer = 0, expert = 0;
};

/// \cond
namespace detail {

/// Whether `name` is `pattern` with numbers for # and @, which it puts into `place`.
constexpr bool matches(std::string_view pattern, std::string_view name, tensor_place& place) noexcept {
  std::size_t at = 0;
  for (char const c : pattern) {
    if (c != '#' && c != '@') {
      if (at == name.size() || name[at++] != c) return false;
      continue;
    }
    std::size_t value = 0, digits = 0;
    for (; at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at, ++digits)
      value = value * 10 + static_cast<std::size_t>(name[at] - '0');
    if (digits == 0 || digits > 5) return false;
    (c == '#' ? place.layer : place.expert) = value;
  }
  return at == name.size();
}

/// The rule whose `name` is that of a tensor without its ending.
template <std::string_view tensor_rule::*Name>
constexpr std::optional<tensor_place> place_of(family const& f, std::string_view name) noexcept {
  for (auto const rules : {f.tensors, std::span<tensor_rule const>(common_tensors)})
    for (auto const& rule : rules)
      if (tensor_place place{&rule, 0, 0}; matches(rule.*Name, name, place)) return place;
  return std::nullopt;
}

/// Whether the names of a rule are whole: nothing is appended.
constexpr bool is_bare(tensor_rule const& rule) noexcept {
  return rule.gguf.ends_with(".ssm_a") || rule.gguf.ends_with(".ssm_d") || rule.gguf.ends_with(".weight") ||
         rule.gguf.ends_with(".bias");
}

/// The place of a tensor by all of its name, and the part behind the rule's: ".weight", ".bias" or nothing.
template <std::string_view tensor_rule::*Name>
constexpr std::optional<tensor_place> place_of_tensor(family const& f, std::string_view name,
                                                      std::string_view& ending) noexcept {
  auto const place = place_of<Name>(f, name);
  ending = {};
  if (place && is_bare(*place->rule)) return place;
  for (std::string_view const end : {".weight", ".bias"})
    if (name.ends_with(end)) {
      ending = end;
      auto const found = place_of<Name>(f, name.substr(0, name.size() - end.size()));
      return found && !is_bare(*found->rule) ? found : std::nullopt;
    }
  return std::nullopt;
}

/// A rule's name with its numbers.
inline std::string filled(std::string_view pattern, tensor_place const& place) {
  std::string out;
  for (char const c : pattern) {
    if (c == '#')
      out += std::to_string(place.layer);
    else if (c == '@')
      out += std::to_string(place.expert);
    else
      out += c;
  }
  return out;
}

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
