namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct distances<simd::LOQUAT_TARGET_NS::this_target> {
  template <row_type Type, row_measure Measure>
  static void measure(row_list const& list, float const* query, std::size_t dimensions, float* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    in_groups<element<Type>>(list, [&]<std::size_t N>(auto const* const(&rows)[N], std::size_t i) {
      v::f32x16 sums[N];
      LOQUAT_UNROLL
      for (auto& sum : sums) sum = v::broadcast(0.0f);
      auto const step = [&](std::size_t d, auto... lanes) LOQUAT_INLINE_LAMBDA {
        v::f32x16 const q = v::load(query + d, lanes...);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < N; ++j) {
          v::f32x16 const x = load<Type>(rows[j] + d, lanes...);
          if constexpr (Measure == row_measure::dot) {
            sums[j] = v::fma(q, x, sums[j]);
          } else {
            v::f32x16 const apart = v::sub(q, x);
            sums[j] = v::fma(apart, apart, sums[j]);
          }
        }
      };
      std::size_t d = 0;
      for (; d + 16 <= dimensions; d += 16) step(d);
      if (d < dimensions) step(d, dimensions - d);
      if constexpr (N == 4)
        v::store(out + i, v::sums(sums[0], sums[1], sums[2], sums[3]));
      else
        out[i] = v::sum(sums[0]);
    });
  }

  static void byte_products(row_list const& list, std::int16_t const* query, std::size_t dimensions,
                            std::int32_t* out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    in_groups<std::uint8_t>(list, [&]<std::size_t N>(std::uint8_t const* const(&rows)[N], std::size_t i) {
      v::i32x16 sums[4];
      LOQUAT_UNROLL
      for (auto& sum : sums) sum = v::zero_i32x16();
      for (std::size_t d = 0; d < dimensions; d += 32) {
        v::i16x32 const q = v::load_pairs(query + d);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < N; ++j) sums[j] = v::add_products(sums[j], v::load_pairs_i8(rows[j] + d), q);
      }
      std::int32_t totals[4];
      v::store_sums(totals, sums[0], sums[1], sums[2], sums[3]);
      std::memcpy(out + i, totals, N * sizeof *out);
    });
  }

  template <int Bits>
  static void packed_products(row_list const& list, std::int8_t const* query, std::size_t dimensions,
                              std::int32_t* out) noexcept {
    constexpr std::size_t fields = 8 / Bits, block = 32 * fields;
    in_groups<std::uint8_t>(list, [&]<std::size_t N>(std::uint8_t const* const(&rows)[N], std::size_t i) {
#ifdef LOQUAT_VECTORS
      namespace v = simd::LOQUAT_TARGET_NS;
      v::i32x8 sums[4];
      LOQUAT_UNROLL
      for (auto& sum : sums) sum = v::zero_i32x8();
      for (std::size_t d = 0; d < dimensions;) {
        std::size_t const end = std::min(dimensions, d + 256);
        v::narrow_sums parts[N];
        LOQUAT_UNROLL
        for (auto& part : parts) part = v::zero_narrow();
        for (; d < end; d += block) {
          v::i8x32 q[fields];
          LOQUAT_UNROLL
          for (std::size_t f = 0; f < fields; ++f) q[f] = v::load_bytes(query + d + 32 * f);
          LOQUAT_UNROLL
          for (std::size_t j = 0; j < N; ++j) {
            v::i8x32 const row = v::load_bytes(rows[j] + d * Bits / 8);
            parts[j] =
                v::plus<false>(v::plus<false>(parts[j], v::bits<0, Bits>(row), q[0]), v::bits<Bits, Bits>(row), q[1]);
            if constexpr (Bits == 2)
              parts[j] = v::plus<false>(v::plus<false>(parts[j], v::bits<4, 2>(row), q[2]), v::bits<6, 2>(row), q[3]);
          }
        }
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < N; ++j) sums[j] = v::plus(sums[j], parts[j]);
      }
      auto const totals = v::sums(sums[0], sums[1], sums[2], sums[3]);
      std::memcpy(out + i, &totals, N * sizeof *out);
#else
      for (std::size_t j = 0; j < N; ++j) {
        out[i + j] = 0;
        for (std::size_t d = 0; d < dimensions; ++d)
          out[i + j] += (rows[j][d / block * 32 + d % 32] >> d / 32 % fields * Bits & ((1 << Bits) - 1)) * query[d];
      }
#endif
    });
  }

 private:
  template <row_type Type> using element = std::conditional_t<Type == row_type::f32, float, std::uint16_t>;
  template <row_type Type> LOQUAT_INLINE static auto load(element<Type> const* p, auto... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if constexpr (Type == row_type::f32)
      return v::load(p, lanes...);
    else if constexpr (Type == row_type::f16)
      return v::load_f16(p, lanes...);
    else
      return v::load_bf16(p, lanes...);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
