#pragma once
/// \file
/// The sizes of an encoder, from its file's metadata, checked against each other.

#include <loquat/format/gguf.hpp>
#include <loquat/model/encoder_architecture.hpp>
#include <loquat/model/hyperparameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

/// How the vectors of a text's tokens become one. The numbers are those of `ARCHITECTURE.pooling_type` in files.
enum class pooling : unsigned char {
  none, ///< they do not: every token keeps its own
  mean, ///< their mean
  cls,  ///< that of the first token
  last, ///< that of the last token
  rank, ///< what the classification head makes of the first one (of causal models the last one): logits
};

/// Sizes and constants of one encoder.
struct encoder_sizes : hyperparameters {
  std::size_t token_embedding = 0; ///< elements of a row of the token matrix; `embedding` but in albert, mobilebert
  std::size_t width = 0;           ///< elements between a layer's parts; `embedding` but in mobilebert
  std::size_t layer_groups = 0;    ///< of layers that share weights; `layers` but in albert
  std::size_t feed_forwards = 1;   ///< feed-forward networks of a layer, one behind the other
  std::size_t global_every = 0;    ///< of so many layers the first sees all, others `window`; 0: all see all
  std::size_t buckets = 0;         ///< ranges of relative positions
  float longest_alibi = 8;         ///< scores sink by 2^(−longest_alibi · head / heads) for each position
  bool causal = false;             ///< tokens see those before them only
  loquat::pooling pooled = pooling::mean; ///< what the model was trained with
  std::vector<std::string_view> labels;   ///< names of the classification head's outputs, in the file; or none
};

/// Whether a layer sees only a window.
constexpr bool sees_window(encoder_sizes const& s, std::size_t layer) noexcept {
  return s.window != 0 && s.global_every != 0 && layer % s.global_every != 0;
}

namespace detail {

struct encoder_key {
  std::vector<char> characters;

  constexpr encoder_key(encoder_architecture const& a, std::string_view suffix) {
    (append(characters, name(a)), append(characters, '.'), append(characters, suffix));
  }
  constexpr std::string_view view() const { return {characters.data(), characters.size()}; }
};

} // namespace detail

/// Reads the sizes of an encoder of architecture `a`. Errors name the key.
constexpr result<encoder_sizes> read_encoder_sizes(gguf::file const& file, encoder_architecture const& a) {
  architecture base{.norm = a.norm,
                    .rope = a.positions == position_kind::rotary ? a.rope : rope_style::none,
                    .window = a.global_every != 0 ? window_layers::all : window_layers::none};
  std::copy(std::begin(a.name), std::end(a.name), std::begin(base.name));
  auto const common = read_hyperparameters(file, base);
  if (!common) return common.error();
  encoder_sizes s;
  static_cast<hyperparameters&>(s) = *common;
  detail::parameter_reader read(file, name(a));
  s.token_embedding = s.embedding;
  if (auto const* const tokens = file.find_tensor("token_embd.weight"))
    s.token_embedding = static_cast<std::size_t>(std::max<std::uint64_t>(1, tokens->columns()));
  constexpr std::uint64_t most = std::uint64_t{1} << 31;
  read.require(s.token_embedding <= most, errc::malformed, "tensor token_embd.weight has ", s.token_embedding,
               " columns, expected at most 2^31");
  s.width = read.size("bottleneck_length", s.embedding);
  s.layer_groups = read.size("layer_group_count", s.layers);
  read.require(s.layers % s.layer_groups == 0, errc::malformed, "block_count ", s.layers,
               " is no multiple of layer_group_count ", s.layer_groups);
  s.feed_forwards = read.size("feed_forward_count", 1);
  read.require(s.feed_forwards <= 64, errc::unsupported, "feed_forward_count ", s.feed_forwards,
               ": expected at most 64");
  s.global_every = a.global_every;
  if (s.window != 0) {
    s.global_every = read.size("attention.sliding_window_pattern", a.global_every);
    s.window_rope_base = read.number("rope.freq_base_swa", a.window_rope_base);
  }
  if (!a.scales_scores) s.score_scale = read.number("attention.scale", 1);
  if (a.positions == position_kind::relative) {
    s.buckets = read.size("attention.relative_buckets_count");
    read.require(s.buckets % 4 == 0 && s.buckets <= 4096, errc::unsupported, "attention.relative_buckets_count ",
                 s.buckets, ": expected a multiple of 4 up to 4096");
  }
  s.longest_alibi = read.number("attention.max_alibi_bias", s.longest_alibi);
  s.causal = read.flag("attention.causal", a.causal);
  s.pooled = s.causal ? pooling::last : pooling::mean;
  auto const key = detail::encoder_key(a, "pooling_type");
  if (auto const kind = file.get_or<std::uint64_t>(key.view(), static_cast<std::uint64_t>(s.pooled)); !kind)
    return kind.error();
  else if (*kind > 4)
    return fail(errc::unsupported, file.name(), ": key ", key.view(), ": expected 0 to 4, found ", *kind);
  else
    s.pooled = static_cast<pooling>(*kind);
  read.require(s.experts == 0, errc::unsupported, "expert_count ", s.experts, ": encoders have no experts here");
  if (read.failed()) return read.first_error();
  if (auto const labels = detail::encoder_key(a, "classifier.output_labels"); file.find(labels.view())) {
    auto const names = file.array<std::string_view>(labels.view());
    if (!names) return names.error();
    for (auto const label : *names) s.labels.push_back(label);
  }
  return s;
}

} // namespace loquat
