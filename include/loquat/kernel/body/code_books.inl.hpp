namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct code_books<simd::LOQUAT_TARGET_NS::this_target> {
  template <row_measure Measure>
  static void measure(float const* book, float const* query, std::size_t dimensions, float* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t vectors = 256, at_once = 4;
    for (std::size_t first = 0; first < vectors; first += 16 * at_once) {
      v::f32x16 sums[at_once];
      LOQUAT_UNROLL
      for (auto& sum : sums) sum = v::broadcast(0.0f);
      for (std::size_t d = 0; d < dimensions; ++d) {
        v::f32x16 const q = v::broadcast(query[d]);
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < at_once; ++i) {
          v::f32x16 const x = v::load(book + d * vectors + first + 16 * i);
          if constexpr (Measure == row_measure::dot) {
            sums[i] = v::fma(q, x, sums[i]);
          } else {
            v::f32x16 const apart = v::sub(q, x);
            sums[i] = v::fma(apart, apart, sums[i]);
          }
        }
      }
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < at_once; ++i) v::store(out + first + 16 * i, sums[i]);
    }
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
