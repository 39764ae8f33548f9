#pragma once
/// \file
/// An architecture is a value: what distinguishes one decoder-only transformer from another, as a structural type that
/// serves as template argument. `transformer<arch::llama>` reads it with `if constexpr`.

#include <loquat/kernel/choices.hpp>

#include <cstddef>
#include <string_view>

namespace loquat {

/// How a layer's two parts, attention and feed-forward, follow each other. Files may say otherwise.
enum class block_form : unsigned char {
  sequential, ///< x += attention(norm(x)); x += feed_forward(norm'(x))
  parallel,   ///< x += attention(norm(x)) + feed_forward(norm'(x)); without a second norm both take the same
  by_norms,   ///< parallel where there is no second norm, whatever the file says: stablelm, whose files may be wrong
};

/// Which norm queries and keys get.
enum class query_key_norm : unsigned char {
  none,
  heads, ///< every head by itself: qwen3, gemma3
  all,   ///< all heads of a token as one vector: olmo2
  own,   ///< every head by itself, with weights of its own, if the file has them: StableLM 2 12B, Command R+
};

/// Which layers see only a window of the last positions; its length is in the file.
enum class window_layers : unsigned char {
  none,
  all,
  even,        ///< layers 0, 2, …: gemma2
  five_of_six, ///< all but layers 5, 11, …: gemma3
};

/// What a transformer is made of. The defaults are llama's; sizes are not here, they come from the file. Biases, an
/// output matrix of its own, one matrix for queries, keys and values, or for gate and up, and experts in place of a
/// feed-forward layer are there if the file has them.
struct architecture {
  char name[24] = "llama";                       ///< `general.architecture` of its files and prefix of their keys
  normalisation norm = normalisation::rms;       ///< of the input of attention, feed-forward and output
  rope_style rope = rope_style::adjacent;        ///< which elements of a head are a pair
  activation feed_forward = activation::silu;    ///< non-linear function
  bool gated = true;                             ///< down(f(gate(x)) · up(x)) rather than down(f(up(x)))
  block_form block = block_form::sequential;     ///< attention, then feed-forward
  bool norm_before = true;                       ///< of the input of attention and feed-forward
  bool norm_after = false;                       ///< of their output, before it is added
  bool inner_norms = false;                      ///< before the last matrix of attention and of feed-forward: bitnet
  query_key_norm qk_norm = query_key_norm::none; ///< before rotation
  float alibi = 0;                               ///< of ALiBi's longest slope, if the file does not say; 0: none
  std::size_t alibi_layers = 0;                  ///< only models of so many layers have it, and do not rotate; 0: all
  bool scores_by_size = false;                   ///< scores are divided by the elements of a head, not by their root
  bool learned_positions = false;                ///< a vector for each position is added to that of the token
  bool scales_embeddings = false;                ///< by √embedding: gemma
  bool soft_caps = false;                        ///< of scores and logits, c · tanh(x / c): gemma2
  window_layers window = window_layers::none;    ///< layers that do not see all positions
  float window_rope_base = 0;                    ///< `rope_base` of these layers; 0: that of all
  bool divides_logits = false;                   ///< by `logit_scale`, rather than multiplying: granite
  std::size_t broad_scores = 0; ///< with so many layers scores are scaled by √(heads / embedding): gemma2 and 3, 27 B
  bool normalised_experts = true; ///< the weights of a token's experts sum to one, if the file does not say
  bool latent = false;            ///< keys and values are made of a short vector: `latent_attention`
  bool sinks = false;             ///< attention to a key without a value, of which every head has one: gpt-oss

  friend constexpr bool operator==(architecture const&, architecture const&) = default;
};

/// The architecture's name as text.
constexpr std::string_view name(architecture const& a) noexcept { return a.name; }

/// Whether a layer sees only a window.
constexpr bool sees_window(architecture const& a, std::size_t layer) noexcept {
  switch (a.window) {
  case window_layers::all:
    return true;
  case window_layers::even:
    return layer % 2 == 0;
  case window_layers::five_of_six:
    return layer % 6 != 5;
  default:
    return false;
  }
}

} // namespace loquat
