#pragma once
/// \file
/// Rotary position embedding (J. Su et al., 2021): pairs of a head's elements rotate by angles that grow with the
/// position.

#include <loquat/kernel/choices.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `rotate(style, x, heads, head_dim, rope_dims, cosines, sines)` turns the first `rope_dims` elements of each of
/// `heads` heads in place: y = x · cosine + partner · sine, with one cosine and one signed sine per element.
template <simd::target> struct ropes;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/rope.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
