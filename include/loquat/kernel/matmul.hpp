#pragma once
/// \file
/// Products of a weight matrix with activations: y[n, rows] = x[n, k] · W[rows, k]ᵀ, for every block format.
///
/// Integer formats: activations are rounded to 8 bits per block of 32 with a scale of binary16 precision, the rounding that
/// Q8_0 has and that other engines use; a block's dot product is
/// exact in integers and enters the row's sum by one fused multiply-add with the product of the two scales, blocks in
/// ascending order. Float formats: sixteen lanes and one tree. Both orders are the same for one column and for many, on
/// every target, so a result does not depend on the batch, the number of threads or the instruction set.

#include <loquat/quant/formats.hpp>
#include <loquat/simd/targets.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace loquat::kernel {

inline constexpr std::size_t activation_block = 32; ///< activations that share a scale

/// n vectors of k activations. `values` is always there; the rest only for integer formats, where k is a multiple
/// of 32.
struct activations {
  float const* values;       ///< [n, k]
  std::int8_t const* quants; ///< [n, k], in [−127, 127]
  float const* scales;       ///< [n, k / 32]
  std::int32_t const* sums;  ///< [n, k / 32]: of the quants
  std::size_t n, k;
};

/// One matrix product, of which a call computes some rows.
struct product {
  std::byte const* weights; ///< [rows, k] in the format's blocks
  std::size_t row_bytes, rows;
  activations x;
  float* y; ///< [n, rows]

  /// Where the weights of a row begin.
  std::byte const* row(std::size_t r) const noexcept { return weights + r * row_bytes; }
};

inline constexpr std::size_t panel_rows = 32;  ///< rows that a product of many columns works on together
inline constexpr std::size_t many_columns = 9; ///< from here on unpacking a panel first is quicker

/// Bytes of scratch that one thread needs for products with k columns.
constexpr std::size_t scratch_bytes(std::size_t k) noexcept {
  return panel_rows * (k + k / activation_block * sizeof(float)) + k * sizeof(float);
}

inline namespace LOQUAT_SIMD_ABI {

/// `compute(p, first, last, scratch)` computes y[:, first … last).
template <simd::target, class Format> struct matmuls;

/// `quantize(x, k, quants, scales, sums)` rounds k activations, a multiple of 32.
template <simd::target> struct quantizers;

} // namespace LOQUAT_SIMD_ABI
} // namespace loquat::kernel

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/matmul.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
