#pragma once
/// \file
/// The two ceilings every figure is a fraction of: how many bytes a second this machine reads from memory, and how many
/// 8-bit multiply-adds a second its vector units do.

#include <loquat/parallel/pool.hpp>
#include <loquat/simd/targets.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {
template <simd::target> struct ceilings;
} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE "ceilings.inl.hpp"
#include <loquat/simd/foreach_target.hpp>

namespace bench {

/// Seconds that f() takes.
template <class F> double seconds(F&& f) {
  auto const begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

/// 8-bit multiply-adds per second of all threads together, best of five.
inline double multiply_adds_per_second(loquat::pool const& threads, loquat::simd::target target) {
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    std::vector<std::size_t> done(threads.size());
    double const time = seconds([&] {
      threads.run(threads.size(), [&](std::size_t chunk, unsigned) {
        loquat::simd::dispatch<loquat::kernel::ceilings>(target,
                                                         [&](auto k) { done[chunk] = k.multiply_add(4'000'000); });
      });
    });
    double total = 0;
    for (auto n : done) total += static_cast<double>(n);
    best = std::max(best, total / time);
  }
  return best;
}

/// Bytes per second that all threads together read from memory, best of five.
inline double bytes_per_second(loquat::pool const& threads, loquat::simd::target target) {
  std::size_t const size = std::size_t{1} << 30, chunk = std::size_t{1} << 20;
  std::vector<std::byte> memory(size, std::byte{1});
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    double const time = seconds([&] {
      threads.run(size / chunk, [&](std::size_t c, unsigned) {
        loquat::simd::dispatch<loquat::kernel::ceilings>(target,
                                                         [&](auto k) { k.read(memory.data() + c * chunk, chunk); });
      });
    });
    best = std::max(best, static_cast<double>(size) / time);
  }
  return best;
}

} // namespace bench
