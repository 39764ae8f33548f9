namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct norms<simd::LOQUAT_TARGET_NS::this_target> {
  static void rms_norm(float const* x, float const* w, float epsilon, float* y, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 squares = v::broadcast(0.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) squares = v::fma(v::load(x + i), v::load(x + i), squares);
    if (i < n) squares = v::fma(v::load(x + i, n - i), v::load(x + i, n - i), squares);
    v::f32x16 const scale = v::broadcast(1.0f / math::sqrt(v::sum(squares) / static_cast<float>(n) + epsilon));
    auto const apply = [&](std::size_t at, auto... lanes) {
      v::store(y + at, v::mul(v::mul(v::load(x + at, lanes...), scale), v::load(w + at, lanes...)), lanes...);
    };
    for (i = 0; i + 16 <= n; i += 16) apply(i);
    if (i < n) apply(i, n - i);
  }

  static void layer_norm(float const* x, float const* w, float const* b, float epsilon, float* y,
                         std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    auto const count = static_cast<float>(n);
    v::f32x16 total = v::broadcast(0.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) total = v::add(v::load(x + i), total);
    if (i < n) total = v::add(v::load(x + i, n - i), total);
    v::f32x16 const mean = v::broadcast(v::sum(total) / count);
    v::f32x16 squares = v::broadcast(0.0f);
    for (i = 0; i + 16 <= n; i += 16) {
      v::f32x16 const centred = v::sub(v::load(x + i), mean);
      squares = v::fma(centred, centred, squares);
    }
    if (i < n) { // lanes beyond the end must not add mean²
      float rest[16]{};
      v::store(rest, v::sub(v::load(x + i, n - i), mean), n - i);
      squares = v::fma(v::load(rest), v::load(rest), squares);
    }
    v::f32x16 const scale = v::broadcast(1.0f / math::sqrt(v::sum(squares) / count + epsilon));
    auto const apply = [&](std::size_t at, auto... lanes) {
      v::f32x16 const centred = v::mul(v::sub(v::load(x + at, lanes...), mean), scale);
      v::store(y + at, v::fma(centred, v::load(w + at, lanes...), v::load(b + at, lanes...)), lanes...);
    };
    for (i = 0; i + 16 <= n; i += 16) apply(i);
    if (i < n) apply(i, n - i);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
