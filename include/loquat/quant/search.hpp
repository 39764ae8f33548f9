#pragma once
/// \file
/// How weights choose their scale: weighted least squares. For given integers q the best scale (and minimum) has a
/// closed form, so a few ways to round are tried, each is scored with its own best scale, and the best of all is
/// improved by rounding again with what it gave (the alternation of S. P. Lloyd, "Least squares quantization in PCM",
/// 1982).

#include <loquat/core/float16.hpp>
#include <loquat/core/math.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace loquat::detail {

// The first ways to round stretch the weights over the whole range of q, and over up to a step less or more.
inline constexpr int stretches = 5, stretches_per_step = 5, rounds_again = 2;

// importance of weights that all matter the same
inline constexpr auto equal_importance = [] {
  std::array<float, 256> ones{};
  ones.fill(1);
  return ones;
}();

constexpr double wide(float x) noexcept { return static_cast<double>(x); }
constexpr bool is_finite(float x) noexcept { return x - x == 0; }

// 1 / x, or 0 if that is no finite number
constexpr float inverse(float x) noexcept {
  float const y = x != 0 ? 1 / x : 0;
  return is_finite(y) ? y : 0;
}

// x rounded to the nearest integer, ties to even, within [low, high], which are below 2^22; low for NaN
constexpr float nearest(float x, float low, float high) noexcept {
  constexpr float magic = math::exp_constants::magic;
  float const above = x > low ? x : low;
  return ((above < high ? above : high) + magic) - magic;
}

// the nearest finite binary16
constexpr std::uint16_t finite_half(float x) noexcept {
  constexpr float most = 65504;
  return half_from_float(x > most ? most : x < -most ? -most : x);
}

// Weights of the errors for an importance of each column, 1 on average. An importance of 0 only says that a calibration
// never saw the column, so every column keeps a little; where none is usable all are the same.
template <std::size_t N>
LOQUAT_NO_CONTRACT_FUNCTION constexpr std::array<float, N> error_weights(float const* importance) noexcept {
  LOQUAT_NO_CONTRACT
  std::array<float, N> w{};
  float sum = 0;
  for (std::size_t i = 0; i < N; ++i) sum += w[i] = importance[i] > 0 && is_finite(importance[i]) ? importance[i] : 0;
  float const per_mean = inverse(sum / N);
  for (float& weight : w) weight = weight * per_mean + 1.0f / 1024;
  return w;
}

// weighted sums over x[N] rounded to integers q
struct moments {
  float q = 0, qq = 0, xq = 0;
};

// q = (x − minimum) · factor, rounded within [low, high]
template <std::size_t N>
LOQUAT_NO_CONTRACT_FUNCTION constexpr moments rounded_moments(float const* x, float const* w, float minimum,
                                                              float factor, float low, float high) noexcept {
  LOQUAT_NO_CONTRACT
  moments sum;
  for (std::size_t i = 0; i < N; ++i) {
    float const q = nearest((x[i] - minimum) * factor, low, high), wq = w[i] * q;
    sum.q += wq;
    sum.qq += wq * q;
    sum.xq += wq * x[i];
  }
  return sum;
}

// The scale s, of either sign, with which s · q for integers q in [low, high] are nearest to x[N], errors weighted by
// w[N]. 0 where nothing is better, for NaN too.
template <std::size_t N> constexpr float fit_scale(float const* x, float const* w, float low, float high) noexcept {
  float extreme = 0, scale = 0;
  for (std::size_t i = 0; i < N; ++i)
    if ((x[i] < 0 ? -x[i] : x[i]) > (extreme < 0 ? -extreme : extreme)) extreme = x[i];
  double gain = 0; // by how much the squared error is less than that of zeros
  auto const attempt = [&](float factor) {
    moments const sum = rounded_moments<N>(x, w, 0, factor, low, high);
    double const gained = sum.qq > 0 ? wide(sum.xq) * wide(sum.xq) / wide(sum.qq) : 0;
    if (!(gained > gain)) return;
    gain = gained;
    scale = sum.xq / sum.qq;
  };
  float const unit = inverse(extreme);
  for (float const bound : {low, high})
    for (int i = -stretches; bound != 0 && i <= stretches; ++i)
      attempt((bound + static_cast<float>(i) / stretches_per_step) * unit);
  for (int i = 0; i < rounds_again; ++i) attempt(inverse(scale));
  return scale;
}

// s · q + m
struct line {
  float scale = 0, minimum = 0;
};

// The line with integers q in [0, high] that is nearest to x[N], errors weighted by w[N]; m ≤ 0 if `below_zero`. A
// constant where nothing is better, 0 for NaN.
template <std::size_t N>
LOQUAT_NO_CONTRACT_FUNCTION constexpr line fit_line(float const* x, float const* w, float high,
                                                    bool below_zero) noexcept {
  LOQUAT_NO_CONTRACT
  float lowest = x[0], highest = x[0], sum_w = 0, sum_x = 0;
  for (std::size_t i = 0; i < N; ++i) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
    sum_w += w[i];
    sum_x += w[i] * x[i];
  }
  if (below_zero && lowest > 0) lowest = 0;
  float const mean = sum_x * inverse(sum_w);
  line best;
  if (is_finite(mean) && !(below_zero && mean > 0)) best.minimum = mean;
  double gain = wide(best.minimum) * wide(sum_x); // by how much the squared error is less than that of zeros
  auto const attempt = [&](float factor, float minimum) LOQUAT_NO_CONTRACT_FUNCTION {
    moments const sum = rounded_moments<N>(x, w, minimum, factor, 0, high);
    if (!(sum.qq > 0)) return;
    double scale = wide(sum.xq) / wide(sum.qq), offset = 0; // through zero
    double const determinant = wide(sum_w) * wide(sum.qq) - wide(sum.q) * wide(sum.q);
    double const at_zero = wide(sum.qq) * wide(sum_x) - wide(sum.q) * wide(sum.xq); // by determinant
    if (determinant > 0 && !(below_zero && at_zero > 0)) {
      scale = (wide(sum_w) * wide(sum.xq) - wide(sum.q) * wide(sum_x)) / determinant;
      offset = at_zero / determinant;
    }
    double const gained = scale * wide(sum.xq) + offset * wide(sum_x);
    if (!(gained > gain)) return;
    gain = gained;
    best = {static_cast<float>(scale), static_cast<float>(offset)};
  };
  float const unit = inverse(highest - lowest);
  for (int i = -stretches; i <= stretches; ++i)
    attempt((high + static_cast<float>(i) / stretches_per_step) * unit, lowest);
  for (int i = 0; i < rounds_again; ++i) attempt(inverse(best.scale), best.minimum);
  return best;
}

} // namespace loquat::detail
