#pragma once
/// \file
/// From the vectors of a text's tokens to one of the text: pooling, and the length of one.

#include <loquat/core/math.hpp>
#include <loquat/model/encoder_sizes.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace loquat {

/// The vector of a text, out[d], of those of its tokens, [tokens, d], of which there is at least one. Of `rank` it is
/// what goes into the head; `none` takes the first token too.
constexpr void pool_tokens(pooling how, bool causal, std::span<float const> tokens, std::span<float> out) noexcept {
  std::size_t const d = out.size();
  if (how == pooling::mean) {
    std::ranges::fill(out, 0.0f);
    for (std::size_t at = 0; at < tokens.size(); at += d)
      for (std::size_t i = 0; i < d; ++i) out[i] += tokens[at + i];
    float const part = 1.0f / static_cast<float>(tokens.size() / d);
    for (float& x : out) x *= part;
  } else {
    bool const last = how == pooling::last || (how == pooling::rank && causal);
    std::ranges::copy(last ? tokens.last(d) : tokens.first(d), out.begin());
  }
}

/// Scales a vector to the length one; one of zeros stays.
constexpr void normalise(std::span<float> x) noexcept {
  double sum = 0;
  for (float const v : x) sum += static_cast<double>(v) * static_cast<double>(v); // products are exact in double
  if (!(sum > 0)) return;
  float const length = math::sqrt(static_cast<float>(sum));
  for (float& v : x) v /= length;
}

} // namespace loquat
