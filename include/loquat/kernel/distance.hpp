#pragma once
/// \file
/// Distances from one vector to many that are stored as codes: what an index spends its time on. Rows are named by number,
/// so that a graph's neighbours are one call; the codes of the next rows are fetched while a few are computed.
///
/// Floats are summed in sixteen lanes and one tree, with fused multiply-adds; integers exactly: every target gives the
/// same bits, those of `distance_reference.hpp`.

#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <cstdint>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// How the elements of a row are stored.
enum class row_type : unsigned char {
  f32,  ///< floats
  f16,  ///< IEEE 754 binary16
  bf16, ///< bfloat16
};

/// What is measured between rows of floats.
enum class row_measure : unsigned char {
  dot,     ///< Σ q·x
  squares, ///< Σ (q − x)²
};

/// Rows of an array, by number.
struct row_list {
  void const* rows;              ///< the first row of the array
  std::size_t stride;            ///< bytes from a row to the next
  std::uint32_t const* numbers;  ///< the rows that are asked for [count]; null: from 0 on
  std::size_t count;             ///< how many

  /// The i-th row asked for.
  template <class T> T const* at(std::size_t i) const noexcept {
    std::size_t const row = numbers == nullptr ? i : numbers[i];
    return reinterpret_cast<T const*>(static_cast<char const*>(rows) + row * stride);
  }
};

/// `measure<Type, Measure>(list, query, dimensions, out)`: of each row with floats.
/// `byte_products(list, query, dimensions, out)`: dot products of rows of signed bytes with 16-bit integers;
/// `dimensions` is a multiple of 32, and the sums must fit 32 bits.
/// `nibble_products(list, query, dimensions, out)`: of rows of nibbles, 0 to 15, with signed bytes but −128. Sixty-four
/// nibbles are thirty-two bytes: their low halves, then the high ones. `dimensions` is a multiple of 64, at most 2²⁰.
/// `planes(list, query, planes, words, out)`: Σ 2ᵇ · (bits that a row has in common with plane b), the last plane
/// negative: the dot product of bits with signed integers of `planes` bits. `query` is planes × words.
/// `differences(list, query, words, out)`: how many bits differ; `commons`: how many both have, and either has
/// [count × 2].
template <simd::target> struct distances;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/distance.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
