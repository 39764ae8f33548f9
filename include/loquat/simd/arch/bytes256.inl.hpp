// The 256-bit half of the vocabulary, shared by both x86 targets: blocks of 32 bytes and f32x4.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

struct f32x4 {
  __m128 v;
};
struct i8x32 {
  __m256i v;
};
LOQUAT_INLINE f32x4 zero4() noexcept { return {_mm_setzero_ps()}; }
LOQUAT_INLINE f32x4 broadcast4(float x) noexcept { return {_mm_set1_ps(x)}; }
LOQUAT_INLINE f32x4 mul(f32x4 a, f32x4 b) noexcept { return {_mm_mul_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) noexcept { return {_mm_fmadd_ps(a.v, b.v, c.v)}; }
LOQUAT_INLINE void store(float* p, f32x4 a) noexcept { _mm_storeu_ps(p, a.v); }
LOQUAT_INLINE f32x4 from_f16(std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d) noexcept {
  std::uint64_t const packed =
      std::uint64_t{a} | std::uint64_t{b} << 16 | std::uint64_t{c} << 32 | std::uint64_t{d} << 48;
  return {_mm_cvtph_ps(_mm_cvtsi64_si128(static_cast<long long>(packed)))};
}

LOQUAT_INLINE i8x32 load_bytes(void const* p) noexcept { return {_mm256_loadu_si256(static_cast<__m256i const*>(p))}; }
LOQUAT_INLINE void store_bytes(void* p, i8x32 a) noexcept { _mm256_storeu_si256(static_cast<__m256i*>(p), a.v); }
LOQUAT_INLINE i8x32 load_nibbles(void const* p) noexcept { // 16 low halves, then 16 high halves
  __m128i const bytes = _mm_loadu_si128(static_cast<__m128i const*>(p));
  __m256i const both = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1);
  return {_mm256_and_si256(both, _mm256_set1_epi8(15))};
}
// [a b c d, a b c d] partial sums to four totals minus `less`, as floats (exact)
LOQUAT_INLINE f32x4 totals(__m256i sums, std::int32_t less) noexcept {
  __m128i const s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return {_mm_cvtepi32_ps(_mm_sub_epi32(s, _mm_set1_epi32(less)))};
}

// the last three levels of the reduction tree, for four vectors of eight lanes at once
LOQUAT_INLINE __m128 folded_to_4(__m256 x) noexcept {
  return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}
LOQUAT_INLINE f32x4 sums_of_8(__m256 a, __m256 b, __m256 c, __m256 d) noexcept {
  __m128 const a4 = folded_to_4(a), b4 = folded_to_4(b), c4 = folded_to_4(c), d4 = folded_to_4(d);
  __m128 const ab = _mm_add_ps(_mm_movelh_ps(a4, b4), _mm_movehl_ps(b4, a4)); // a0+a2 a1+a3 b0+b2 b1+b3
  __m128 const cd = _mm_add_ps(_mm_movelh_ps(c4, d4), _mm_movehl_ps(d4, c4));
  return {_mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd))};
}
LOQUAT_INLINE float sum_of_8(__m256 a) noexcept {
  __m128 s = folded_to_4(a);
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
LOQUAT_INLINE float max_of_8(__m256 a) noexcept {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
