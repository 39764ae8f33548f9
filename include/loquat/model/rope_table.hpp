#pragma once
/// \file
/// The angles of a rotary position embedding (J. Su et al., 2021), also of models that were extended to longer texts:
/// by a factor, by one per pair (LongRoPE, Y. Ding et al., 2024; llama 3), or by YaRN (B. Peng et al., 2023).
/// Frequencies are fractions of a turn in 64 bits, so that position times frequency wraps around exactly and every
/// position gets the same precision.

#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/kernel/choices.hpp>
#include <loquat/model/hyperparameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

/// How fast each pair of a head's elements turns.
class rope_frequencies {
 public:
  constexpr rope_frequencies() = default;

  /// Pair i turns by base^(−2i / dims) radians per position, divided by `factors[i]` if there are any, and extended as
  /// `h` says.
  static constexpr result<rope_frequencies> make(hyperparameters const& h, std::span<float const> factors) {
    auto out = make(h, h.rope_base, factors, static_cast<double>(h.rope_factor));
    if (!out) return out;
    out->magnitude_ = h.rope_magnitude;
    if (h.yarn) out->magnitude_ *= 1 + 0.1f * static_cast<float>(math::log(static_cast<double>(h.rope_factor)));
    return out;
  }
  /// The same with another base, not extended.
  static constexpr result<rope_frequencies> make_plain(hyperparameters const& h, float base) {
    return make(h, base, {}, 1);
  }

  /// Cosine and signed sine per element for one position: [rope_dims] each, in the order of `style`.
  constexpr void fill(rope_style style, std::size_t position, std::span<float> cosines, std::span<float> sines) const {
    turn(style, position, magnitude_, cosines, sines);
  }
  /// The same for going so many positions back, from whatever position.
  constexpr void fill_back(rope_style style, std::size_t distance, std::span<float> cosines,
                           std::span<float> sines) const {
    turn(style, std::uint64_t{0} - distance, 1, cosines, sines);
  }

 private:
  static constexpr result<rope_frequencies> make(hyperparameters const& h, float base, std::span<float const> factors,
                                                 double factor) {
    rope_frequencies out;
    double const log_base = math::log(static_cast<double>(base)), dims = static_cast<double>(h.rope_dims);
    // the pair that turns so often within the original context
    auto const pair_of = [&](double rotations) {
      return dims * math::log(static_cast<double>(h.original_context) / (rotations * 2 * math::pi)) / (2 * log_base);
    };
    double const last = static_cast<double>(h.rope_dims / 2 - 1);
    double const fast = h.yarn ? std::clamp(rounded_down(pair_of(h.yarn_beta_fast)), 0.0, last) : 0;
    double const slow = h.yarn ? std::clamp(-rounded_down(-pair_of(h.yarn_beta_slow)), 0.0, last) : 0;
    for (std::size_t i = 0; i < h.rope_dims / 2; ++i) {
      double const pair = static_cast<double>(i);
      double turns = math::exp(-2 * pair / dims * log_base) / (2 * math::pi);
      if (!factors.empty()) turns /= static_cast<double>(factors[i]);
      double const extended = std::clamp((pair - fast) / std::max(0.001, slow - fast), 0.0, 1.0); // by YaRN
      turns = h.yarn ? turns / factor * extended + turns * (1 - extended) : turns / factor;
      if (!(turns > 0 && turns < 1))
        return fail(errc::malformed, "rotary embedding: pair ", i, " has no sensible frequency");
      out.turns_.push_back(static_cast<std::uint64_t>(turns * 18446744073709551616.0));
    }
    return out;
  }
  constexpr void turn(rope_style style, std::uint64_t positions, float magnitude, std::span<float> cosines,
                      std::span<float> sines) const {
    std::size_t const half = turns_.size();
    for (std::size_t i = 0; i < half; ++i) {
      auto const [sine, cosine] = math::sincos_turns(turns_[i] * positions);
      std::size_t const first = style == rope_style::adjacent ? 2 * i : i;
      std::size_t const second = style == rope_style::adjacent ? 2 * i + 1 : i + half;
      cosines[first] = cosines[second] = cosine * magnitude;
      sines[first] = -sine * magnitude;
      sines[second] = sine * magnitude;
    }
  }
  static constexpr double rounded_down(double x) noexcept {
    double const whole = static_cast<double>(static_cast<std::int64_t>(std::clamp(x, -1e15, 1e15)));
    return whole > x ? whole - 1 : whole;
  }

  std::vector<std::uint64_t> turns_; // 2⁶⁴ is a full turn
  float magnitude_ = 1;
};

/// The frequencies of a model.
struct rope_tables {
  rope_frequencies all;      ///< of layers that see all
  rope_frequencies window;   ///< of layers with a window, if they differ
  rope_frequencies extended; ///< of all in sessions longer than the original context,
  bool has_long = false;     ///< if these differ

  /// For the factors of a file; `extended` are those of long sessions.
  static constexpr result<rope_tables> make(hyperparameters const& h, std::span<float const> factors,
                                            std::span<float const> long_factors) {
    rope_tables out;
    auto all = rope_frequencies::make(h, factors);
    if (!all) return all.error();
    out.all = std::move(*all);
    if (h.window_rope_base != 0) {
      auto window = rope_frequencies::make_plain(h, h.window_rope_base);
      if (!window) return window.error();
      out.window = std::move(*window);
    }
    if (long_factors.empty()) return out;
    auto extended = rope_frequencies::make(h, long_factors);
    if (!extended) return extended.error();
    out.extended = std::move(*extended);
    out.has_long = true;
    return out;
  }
};

} // namespace loquat
