#pragma once
/// \file
/// The angles of a rotary position embedding. Frequencies are fractions of a turn in 64 bits, so that position times
/// frequency wraps around exactly and every position gets the same precision.

#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/kernel/choices.hpp>
#include <loquat/model/hyperparameters.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat {

/// How fast each pair of a head's elements turns.
class rope_frequencies {
 public:
  constexpr rope_frequencies() = default;

  /// Pair i turns by base^(−2i / dims) / factor radians per position, divided by `factors[i]` if there are any.
  static constexpr result<rope_frequencies> make(hyperparameters const& h, std::span<float const> factors) {
    rope_frequencies out;
    double const log_base = math::log(static_cast<double>(h.rope_base));
    for (std::size_t i = 0; i < h.rope_dims / 2; ++i) {
      double const exponent = -2.0 * static_cast<double>(i) / static_cast<double>(h.rope_dims);
      double const factor =
          static_cast<double>(h.rope_factor) * static_cast<double>(factors.empty() ? 1.0f : factors[i]);
      double const turns = math::exp(exponent * log_base) / factor / (2 * math::pi);
      if (!(turns > 0 && turns < 1))
        return fail(errc::malformed, "rotary embedding: pair ", i, " has no sensible frequency");
      out.turns_.push_back(static_cast<std::uint64_t>(turns * 18446744073709551616.0));
    }
    return out;
  }

  /// Cosine and signed sine per element for one position: [rope_dims] each, in the order of `style`.
  constexpr void fill(rope_style style, std::size_t position, std::span<float> cosines, std::span<float> sines) const {
    std::size_t const half = turns_.size();
    for (std::size_t i = 0; i < half; ++i) {
      auto const [sine, cosine] = math::sincos_turns(turns_[i] * position);
      std::size_t const first = style == rope_style::adjacent ? 2 * i : i;
      std::size_t const second = style == rope_style::adjacent ? 2 * i + 1 : i + half;
      cosines[first] = cosines[second] = cosine;
      sines[first] = -sine;
      sines[second] = sine;
    }
  }

 private:
  std::vector<std::uint64_t> turns_; // 2⁶⁴ is a full turn
};

} // namespace loquat
