#pragma once
/// \file
/// How the formats with super-blocks (Q2_K … Q6_K) round 256 weights: every group by itself first (`search.hpp`), then
/// the scales and minima of all groups to small integers, of which those next to the nearest are tried as well.

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/search.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace loquat::detail {

// The parts that a super-block of F stores.
template <integer_format F> struct super_block {
  static constexpr std::size_t length = F::integer.group, groups = F::block_length / length;

  std::uint16_t scale = 0, minimum = 0; // binary16 of s and −e
  std::array<int, groups> group_scales{}, group_minima{};
  std::array<int, F::block_length> quants{};

  // Rounds x; g will be in [lowest, highest], m in [0, highest].
  LOQUAT_NO_CONTRACT_FUNCTION constexpr super_block(float const* x, float const* importance, float lowest,
                                                    float highest) noexcept {
    LOQUAT_NO_CONTRACT
    constexpr float least = F::integer.lowest - F::integer.offset, most = F::integer.highest - F::integer.offset;
    auto const w = error_weights<F::block_length>(importance);
    std::array<float, groups> scales{}, minima{}, sums{}; // sums of w
    for (std::size_t j = 0; j < groups; ++j) {
      std::size_t const first = j * length;
      for (std::size_t i = first; i < first + length; ++i) sums[j] += w[i];
      if constexpr (F::integer.minima) {
        line const fit = fit_line<length>(x + first, w.data() + first, most, true);
        scales[j] = fit.scale;
        minima[j] = -fit.minimum;
      } else {
        scales[j] = fit_scale<length>(x + first, w.data() + first, least, most);
      }
    }
    scale = finite_half(fit_scale<groups>(scales.data(), sums.data(), lowest, highest));
    minimum = finite_half(fit_scale<groups>(minima.data(), sums.data(), 0, highest));
    float const s = float_from_half(scale), e = float_from_half(minimum);
    for (std::size_t j = 0; j < groups; ++j) {
      std::size_t const first = j * length;
      float least_error = std::numeric_limits<float>::infinity();
      auto const attempt = [&](float g, float m) LOQUAT_NO_CONTRACT_FUNCTION {
        float const step = s * g, offset = e * m, per_step = inverse(step);
        float error = 0;
        for (std::size_t i = first; i < first + length; ++i) {
          float const miss = step * nearest((x[i] + offset) * per_step, least, most) - offset - x[i];
          error += w[i] * miss * miss;
        }
        if (!(error < least_error)) return;
        least_error = error;
        group_scales[j] = static_cast<int>(g);
        group_minima[j] = static_cast<int>(m);
      };
      float const g = nearest(scales[j] * inverse(s), lowest, highest), m = nearest(minima[j] * inverse(e), 0, highest);
      for (float const near_g : {g, g - 1, g + 1})
        for (float const near_m : {m, m - 1, m + 1})
          if (near_g >= lowest && near_g <= highest && near_m >= 0 && near_m <= (F::integer.minima ? highest : 0))
            attempt(near_g, near_m);
      float const per_step = inverse(s * static_cast<float>(group_scales[j]));
      float const offset = e * static_cast<float>(group_minima[j]);
      for (std::size_t i = first; i < first + length; ++i)
        quants[i] = static_cast<int>(nearest((x[i] + offset) * per_step, least, most)) + F::integer.offset;
    }
  }
};

} // namespace loquat::detail
