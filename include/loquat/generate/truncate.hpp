#pragma once
/// \file
/// Steps that keep only probable tokens: `top_k`, `top_p` (Holtzman et al., "The curious case of neural text
/// degeneration", 2019) and `min_p` (Nguyen et al., "Turning up the heat", 2024). All are exact, sort nothing and need
/// no scratch: the boundary is found by radix selection on the bits of the floats.

#include <loquat/core/math.hpp>
#include <loquat/core/token.hpp>
#include <loquat/generate/weight.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {
namespace detail {

/// Where a selection ends: everything above `value` is in, and of those equal to it as many as make up `missing`.
struct boundary {
  float value;
  std::uint64_t missing;
};

/// Maps floats to unsigned integers of the same order; both zeros are one.
constexpr std::uint32_t ordered_bits(float x) noexcept {
  auto const bits = std::bit_cast<std::uint32_t>(x == 0 ? 0.0f : x);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
constexpr float from_ordered_bits(std::uint32_t key) noexcept {
  return std::bit_cast<float>(key >> 31 != 0 ? key & 0x7fffffffu : ~key);
}

/// Walks down from the highest logit until the weights on the way sum up to `target(total)`, and says where that is.
/// Logits below `floor` do not take part. Each pass makes a histogram of one group of bits, of those logits only that
/// agree with the boundary in the groups before.
template <class Weight, class Target>
constexpr boundary find_boundary(std::span<float const> logits, float floor, Weight weight, Target target) {
  struct group {
    unsigned shift, width;
  };
  constexpr unsigned widest = 11;
  std::uint32_t key = 0; // the boundary's leading bits
  std::uint64_t missing = 0;
  for (group const bits : {group{21, 11}, group{10, 11}, group{0, 10}}) {
    std::array<std::uint64_t, std::size_t{1} << widest> histogram{};
    std::uint32_t const last_digit = (1u << bits.width) - 1;
    unsigned const above = bits.shift + bits.width; // where the bits begin that are known
    bool const first = above == 32;
    visit_logits(logits, first ? floor : std::max(floor, from_ordered_bits(key << above)), [&](std::size_t i) {
      std::uint32_t const candidate = ordered_bits(logits[i]);
      if (first || candidate >> above == key) histogram[candidate >> bits.shift & last_digit] += weight(logits[i]);
      return true;
    });
    if (first) {
      std::uint64_t total = 0;
      for (std::uint64_t sum : histogram) total += sum;
      if (total == 0) return {lowest_logit, 0};
      missing = std::clamp<std::uint64_t>(target(total), 1, total);
    }
    std::uint32_t digit = last_digit;
    for (; histogram[digit] < missing; --digit) missing -= histogram[digit];
    key = key << bits.width | digit;
  }
  return {from_ordered_bits(key), missing};
}

/// Excludes everything beyond the boundary; of equal logits the lower ids stay.
template <class Weight> constexpr void cut(std::span<float> logits, boundary at, Weight weight) {
  for (float& x : logits) x = x >= at.value ? x : excluded_logit;
  visit_logits(logits, at.value, [&](std::size_t i) {
    if (logits[i] > at.value) return true;
    if (at.missing == 0)
      logits[i] = excluded_logit;
    else
      at.missing -= std::min(at.missing, weight(at.value));
    return true;
  });
}

} // namespace detail

/// Keeps the `k` highest logits, exactly; of equal ones the lower ids. 0 keeps all, and so does a k not below the
/// number of tokens.
struct top_k {
  std::size_t k = 40; ///< tokens

  constexpr void operator()(std::span<float> logits, std::span<token const>) const {
    if (k == 0 || k >= logits.size()) return;
    auto const count = [](float) -> std::uint64_t { return 1; };
    auto const wanted = [this](std::uint64_t) -> std::uint64_t { return k; };
    // The k-th highest of the maxima of disjoint blocks is not above the k-th highest of all: a floor that leaves few
    // logits to select from.
    constexpr std::size_t blocks = 1024;
    float floor = lowest_logit;
    if (k <= blocks / 4 && logits.size() >= 8 * blocks) {
      std::array<float, blocks> highest{};
      std::size_t const length = logits.size() / blocks;
      for (std::size_t i = 0; i < blocks; ++i) highest[i] = highest_logit(logits.subspan(i * length, length));
      if (std::ranges::count_if(highest, [](float x) { return x > excluded_logit; }) >= static_cast<std::ptrdiff_t>(k))
        floor = detail::find_boundary(std::span<float const>(highest), floor, count, wanted).value;
    }
    detail::cut(logits, detail::find_boundary(std::span<float const>(logits), floor, count, wanted), count);
  }
};

/// Keeps the fewest tokens, most probable first, whose probabilities sum up to at least `p`; of equal ones the lower
/// ids; always at least one. A p of 1 or more (or NaN) keeps all, one of 0 or less only the best token.
struct top_p {
  float p = 0.95f; ///< probability, 0 … 1

  constexpr void operator()(std::span<float> logits, std::span<token const>) const {
    if (!(p < 1)) return;
    softmax_weights const weights(logits);
    auto const share = [this](std::uint64_t total) -> std::uint64_t {
      return static_cast<std::uint64_t>(std::max(static_cast<double>(p), 0.0) * static_cast<double>(total));
    };
    detail::cut(logits, detail::find_boundary(std::span<float const>(logits), weights.floor(), weights, share),
                weights);
  }
};

/// Keeps the tokens that are at least `p` times as probable as the most probable one. A p of 0 or less (or NaN) keeps
/// all, one of 1 or more only the best and its equals.
struct min_p {
  float p = 0.05f; ///< ratio of probabilities, 0 … 1

  constexpr void operator()(std::span<float> logits, std::span<token const>) const {
    if (!(p > 0)) return;
    float const highest = highest_logit(logits);
    double const lowest = static_cast<double>(highest) + (p < 1 ? math::log(static_cast<double>(p)) : 0);
    for (float& x : logits) x = static_cast<double>(x) >= lowest ? x : excluded_logit;
  }
};

} // namespace loquat
