#pragma once
/// \file
/// The distances of `distance.hpp` for one row, in plain C++: their definition, and what constant evaluation uses.

#include <loquat/core/math.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat::kernel::reference {

/// Σ f(i) for i below n, with f(i, sum) = sum + a product: sixteen lanes, then i with i + 8, + 4, + 2, + 1.
template <class F> constexpr float lane_sum(std::size_t n, F f) noexcept {
  float lanes[16]{};
  for (std::size_t i = 0; i < n; ++i) lanes[i % 16] = f(i, lanes[i % 16]);
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

/// Σ a·b.
constexpr float dot(std::span<float const> a, std::span<float const> b) noexcept {
  return lane_sum(a.size(), [&](std::size_t i, float sum) { return math::fma(a[i], b[i], sum); });
}

/// Σ (a − b)².
constexpr float squares(std::span<float const> a, std::span<float const> b) noexcept {
  return lane_sum(a.size(), [&](std::size_t i, float sum) { return math::fma(a[i] - b[i], a[i] - b[i], sum); });
}

} // namespace loquat::kernel::reference
