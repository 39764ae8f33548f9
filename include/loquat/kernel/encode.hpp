#pragma once
/// \file
/// Vectors of floats as small integers: what an index encodes vectors and prepares queries with.
///
/// Floats are summed in sixteen lanes and one tree, with fused multiply-adds; integers exactly: every target gives the
/// same bits, those of `kernel::reference` below.

#include <loquat/core/math.hpp>
#include <loquat/kernel/distance_reference.hpp>
#include <loquat/simd/targets.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat::kernel {

/// Where a number is put in steps: at integers between `low` and `high`, which stand for themselves plus `offset`.
struct integer_steps {
  float offset, low, high;
};

/// How well integers c fit a vector x: Σ x·c and Σ c², each c with its offset.
struct integer_fit {
  float product, square;
};

namespace reference {

/// max |x|.
constexpr float largest(std::span<float const> x) noexcept {
  float most = 0;
  for (float const v : x) most = std::max(most, v < 0 ? -v : v);
  return most;
}
/// The integer that stands for x · inverse.
constexpr int step_of(float x, float inverse, integer_steps const& steps) noexcept {
  return std::clamp(math::nearest(math::fma(x, inverse, -steps.offset)), static_cast<int>(steps.low),
                    static_cast<int>(steps.high));
}
/// How well the integers of x · inverse fit x.
constexpr integer_fit fit(std::span<float const> x, float inverse, integer_steps const& steps) noexcept {
  auto const c = [&](std::size_t i) { return static_cast<float>(step_of(x[i], inverse, steps)) + steps.offset; };
  return {lane_sum(x.size(), [&](std::size_t i, float sum) { return math::fma(x[i], c(i), sum); }),
          lane_sum(x.size(), [&](std::size_t i, float sum) { return math::fma(c(i), c(i), sum); })};
}

} // namespace reference

inline namespace LOQUAT_SIMD_ABI {

/// `largest(x, n)`, `fit(x, n, inverse, steps)`: as above; |x · inverse| is below 2²⁰.
/// `to_steps(x, n, inverse, steps, out)`: the integers of x · inverse, which must fit `out`, signed bytes; any behind
/// them up to a multiple of 16.
/// `round(x, n, inverse, out)`: x · inverse to the nearest integers of 8 or 16 bits, ties to even, which must fit; zeros
/// behind them up to a multiple of 32. Returns their sum, which must fit 32 bits.
template <simd::target> struct encoders;

} // namespace LOQUAT_SIMD_ABI

} // namespace loquat::kernel

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/encode.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
