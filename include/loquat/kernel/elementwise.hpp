#pragma once
/// \file
/// Kernels that touch every element once: gated activations, sums.

#include <loquat/kernel/choices.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <type_traits>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `exp(x, n)`: x = eˣ; `activate(kind, g, n)`: g = f(g); `gate(kind, g, u, n)`: g = f(g) · u, or
/// as the activation says; `add(x, y, n)`: x += y.
template <simd::target> struct elementwise;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/elementwise.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
