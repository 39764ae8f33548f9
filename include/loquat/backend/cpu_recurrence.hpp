#pragma once
/// \file
/// Convolution and selective scan of the `cpu` backend: blocks of sixteen channels, shared out over threads. A block
/// goes through all tokens at once, while its states stay in the L1 cache.

#include <loquat/backend/recurrence.hpp>
#include <loquat/kernel/scan.hpp>
#include <loquat/parallel/executor.hpp>

#include <algorithm>
#include <cstddef>

namespace loquat::detail {

/// The parts of `basic_cpu` that know the layout of states.
struct cpu_recurrence {
  /// See `convolution_task`.
  template <Executor E>
  static void convolve(E const& threads, simd::target target, convolution_task const& task) noexcept {
    scan_layout const blocks{task.channels, 1, 1};
    share(threads, blocks.blocks(), task.n * task.taps() * scan_layout::lanes, [&](std::size_t block) {
      std::size_t const c = blocks.first_channel(block);
      kernel::convolution_block const b{task.x.data() + c,
                                        task.weights.data() + c,
                                        task.bias.empty() ? nullptr : task.bias.data() + c,
                                        task.tail.data() + (task.tail.empty() ? 0 : c),
                                        task.y.data() + c,
                                        task.n,
                                        task.channels,
                                        task.taps(),
                                        blocks.channels_of(block)};
      simd::dispatch<kernel::scans>(target, [&](auto kernels) { kernels.convolve(b); });
    });
    task.keep_tail();
  }

  /// See `scan_task`.
  template <Executor E> static void scan(E const& threads, simd::target target, scan_task const& task) noexcept {
    scan_layout const& all = task.layout;
    std::size_t const decay_elements = task.decay_elements(), stride = all.groups * all.elements;
    share(threads, all.blocks(), task.n * all.block_floats(), [&](std::size_t block) {
      std::size_t const c = all.first_channel(block), group = block / all.group_blocks() * all.elements;
      kernel::scan_block const b{task.x.data() + c,
                                 task.steps.data(),
                                 task.inputs.data() + group,
                                 task.reads.data() + group,
                                 task.decays.data() + block * decay_elements * scan_layout::lanes,
                                 task.skips.data() + c,
                                 task.states.data() + block * all.block_floats(),
                                 task.y.data() + c,
                                 task.n,
                                 all.channels,
                                 task.heads(),
                                 stride,
                                 all.elements,
                                 decay_elements,
                                 c,
                                 all.channels_of(block),
                                 task.head_dim()};
      simd::dispatch<kernel::scans>(target, [&](auto kernels) { kernels.scan(b); });
    });
  }

 private:
  static constexpr std::size_t worth_sharing = 1 << 13; // multiply-adds of a thread's portion

  // f(block), for blocks of `cost` multiply-adds each
  template <Executor E, class F>
  static void share(E const& threads, std::size_t blocks, std::size_t cost, F const& f) noexcept {
    std::size_t const portion = worth_sharing / cost + 1, portions = (blocks + portion - 1) / portion;
    auto const run = [&](std::size_t i, unsigned) {
      for (std::size_t block = i * portion; block < std::min(blocks, (i + 1) * portion); ++block) f(block);
    };
    if (portions == 1)
      run(0, 0);
    else
      threads.run(portions, run);
  }
};

} // namespace loquat::detail
