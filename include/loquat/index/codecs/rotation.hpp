#pragma once
/// \file
/// A random rotation that costs n log n: signs, Hadamard transforms of the longest prefix and suffix that are powers of two
/// long, and turns of the two halves by 45°, four times. It spreads a vector's energy evenly over its elements, which
/// is what makes codes of few bits good (J. Gao, C. Long, "RaBitQ", 2024).

#include <loquat/kernel/rotation.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat::detail {

/// A rotation of vectors of n elements, always the same for an n.
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
    each_step([&](auto const& steps) {
      for (std::size_t round = 0; round < rounds; ++round) {
        steps.flip(x.data(), signs_.data() + round * n_, n_);
        steps.hadamard(part(x, round), power_, scale_);
        if (power_ != n_) steps.turn(x.data(), x.data() + n_ - n_ / 2, n_ / 2, false);
      }
    });
  }
  /// x = Rᵀ x.
  constexpr void undo(std::span<float> x) const noexcept {
    each_step([&](auto const& steps) {
      for (std::size_t round = rounds; round-- > 0;) {
        if (power_ != n_) steps.turn(x.data(), x.data() + n_ - n_ / 2, n_ / 2, true);
        steps.hadamard(part(x, round), power_, scale_);
        steps.flip(x.data(), signs_.data() + round * n_, n_);
      }
    });
  }

 private:
  static constexpr std::size_t rounds = 4;
  static constexpr float root_half = 0.70710678118654752f;

  template <class F> static constexpr void each_step(F f) noexcept {
    if (std::is_constant_evaluated())
      f(kernel::reference::rotations{});
    else
      simd::dispatch<kernel::rotations>(simd::preferred(), f);
  }
  constexpr float* part(std::span<float> x, std::size_t round) const noexcept {
    return round % 2 == 0 ? x.data() : x.data() + n_ - power_;
  }

  std::size_t n_, power_;
  std::vector<float> signs_; // [rounds × n]
  float scale_;              // of a transform: 1 / √power
};

} // namespace loquat::detail
