/// \file
/// Which instruction set is chosen.
#include <loquat/simd/targets.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace simd_targets_test {

namespace simd = loquat::simd;

namespace {

static_assert(simd::name(simd::target::scalar) == "scalar" && simd::all_targets[0] == simd::target::scalar);
#if defined(__x86_64__)
static_assert(simd::name(simd::target::avx512) == "avx512" && simd::all_targets.size() == 3);
#elif defined(__aarch64__)
static_assert(simd::name(simd::target::neon_i8mm) == "neon_i8mm" && simd::all_targets.size() == 4);
#elif defined(__wasm__)
static_assert(simd::name(simd::target::wasm128) == "wasm128" && simd::all_targets.size() == 2);
#endif

template <simd::target T> struct which { static constexpr simd::target value = T; };

#if defined(__x86_64__)
TEST_CASE("detection agrees with the operating system") {
  std::FILE* info = std::fopen("/proc/cpuinfo", "re");
  if (!info) return;
  std::string flags(1 << 16, '\0');
  flags.resize(std::fread(flags.data(), 1, flags.size(), info));
  std::fclose(info);
  auto const has = [&](char const* flag) { return flags.find(std::string(" ") + flag + " ") != std::string::npos; };
  bool const avx2 = has("avx2") && has("fma") && has("f16c");
  CHECK((simd::detect() >= simd::target::avx2) == avx2);
  CHECK((simd::detect() >= simd::target::avx512) == (avx2 && has("avx512f") && has("avx512_vnni") && has("avx512vl")));
}
#endif

TEST_CASE("detection agrees with who knows the machine") { // `tools/check_ports.sh`, for one
  if (char const* const expected = std::getenv("LOQUAT_EXPECTED_TARGET")) CHECK(name(simd::detect()) == expected);
}

TEST_CASE("dispatch calls the kernels of the target that was asked for") {
  for (auto t : simd::all_targets)
    if (t <= simd::detect()) simd::dispatch<which>(t, [t](auto kernels) { CHECK(kernels.value == t); });
}

TEST_CASE("the preferred target is one this machine can run") { CHECK(simd::preferred() <= simd::detect()); }

} // namespace

} // namespace simd_targets_test
