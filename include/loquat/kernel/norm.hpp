#pragma once
/// \file
/// Normalisation of one vector: RMS norm (B. Zhang, R. Sennrich, 2019) and layer norm (J. L. Ba et al., 2016).

#include <loquat/simd/targets.hpp>

#include <cstddef>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `rms_norm(x, w, epsilon, y, n)`: y = x / √(mean(x²) + ε) · w. `layer_norm(x, w, b, epsilon, y, n)`:
/// y = (x − mean) / √(variance + ε) · w + b. Sums are of floats in double, over sixteen lanes and one tree. y may be x.
template <simd::target> struct norms;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/norm.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
