#pragma once
/// \file
/// A random rotation that costs n log n: signs, Hadamard transforms of the longest prefix and suffix that are powers of two
/// long, and turns of the two halves by 45°, four times. It spreads a vector's energy evenly over its elements, which
/// is what makes codes of few bits good (J. Gao, C. Long, "RaBitQ", 2024).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::detail {

/// A rotation of vectors of n elements, always the same for an n. Additions and multiplications by themselves, each
/// element for itself: the same bits everywhere.
class rotation {
 public:
  constexpr explicit rotation(std::size_t n) : n_(n), power_(std::bit_floor(n)), signs_(rounds * n, 0.0f) {
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    for (float& sign : signs_) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      sign = (state >> 40 & 1) != 0 ? -1.0f : 1.0f;
    }
    int const levels = std::countr_zero(power_);
    scale_ = levels % 2 != 0 ? root_half : 1.0f;
    for (int k = levels / 2; k > 0; --k) scale_ *= 0.5f;
  }

  /// x = R x.
  constexpr void apply(std::span<float> x) const noexcept {
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < n_; ++i) x[i] *= signs_[round * n_ + i];
      transform(part(x, round));
      turn(x, 1);
    }
  }
  /// x = Rᵀ x.
  constexpr void undo(std::span<float> x) const noexcept {
    for (std::size_t round = rounds; round-- > 0;) {
      turn(x, -1);
      transform(part(x, round));
      for (std::size_t i = 0; i < n_; ++i) x[i] *= signs_[round * n_ + i];
    }
  }

 private:
  static constexpr std::size_t rounds = 4;
  static constexpr float root_half = 0.70710678118654752f;

  constexpr std::span<float> part(std::span<float> x, std::size_t round) const noexcept {
    return round % 2 == 0 ? x.first(power_) : x.last(power_);
  }
  constexpr void transform(std::span<float> x) const noexcept {
    for (std::size_t half = 1; half < power_; half *= 2)
      for (std::size_t i = 0; i < power_; i += 2 * half)
        for (std::size_t j = i; j < i + half; ++j) {
          float const a = x[j], b = x[j + half];
          x[j] = a + b, x[j + half] = a - b;
        }
    for (float& v : x) v *= scale_;
  }
  // every element of the first half with one of the second
  constexpr void turn(std::span<float> x, int direction) const noexcept {
    if (power_ == n_) return;
    std::size_t const half = n_ / 2;
    for (std::size_t i = 0; i < half; ++i) {
      float const a = x[i] * root_half, b = x[n_ - half + i] * root_half;
      x[i] = direction > 0 ? a - b : a + b, x[n_ - half + i] = direction > 0 ? a + b : b - a;
    }
  }

  std::size_t n_, power_;
  std::vector<float> signs_; // [rounds × n]
  float scale_;              // of a transform: 1 / √power
};

} // namespace loquat::detail
