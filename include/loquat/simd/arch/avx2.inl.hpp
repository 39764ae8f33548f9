// The kernel vocabulary for AVX2 + FMA + F16C. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/bytes256.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::avx2;

struct f32x16 {
  __m256 lo, hi;
};

LOQUAT_INLINE __m256i first_lanes(std::size_t n) noexcept { // mask of the first n of 8 lanes, n may exceed 8
  __m256i const count = _mm256_set1_epi32(static_cast<int>(n));
  return _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LOQUAT_INLINE std::size_t beyond_8(std::size_t n) noexcept { return n > 8 ? n - 8 : 0; }

LOQUAT_INLINE f32x16 broadcast(float x) noexcept { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
LOQUAT_INLINE f32x16 load(float const* p) noexcept { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LOQUAT_INLINE f32x16 load(float const* p, std::size_t n) noexcept {
  return {_mm256_maskload_ps(p, first_lanes(n)), _mm256_maskload_ps(p + 8, first_lanes(beyond_8(n)))};
}
LOQUAT_INLINE void store(float* p, f32x16 a) noexcept {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
LOQUAT_INLINE void store(float* p, f32x16 a, std::size_t n) noexcept {
  _mm256_maskstore_ps(p, first_lanes(n), a.lo);
  _mm256_maskstore_ps(p + 8, first_lanes(beyond_8(n)), a.hi);
}
LOQUAT_INLINE f32x16 add(f32x16 a, f32x16 b) noexcept { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
LOQUAT_INLINE f32x16 sub(f32x16 a, f32x16 b) noexcept { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
LOQUAT_INLINE f32x16 mul(f32x16 a, f32x16 b) noexcept { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
LOQUAT_INLINE f32x16 div(f32x16 a, f32x16 b) noexcept { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
LOQUAT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) noexcept {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
LOQUAT_INLINE f32x16 max(f32x16 a, f32x16 b) noexcept { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
LOQUAT_INLINE f32x16 abs(f32x16 a) noexcept {
  __m256 const sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
LOQUAT_INLINE f32x16 select_less(f32x16 a, f32x16 b, f32x16 yes, f32x16 no) noexcept { // a < b ? yes : no
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
LOQUAT_INLINE __m256 power_of_two(__m256i e) noexcept {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
}
LOQUAT_INLINE __m256 scale_by_power(__m256 y, __m256 n_plus_magic) noexcept {
  __m256i const n = _mm256_sub_epi32(_mm256_castps_si256(n_plus_magic), _mm256_set1_epi32(0x4b400000));
  __m256i const half = _mm256_srai_epi32(n, 1);
  return _mm256_mul_ps(_mm256_mul_ps(y, power_of_two(half)), power_of_two(_mm256_sub_epi32(n, half)));
}
// y · 2ⁿ for integral n in [−126, 128] that carries 1.5 · 2²³ on top, in two exact factors
LOQUAT_INLINE f32x16 scale_by_power(f32x16 y, f32x16 n_plus_magic) noexcept {
  return {scale_by_power(y.lo, n_plus_magic.lo), scale_by_power(y.hi, n_plus_magic.hi)};
}
LOQUAT_INLINE f32x16 swap_pairs(f32x16 a) noexcept {
  return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
}
LOQUAT_INLINE float sum(f32x16 a) noexcept { return sum_of_8(_mm256_add_ps(a.lo, a.hi)); }
LOQUAT_INLINE float max(f32x16 a) noexcept { return max_of_8(_mm256_max_ps(a.lo, a.hi)); }
LOQUAT_INLINE f32x4 sums(f32x16 a, f32x16 b, f32x16 c, f32x16 d) noexcept {
  return sums_of_8(_mm256_add_ps(a.lo, a.hi), _mm256_add_ps(b.lo, b.hi), _mm256_add_ps(c.lo, c.hi),
                   _mm256_add_ps(d.lo, d.hi));
}

LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p) noexcept {
  auto const* halves = reinterpret_cast<__m128i const*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
LOQUAT_INLINE __m256 widen_bf16(std::uint16_t const* p) noexcept {
  __m128i const bits = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p) noexcept { return {widen_bf16(p), widen_bf16(p + 8)}; }
LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p, std::size_t n) noexcept {
  std::uint16_t padded[16]{};
  std::memcpy(padded, p, n * sizeof *p);
  return load_f16(padded);
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p, std::size_t n) noexcept {
  std::uint16_t padded[16]{};
  std::memcpy(padded, p, n * sizeof *p);
  return load_bf16(padded);
}
LOQUAT_INLINE f32x16 round_to_half(f32x16 a) noexcept {
  return {_mm256_cvtph_ps(_mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT)),
          _mm256_cvtph_ps(_mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT))};
}
LOQUAT_INLINE void store_nearest_i8(std::int8_t* p, f32x16 a) noexcept {
  __m256i const low_bytes = _mm256_set1_epi32(0xff); // 0 of the integer that NaN becomes
  __m256i const lo = _mm256_and_si256(_mm256_cvtps_epi32(a.lo), low_bytes);
  __m256i const hi = _mm256_and_si256(_mm256_cvtps_epi32(a.hi), low_bytes);
  __m256i const words = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
  __m128i const bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

inline constexpr int signed_bias = 0;
LOQUAT_INLINE i8x32 prepare_signed(i8x32 w) noexcept { return w; }
LOQUAT_INLINE __m256i widened(__m256i sums) noexcept { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }
// how many sums of pairs fit into 16 bits
constexpr std::size_t quads_of_a_partial(int largest) noexcept {
  int const most = 32767 / (2 * 127 * largest);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}
// four rows: sums over the first sixteen weights, then over the others
template <bool Signed> LOQUAT_INLINE i32x8 dots(i8x32 a, i8x32 b, i8x32 c, i8x32 d, i8x32 x) noexcept {
  auto const wide = [&](i8x32 w) { return widened(pairs<Signed>(w.v, x.v)); };
  return {_mm256_hadd_epi32(_mm256_hadd_epi32(wide(a), wide(b)), _mm256_hadd_epi32(wide(c), wide(d)))};
}
// acc + the products times the scales
template <bool Signed> LOQUAT_INLINE i32x8 plus_scaled(i32x8 acc, i8x32 w, i8x32 x, i16x16 scales) noexcept {
  return {in_order(_mm256_add_epi32(acc.v, _mm256_madd_epi16(pairs<Signed>(w.v, x.v), scales.v)))};
}
struct narrow_sums { // of 256 products of weights up to 16
  __m256i v;
};
LOQUAT_INLINE narrow_sums zero_narrow() noexcept { return {_mm256_setzero_si256()}; }
template <bool Signed> LOQUAT_INLINE narrow_sums plus(narrow_sums acc, i8x32 w, i8x32 x) noexcept {
  return {in_order(_mm256_add_epi16(acc.v, pairs<Signed>(w.v, x.v)))};
}
LOQUAT_INLINE i32x8 plus(i32x8 acc, narrow_sums a) noexcept { return {_mm256_add_epi32(acc.v, widened(a.v))}; }

// eight rows in pairs 0 and 4, 1 and 5, 2 and 6, 3 and 7
template <bool Signed, std::size_t Run>
LOQUAT_INLINE __m256i dots(two_rows a, two_rows b, two_rows c, two_rows d, i8x32 first, i8x32 second) noexcept {
  auto const narrow = [&](two_rows w) { // sums of two or four products
    return _mm256_add_epi16(pairs<Signed>(w.first.v, first.v), pairs<Signed>(w.second.v, second.v));
  };
  auto const wide = [&](two_rows w) {
    if constexpr (Run >= 2)
      return widened(narrow(w));
    else
      return _mm256_add_epi32(widened(pairs<Signed>(w.first.v, first.v)), widened(pairs<Signed>(w.second.v, second.v)));
  };
  if constexpr (Run >= 8)
    return widened(_mm256_hadd_epi16(_mm256_hadd_epi16(narrow(a), narrow(b)), _mm256_hadd_epi16(narrow(c), narrow(d))));
  else if constexpr (Run >= 4)
    return _mm256_hadd_epi32(widened(_mm256_hadd_epi16(narrow(a), narrow(b))),
                             widened(_mm256_hadd_epi16(narrow(c), narrow(d))));
  else
    return _mm256_hadd_epi32(_mm256_hadd_epi32(wide(a), wide(b)), _mm256_hadd_epi32(wide(c), wide(d)));
}

inline constexpr std::size_t row_lanes = 8;
inline constexpr std::size_t tile_vectors = 2, tile_columns = 4, tile_cell = 4, partial_columns = 1;
inline constexpr int tile_unroll = 1, tile_excess = 0;
inline constexpr std::size_t float_rows = 2, float_columns = 3;
struct row_sums {
  __m256i v;
};
using row_floats = f32x8;
struct row_bytes {
  __m256i v;
};
LOQUAT_INLINE row_sums broadcast_sums(std::int32_t x) noexcept { return {_mm256_set1_epi32(x)}; }
LOQUAT_INLINE row_bytes load_row_bytes(std::uint8_t const* p) noexcept {
  return {_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p))};
}
struct row_partial { // sums of pairs, 16 bits
  __m256i v;
};
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return {_mm256_setzero_si256()}; }
template <bool Signed>
LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return {in_order(_mm256_add_epi16(acc.v, pairs<Signed>(w.v, _mm256_set1_epi32(four))))};
}
struct row_scales { // every word twice
  __m256i v;
};
constexpr std::int32_t row_scale(std::int8_t g) noexcept {
  return static_cast<std::int32_t>(g) * 0x10000 | (g & 0xffff);
}
LOQUAT_INLINE row_scales load_row_scales(std::int32_t const* p) noexcept {
  return {_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p))};
}
LOQUAT_INLINE row_scales unit_scales() noexcept { return {_mm256_set1_epi16(1)}; }
inline constexpr bool scales_partials = true; // the sums of pairs are scaled where they are widened
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, row_scales scales, std::size_t) noexcept {
  return {in_order(_mm256_add_epi32(sums.v, _mm256_madd_epi16(partial.v, scales.v)))};
}
// sums of one column begin with factor · the sum of the group's activations
template <std::size_t Group>
LOQUAT_INLINE void start(row_sums (&sums)[tile_vectors], std::int32_t const*, std::int16_t const* x,
                         int factor) noexcept {
  row_sums first;
  if constexpr (Group == 16)
    first = broadcast_sums(factor * *x);
  else
    first = {_mm256_madd_epi16(broadcast_pair(x), _mm256_set1_epi16(static_cast<short>(factor)))};
  for (auto& s : sums) s = first;
}
template <std::size_t, std::size_t>
LOQUAT_INLINE void store_starts(std::uint8_t const*, std::size_t, std::int32_t*) noexcept {}
LOQUAT_INLINE row_sums zero_sums() noexcept { return {_mm256_setzero_si256()}; }
LOQUAT_INLINE row_sums negated(row_sums a) noexcept { return {_mm256_sub_epi32(_mm256_setzero_si256(), a.v)}; }
LOQUAT_INLINE row_sums dot2(row_sums acc, std::int16_t const* pairs, std::int16_t const* sums) noexcept {
  __m256i const rows = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(pairs));
  return {_mm256_add_epi32(acc.v, _mm256_madd_epi16(rows, broadcast_pair(sums)))};
}
LOQUAT_INLINE row_floats to_floats(row_sums a) noexcept { return {_mm256_cvtepi32_ps(a.v)}; }
LOQUAT_INLINE row_floats zero_rows() noexcept { return zero8(); }
LOQUAT_INLINE row_floats broadcast_rows(float x) noexcept { return broadcast8(x); }
LOQUAT_INLINE row_floats load_rows(float const* p) noexcept { return {_mm256_loadu_ps(p)}; }
LOQUAT_INLINE void store_rows(float* p, row_floats a) noexcept { store(p, a); }

struct i16x32 {
  __m256i lo, hi;
};
struct i32x16 {
  __m256i lo, hi;
};
LOQUAT_INLINE __m256i widen_i8(std::uint8_t const* p) noexcept {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
}
LOQUAT_INLINE i16x32 load_pairs_i8(std::uint8_t const* p) noexcept { return {widen_i8(p), widen_i8(p + 16)}; }
LOQUAT_INLINE i16x32 load_pairs_i4(std::uint8_t const* p) noexcept {
  __m256i const both = widen_i8(p);
  return {_mm256_srai_epi16(_mm256_slli_epi16(both, 12), 12), _mm256_srai_epi16(both, 4)};
}
LOQUAT_INLINE i16x32 repeat_pair(std::int16_t const* p) noexcept {
  __m256i const pair = broadcast_pair(p);
  return {pair, pair};
}
LOQUAT_INLINE i32x16 zero_i32x16() noexcept { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
LOQUAT_INLINE i32x16 add_products(i32x16 sums, i16x32 a, i16x32 b) noexcept {
  return {in_order(_mm256_add_epi32(sums.lo, _mm256_madd_epi16(a.lo, b.lo))),
          in_order(_mm256_add_epi32(sums.hi, _mm256_madd_epi16(a.hi, b.hi)))};
}
LOQUAT_INLINE i16x32 load_pairs(std::int16_t const* p) noexcept {
  auto const* const words = reinterpret_cast<__m256i const*>(p);
  return {_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1)};
}
LOQUAT_INLINE void store_sums(std::int32_t* p, i32x16 a, i32x16 b, i32x16 c, i32x16 d) noexcept {
  store_sums_of_8(p, _mm256_add_epi32(a.lo, a.hi), _mm256_add_epi32(b.lo, b.hi), _mm256_add_epi32(c.lo, c.hi),
                  _mm256_add_epi32(d.lo, d.hi));
}
LOQUAT_INLINE f32x16 to_floats(i32x16 a) noexcept { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
LOQUAT_INLINE void store_nearest_i16(std::int16_t* p, f32x16 a) noexcept {
  __m256i const low_half = _mm256_set1_epi32(0xffff); // 0 of the integer that NaN becomes
  __m256i const lo = _mm256_and_si256(_mm256_cvtps_epi32(a.lo), low_half);
  __m256i const hi = _mm256_and_si256(_mm256_cvtps_epi32(a.hi), low_half);
  __m256i const words = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), words);
}
inline constexpr std::size_t attention_sums = 4;

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
