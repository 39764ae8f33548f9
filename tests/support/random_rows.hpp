#pragma once
/// \file
/// Vectors that are the same in every run.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace test {

/// Marsaglia's xorshift.
struct random_numbers {
  std::uint64_t state = 42; ///< not 0

  constexpr std::uint64_t operator()() noexcept {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  }
  /// From -1 to 1.
  constexpr float real() noexcept {
    return static_cast<float>(static_cast<std::int64_t>((*this)() >> 40) - (1 << 23)) * 0x1p-23f;
  }
};

/// [n × d], around a mean that is not 0.
constexpr std::vector<float> random_rows(std::size_t n, std::size_t d, std::uint64_t seed = 42) {
  random_numbers random{seed * 0x9e3779b97f4a7c15u};
  std::vector<float> rows(n * d, float{});
  for (float& v : rows) v = random.real() + 0.2f;
  return rows;
}

/// 0 to n - 1.
constexpr std::vector<std::uint64_t> keys_below(std::size_t n) {
  std::vector<std::uint64_t> keys(n, std::uint64_t{});
  for (std::size_t i = 0; i < n; ++i) keys[i] = i;
  return keys;
}

} // namespace test
