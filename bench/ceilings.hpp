#pragma once
/// \file
/// The two ceilings every figure is a fraction of: how many bytes a second this machine reads from memory, and how many
/// 8-bit multiply-adds a second its vector units do.

#include "timing.hpp"

#include <loquat/parallel/pool.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <vector>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {
template <simd::target> struct ceilings;
} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE "ceilings.inl.hpp"
#include <loquat/simd/foreach_target.hpp>

namespace bench {

/// Measures the ceilings again and again: machines drift, so every figure should stand beside ceilings of its own moment.
class ceilings {
 public:
  /// For all threads of a pool together. The pool must outlive this.
  ceilings(loquat::pool const& threads, loquat::simd::target target) : threads_(threads), target_(target) {}

  /// 8-bit multiply-adds per second, over about `milliseconds`.
  double multiply_adds(double milliseconds = 2) {
    auto const rounds = static_cast<std::size_t>(milliseconds * rounds_per_millisecond_) + 1000;
    std::vector<std::size_t> done(threads_.size());
    double const time = seconds([&] {
      threads_.run(threads_.size(), [&](std::size_t part, unsigned) {
        loquat::simd::dispatch<loquat::kernel::ceilings>(target_, [&](auto k) { done[part] = k.multiply_add(rounds); });
      });
    });
    rounds_per_millisecond_ = static_cast<double>(rounds) / time / 1000;
    double total = 0;
    for (auto n : done) total += static_cast<double>(n);
    return total / time;
  }

  /// Bytes read from memory per second, over a part of a gigabyte, the next part each time.
  double read(std::size_t megabytes = 128) {
    std::size_t const count = megabytes << 20 >> 20;
    double const time = seconds([&] {
      threads_.run(count, [&](std::size_t c, unsigned) {
        auto const* const from = memory_.data() + (next_ + c) % (memory_.size() / chunk) * chunk;
        loquat::simd::dispatch<loquat::kernel::ceilings>(target_, [&](auto k) { k.read(from, chunk); });
      });
    });
    next_ += count;
    return static_cast<double>(count * chunk) / time;
  }

 private:
  static constexpr std::size_t chunk = 1 << 20;
  loquat::pool const& threads_;
  loquat::simd::target target_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(std::size_t{1} << 30, std::byte{1});
  std::size_t next_ = 0;
  double rounds_per_millisecond_ = 10'000;
};

} // namespace bench
