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
        v::store(g + i, v::mul(f(v::load(g + i, lanes...)), v::load(u + i, lanes...)), lanes...);
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
  struct silu_function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      return simd::LOQUAT_TARGET_NS::silu(x);
    }
  };
  struct gelu_function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      return simd::LOQUAT_TARGET_NS::gelu(x);
    }
  };
  struct tanh_function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      return simd::LOQUAT_TARGET_NS::tanh(x);
    }
  };
  struct relu_function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      namespace v = simd::LOQUAT_TARGET_NS;
      return v::max(x, v::broadcast(0.0f));
    }
  };
  struct gelu_erf_function {
    LOQUAT_INLINE auto operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      return simd::LOQUAT_TARGET_NS::gelu_erf(x);
    }
  };
  // calls f with the vector form of an activation
  template <class F> LOQUAT_INLINE static void with(activation kind, F f) noexcept {
    if (kind == activation::silu)
      f(silu_function{});
    else if (kind == activation::gelu)
      f(gelu_function{});
    else if (kind == activation::tanh)
      f(tanh_function{});
    else if (kind == activation::relu)
      f(relu_function{});
    else
      f(gelu_erf_function{});
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
