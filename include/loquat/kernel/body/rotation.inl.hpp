namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct rotations<simd::LOQUAT_TARGET_NS::this_target> {
  static void flip(float* x, float const* signs, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) v::store(x + i, v::mul(v::load(x + i), v::load(signs + i)));
    for (; i < n; ++i) x[i] *= signs[i];
  }

  static void hadamard(float* x, std::size_t n, float scale) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if (n < 16) return reference::rotations::hadamard(x, n, scale);
    v::f32x16 signs[16];
    for (std::size_t k = 0; k < 16; ++k) signs[k] = v::load(hadamard_signs.data() + 16 * k);
    for (std::size_t i = 0; i < n; i += 16) {
      v::f32x16 sums = v::broadcast(0.0f);
      LOQUAT_UNROLL
      for (std::size_t k = 0; k < 16; ++k) sums = v::fma(v::broadcast(x[i + k]), signs[k], sums); // products are exact
      v::store(x + i, sums);
    }
    for (std::size_t half = 16; half < n; half *= 2)
      for (std::size_t i = 0; i < n; i += 2 * half)
        for (std::size_t j = i; j < i + half; j += 16) {
          v::f32x16 const a = v::load(x + j), b = v::load(x + j + half);
          v::store(x + j, v::add(a, b));
          v::store(x + j + half, v::sub(a, b));
        }
    v::f32x16 const by = v::broadcast(scale);
    for (std::size_t i = 0; i < n; i += 16) v::store(x + i, v::mul(v::load(x + i), by));
  }

  static void turn(float* a, float* b, std::size_t n, bool back) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const root_half = v::broadcast(0.70710678118654752f), zero = v::broadcast(-0.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      v::f32x16 const x = v::load(a + i), y = v::load(b + i);
      v::f32x16 const sum = v::mul(v::add(x, y), root_half), difference = v::mul(v::sub(x, y), root_half);
      v::store(a + i, back ? sum : difference);
      v::store(b + i, back ? v::sub(zero, difference) : sum);
    }
    reference::rotations::turn(a + i, b + i, n - i, back);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
