#pragma once
/// \file
/// The instruction sets that kernels are compiled for, what this CPU and operating system support, and the override.
/// CPUID and XCR0 are read directly: compilers' own `__builtin_cpu_supports` disagree about feature names.

#include <loquat/simd/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#if defined(__x86_64__)
#  include <cpuid.h>
#endif

/// Runtime choice of instruction set.
namespace loquat::simd {

/// An instruction set with kernels of its own, in ascending order of preference.
enum class target : unsigned char {
  scalar, ///< plain C++, every machine
  avx2,   ///< x86-64 with AVX2, FMA, F16C, BMI2
  avx512, ///< the same with AVX-512 F, BW, DQ, VL and VNNI
};

inline constexpr std::array<target, 3> all_targets{target::scalar, target::avx2, target::avx512}; ///< in order

/// "scalar", "avx2" or "avx512".
constexpr std::string_view name(target t) noexcept {
  constexpr std::string_view names[]{"scalar", "avx2", "avx512"};
  return names[static_cast<std::size_t>(t)];
}

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
#endif
  return target::scalar;
}

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
#endif
  return f(Kernels<target::scalar>{});
}

} // namespace LOQUAT_SIMD_ABI
} // namespace loquat::simd
