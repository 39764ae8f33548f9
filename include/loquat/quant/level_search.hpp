#pragma once
/// \file
/// How weights choose their scale where a nibble stands for one of sixteen uneven levels: by weighted least squares as
/// in `search.hpp`, with nearest levels in place of nearest integers.

#include <loquat/quant/levels.hpp>
#include <loquat/quant/search.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace loquat::detail {

// The number of the level nearest to each half of an integer and to all up to the next: the middles between levels are
// multiples of a half. Levels are within [−128, 127], the first half is −128.
template <std::int8_t const (&Levels)[16]>
inline constexpr auto nearest_levels = [] {
  std::array<std::uint8_t, 512> nearest{};
  for (int i = 0; i < 512; ++i) {
    auto const distance = [i](int level) { // in quarters, to the middle between two halves
      int const quarters = 4 * (level + 128) - 2 * i - 1;
      return quarters < 0 ? -quarters : quarters;
    };
    std::uint8_t best = 0;
    for (std::uint8_t k = 1; k < 16; ++k)
      if (distance(Levels[k]) < distance(Levels[best])) best = k;
    nearest[static_cast<std::size_t>(i)] = best;
  }
  return nearest;
}();

// the number of the level nearest to x, of that nearest to −128 for NaN
template <std::int8_t const (&Levels)[16]> constexpr std::uint8_t nearest_level(float x) noexcept {
  float const above = x > -128 ? x : -128, within = above < 127 ? above : 127;
  return nearest_levels<Levels>[static_cast<std::size_t>(static_cast<std::int32_t>((within + 128) * 2))];
}

// Σ w · (x − scale · level)² over N weights on their nearest levels
template <std::int8_t const (&Levels)[16], std::size_t N>
LOQUAT_NO_CONTRACT_FUNCTION constexpr float level_error(float const* x, float const* w, float scale) noexcept {
  LOQUAT_NO_CONTRACT
  float error = 0;
  float const per_scale = inverse(scale);
  for (std::size_t i = 0; i < N; ++i) {
    float const miss = x[i] - scale * static_cast<float>(Levels[nearest_level<Levels>(x[i] * per_scale)]);
    error += w[i] * miss * miss;
  }
  return error;
}

// The scale, of either sign, with which N weights on their nearest levels have the least weighted squared error; 0
// where nothing is better, for NaN too.
template <std::int8_t const (&Levels)[16], std::size_t N>
constexpr float fit_level_scale(float const* x, float const* w) noexcept {
  float extreme = 0, scale = 0, gain = 0;
  for (std::size_t i = 0; i < N; ++i)
    if ((x[i] < 0 ? -x[i] : x[i]) > (extreme < 0 ? -extreme : extreme)) extreme = x[i];
  auto const attempt = [&](float factor) LOQUAT_NO_CONTRACT_FUNCTION {
    LOQUAT_NO_CONTRACT
    float qq = 0, xq = 0;
    for (std::size_t i = 0; i < N; ++i) {
      auto const q = static_cast<float>(Levels[nearest_level<Levels>(x[i] * factor)]);
      qq += w[i] * q * q;
      xq += w[i] * q * x[i];
    }
    float const gained = xq / qq * xq;
    if (!(gained > gain)) return;
    gain = gained;
    scale = xq / qq;
  };
  float const unit = inverse(extreme);
  for (std::int8_t const bound : {Levels[0], Levels[15]})
    for (float const stretch : {0.88f, 0.92f, 0.96f, 1.0f, 1.04f, 1.08f, 1.12f})
      attempt(static_cast<float>(bound) * stretch * unit);
  for (int i = 0; i < rounds_again; ++i) attempt(inverse(scale));
  return scale;
}

// the numbers of the levels nearest to 2 · Count weights: low nibbles first, then high ones
template <std::int8_t const (&Levels)[16], std::size_t Count>
constexpr void store_nearest_levels(float const* x, float scale, std::byte* nibbles) noexcept {
  float const per_scale = inverse(scale);
  for (std::size_t i = 0; i < Count; ++i)
    nibbles[i] = static_cast<std::byte>(nearest_level<Levels>(x[i] * per_scale) |
                                        nearest_level<Levels>(x[i + Count] * per_scale) << 4);
}

} // namespace loquat::detail
