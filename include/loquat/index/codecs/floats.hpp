#pragma once
/// \file
/// Vectors as floats of 32 or 16 bits. Every metric works on them; l2, inner product and cosine in vectors.

#include <loquat/core/float16.hpp>
#include <loquat/core/math.hpp>
#include <loquat/index/codec.hpp>
#include <loquat/kernel/distance.hpp>
#include <loquat/kernel/distance_reference.hpp>
#include <loquat/quant/bf16.hpp>
#include <loquat/quant/f16.hpp>
#include <loquat/quant/f32.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {

/// Σ a·b, in vectors where it is no constant: the same bits.
constexpr float dot(std::span<float const> a, std::span<float const> b) noexcept {
  if (std::is_constant_evaluated()) return kernel::reference::dot(a, b);
  float sum = 0;
  simd::dispatch<kernel::distances>(simd::preferred(), [&](auto kernels) {
    kernels.template measure<kernel::row_type::f32, kernel::row_measure::dot>({b.data(), b.size_bytes(), nullptr, 1},
                                                                              a.data(), a.size(), &sum);
  });
  return sum;
}

/// y = x / |x|.
constexpr void scale_to_one(std::span<float const> x, std::span<float> y) noexcept {
  float const inverse = 1.0f / math::sqrt(dot(x, x));
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * inverse;
}

/// x [n] to y, scaled to length 1 under cosine.
template <LinearMetric M> constexpr void copy_scaled(std::size_t n, float const* x, float* y) noexcept {
  if constexpr (std::same_as<M, cosine>)
    scale_to_one({x, n}, {y, n});
  else
    std::copy_n(x, n, y);
}

/// From Σ q·x, or Σ (q − x)² for l2, to the distance.
template <LinearMetric M> constexpr float distance_of(float measured) noexcept {
  if constexpr (std::same_as<M, l2>)
    return measured;
  else if constexpr (std::same_as<M, cosine>)
    return 1.0f - measured;
  else
    return -measured;
}

/// The coder of floats: vectors themselves, scaled to length 1 under cosine.
template <Metric M, kernel::row_type Type> class float_coder {
 public:
  using element = std::conditional_t<Type == kernel::row_type::f32, float, std::uint16_t>;
  struct factors {};
  struct query {
    std::vector<float> vector, other; ///< [dimensions]; `other`: a decoded code, of metrics that are no products
  };

  constexpr explicit float_coder(std::size_t dimensions) noexcept : dimensions_(dimensions) {}
  constexpr std::size_t elements() const noexcept { return dimensions_; }

  constexpr void encode(float const* x, element* code, factors&) const noexcept {
    float const scale = scale_of(x);
    for (std::size_t i = 0; i < dimensions_; ++i) code[i] = narrowed(x[i] * scale);
  }
  constexpr void decode(element const* code, factors const&, float* x) const noexcept {
    for (std::size_t i = 0; i < dimensions_; ++i) x[i] = widened(code[i]);
  }
  constexpr void prepare(float const* x, query& q) const {
    q.vector.resize(dimensions_, {});
    float const scale = scale_of(x);
    for (std::size_t i = 0; i < dimensions_; ++i) q.vector[i] = x[i] * scale;
  }
  constexpr void prepare_code(element const* code, factors const& f, query& q) const {
    q.vector.resize(dimensions_, {});
    decode(code, f, q.vector.data());
  }
  constexpr void distances(query& q, element const* codes, factors const*, std::uint32_t const* numbers, std::size_t n,
                           float* out) const {
    constexpr bool linear = LinearMetric<M>;
    if constexpr (linear) {
      if (!std::is_constant_evaluated()) {
        constexpr auto measure = std::same_as<M, l2> ? kernel::row_measure::squares : kernel::row_measure::dot;
        kernel::row_list const list{codes, dimensions_ * sizeof(element), numbers, n};
        simd::dispatch<kernel::distances>(simd::preferred(), [&](auto kernels) {
          kernels.template measure<Type, measure>(list, q.vector.data(), dimensions_, out);
        });
        for (std::size_t i = 0; i < n; ++i) out[i] = distance_of<M>(out[i]);
        return;
      }
    }
    std::vector<float>& x = q.other;
    x.resize(dimensions_, {});
    for (std::size_t i = 0; i < n; ++i) {
      decode(codes + (numbers == nullptr ? i : numbers[i]) * dimensions_, {}, x.data());
      if constexpr (std::same_as<M, l2>)
        out[i] = kernel::reference::squares(q.vector, x);
      else if constexpr (linear)
        out[i] = distance_of<M>(kernel::reference::dot(q.vector, x));
      else
        out[i] = M{}(q.vector, x);
    }
  }

 private:
  static constexpr float widened(element x) noexcept {
    if constexpr (Type == kernel::row_type::f32)
      return x;
    else if constexpr (Type == kernel::row_type::f16)
      return float_from_half(x);
    else
      return float_from_bfloat(x);
  }
  static constexpr element narrowed(float x) noexcept {
    if constexpr (Type == kernel::row_type::f32)
      return x;
    else if constexpr (Type == kernel::row_type::f16)
      return without_minus(half_from_float(std::clamp(x, -65504.0f, 65504.0f)));
    else
      return without_minus(bfloat_from_float(x));
  }
  // of zero: equal vectors have equal codes (floats are compared as numbers)
  static constexpr element without_minus(element code) noexcept { return code == 0x8000 ? element{0} : code; }
  constexpr float scale_of([[maybe_unused]] float const* x) const noexcept {
    if constexpr (std::same_as<M, cosine>) {
      std::span const vector(x, dimensions_);
      return 1.0f / math::sqrt(dot(vector, vector));
    } else {
      return 1.0f;
    }
  }

  std::size_t dimensions_;
};

} // namespace detail

// The formats of weights are codecs as well: `f32`, vectors as they are; `f16`, half the memory and three digits,
// elements beyond ±65504 cut; `bf16`, half the memory and two digits.
template <Metric M> struct coder_for<f32, M> { using type = detail::float_coder<M, kernel::row_type::f32>; };
template <Metric M> struct coder_for<f16, M> { using type = detail::float_coder<M, kernel::row_type::f16>; };
template <Metric M> struct coder_for<bf16, M> { using type = detail::float_coder<M, kernel::row_type::bf16>; };

} // namespace loquat
