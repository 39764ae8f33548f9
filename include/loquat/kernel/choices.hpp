#pragma once
/// \file
/// The variants of operations that models choose from, as plain enumerations.

namespace loquat {

/// The non-linear function of a feed-forward layer.
enum class activation : unsigned char {
  silu,         ///< x · sigmoid(x)
  gelu,         ///< Gaussian error linear unit, tanh form (D. Hendrycks, K. Gimpel, 2016)
  tanh,         ///< hyperbolic tangent
  relu_squared, ///< x² where x is positive, else 0 (D. So et al., 2021)
  /// x · sigmoid(1.702 x) of x up to 7; as a gate not times u, but times 1 + u, which is cut to [−7, 7]: gpt-oss
  clipped_silu,
  sigmoid,  ///< 1 / (1 + e⁻ˣ), the gates of LSTM and GRU
  softplus, ///< log(1 + eˣ), the time steps of Mamba
  relu,     ///< max(x, 0)
  gelu_erf, ///< Gaussian error linear unit itself, x · Φ(x): bert
};

/// Which elements of a head a rotary embedding turns together.
enum class rope_style : unsigned char {
  adjacent, ///< (0, 1), (2, 3), …: llama
  halves,   ///< (0, d/2), (1, d/2 + 1), …: GPT-NeoX, qwen2
  none,     ///< nothing turns: GPT-2
};

/// How a layer's input is normalised.
enum class normalisation : unsigned char {
  rms,   ///< x / √(mean(x²) + ε) · w (B. Zhang, R. Sennrich, 2019)
  layer, ///< (x − mean) / √(variance + ε) · w + b (J. L. Ba et al., 2016)
};

} // namespace loquat
