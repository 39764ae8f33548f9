#pragma once
/// \file
/// Kernels that touch every element once: gated activations, sums, conversions.

#include <loquat/kernel/choices.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <cstdint>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `exp(x, n)`: x = eˣ; `activate(kind, g, n)`: g = f(g); `gate(kind, g, u, n)`: g = f(g) · u; `add(x, y, n)`: x += y;
/// `to_f16(x, h, n)`: rounds to binary16.
template <simd::target> struct elementwise;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/elementwise.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
