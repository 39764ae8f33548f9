#pragma once
/// \file
/// Distances from one vector to many that are stored as codes: what an index spends its time on. Rows are named by
/// number, so that a graph's neighbours are one call; the codes of the next rows are fetched while a few are computed.
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
  void const* rows;             ///< the first row of the array
  std::size_t stride;           ///< bytes from a row to the next
  std::uint32_t const* numbers; ///< the rows that are asked for [count]; null: from 0 on
  std::size_t count;            ///< how many

  /// The i-th row asked for.
  template <class T> T const* at(std::size_t i) const noexcept {
    std::size_t const row = numbers == nullptr ? i : numbers[i];
    return reinterpret_cast<T const*>(static_cast<char const*>(rows) + row * stride);
  }
};

/// Calls f(rows, i) for four rows at a time, as arrays of pointers from row i on, then for single ones; those ahead are
/// fetched meanwhile.
template <class T, class F> LOQUAT_INLINE void in_groups(row_list const& list, F f) noexcept {
  constexpr std::size_t line = 64;
  std::size_t const lines = (list.stride + line - 1) / line;
  std::size_t const ahead = lines >= 8 ? 4 : lines >= 4 ? 8 : lines >= 2 ? 16 : 32;
  auto const fetch = [&](std::size_t i) LOQUAT_INLINE_LAMBDA {
    auto const* const row = list.at<char>(i);
    for (std::size_t l = 0; l < lines; ++l) __builtin_prefetch(row + l * line);
  };
  for (std::size_t i = 0; i < ahead && i < list.count; ++i) fetch(i);
  std::size_t i = 0;
  for (; i + 4 <= list.count; i += 4) {
    for (std::size_t j = i + ahead; j < i + ahead + 4 && j < list.count; ++j) fetch(j);
    T const* const rows[4]{list.at<T>(i), list.at<T>(i + 1), list.at<T>(i + 2), list.at<T>(i + 3)};
    f.template operator()<4>(rows, i);
  }
  for (; i < list.count; ++i) {
    T const* const rows[1]{list.at<T>(i)};
    f.template operator()<1>(rows, i);
  }
}

/// `measure<Type, Measure>(list, query, dimensions, out)`: of each row with floats.
/// `byte_products(list, query, dimensions, out)`: dot products of rows of signed bytes with 16-bit integers;
/// `dimensions` is a multiple of 32, and the sums must fit 32 bits.
/// `packed_products<Bits>(list, query, dimensions, out)`: of rows of numbers of 4 or 2 bits, from 0 on, with signed
/// bytes but −128. 32 bytes are a block of 32 · 8 / Bits numbers: the lowest bits of each are the first 32, and so on.
/// `dimensions` is a multiple of a block, at most 2²⁰.
template <simd::target> struct distances;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/distance.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
