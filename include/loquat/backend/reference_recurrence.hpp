#pragma once
/// \file
/// Convolution and selective scan of the reference backend: the order of every operation, as obvious loops.

#include <loquat/backend/recurrence.hpp>
#include <loquat/core/math.hpp>

#include <cstddef>

namespace loquat::detail {

/// Taps in ascending order, that is, from the oldest input on.
constexpr void convolve(convolution_task const& task) {
  std::size_t const channels = task.channels, before = task.tail.size() / channels;
  for (std::size_t t = 0; t < task.n; ++t)
    for (std::size_t c = 0; c < channels; ++c) {
      float sum = task.bias.empty() ? 0.0f : task.bias[c];
      for (std::size_t k = 0; k < task.taps(); ++k) {
        float const x = t + k < before ? task.tail[(t + k) * channels + c] : task.x[(t + k - before) * channels + c];
        sum = math::fma(task.weights[k * channels + c], x, sum);
      }
      task.y[t * channels + c] = sum;
    }
  task.keep_tail();
}

/// Elements of the state in ascending order.
constexpr void scan(scan_task const& task) {
  scan_layout const &all = task.layout, decays{all.channels, all.groups, task.decay_elements()};
  for (std::size_t t = 0; t < task.n; ++t)
    for (std::size_t c = 0; c < all.channels; ++c) {
      std::size_t const group = (t * all.groups + c / all.group_channels()) * all.elements;
      float const step = task.steps[t * task.heads() + c / task.head_dim()], x = task.x[t * all.channels + c];
      float const input = step * x;
      float sum = 0;
      for (std::size_t e = 0; e < all.elements; ++e) {
        float const decay = math::exp(step * task.decays[decays.at(c, decays.elements == 1 ? 0 : e)]);
        float& h = task.states[all.at(c, e)];
        h = math::fma(decay, h, input * task.inputs[group + e]);
        sum = math::fma(h, task.reads[group + e], sum);
      }
      task.y[t * all.channels + c] = math::fma(task.skips[c], x, sum);
    }
}

} // namespace loquat::detail
