#pragma once
/// \file
/// How ternary formats round 256 weights to −s, 0 or s: the scale s of least squared error. For the k weights of
/// largest magnitude it is the mean of these, and the error is less by k · s² than that of zeros; the best k is found
/// by trying all.

#include <loquat/quant/search.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace loquat::detail {

constexpr float fit_ternary_scale(float const* x) noexcept {
  std::array<float, 256> magnitudes{};
  for (std::size_t i = 0; i < 256; ++i)
    if (is_finite(x[i])) magnitudes[i] = x[i] < 0 ? -x[i] : x[i];
  std::ranges::sort(magnitudes);
  double sum = 0, gain = 0;
  float scale = 0;
  for (int k = 1; k <= 256; ++k) {
    sum += wide(magnitudes[static_cast<std::size_t>(256 - k)]);
    if (sum * sum / k <= gain) continue;
    gain = sum * sum / k;
    scale = static_cast<float>(sum / k);
  }
  return scale;
}

// 0, 1 or 2 for the nearest of −s, 0, s, given 1/s
constexpr unsigned ternary_digit(float x, float per_scale) noexcept {
  return static_cast<unsigned>(static_cast<int>(nearest(x * per_scale, -1, 1)) + 1);
}

} // namespace loquat::detail
