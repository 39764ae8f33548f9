#pragma once
/// \file
/// The samplers that end a chain: `greedy` takes the most probable token, `draw` takes one at random.

#include <loquat/core/token.hpp>
#include <loquat/generate/weight.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// Chooses the highest logit, of equal ones the lowest id; `no_token` if all are excluded.
struct greedy {
  constexpr token operator()(std::span<float const> logits, std::span<token const>) const noexcept {
    float const highest = highest_logit(logits);
    token best = no_token;
    visit_logits(logits, highest > excluded_logit ? highest : lowest_logit,
                 [&](std::size_t i) { return best = static_cast<token>(i), false; });
    return best;
  }
};

/// Draws a token with the probabilities of the softmax of the logits; `no_token` if all are excluded. Logits of +∞
/// share the whole probability.
///
/// The n-th draw of a seed uses the n-th output of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014), so equal seeds give equal choices on every machine, and setting `drawn` goes to any place
/// of the sequence. The weights are those of `softmax_weights`; tokens are lined up by id.
struct draw {
  std::uint64_t seed = 0;  ///< any value
  std::uint64_t drawn = 0; ///< how many tokens were drawn already

  constexpr token operator()(std::span<float const> logits, std::span<token const>) noexcept {
    softmax_weights const weights(logits);
    std::uint64_t const total = weights.total(logits);
    if (total == 0) return no_token;
    std::uint64_t left = scaled(random(), total);
    token chosen = no_token;
    visit_logits(logits, weights.floor(), [&](std::size_t i) {
      std::uint64_t const weight = weights(logits[i]);
      if (left >= weight) return left -= weight, true;
      chosen = static_cast<token>(i);
      return false;
    });
    return chosen;
  }

 private:
  constexpr std::uint64_t random() noexcept {
    std::uint64_t z = seed + ++drawn * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  /// ⌊random · range / 2⁶⁴⌋: evenly spread over 0 … range − 1. `range` is below 2⁶³.
  static constexpr std::uint64_t scaled(std::uint64_t random, std::uint64_t range) noexcept {
    std::uint64_t const a = random >> 32, b = random & 0xffffffff, c = range >> 32, d = range & 0xffffffff;
    return a * c + (a * d >> 32) + ((b * c + (a * d & 0xffffffff) + (b * d >> 32)) >> 32);
  }
};

} // namespace loquat
