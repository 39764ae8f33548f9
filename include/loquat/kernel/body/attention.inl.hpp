namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct attentions<simd::LOQUAT_TARGET_NS::this_target> {
  template <class Element> static void attend(attention_group<Element> const& a) noexcept {
    float* const scores = a.scratch;           // [length]
    float* const query = a.scratch + a.length; // [head_dim]
    for (std::size_t h = 0; h < a.group; ++h) {
      for (std::size_t d = 0; d < a.head_dim; ++d) query[d] = a.queries[h * a.head_dim + d] * a.scale;
      score(a, query, scores);
      float const inverse_sum = softmax(scores, a.length);
      mix(a, scores, inverse_sum, a.output + h * a.head_dim);
    }
  }

  // x = exp(x − max x); returns 1 / Σx
  static float softmax(float* x, std::size_t n) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    float largest = x[0];
    std::size_t i = 0;
    if (n >= 16) {
      v::f32x16 m = v::load(x);
      for (i = 16; i + 16 <= n; i += 16) m = v::max(v::load(x + i), m);
      largest = v::max(m);
    }
    for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
    v::f32x16 const top = v::broadcast(largest);
    v::f32x16 total = v::broadcast(0.0f);
    for (i = 0; i + 16 <= n; i += 16) {
      v::f32x16 const e = v::exp(v::sub(v::load(x + i), top));
      v::store(x + i, e);
      total = v::add(e, total);
    }
    if (i < n) {
      v::store(x + i, v::exp(v::sub(v::load(x + i, n - i), top)), n - i);
      total = v::add(v::load(x + i, n - i), total);
    }
    return 1.0f / v::sum(total);
  }

 private:
  template <class... N> LOQUAT_INLINE static auto load(float const* p, N... n) noexcept {
    return simd::LOQUAT_TARGET_NS::load(p, n...);
  }
  template <class... N> LOQUAT_INLINE static auto load(std::uint16_t const* p, N... n) noexcept {
    return simd::LOQUAT_TARGET_NS::load_f16(p, n...);
  }

  // scores[p] = query · keys[p], four positions at a time
  template <class Element>
  static void score(attention_group<Element> const& a, float const* query, float* scores) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const dim = a.head_dim;
    for (std::size_t p = 0; p < a.length; p += 4) {
      std::size_t const last = a.length - 1 - p; // positions beyond the end repeat the last
      Element const* k[4];
      for (std::size_t j = 0; j < 4; ++j) k[j] = a.keys + (p + (j < last ? j : last)) * dim;
      v::f32x16 dots[4];
      for (auto& dot : dots) dot = v::broadcast(0.0f);
      auto const step = [&](std::size_t d, auto... lanes) {
        v::f32x16 const q = v::load(query + d, lanes...);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < 4; ++j) dots[j] = v::fma(q, load(k[j] + d, lanes...), dots[j]);
      };
      std::size_t d = 0;
      for (; d + 16 <= dim; d += 16) step(d);
      if (d < dim) step(d, dim - d);
      float four[4];
      v::store(four, v::sums(dots[0], dots[1], dots[2], dots[3]));
      for (std::size_t j = 0; j <= last && j < 4; ++j) scores[p + j] = four[j];
    }
  }

  // output = inverse_sum · Σ weights[p] · values[p], positions ascending; 64 elements of the head at a time
  template <class Element>
  static void mix(attention_group<Element> const& a, float const* weights, float inverse_sum, float* output) noexcept {
    std::size_t const dim = a.head_dim;
    std::size_t d = 0;
#ifdef LOQUAT_VECTORS
    for (; d + 64 <= dim; d += 64) mix_lanes<4>(a, weights, inverse_sum, output, d);
#endif
    for (; d + 16 <= dim; d += 16) mix_lanes<1>(a, weights, inverse_sum, output, d);
    if (d < dim) mix_lanes<1>(a, weights, inverse_sum, output, d, dim - d);
  }
  template <std::size_t Vectors, class Element, class... N>
  LOQUAT_INLINE static void mix_lanes(attention_group<Element> const& a, float const* weights, float inverse_sum,
                                      float* output, std::size_t d, N... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 sums[Vectors];
    for (auto& sum : sums) sum = v::broadcast(0.0f);
    Element const* value = a.values + d;
    for (std::size_t p = 0; p < a.length; ++p, value += a.head_dim) {
      v::f32x16 const weight = v::broadcast(weights[p]);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Vectors; ++j) sums[j] = v::fma(weight, load(value + 16 * j, lanes...), sums[j]);
    }
    for (std::size_t j = 0; j < Vectors; ++j)
      v::store(output + d + 16 * j, v::mul(sums[j], v::broadcast(inverse_sum)), lanes...);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
