#pragma once
/// \file
/// ALiBi: positions as a bias of attention's scores that grows with the distance (O. Press, N. Smith, M. Lewis, "Train
/// short, test long", 2022).

#include <loquat/core/math.hpp>

#include <bit>
#include <cstddef>
#include <span>

namespace loquat::detail {

/// The slope of a head: powers of 2^(−longest / n), n the number of heads if that is a power of two; else those of the
/// next smaller one, and then every other of its double.
constexpr float alibi_slope(std::size_t head, std::size_t heads, float longest) {
  std::size_t const n = std::bit_floor(heads);
  double const exponent = head < n ? static_cast<double>(head + 1) / static_cast<double>(n)
                                   : static_cast<double>(2 * (head - n) + 1) / static_cast<double>(2 * n);
  return static_cast<float>(math::exp(-0.69314718055994531 * static_cast<double>(longest) * exponent));
}

/// The biases of a context, [heads, 2 · context − 1] as `attention_task` takes them: the same in both directions.
constexpr void fill_alibi(std::size_t heads, float longest, std::size_t context, std::span<float> bias) {
  for (std::size_t head = 0; head < heads; ++head) {
    float const slope = alibi_slope(head, heads, longest);
    auto const own = bias.subspan(head * (2 * context - 1), 2 * context - 1);
    for (std::size_t distance = 0; distance < context; ++distance)
      own[context - 1 + distance] = own[context - 1 - distance] = -slope * static_cast<float>(distance);
  }
}

} // namespace loquat::detail
