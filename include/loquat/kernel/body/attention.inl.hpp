namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct attentions<simd::LOQUAT_TARGET_NS::this_target> {
  template <kv_type T>
  static void prepare(float const* query, std::size_t head_dim, float scale, kv_factor<T>* to,
                      float* to_scales) noexcept {
    for (std::size_t d = 0; d < kv_layout{T, head_dim}.padded(); d += block) {
      float scaled[block];
      for (std::size_t i = 0; i < block; ++i) scaled[i] = d + i < head_dim ? query[d + i] * scale : 0.0f;
      if constexpr (has_scales(T))
        to_scales[d / block] = round(scaled, block, to + d);
      else
        std::memcpy(to + d, scaled, sizeof scaled);
    }
  }

  template <kv_type T>
  static void attend(attention_rows<T> const& rows, attention_tile<T> const& tile, float* states) noexcept {
    std::size_t r = 0;
    while (rows.counts[r] == 0) ++r;
    if constexpr (simd::LOQUAT_TARGET_NS::attention_sums >= 16)
      for (; r + 8 <= rows.rows; r += 8) attend<8>(rows, r, tile, states);
    if constexpr (simd::LOQUAT_TARGET_NS::attention_sums >= 4) {
      for (; r + 4 <= rows.rows; r += 4) attend<4>(rows, r, tile, states);
      for (; r + 2 <= rows.rows; r += 2) attend<2>(rows, r, tile, states);
    }
    for (; r < rows.rows; ++r) attend<1>(rows, r, tile, states);
  }

  static void merge(float* state, float const* next, std::size_t head_dim) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const padded = attention_state_floats(head_dim) - kv_layout::lanes;
    float const old_top = state[padded], next_top = next[padded], top = next_top > old_top ? next_top : old_top;
    float factors[16] = {old_top - top, next_top - top};
    v::store(factors, v::exp(v::load(factors)));
    v::f32x16 const a = v::broadcast(factors[0]), b = v::broadcast(factors[1]);
    for (std::size_t d = 0; d < padded; d += 16)
      v::store(state + d, v::fma(v::load(next + d), b, v::mul(v::load(state + d), a)));
    state[padded] = top;
    state[padded + 1] = math::fma(next[padded + 1], factors[1], state[padded + 1] * factors[0]);
  }

  static void add_sink(float* state, float score, std::size_t head_dim) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const padded = attention_state_floats(head_dim) - kv_layout::lanes;
    float const old_top = state[padded], top = score > old_top ? score : old_top;
    float factors[16] = {old_top - top, score - top};
    v::store(factors, v::exp(v::load(factors)));
    v::f32x16 const a = v::broadcast(factors[0]);
    for (std::size_t d = 0; d < padded; d += 16) v::store(state + d, v::mul(v::load(state + d), a));
    state[padded] = top;
    state[padded + 1] = math::fma(state[padded + 1], factors[0], factors[1]);
  }

  static void finish(float const* state, std::size_t head_dim, float* output) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const inverse = v::broadcast(1.0f / state[attention_state_floats(head_dim) - kv_layout::lanes + 1]);
    std::size_t d = 0;
    for (; d + 16 <= head_dim; d += 16) v::store(output + d, v::mul(v::load(state + d), inverse));
    if (d < head_dim) v::store(output + d, v::mul(v::load(state + d), inverse), head_dim - d);
  }

 private:
  static constexpr std::size_t positions = kv_layout::positions, block = kv_layout::block;
  static constexpr std::size_t ahead = 4096; // bytes: a page, where the hardware's prefetcher stops
  // matrices of sixteen columns that Q rows are multiplied with at a time
  template <std::size_t Q> static constexpr std::size_t width = 2 * Q <= simd::LOQUAT_TARGET_NS::attention_sums ? 2 : 1;

  // A step of a product: a row of sixteen elements times one factor of each query; of integers two rows and two
  // factors.
  template <kv_type T> struct step {
    static constexpr std::size_t rows = 1;
    LOQUAT_INLINE static auto zero() noexcept { return simd::LOQUAT_TARGET_NS::broadcast(0.0f); }
    LOQUAT_INLINE static auto load(float const* p) noexcept { return simd::LOQUAT_TARGET_NS::load(p); }
    LOQUAT_INLINE static auto load(std::uint16_t const* p) noexcept { return simd::LOQUAT_TARGET_NS::load_f16(p); }
    LOQUAT_INLINE static auto repeat(float const* p) noexcept { return simd::LOQUAT_TARGET_NS::broadcast(*p); }
    LOQUAT_INLINE static auto add(auto sum, auto row, auto factor) noexcept {
      return simd::LOQUAT_TARGET_NS::fma(row, factor, sum);
    }
  };
  template <kv_type T>
  requires(has_scales(T)) struct step<T> {
    static constexpr std::size_t rows = 2;
    LOQUAT_INLINE static auto zero() noexcept { return simd::LOQUAT_TARGET_NS::zero_i32x16(); }
    LOQUAT_INLINE static auto load(std::uint8_t const* p) noexcept {
      if constexpr (T == kv_type::q8_0)
        return simd::LOQUAT_TARGET_NS::load_pairs_i8(p);
      else
        return simd::LOQUAT_TARGET_NS::load_pairs_i4(p);
    }
    LOQUAT_INLINE static auto repeat(std::int16_t const* p) noexcept { return simd::LOQUAT_TARGET_NS::repeat_pair(p); }
    LOQUAT_INLINE static auto add(auto sum, auto row, auto factor) noexcept {
      return simd::LOQUAT_TARGET_NS::add_products(sum, row, factor);
    }
  };
  template <kv_type T, std::size_t N> struct sums_of { // zero at first
    decltype(step<T>::zero()) v[N];
    LOQUAT_INLINE sums_of() noexcept {
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < N; ++i) v[i] = step<T>::zero();
    }
  };

  // that many elements further
  template <kv_type T>
  LOQUAT_INLINE static kv_element<T> const* advance(kv_element<T> const* p, std::size_t elements) noexcept {
    return p + (T == kv_type::q4_0 ? elements / 2 : elements);
  }

  // sums[q, w] += row i of matrix w · factors[q, i] for i in [first, last) ascending
  template <kv_type T, std::size_t Q, std::size_t W>
  LOQUAT_INLINE static void multiply_add(kv_element<T> const* matrices, std::size_t matrix_rows,
                                         kv_factor<T> const* factors, std::size_t stride, std::size_t first,
                                         std::size_t last, decltype(step<T>::zero())* sums) noexcept {
    for (std::size_t i = first; i < last; i += step<T>::rows) {
      decltype(step<T>::load(matrices)) row[W];
      LOQUAT_UNROLL
      for (std::size_t w = 0; w < W; ++w) {
        auto const* const at = advance<T>(matrices, (w * matrix_rows + i) * 16);
        row[w] = step<T>::load(at);
        __builtin_prefetch(reinterpret_cast<char const*>(at) + ahead);
      }
      LOQUAT_UNROLL
      for (std::size_t q = 0; q < Q; ++q) {
        auto const factor = step<T>::repeat(factors + q * stride + i);
        LOQUAT_UNROLL
        for (std::size_t w = 0; w < W; ++w) sums[q * W + w] = step<T>::add(sums[q * W + w], row[w], factor);
      }
    }
  }

  // rows r … r + Q − 1
  template <std::size_t Q, kv_type T>
  static void attend(attention_rows<T> const& rows, std::size_t r, attention_tile<T> const& tile,
                     float* states) noexcept {
    std::size_t const stride = attention_state_floats(rows.head_dim), top_at = stride - kv_layout::lanes;
    float weights[Q * positions];
    score<Q>(rows, r, tile, weights);
    for (std::size_t q = 0; q < Q; ++q) {
      float *const state = states + (r + q) * stride, *const own = weights + q * positions;
      if (rows.cap != 0) limit(own + first_of(rows, r), rows.counts[r + q] - first_of(rows, r), rows.cap);
      if (rows.biases[r + q] != nullptr)
        add(own, rows.biases[r + q], first_of(rows, r), rows.counts[r + q]);
      for (std::size_t p = 0; p < rows.starts[r + q]; ++p) own[p] = -__builtin_inff();
      softmax(own, rows.counts[r + q], rows.counts[r + Q - 1], state[top_at], state[top_at + 1]);
    }
    mix<Q>(rows, r, tile, weights, states + r * stride);
  }

  // where products begin: no row from r on sees what is before, which weighs nothing
  template <kv_type T> static std::size_t first_of(attention_rows<T> const& rows, std::size_t r) noexcept {
    return rows.starts[r] / 32 * 32;
  }
  // y[i] += x[i] for i in [first, last); first is a multiple of sixteen
  static void add(float* y, float const* x, std::size_t first, std::size_t last) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    for (; first + 16 <= last; first += 16) v::store(y + first, v::add(v::load(y + first), v::load(x + first)));
    for (; first < last; ++first) y[first] += x[first];
  }
  // x[n] = cap · tanh(x / cap), and what is behind it up to a multiple of sixteen
  static void limit(float* x, std::size_t n, float cap) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const inverse = v::broadcast(1.0f / cap), caps = v::broadcast(cap);
    for (std::size_t i = 0; i < n; i += 16) v::store(x + i, v::mul(v::tanh(v::mul(v::load(x + i), inverse)), caps));
  }

  // scores[q, position]; those beyond a row's count, and before what all rows see, are anything
  template <std::size_t Q, kv_type T>
  LOQUAT_INLINE static void score(attention_rows<T> const& rows, std::size_t r, attention_tile<T> const& tile,
                                  float* scores) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t W = width<Q>;
    std::size_t const padded = kv_layout{T, rows.head_dim}.padded(), blocks = padded / block;
    auto const* const queries = rows.queries + r * padded;
    for (std::size_t p = first_of(rows, r); p < rows.counts[r + Q - 1]; p += 16 * W) {
      auto const* const keys = advance<T>(tile.keys, p * padded);
      sums_of<kv_type::f32, Q * W> totals;
      if constexpr (!has_scales(T)) {
        multiply_add<T, Q, W>(keys, padded, queries, padded, 0, rows.head_dim, totals.v);
      } else {
        for (std::size_t b = 0; b < blocks; ++b) {
          sums_of<T, Q * W> sums;
          multiply_add<T, Q, W>(keys, padded, queries, padded, b * block, (b + 1) * block, sums.v);
          LOQUAT_UNROLL
          for (std::size_t w = 0; w < W; ++w) {
            v::f32x16 const scale = v::load_f16(tile.key_scales + (p + w * 16) * blocks + b * 16);
            LOQUAT_UNROLL
            for (std::size_t q = 0; q < Q; ++q) {
              v::f32x16 const both = v::mul(scale, v::broadcast(rows.query_scales[(r + q) * blocks + b]));
              totals.v[q * W + w] = v::fma(v::to_floats(sums.v[q * W + w]), both, totals.v[q * W + w]);
            }
          }
        }
      }
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < Q * W; ++i) v::store(scores + i / W * positions + p + i % W * 16, totals.v[i]);
    }
  }

  // x[n] = exp(x − top), top = max x; zeros from n up to `most` and on to a multiple of sixteen
  static void softmax(float* x, std::size_t n, std::size_t most, float& top, float& sum) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    for (; n < most || n % 16 != 0; ++n) x[n] = -__builtin_inff();
    v::f32x16 largest = v::load(x);
    for (std::size_t i = 16; i < n; i += 16) largest = v::max(v::load(x + i), largest);
    top = v::max(largest);
    v::f32x16 const tops = v::broadcast(top);
    v::f32x16 total = v::broadcast(0.0f);
    for (std::size_t i = 0; i < n; i += 16) {
      v::f32x16 const e = v::exp(v::sub(v::load(x + i), tops));
      v::store(x + i, e);
      total = v::add(e, total);
    }
    sum = v::sum(total);
  }

  // mixed[q, d] = Σ weights[q, p] · value[p, d]
  template <std::size_t Q, kv_type T>
  LOQUAT_INLINE static void mix(attention_rows<T> const& rows, std::size_t r, attention_tile<T> const& tile,
                                float const* weights, float* mixed) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t W = width<Q>;
    std::size_t const stride = attention_state_floats(rows.head_dim), padded = stride - kv_layout::lanes;
    std::size_t const first = first_of(rows, r), most = rows.counts[r + Q - 1];
    [[maybe_unused]] std::int16_t rounded[Q * positions];
    [[maybe_unused]] float scales[Q]{};
    for (std::size_t d = 0; d < padded; d += 16 * W) {
      auto const* const values = advance<T>(tile.values, d * positions);
      sums_of<T, Q * W> sums;
      if constexpr (has_scales(T)) {
        if (d % block == 0)
          for (std::size_t q = 0; q < Q; ++q)
            scales[q] = scale_and_round(weights + q * positions, tile.value_scales + d / block * positions, most,
                                        rounded + q * positions);
        multiply_add<T, Q, W>(values, positions, rounded, positions, first, most, sums.v);
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < Q * W; ++i)
          v::store(mixed + i / W * stride + d + i % W * 16,
                   v::mul(v::to_floats(sums.v[i]), v::broadcast(scales[i / W])));
      } else {
        std::size_t const common = rows.counts[r];
        multiply_add<T, Q, W>(values, positions, weights, positions, first, common, sums.v);
        LOQUAT_UNROLL
        for (std::size_t q = 1; q < Q; ++q) // later tokens see more
          multiply_add<T, 1, W>(values, positions, weights + q * positions, positions, common, rows.counts[r + q],
                                sums.v + q * W);
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < Q * W; ++i) v::store(mixed + i / W * stride + d + i % W * 16, sums.v[i]);
      }
    }
  }

  // weights · scales to 16 bits with the scale that is returned; n up to a multiple of sixteen
  static float scale_and_round(float const* weights, std::uint16_t const* scales, std::size_t n,
                               std::int16_t* to) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    float products[positions];
    n = (n + 15) / 16 * 16;
    for (std::size_t i = 0; i < n; i += 16)
      v::store(products + i, v::mul(v::load(weights + i), v::load_f16(scales + i)));
    return round(products, n, to);
  }
  // x[n] to 16 bits with the scale that is returned; n is a multiple of sixteen
  LOQUAT_INLINE static float round(float const* x, std::size_t n, std::int16_t* to) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 largest = v::broadcast(0.0f);
    for (std::size_t i = 0; i < n; i += 16) largest = v::max(v::abs(v::load(x + i)), largest);
    float const top = v::max(largest);
    v::f32x16 const inverse = v::broadcast(32767.0f / top);
    for (std::size_t i = 0; i < n; i += 16) v::store_nearest_i16(to + i, v::mul(v::load(x + i), inverse));
    return top / 32767.0f;
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
