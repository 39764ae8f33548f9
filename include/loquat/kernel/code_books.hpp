#pragma once
/// \file
/// Distances of a part of a vector from the 256 vectors of a code book, sixteen at once: what product quantization looks up.
///
/// A lane is a vector of the book and adds up its elements in ascending order, by fused multiply-adds: every target gives
/// the same bits.

#include <loquat/kernel/distance.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `measure<Measure>(book, query, dimensions, out)`: Σ q·x or Σ (q − x)² for each x of a book, to `out` [256]. The book holds
/// element 0 of all its vectors, then element 1 …: [dimensions × 256].
template <simd::target> struct code_books;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/code_books.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
