/// \file
/// Includes LOQUAT_KERNEL_FILE once per target, each time in a region compiled for that target and with
/// LOQUAT_TARGET_NS naming its namespace. No include guard: every kernel header includes it. The file must be found on
/// the include path.
///
/// The vocabulary (`arch/*.inl.hpp`) has the same names in every namespace, so a kernel is one readable loop, a
/// specialisation of its class template for `this_target`, and `simd::dispatch` picks the one for a target:
///
///     template <> struct norms<simd::LOQUAT_TARGET_NS::this_target> {
///       static void rms_norm(…) noexcept { using namespace simd::LOQUAT_TARGET_NS; … f32x16 … }
///     };

#ifndef LOQUAT_KERNEL_FILE
#  error "define LOQUAT_KERNEL_FILE before including foreach_target.hpp"
#endif

#include <loquat/core/float16.hpp>
#include <loquat/core/math.hpp>
#include <loquat/simd/config.hpp>
#include <loquat/simd/targets.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define LOQUAT_TARGET_NS scalar
#ifndef LOQUAT_ARCH_SCALAR
#  define LOQUAT_ARCH_SCALAR
#  include <loquat/simd/arch/scalar.inl.hpp>
#endif
#include LOQUAT_KERNEL_FILE
#undef LOQUAT_TARGET_NS

#define LOQUAT_VECTORS // the targets below have vectors; formats bring code for them
#if defined(__x86_64__)
LOQUAT_TARGET_BEGIN("avx2,fma,f16c,bmi,bmi2")
#  define LOQUAT_TARGET_NS avx2
#  ifndef LOQUAT_ARCH_AVX2
#    define LOQUAT_ARCH_AVX2
#    include <loquat/simd/arch/avx2.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS
LOQUAT_TARGET_END

#  if defined(__GNUC__) && !defined(__clang__) // GCC's own AVX-512 headers start from "undefined" vectors
LOQUAT_PRAGMA(GCC diagnostic push)
LOQUAT_PRAGMA(GCC diagnostic ignored "-Wuninitialized")
LOQUAT_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized")
#  endif
LOQUAT_TARGET_BEGIN("avx2,fma,f16c,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#  define LOQUAT_TARGET_NS avx512
#  ifndef LOQUAT_ARCH_AVX512
#    define LOQUAT_ARCH_AVX512
#    include <loquat/simd/arch/avx512.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS
LOQUAT_TARGET_END
#  if defined(__GNUC__) && !defined(__clang__)
LOQUAT_PRAGMA(GCC diagnostic pop)
#  endif

#elif defined(__aarch64__) // has NEON by definition
#  define LOQUAT_TARGET_NS neon
#  ifndef LOQUAT_ARCH_NEON
#    define LOQUAT_ARCH_NEON
#    include <loquat/simd/arch/neon.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS

LOQUAT_TARGET_BEGIN("arch=armv8.2-a+dotprod") // GCC's headers want the architecture, not only the extension
#  define LOQUAT_TARGET_NS neon_dotprod
#  ifndef LOQUAT_ARCH_NEON_DOTPROD
#    define LOQUAT_ARCH_NEON_DOTPROD
#    include <loquat/simd/arch/neon_dotprod.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS
LOQUAT_TARGET_END

LOQUAT_TARGET_BEGIN("arch=armv8.2-a+dotprod+i8mm")
#  define LOQUAT_TARGET_NS neon_i8mm
#  ifndef LOQUAT_ARCH_NEON_I8MM
#    define LOQUAT_ARCH_NEON_I8MM
#    include <loquat/simd/arch/neon_i8mm.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS
LOQUAT_TARGET_END

#elif defined(__wasm_simd128__) // a flag of the whole program: engines without it refuse to load such code
#  define LOQUAT_TARGET_NS wasm128
#  ifndef LOQUAT_ARCH_WASM128
#    define LOQUAT_ARCH_WASM128
#    include <loquat/simd/arch/wasm128.inl.hpp>
#  endif
#  include LOQUAT_KERNEL_FILE
#  undef LOQUAT_TARGET_NS
#endif

#undef LOQUAT_VECTORS
#undef LOQUAT_KERNEL_FILE
