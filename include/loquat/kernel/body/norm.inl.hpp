namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct norms<simd::LOQUAT_TARGET_NS::this_target> {
  static void rms_norm(float const* x, float const* w, float epsilon, float* y, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    double const squares = sum(n, [=](std::size_t i) { return x[i] * x[i]; });
    v::f32x16 const scale = v::broadcast(scale_of(squares, n, epsilon));
    sweep(n, [=](std::size_t i, auto... lanes) {
      v::store(y + i, v::mul(v::mul(v::load(x + i, lanes...), scale), v::load(w + i, lanes...)), lanes...);
    });
  }

  static void layer_norm(float const* x, float const* w, float const* b, float epsilon, float* y,
                         std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    auto const mean = static_cast<float>(sum(n, [=](std::size_t i) { return x[i]; }) / static_cast<double>(n));
    double const squares = sum(n, [=](std::size_t i) { return (x[i] - mean) * (x[i] - mean); });
    v::f32x16 const scale = v::broadcast(scale_of(squares, n, epsilon)), shift = v::broadcast(mean);
    sweep(n, [=](std::size_t i, auto... lanes) {
      v::f32x16 const centred = v::mul(v::sub(v::load(x + i, lanes...), shift), scale);
      v::store(y + i, v::fma(centred, v::load(w + i, lanes...), v::load(b + i, lanes...)), lanes...);
    });
  }

 private:
  // Σ f(i), float terms in sixteen double lanes and one tree
  template <class F> LOQUAT_INLINE static double sum(std::size_t n, F f) noexcept {
    double lanes[16]{};
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16)
      for (std::size_t j = 0; j < 16; ++j) lanes[j] += static_cast<double>(f(i + j));
    for (std::size_t j = 0; i + j < n; ++j) lanes[j] += static_cast<double>(f(i + j));
    for (std::size_t width = 8; width > 0; width /= 2)
      for (std::size_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    return lanes[0];
  }
  static float scale_of(double squares, std::size_t n, float epsilon) noexcept {
    return 1.0f / math::sqrt(static_cast<float>(squares / static_cast<double>(n)) + epsilon);
  }
  // calls f(offset, lanes…) for every sixteen elements, the last time with the number of lanes that remain
  template <class F> LOQUAT_INLINE static void sweep(std::size_t n, F f) noexcept {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) f(i);
    if (i < n) f(i, n - i);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
