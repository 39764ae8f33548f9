#pragma once
/// \file
/// The operations of recurrent models on a `Backend` that matrix products and element-wise functions do not cover:
/// a causal convolution and the selective scan of state space models.

#include <loquat/kernel/scan_layout.hpp>

#include <cstddef>
#include <span>

namespace loquat {

/// A causal convolution of each channel over n new tokens: y[t] = bias + Σ weights[k] · x[t − (taps − 1) + k].
struct convolution_task {
  std::span<float const> x;       ///< [n, channels]
  std::span<float const> weights; ///< [taps, channels], of the newest input last
  std::span<float const> bias;    ///< [channels], or empty
  std::span<float> tail;          ///< [taps − 1, channels]: the inputs before x, oldest first; brought up to date
  std::span<float> y;             ///< [n, channels]
  std::size_t n, channels;

  constexpr std::size_t taps() const noexcept { return weights.size() / channels; } ///< inputs of an output

  /// Makes the last inputs the tail of what follows, once y is there.
  constexpr void keep_tail() const noexcept {
    for (std::size_t i = 0; i < tail.size(); ++i) {
      std::size_t const from = i + n * channels; // in tail and x, one behind the other
      tail[i] = from < tail.size() ? tail[from] : x[from - tail.size()];
    }
  }
};

/// A selective scan over n new tokens. Each channel has a state h of some elements, which starts as zeros. With the
/// channel's head's time step Δ and its group's input and output vectors B and C, each token makes it
/// h[e] = exp(Δ · a[e]) · h[e] + Δ · x · B[e], and y = Σ h[e] · C[e] + d · x.
///
/// Mamba: one group, heads of one channel, a decay a for each element. Mamba-2: heads of many channels, some groups,
/// and one decay for all elements.
struct scan_task {
  scan_layout layout;            ///< of the states
  std::span<float const> x;      ///< [n, channels]
  std::span<float const> steps;  ///< [n, heads]: Δ; heads divide the channels, and groups the heads
  std::span<float const> inputs; ///< [n, groups, elements]: B
  std::span<float const> reads;  ///< [n, groups, elements]: C
  std::span<float const> decays; ///< a, below 0: laid out as the states, or as states of one element
  std::span<float const> skips;  ///< [channels]: d
  std::span<float> states;       ///< [layout.floats()], brought up to date
  std::span<float> y;            ///< [n, channels]
  std::size_t n;

  constexpr std::size_t heads() const noexcept { return steps.size() / n; }             ///< with a step of their own
  constexpr std::size_t head_dim() const noexcept { return layout.channels / heads(); } ///< channels of a head
  constexpr std::size_t decay_elements() const noexcept {
    return decays.size() / layout.blocks() / layout.lanes;
  } ///< of a channel
};

} // namespace loquat
