#pragma once
/// \file
/// What "near" means: metrics, as types. Smaller is nearer, always.

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace loquat {

/// Squared Euclidean distance, Σ (a − b)².
struct l2 {
  static constexpr std::string_view name = "l2"; ///< in files and messages
};
/// Minus the inner product, −Σ a·b: the largest product is nearest.
struct inner_product {
  static constexpr std::string_view name = "inner_product"; ///< in files and messages
};
/// 1 − cos of the angle. Vectors are scaled to length 1 when they are stored; one of length 0 is an error.
struct cosine {
  static constexpr std::string_view name = "cosine"; ///< in files and messages
};
/// How many elements differ in being above zero.
struct hamming {
  static constexpr std::string_view name = "hamming"; ///< in files and messages
  /// Of vectors that are not kept as bits.
  constexpr float operator()(std::span<float const> a, std::span<float const> b) const noexcept {
    std::size_t apart = 0;
    for (std::size_t i = 0; i < a.size(); ++i) apart += (a[i] > 0) != (b[i] > 0);
    return static_cast<float>(apart);
  }
};
/// 1 − |a ∧ b| / |a ∨ b|, of the sets of elements above zero; 0 of two empty ones (P. Jaccard, 1901).
struct jaccard {
  static constexpr std::string_view name = "jaccard"; ///< in files and messages
  /// Of how many elements both sets have, and how many either has.
  static constexpr float of(std::size_t both, std::size_t either) noexcept {
    return either == 0 ? 0.0f : 1.0f - static_cast<float>(both) / static_cast<float>(either);
  }
  /// Of vectors that are not kept as bits.
  constexpr float operator()(std::span<float const> a, std::span<float const> b) const noexcept {
    std::size_t both = 0, either = 0;
    for (std::size_t i = 0; i < a.size(); ++i) both += a[i] > 0 && b[i] > 0, either += a[i] > 0 || b[i] > 0;
    return of(both, either);
  }
};

/// A metric that is computed from an inner product, which every codec can estimate.
template <class M>
concept LinearMetric = std::same_as<M, l2> || std::same_as<M, inner_product> || std::same_as<M, cosine>;

/// A metric that is a function of two vectors. A program's own one is such a type: it works with every codec, on decoded
/// vectors. It is symmetric, the same for the same vectors, and never NaN for finite ones.
template <class M>
concept CallableMetric = std::default_initializable<M> &&
                         requires(M const& m, std::span<float const> a, std::span<float const> b) {
                           { m(a, b) } -> std::same_as<float>;
                           { M::name } -> std::convertible_to<std::string_view>;
                         };

/// What an index measures with. Called by codecs. Smallest conforming type: a name and `operator()` (see
/// `tests/index/flat.cpp`). Neighbours: `Codec`, `VectorIndex`.
template <class M>
concept Metric = LinearMetric<M> || CallableMetric<M>;

} // namespace loquat
