namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct ropes<simd::LOQUAT_TARGET_NS::this_target> {
  static void rotate(rope_style style, float* x, std::size_t heads, std::size_t head_dim, std::size_t rope_dims,
                     float const* cosines, float const* sines) noexcept {
    std::size_t const half = rope_dims / 2;
    for (std::size_t h = 0; h < heads; ++h, x += head_dim) {
      std::size_t i = 0;
      if (style == rope_style::adjacent) {
        for (; i + 16 <= rope_dims; i += 16) neighbours(x + i, cosines + i, sines + i);
        if (i < rope_dims) neighbours(x + i, cosines + i, sines + i, rope_dims - i);
      } else {
        for (; i + 16 <= half; i += 16) apart(x + i, cosines + i, sines + i, half);
        if (i < half) apart(x + i, cosines + i, sines + i, half, half - i);
      }
    }
  }

 private:
  template <class... N>
  LOQUAT_INLINE static void neighbours(float* x, float const* cosines, float const* sines, N... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const a = v::load(x, lanes...);
    v::f32x16 const turned = v::mul(v::swap_pairs(a), v::load(sines, lanes...));
    v::store(x, v::fma(a, v::load(cosines, lanes...), turned), lanes...);
  }
  template <class... N>
  LOQUAT_INLINE static void apart(float* x, float const* cosines, float const* sines, std::size_t half,
                                  N... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const a = v::load(x, lanes...), b = v::load(x + half, lanes...);
    v::f32x16 const turned_a = v::mul(b, v::load(sines, lanes...)),
                    turned_b = v::mul(a, v::load(sines + half, lanes...));
    v::store(x, v::fma(a, v::load(cosines, lanes...), turned_a), lanes...);
    v::store(x + half, v::fma(b, v::load(cosines + half, lanes...), turned_b), lanes...);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
