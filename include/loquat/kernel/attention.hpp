#pragma once
/// \file
/// Causal attention of one token over a key-value cache (A. Vaswani et al., 2017), with query heads that share a
/// key-value head (grouped-query attention, J. Ainslie et al., 2023).

#include <loquat/kernel/elementwise.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <cstdint>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// The query heads of one token that share a key-value head, and what they look at.
/// `Element` is float, or std::uint16_t for binary16 bits.
template <class Element> struct attention_group {
  float const* queries;  ///< [group, head_dim]
  Element const* keys;   ///< [length, head_dim]
  Element const* values; ///< [length, head_dim]
  std::size_t group, head_dim, length;
  float scale;    ///< of the scores, 1/√head_dim
  float* scratch; ///< [length + head_dim]
  float* output;  ///< [group, head_dim]
};

/// `attend(group)`: softmax(scale · q·Kᵀ) · V for each query of the group. Dot products run over sixteen lanes and one
/// tree, the softmax's sum likewise, the weighted sum of values in ascending position. `softmax(x, n)` works in place
/// and returns the reciprocal of the sum instead of applying it.
template <simd::target> struct attentions;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/attention.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
