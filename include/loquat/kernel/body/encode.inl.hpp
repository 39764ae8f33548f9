namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct encoders<simd::LOQUAT_TARGET_NS::this_target> {
  static float largest(float const* x, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 most = v::broadcast(0.0f);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) most = v::max(v::abs(v::load(x + i)), most);
    if (i < n) most = v::max(v::abs(v::load(x + i, n - i)), most);
    return v::max(most);
  }

  static integer_fit fit(float const* x, std::size_t n, float inverse, integer_steps const& steps) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    stepper const step(inverse, steps);
    v::f32x16 product = v::broadcast(0.0f), square = product;
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      v::f32x16 const lanes = v::load(x + i), c = v::add(step(lanes), step.offset);
      product = v::fma(lanes, c, product), square = v::fma(c, c, square);
    }
    if (i < n) {
      float last[16];
      v::f32x16 const lanes = v::load(x + i, n - i);
      v::store(last, v::add(step(lanes), step.offset));
      v::f32x16 const c = v::load(last, n - i);
      product = v::fma(lanes, c, product), square = v::fma(c, c, square);
    }
    return {v::sum(product), v::sum(square)};
  }

  static void to_steps(float const* x, std::size_t n, float inverse, integer_steps const& steps,
                       std::int8_t* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    stepper const step(inverse, steps);
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) v::store_nearest_i8(out + i, step(v::load(x + i)));
    if (i < n) v::store_nearest_i8(out + i, step(v::load(x + i, n - i)));
  }

  static std::int32_t round(float const* x, std::size_t n, float inverse, std::int8_t* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(out);
    return round(x, n, inverse, [&](std::size_t i, v::f32x16 a) LOQUAT_INLINE_LAMBDA { v::store_nearest_i8(out + i, a); },
                 [&](std::size_t i) LOQUAT_INLINE_LAMBDA { return v::load_pairs_i8(bytes + i); });
  }
  static std::int32_t round(float const* x, std::size_t n, float inverse, std::int16_t* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    return round(x, n, inverse, [&](std::size_t i, v::f32x16 a) LOQUAT_INLINE_LAMBDA { v::store_nearest_i16(out + i, a); },
                 [&](std::size_t i) LOQUAT_INLINE_LAMBDA { return v::load_pairs(out + i); });
  }

 private:
  struct stepper { // the integers of sixteen numbers, as floats
    simd::LOQUAT_TARGET_NS::f32x16 by, offset, away, low, high, integers;

    LOQUAT_INLINE stepper(float inverse, integer_steps const& steps) noexcept {
      namespace v = simd::LOQUAT_TARGET_NS;
      by = v::broadcast(inverse), offset = v::broadcast(steps.offset), away = v::broadcast(-steps.offset);
      low = v::broadcast(steps.low), high = v::broadcast(steps.high);
      integers = v::broadcast(0x1.8p23f); // floats of this size are integers
    }
    LOQUAT_INLINE simd::LOQUAT_TARGET_NS::f32x16 operator()(simd::LOQUAT_TARGET_NS::f32x16 x) const noexcept {
      namespace v = simd::LOQUAT_TARGET_NS;
      v::f32x16 const c = v::max(v::sub(v::add(v::fma(x, by, away), integers), integers), low);
      return v::select_less(c, high, c, high);
    }
  };

  template <class Store, class Load>
  LOQUAT_INLINE static std::int32_t round(float const* x, std::size_t n, float inverse, Store store, Load load) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::int16_t const one[2]{1, 1};
    v::i16x32 const ones = v::repeat_pair(one);
    v::i32x16 total = v::zero_i32x16();
    v::f32x16 const by = v::broadcast(inverse);
    for (std::size_t i = 0; i < n; i += 32) {
      for (std::size_t j = i; j < i + 32; j += 16)
        store(j, j + 16 <= n ? v::mul(v::load(x + j), by) : v::mul(v::load(x + j, j < n ? n - j : 0), by));
      total = v::add_products(total, load(i), ones);
    }
    std::int32_t sums[4];
    v::store_sums(sums, total, total, total, total);
    return sums[0];
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
