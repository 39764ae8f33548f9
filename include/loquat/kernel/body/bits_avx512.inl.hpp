namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// `bit_counts` with AVX-512 VPOPCNTDQ.
struct vector_bit_counts {
  static void planes(row_list const& list, std::uint64_t const* query, std::size_t planes, std::size_t words,
                     std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      __m512i totals[N];
      for (auto& total : totals) total = _mm512_setzero_si512();
      for (std::size_t w = 0; w < words; w += 8) {
        __mmask8 const some = first(words - w);
        __m512i row[N];
        for (std::size_t j = 0; j < N; ++j) row[j] = _mm512_maskz_loadu_epi64(some, rows[j] + w);
        for (std::size_t b = 0; b < planes; ++b) {
          __m512i const plane = _mm512_maskz_loadu_epi64(some, query + b * words + w);
          __m128i const by = _mm_cvtsi64_si128(static_cast<long long>(b));
          for (std::size_t j = 0; j < N; ++j) {
            __m512i const common = _mm512_sll_epi64(_mm512_popcnt_epi64(_mm512_and_si512(row[j], plane)), by);
            totals[j] = b + 1 == planes ? _mm512_sub_epi64(totals[j], common) : _mm512_add_epi64(totals[j], common);
          }
        }
      }
      for (std::size_t j = 0; j < N; ++j) out[i + j] = sum(totals[j]);
    });
  }

  static void differences(row_list const& list, std::uint64_t const* query, std::size_t words,
                          std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      for (std::size_t j = 0; j < N; ++j)
        out[i + j] = total<'^'>(rows[j], query, words);
    });
  }

  static void commons(row_list const& list, std::uint64_t const* query, std::size_t words, std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      for (std::size_t j = 0; j < N; ++j) {
        out[2 * (i + j)] = total<'&'>(rows[j], query, words);
        out[2 * (i + j) + 1] = total<'|'>(rows[j], query, words);
      }
    });
  }

 private:
  static __mmask8 first(std::size_t n) noexcept { return static_cast<__mmask8>(n >= 8 ? 0xff : (1u << n) - 1); }
  static std::int32_t sum(__m512i a) noexcept { return static_cast<std::int32_t>(_mm512_reduce_add_epi64(a)); }
  template <char Operator> // of each two words
  static std::int32_t total(std::uint64_t const* a, std::uint64_t const* b, std::size_t words) noexcept {
    __m512i counts = _mm512_setzero_si512();
    for (std::size_t w = 0; w < words; w += 8) {
      __mmask8 const some = first(words - w);
      __m512i const x = _mm512_maskz_loadu_epi64(some, a + w), y = _mm512_maskz_loadu_epi64(some, b + w);
      __m512i const bits = Operator == '^'   ? _mm512_xor_si512(x, y)
                           : Operator == '&' ? _mm512_and_si512(x, y)
                                             : _mm512_or_si512(x, y);
      counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(bits));
    }
    return sum(counts);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
