#pragma once
/// \file
/// Bits that rows of bits have in common with a query or do not: distances of binary codes.

#include <loquat/kernel/distance.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <cstdint>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `planes(list, query, planes, words, out)`: Σ 2ᵇ · (bits that a row has in common with plane b), the last plane
/// negative: the dot product of bits with signed integers of `planes` bits. `query` is planes × words.
/// `differences(list, query, words, out)`: how many bits differ; `commons`: how many both have, and either has
/// [count × 2].
template <simd::target> struct bit_counts;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/bits.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
#if defined(__x86_64__)
#  if defined(__GNUC__) && !defined(__clang__) // GCC's own AVX-512 headers start from "undefined" vectors
LOQUAT_PRAGMA(GCC diagnostic push)
LOQUAT_PRAGMA(GCC diagnostic ignored "-Wuninitialized")
LOQUAT_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized")
#  endif
LOQUAT_TARGET_BEGIN("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")
#  include <loquat/kernel/body/bits_avx512.inl.hpp>
LOQUAT_TARGET_END
#  if defined(__GNUC__) && !defined(__clang__)
LOQUAT_PRAGMA(GCC diagnostic pop)
#  endif
#endif

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// Calls f(kernels) with the preferred target's, or those of AVX-512 that count bits in vectors where there are such.
template <class F> void count_bits(F f) {
#if defined(__x86_64__)
  if (simd::preferred() == simd::target::avx512 && simd::counts_bits_in_vectors()) return f(vector_bit_counts{});
#endif
  simd::dispatch<bit_counts>(simd::preferred(), f);
}

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
