#include <loquat/kernel/body/exp.inl.hpp>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct elementwise<simd::LOQUAT_TARGET_NS::this_target> {
  // calls f(offset, lanes…) for every sixteen elements, the last time with the number of lanes that remain
  template <class F> LOQUAT_INLINE static void sweep(std::size_t n, F f) noexcept {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) f(i);
    if (i < n) f(i, n - i);
  }

  static void exp(float* x, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    sweep(n, [=](std::size_t i, auto... lanes) { v::store(x + i, v::exp(v::load(x + i, lanes...)), lanes...); });
  }

  static void activate(activation kind, float* g, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    with(kind, [=](auto f) {
      sweep(n, [=](std::size_t i, auto... lanes) { v::store(g + i, f(v::load(g + i, lanes...)), lanes...); });
    });
  }

  static void gate(activation kind, float* g, float const* u, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    with(kind, [=](auto f) {
      sweep(n, [=](std::size_t i, auto... lanes) {
        auto const factor = v::load(u + i, lanes...);
        if constexpr (std::is_same_v<decltype(f), function<activation::clipped_silu>>)
          v::store(g + i, v::mul(f(v::load(g + i, lanes...)), v::clipped_and_one(factor)), lanes...);
        else
          v::store(g + i, v::mul(f(v::load(g + i, lanes...)), factor), lanes...);
      });
    });
  }

  static void add(float* x, float const* y, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    sweep(n, [=](std::size_t i, auto... lanes) {
      v::store(x + i, v::add(v::load(x + i, lanes...), v::load(y + i, lanes...)), lanes...);
    });
  }

 private:
  // an activation as a type, whose calls are inlined into the target's code
  template <activation Kind> struct function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      namespace v = simd::LOQUAT_TARGET_NS;
      using enum activation;
      if constexpr (Kind == silu)
        return v::silu(x);
      else if constexpr (Kind == gelu)
        return v::gelu(x);
      else if constexpr (Kind == gelu_erf)
        return v::gelu_erf(x);
      else if constexpr (Kind == tanh)
        return v::tanh(x);
      else if constexpr (Kind == sigmoid)
        return v::sigmoid(x);
      else if constexpr (Kind == softplus)
        return v::softplus(x);
      else if constexpr (Kind == relu)
        return v::max(v::broadcast(0.0f), x);
      else if constexpr (Kind == relu_squared)
        return v::relu_squared(x);
      else
        return v::clipped_silu(x);
    }
  };
  // calls f with the type of an activation
  template <class F> LOQUAT_INLINE static void with(activation kind, F f) noexcept {
    using enum activation;
    switch (kind) {
    case silu:
      return f(function<silu>{});
    case gelu:
      return f(function<gelu>{});
    case gelu_erf:
      return f(function<gelu_erf>{});
    case tanh:
      return f(function<tanh>{});
    case sigmoid:
      return f(function<sigmoid>{});
    case softplus:
      return f(function<softplus>{});
    case relu:
      return f(function<relu>{});
    case relu_squared:
      return f(function<relu_squared>{});
    case clipped_silu:
      return f(function<clipped_silu>{});
    }
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
