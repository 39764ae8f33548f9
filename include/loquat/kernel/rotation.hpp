#pragma once
/// \file
/// The steps of a random rotation of a vector: signs, a Hadamard transform, turns of the two halves by 45°. Sums, and
/// products of sums by themselves: every target gives the same bits, those of `kernel::reference`.

#include <loquat/simd/targets.hpp>

#include <array>
#include <bit>
#include <cstddef>

namespace loquat::kernel {

/// Row k of sixteen: the signs of element k in the sums of a Hadamard transform.
inline constexpr auto hadamard_signs = [] {
  std::array<float, 256> signs{};
  for (unsigned k = 0; k < 16; ++k)
    for (unsigned j = 0; j < 16; ++j) signs[16 * k + j] = std::popcount(j & k) % 2 != 0 ? -1.0f : 1.0f;
  return signs;
}();

namespace reference {

/// The steps in plain C++: their definition, and what constant evaluation uses.
struct rotations {
  /// x = x · signs [n], elements ±1.
  static constexpr void flip(float* x, float const* signs, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) x[i] *= signs[i];
  }

  /// The Hadamard transform of x [n], a power of two, times a scale: of sixteen neighbours first, each sum in ascending
  /// order, then of pairs of sixteen by sixteen; below sixteen elements, of pairs.
  static constexpr void hadamard(float* x, std::size_t n, float scale) noexcept {
    std::size_t half = 1;
    if (n >= 16) {
      for (std::size_t i = 0; i < n; i += 16) {
        float sums[16]{};
        for (std::size_t k = 0; k < 16; ++k)
          for (std::size_t j = 0; j < 16; ++j) sums[j] += hadamard_signs[16 * k + j] * x[i + k];
        for (std::size_t j = 0; j < 16; ++j) x[i + j] = sums[j];
      }
      half = 16;
    }
    for (; half < n; half *= 2)
      for (std::size_t i = 0; i < n; i += 2 * half)
        for (std::size_t j = i; j < i + half; ++j) {
          float const a = x[j], b = x[j + half];
          x[j] = a + b, x[j + half] = a - b;
        }
    for (std::size_t i = 0; i < n; ++i) x[i] *= scale;
  }

  /// Turns the pairs (a, b) of a [n] and b [n] by 45°: to ((a − b)·√½, (a + b)·√½), or back.
  static constexpr void turn(float* a, float* b, std::size_t n, bool back) noexcept {
    constexpr float root_half = 0.70710678118654752f;
    for (std::size_t i = 0; i < n; ++i) {
      float const sum = (a[i] + b[i]) * root_half, difference = (a[i] - b[i]) * root_half;
      a[i] = back ? sum : difference, b[i] = back ? -difference : sum;
    }
  }
};

} // namespace reference

inline namespace LOQUAT_SIMD_ABI {

/// `flip`, `hadamard`, `turn`: as in `reference::rotations`.
template <simd::target> struct rotations;

} // namespace LOQUAT_SIMD_ABI

} // namespace loquat::kernel

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/rotation.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
