#pragma once
/// \file
/// Products of a weight matrix with activations: y[n, rows] = x[n, k] · W[rows, k]ᵀ, for every block format.
///
/// Integer formats multiply 8-bit roundings of the activations, in the order that `quant/integer_block.hpp` defines:
/// exact integer dot products of the groups, one fused multiply-add each, blocks in ascending order. Float formats:
/// sixteen lanes and one tree. Both orders are the same for one column and for many, on every target, so a result does
/// not depend on the batch, the number of threads or the instruction set.

#include <loquat/quant/formats.hpp>
#include <loquat/quant/integer_block.hpp>
#include <loquat/simd/targets.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace loquat::kernel {

/// n vectors of k activations, k a multiple of N, rounded to 8 bits in blocks of N (see `rounded_activations`).
///
/// For few columns the arrangement is [n, k], [n, k / N], [n, k / 16]. From `many_columns` on it is one tile of T
/// columns after the other: [k / C, T, C], [k / N, T], [k / 32, T, 2], where T and C are the target's `tile_columns`
/// and `tile_cell`, and quants have its `tile_excess` added.
struct rounded_columns {
  std::int8_t* quants;
  float* scales;
  std::int16_t* sums; ///< of sixteen quants
  float* totals;      ///< arranged as the scales; of N = 32 only

  /// The same from activation `first` on, where a row of the arrangement has `width` activations of each column.
  template <std::size_t N> rounded_columns from(std::size_t first, std::size_t width = 1) const noexcept {
    return {quants + first * width, scales + first / N * width, sums + first / 16 * width, totals + first / N * width};
  }
};

/// n vectors of k activations. `values` is always there, the others where the format's layout wants them.
struct activations {
  float const* values; ///< [n, k]
  rounded_columns by_32, by_256;
  std::size_t n, k;

  /// The rounding in blocks of N.
  template <std::size_t N> rounded_columns const& rounded() const noexcept { return N == 32 ? by_32 : by_256; }
};

/// One matrix product, of which a call computes some rows.
struct product {
  std::byte const* weights; ///< [rows, k] in the format's blocks
  std::size_t row_bytes, rows;
  activations x;
  float* y;             ///< [n, rows]
  std::size_t next = 0; ///< row that the same thread probably begins with next, to be fetched before

  /// Where the weights of a row begin.
  std::byte const* row(std::size_t r) const noexcept { return weights + r * row_bytes; }
};

inline constexpr std::size_t panel_rows = 32;   ///< rows that a product of many columns unpacks together, …
inline constexpr std::size_t panel_depth = 512; ///< … so many weights of each at a time: they stay in the L1 cache
inline constexpr std::size_t many_columns = 9;  ///< from here on unpacking a panel first is quicker
inline constexpr std::size_t widest_tile = 8;   ///< no target's tiles have more columns

/// Room for an unpacked panel (q; g twice; s and e; pairs; starts), or for a row of k floats.
constexpr std::size_t scratch_bytes(std::size_t k) noexcept {
  return std::max(panel_rows * panel_depth * (32 + 2 * 4 + 2 * 4 + 4 + 4 + 4 + 2 * 4) / 32, k * sizeof(float));
}

/// What the inner loops of a panel's tile depend on, so that formats share them.
struct tile_layout {
  std::size_t group, activations; ///< see `integer_layout`
  std::size_t run;                ///< quads of products that may be added before they are widened
  bool is_signed, minima;
  bool offset;  ///< of super-blocks: the pairs correct the sums
  bool negated; ///< weights are −g · (q − offset), and one group

  /// Whether g are integers.
  constexpr bool integer_scales() const noexcept { return activations == 256 && group < 256; }
};

/// Rows unpacked for many columns, interleaved so that one vector lane is one row. Row counts are those of a tile.
struct panel {
  std::uint8_t* quants;       ///< [depth / C, rows, C], C: the target's `tile_cell`
  std::int32_t* group_scales; ///< [depth / group, rows], as the target's `row_scale` has it
  float* float_scales;        ///< [depth / group, rows]
  float* scales;              ///< [depth / activations, rows]
  float* minima;              ///< [depth / activations, rows]
  std::int16_t* pairs;        ///< [depth / 32, rows, 2]: factors of sums of sixteen activations, ±m or −offset · g
  std::int32_t* starts;       ///< [depth / group, rows]: what sums begin with where activations have an excess
  int bias;                   ///< what the quants have too much

  /// Lays a panel out in scratch memory.
  panel(std::byte* scratch, int excess) noexcept
      : quants(reinterpret_cast<std::uint8_t*>(scratch)),
        group_scales(reinterpret_cast<std::int32_t*>(scratch + panel_rows * panel_depth)),
        float_scales(reinterpret_cast<float*>(group_scales + panel_rows * panel_depth / 16)),
        scales(float_scales + panel_rows * panel_depth / 16), minima(scales + panel_rows * panel_depth / 32),
        pairs(reinterpret_cast<std::int16_t*>(minima + panel_rows * panel_depth / 32)),
        starts(reinterpret_cast<std::int32_t*>(pairs + panel_rows * panel_depth / 16)), bias(excess) {}
};

/// Fills a tile of a panel with the weights `from`, … of the rows first … last.
using unpack_function = void(product const&, std::size_t first, std::size_t last, std::size_t from, std::size_t depth,
                             panel const&) noexcept;
/// Writes the products of a tile's rows with its columns to y[width, stride], or adds them to what is there.
using multiply_function = void(panel const&, rounded_columns const&, std::size_t depth, float* y, std::size_t stride,
                               bool adds) noexcept;

inline namespace LOQUAT_SIMD_ABI {

/// `multiply` is the `multiply_function` of a layout.
template <simd::target, tile_layout> struct tiles;

/// `compute(p, first, last, panel, layout, unpack, multiply)` computes y[:, first … last) panel by panel.
template <simd::target> struct panels;

/// `compute(p, first, last, scratch)` computes y[:, first … last).
template <simd::target, class Format> struct matmuls;

/// `quantize<N>(x, k, out)` rounds k activations in blocks of N, `quantize_tile<N>(x, n, k, out)` a tile's n columns.
template <simd::target> struct quantizers;

} // namespace LOQUAT_SIMD_ABI
} // namespace loquat::kernel

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/matmul.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
