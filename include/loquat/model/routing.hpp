#pragma once
/// \file
/// Which experts a token takes, and with which weights (N. Shazeer et al., "Outrageously large neural networks", 2017).

#include <loquat/core/math.hpp>
#include <loquat/model/architecture.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace loquat {

/// Turns the router's outputs for one token, [experts], into weights: `used` of them, those of the highest outputs and
/// of equal ones the first, the others 0.
constexpr void route(routing how, std::span<float> outputs, std::size_t used) noexcept {
  if (outputs.empty()) return;
  float const top = *std::ranges::max_element(outputs);
  float sum = 0;
  for (float& x : outputs) sum += x = math::exp(x - top);
  for (float& x : outputs) x /= sum;
  float chosen = 0;
  for (; used > 0; --used) { // chosen ones are negative for now
    auto const best = std::ranges::max_element(outputs);
    if (!(*best > 0)) break;
    chosen += *best;
    *best = -*best;
  }
  bool const divides = how == routing::softmax_of_chosen && chosen > 0;
  for (float& x : outputs) x = x < 0 ? (divides ? -x / chosen : -x) : 0.0f;
}

} // namespace loquat
