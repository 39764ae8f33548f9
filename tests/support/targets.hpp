#pragma once
/// \file
/// Kernels of every instruction set that this machine can run.

#include <loquat/simd/targets.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <string>

namespace test {

/// Calls f(Kernels<target>{}) for each.
template <template <loquat::simd::target> class Kernels, class F> void on_every_target(F f) {
  for (auto const target : loquat::simd::all_targets)
    if (target <= loquat::simd::detect()) {
      CAPTURE(std::string(name(target)));
      loquat::simd::dispatch<Kernels>(target, f);
    }
}

inline bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

} // namespace test
