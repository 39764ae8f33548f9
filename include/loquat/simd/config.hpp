#pragma once
/// \file
/// Compiler seams of multi-target code: how a stretch of source is compiled for another instruction set than the rest
/// of the translation unit, and a name for the flags the rest is compiled with.
///
/// Kernels are compiled inside regions (`foreach_target.hpp`), so no `-m` flag is needed. Where a program does mix
/// translation units with different `-m` flags, code in the inline namespace `LOQUAT_SIMD_ABI` differs by name and the
/// linker cannot replace a baseline copy with one that needs a newer CPU.

#define LOQUAT_PRAGMA(x) _Pragma(#x)

#if defined(__clang__)
#  define LOQUAT_TARGET_BEGIN(isa)                                                                                     \
    LOQUAT_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#  define LOQUAT_TARGET_END LOQUAT_PRAGMA(clang attribute pop)
#  define LOQUAT_UNROLL LOQUAT_PRAGMA(unroll)
#  define LOQUAT_UNROLL_BY(n) LOQUAT_PRAGMA(unroll n)
#elif defined(__GNUC__)
#  define LOQUAT_TARGET_BEGIN(isa) LOQUAT_PRAGMA(GCC push_options) LOQUAT_PRAGMA(GCC target(isa))
#  define LOQUAT_TARGET_END LOQUAT_PRAGMA(GCC pop_options)
#  define LOQUAT_UNROLL LOQUAT_PRAGMA(GCC unroll 16)
#  define LOQUAT_UNROLL_BY(n) LOQUAT_PRAGMA(GCC unroll n)
#else
#  define LOQUAT_TARGET_BEGIN(isa)
#  define LOQUAT_TARGET_END
#  define LOQUAT_UNROLL
#  define LOQUAT_UNROLL_BY(n)
#endif

#if defined(__GNUC__) || defined(__clang__)
#  define LOQUAT_INLINE inline __attribute__((always_inline))
#  define LOQUAT_INLINE_LAMBDA __attribute__((always_inline))
#  define LOQUAT_NOINLINE __attribute__((noinline))
#else
#  define LOQUAT_INLINE inline
#  define LOQUAT_INLINE_LAMBDA
#  define LOQUAT_NOINLINE
#endif

#if defined(__AVX512VNNI__)
#  define LOQUAT_SIMD_ABI base_avx512vnni
#elif defined(__AVX512F__)
#  define LOQUAT_SIMD_ABI base_avx512
#elif defined(__AVX2__)
#  define LOQUAT_SIMD_ABI base_avx2
#elif defined(__AVX__)
#  define LOQUAT_SIMD_ABI base_avx
#elif defined(__x86_64__)
#  define LOQUAT_SIMD_ABI base_x86_64
#elif defined(__aarch64__) && defined(__ARM_FEATURE_SVE) && defined(__ARM_FEATURE_MATMUL_INT8)
#  define LOQUAT_SIMD_ABI base_aarch64_sve_i8mm
#elif defined(__aarch64__) && defined(__ARM_FEATURE_SVE)
#  define LOQUAT_SIMD_ABI base_aarch64_sve
#elif defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)
#  define LOQUAT_SIMD_ABI base_aarch64_i8mm
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#  define LOQUAT_SIMD_ABI base_aarch64_dotprod
#elif defined(__aarch64__)
#  define LOQUAT_SIMD_ABI base_aarch64
#elif defined(__wasm_simd128__)
#  define LOQUAT_SIMD_ABI base_wasm128
#else
#  define LOQUAT_SIMD_ABI base_portable
#endif

#if defined(__x86_64__)
#  include <immintrin.h>
#elif defined(__aarch64__)
#  include <arm_neon.h>
#elif defined(__wasm_simd128__)
#  include <wasm_simd128.h>
#endif
