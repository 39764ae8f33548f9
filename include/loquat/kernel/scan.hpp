#pragma once
/// \file
/// The recurrence of selective state spaces (Mamba: A. Gu, T. Dao, 2023; Mamba-2: T. Dao, A. Gu, 2024) and the short
/// causal convolution before it, for up to sixteen channels over n tokens. One vector lane is a channel.

#include <loquat/kernel/elementwise.hpp>
#include <loquat/kernel/scan_layout.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// Up to sixteen channels of a causal convolution. Pointers are to the first channel of the block.
struct convolution_block {
  float const* x;       ///< [n, channels]
  float const* weights; ///< [taps, channels], of the newest input last
  float const* bias;    ///< [channels], or null
  float const* tail;    ///< [taps - 1, channels]: the inputs before
  float* y;             ///< [n, channels]
  std::size_t n, channels, taps, lanes;
};

/// Up to sixteen channels of a scan, all of one group. Pointers are to the first channel of the block.
struct scan_block {
  float const* x;      ///< [n, channels]
  float const* steps;  ///< [n, heads], of all heads
  float const* inputs; ///< [n, stride], of which `state` belong to the group
  float const* reads;  ///< the same
  float const* decays; ///< [decay_elements, lanes]
  float const* skips;  ///< [channels]
  float* states;       ///< [state, lanes]
  float* y;            ///< [n, channels]
  std::size_t n, channels, heads, stride, state, decay_elements;
  std::size_t first, lanes, head_dim; ///< first: number of the first channel
};

/// `convolve(block)` and `scan(block)` compute y; `scan` leaves the states behind the last token. Sums run over taps
/// and elements of the state in ascending order, by fused multiply-adds.
template <simd::target> struct scans;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/scan.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
