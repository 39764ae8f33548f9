#pragma once
/// \file
/// The instruction sets that kernels are compiled for, what this CPU and operating system support, and the override.
/// CPUID and XCR0 are read directly: compilers' own `__builtin_cpu_supports` disagree about feature names.

#include <loquat/simd/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>
#if defined(__x86_64__)
#  include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#  include <sys/auxv.h>
#endif

/// Runtime choice of instruction set.
namespace loquat::simd {

/// An instruction set of this architecture with kernels of its own, in ascending order of preference.
enum class target : unsigned char {
  scalar, ///< plain C++, every machine
#if defined(__x86_64__)
  avx2,   ///< x86-64 with AVX2, FMA, F16C, BMI2
  avx512, ///< the same with AVX-512 F, BW, DQ, VL and VNNI
#elif defined(__aarch64__)
  neon,         ///< every 64-bit ARM
  neon_dotprod, ///< ARMv8.2 with dot products of bytes
  neon_i8mm,    ///< the same with products of byte matrices
#elif defined(__wasm__)
  wasm128, ///< WebAssembly compiled with `-msimd128`
#endif
};

/// Their names, in order.
inline constexpr std::string_view target_names[] {
  "scalar",
#if defined(__x86_64__)
      "avx2", "avx512",
#elif defined(__aarch64__)
      "neon", "neon_dotprod", "neon_i8mm",
#elif defined(__wasm__)
      "wasm128",
#endif
};

/// All of them, in order.
inline constexpr auto all_targets = [] {
  std::array<target, std::size(target_names)> targets{};
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<target>(i);
  return targets;
}();

/// "scalar", "avx2", "avx512", "neon", "neon_dotprod", "neon_i8mm" or "wasm128".
constexpr std::string_view name(target t) noexcept { return target_names[static_cast<std::size_t>(t)]; }

inline namespace LOQUAT_SIMD_ABI {

/// The best target that this CPU and its operating system can run.
inline target detect() noexcept {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  auto const bit = [](unsigned word, int n) { return (word >> n & 1) != 0; };
  if (!__get_cpuid_count(1, 0, &a, &b, &c, &d)) return target::scalar;
  bool const fma = bit(c, 12), osxsave = bit(c, 27), f16c = bit(c, 29);
  if (!osxsave) return target::scalar;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  bool const saves_ymm = (low & 0x06) == 0x06, saves_zmm = (low & 0xe6) == 0xe6;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return target::scalar;
  bool const avx2 = saves_ymm && fma && f16c && bit(b, 3) && bit(b, 5) && bit(b, 8); // with BMI 1 and 2
  bool const avx512 = saves_zmm && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 11);
  if (avx2 && avx512) return target::avx512;
  if (avx2) return target::avx2;
  return target::scalar;
#elif defined(__aarch64__)
#  if defined(__linux__)
  constexpr unsigned long asimddp = 1 << 20, i8mm = 1 << 13; // HWCAP_… and HWCAP2_…, which older headers lack
  bool const dot_products = (getauxval(AT_HWCAP) & asimddp) != 0;
  if (dot_products && (getauxval(AT_HWCAP2) & i8mm) != 0) return target::neon_i8mm;
  if (dot_products) return target::neon_dotprod;
#  elif defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
  return target::neon_i8mm;
#  elif defined(__ARM_FEATURE_DOTPROD)
  return target::neon_dotprod;
#  endif
  return target::neon;
#elif defined(__wasm_simd128__)
  return target::wasm128;
#else
  return target::scalar;
#endif
}

#if defined(__x86_64__)
/// Whether this CPU has AVX-512 VPOPCNTDQ, beside `target::avx512`.
inline bool counts_bits_in_vectors() noexcept {
  static bool const does = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return detect() == target::avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 14 & 1) != 0;
  }();
  return does;
}
#endif

/// The target to use: `detect()`, or the one named by the environment variable LOQUAT_TARGET if this machine can run
/// it.
inline target preferred() noexcept {
  static target const chosen = [] {
    target const best = detect();
    if (char const* wanted = std::getenv("LOQUAT_TARGET"))
      for (target t : all_targets)
        if (name(t) == wanted && t <= best) return t;
    return best;
  }();
  return chosen;
}

/// Calls `f(Kernels<t>{})` with the kernels of target `t`.
template <template <target> class Kernels, class F> inline decltype(auto) dispatch([[maybe_unused]] target t, F&& f) {
#if defined(__x86_64__)
  if (t == target::avx512) return f(Kernels<target::avx512>{});
  if (t == target::avx2) return f(Kernels<target::avx2>{});
#elif defined(__aarch64__)
  if (t == target::neon_i8mm) return f(Kernels<target::neon_i8mm>{});
  if (t == target::neon_dotprod) return f(Kernels<target::neon_dotprod>{});
  if (t == target::neon) return f(Kernels<target::neon>{});
#elif defined(__wasm_simd128__)
  if (t == target::wasm128) return f(Kernels<target::wasm128>{});
#endif
  return f(Kernels<target::scalar>{});
}

} // namespace LOQUAT_SIMD_ABI
} // namespace loquat::simd
