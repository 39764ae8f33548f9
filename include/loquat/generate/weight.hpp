#pragma once
/// \file
/// Softmax in integers. The weight of a token, e^(logit − highest logit), is a 64-bit fixed-point number, so that sums
/// are exact, need no order, and are the same on every machine: what `top_p` keeps and what `draw` draws rests on them.

#include <loquat/core/math.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace loquat {

inline constexpr float excluded_logit = -std::numeric_limits<float>::infinity(); ///< the logit of a token ruled out

/// The smallest finite logit: `x >= lowest_logit` holds for what is neither excluded nor NaN.
inline constexpr float lowest_logit = std::numeric_limits<float>::lowest();

/// Calls `visit(i)` for every logit that is at least `floor`, in order, until it returns false. Never for NaN. Quick
/// where such logits are rare: a block without one costs a few vector comparisons.
template <class Visit> constexpr void visit_logits(std::span<float const> logits, float floor, Visit visit) {
  constexpr std::size_t block = 32;
  for (std::size_t i = 0; i < logits.size();) {
    std::size_t const end = i + std::min(block, logits.size() - i);
    if (end - i == block) {
      unsigned any = 0;
      for (std::size_t j = 0; j < block; ++j) any |= static_cast<unsigned>(logits[i + j] >= floor);
      if (any == 0) {
        i = end;
        continue;
      }
    }
    for (; i < end; ++i)
      if (logits[i] >= floor && !visit(i)) return;
  }
}

/// The highest logit, `excluded_logit` if there is none. Several running maxima let the processor overlap the
/// comparisons.
constexpr float highest_logit(std::span<float const> logits) noexcept {
  constexpr std::size_t lanes = 8;
  std::array<float, lanes> best{};
  best.fill(excluded_logit);
  std::size_t i = 0;
  for (; logits.size() - i >= lanes; i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) best[j] = logits[i + j] > best[j] ? logits[i + j] : best[j];
  for (; i < logits.size(); ++i) best[0] = logits[i] > best[0] ? logits[i] : best[0];
  float highest = excluded_logit;
  for (float x : best) highest = x > highest ? x : highest;
  return highest;
}

/// 2⁶³ · e^x for −44 < x ≤ 0, to about 30 bits. Integers alone after the first product, hence exact to repeat; and
/// several times faster than `math::exp` where fused multiply-add is a function call.
constexpr std::uint64_t fixed_exp(float x) noexcept {
  // e^x = 2^−(whole + i/16 + r) with r < 1/16: a shift, a table and a polynomial in r with 32 fractional bits
  constexpr double ln2 = 0.693147180559945309417, one = 4294967296.0; // 2³²
  constexpr auto table = [] {
    std::array<std::uint64_t, 16> t{}; // 2³¹ · 2^(−i/16)
    for (std::size_t i = 0; i < t.size(); ++i)
      t[i] = static_cast<std::uint64_t>(math::exp(static_cast<double>(i) * (-ln2 / 16)) * (one / 2) + 0.5);
    return t;
  }();
  constexpr auto c1 = static_cast<std::uint64_t>(ln2 * one), c2 = static_cast<std::uint64_t>(ln2 * ln2 / 2 * one),
                 c3 = static_cast<std::uint64_t>(ln2 * ln2 * ln2 / 6 * one),
                 c4 = static_cast<std::uint64_t>(ln2 * ln2 * ln2 * ln2 / 24 * one);
  auto const power = static_cast<std::int64_t>(static_cast<double>(x) * (-1.44269504088896340736 * one));
  auto const bits = static_cast<std::uint64_t>(power);
  std::uint64_t const r = bits & 0x0fffffff;
  std::uint64_t p = c3 - (r * c4 >> 32);
  p = c2 - (r * p >> 32);
  p = c1 - (r * p >> 32);
  p = (std::uint64_t{1} << 32) - (r * p >> 32);
  return p * table[bits >> 28 & 15] >> (bits >> 32);
}

/// The weights of a set of logits.
class softmax_weights {
 public:
  constexpr explicit softmax_weights(std::span<float const> logits) noexcept
      : highest_(highest_logit(logits)), down_(static_cast<int>(std::bit_width(logits.size()))) {}

  /// The weight of one of the logits: `one()` for the highest, 0 for one too far below it to count.
  constexpr std::uint64_t operator()(float logit) const noexcept {
    if (logit == highest_) return one(); // also where both are infinite, and have no difference
    return logit - highest_ > -43 ? fixed_exp(logit - highest_) >> down_ : 0;
  }
  constexpr std::uint64_t one() const noexcept { return (std::uint64_t{1} << 63) >> down_; } ///< weight of the highest

  constexpr float highest() const noexcept {
    return highest_;
  } ///< the highest logit, `excluded_logit` if there is none

  /// Logits below this weigh nothing: e⁻⁴³ < 2⁻⁶².
  constexpr float floor() const noexcept { return highest_ - 43 > lowest_logit ? highest_ - 43 : lowest_logit; }

  /// The sum over all logits. It cannot wrap around: each of n is at most 2⁶³ / n.
  constexpr std::uint64_t total(std::span<float const> logits) const noexcept {
    std::uint64_t sum = 0;
    visit_logits(logits, floor(), [&](std::size_t i) { return sum += (*this)(logits[i]), true; });
    return sum;
  }

 private:
  float highest_;
  int down_; // 2^down_ is more than the number of logits
};

/// Writes the natural logarithm of the softmax of `logits` to `out`, which has as many elements. Excluded ones stay −∞.
constexpr void log_softmax(std::span<float const> logits, std::span<float> out) noexcept {
  softmax_weights const weights(logits);
  std::uint64_t const total = weights.total(logits);
  double const log_total = total == 0 ? 0 : math::log(static_cast<double>(total) / static_cast<double>(weights.one()));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] >= lowest_logit))
      out[i] = excluded_logit;
    else if (logits[i] == weights.highest())
      out[i] = static_cast<float>(-log_total);
    else
      out[i] = static_cast<float>(static_cast<double>(logits[i]) - static_cast<double>(weights.highest()) - log_total);
  }
}

} // namespace loquat
