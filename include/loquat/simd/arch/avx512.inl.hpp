// The kernel vocabulary for AVX-512 F, BW, DQ, VL, VNNI. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/bytes256.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::avx512;

struct f32x16 {
  __m512 v;
};

LOQUAT_INLINE __mmask16 first_lanes(std::size_t n) noexcept { return static_cast<__mmask16>((1u << n) - 1u); }

LOQUAT_INLINE f32x16 broadcast(float x) noexcept { return {_mm512_set1_ps(x)}; }
LOQUAT_INLINE f32x16 load(float const* p) noexcept { return {_mm512_loadu_ps(p)}; }
LOQUAT_INLINE f32x16 load(float const* p, std::size_t n) noexcept { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
LOQUAT_INLINE void store(float* p, f32x16 a) noexcept { _mm512_storeu_ps(p, a.v); }
LOQUAT_INLINE void store(float* p, f32x16 a, std::size_t n) noexcept { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
LOQUAT_INLINE f32x16 add(f32x16 a, f32x16 b) noexcept { return {_mm512_add_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x16 sub(f32x16 a, f32x16 b) noexcept { return {_mm512_sub_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x16 mul(f32x16 a, f32x16 b) noexcept { return {_mm512_mul_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x16 div(f32x16 a, f32x16 b) noexcept { return {_mm512_div_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) noexcept { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
LOQUAT_INLINE f32x16 max(f32x16 a, f32x16 b) noexcept { return {_mm512_max_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x16 abs(f32x16 a) noexcept { return {_mm512_abs_ps(a.v)}; }
LOQUAT_INLINE f32x16 select_less(f32x16 a, f32x16 b, f32x16 yes, f32x16 no) noexcept {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
LOQUAT_INLINE __m512 power_of_two(__m512i e) noexcept {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(e, _mm512_set1_epi32(127)), 23));
}
LOQUAT_INLINE f32x16 scale_by_power(f32x16 y, f32x16 n_plus_magic) noexcept {
  __m512i const n = _mm512_sub_epi32(_mm512_castps_si512(n_plus_magic.v), _mm512_set1_epi32(0x4b400000));
  __m512i const half = _mm512_srai_epi32(n, 1);
  return {_mm512_mul_ps(_mm512_mul_ps(y.v, power_of_two(half)), power_of_two(_mm512_sub_epi32(n, half)))};
}
LOQUAT_INLINE f32x16 swap_pairs(f32x16 a) noexcept { return {_mm512_permute_ps(a.v, 0xb1)}; }
LOQUAT_INLINE __m256 low_half(f32x16 a) noexcept { return _mm512_castps512_ps256(a.v); }
LOQUAT_INLINE __m256 high_half(f32x16 a) noexcept { return _mm512_extractf32x8_ps(a.v, 1); }
LOQUAT_INLINE __m256 folded(f32x16 a) noexcept { return _mm256_add_ps(low_half(a), high_half(a)); }
LOQUAT_INLINE float sum(f32x16 a) noexcept { return sum_of_8(folded(a)); }
LOQUAT_INLINE float max(f32x16 a) noexcept { return max_of_8(_mm256_max_ps(low_half(a), high_half(a))); }
LOQUAT_INLINE f32x4 sums(f32x16 a, f32x16 b, f32x16 c, f32x16 d) noexcept {
  return sums_of_8(folded(a), folded(b), folded(c), folded(d));
}

LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p) noexcept {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)))};
}
LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p, std::size_t n) noexcept {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p))};
}
LOQUAT_INLINE f32x16 widen_bf16(__m256i bits) noexcept {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p) noexcept {
  return widen_bf16(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p, std::size_t n) noexcept {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
LOQUAT_INLINE f32x16 round_to_half(f32x16 a) noexcept {
  return {_mm512_cvtph_ps(_mm512_maskz_cvtps_ph(__mmask16{0xffff}, a.v, _MM_FROUND_TO_NEAREST_INT))};
}
LOQUAT_INLINE void store_nearest_i8(std::int8_t* p, f32x16 a) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}

template <bool Signed> LOQUAT_INLINE i32x8 plus(i32x8 acc, i8x32 w, i8x32 x) noexcept {
  return {Signed ? _mm256_dpbusd_epi32(acc.v, _mm256_abs_epi8(w.v), _mm256_sign_epi8(x.v, w.v))
                 : _mm256_dpbusd_epi32(acc.v, w.v, x.v)};
}
using narrow_sums = i32x8;
LOQUAT_INLINE narrow_sums zero_narrow() noexcept { return zero_i32x8(); }
LOQUAT_INLINE i32x8 plus(i32x8 acc, narrow_sums a) noexcept { return {_mm256_add_epi32(acc.v, a.v)}; }
// acc + the products times the scales
template <bool Signed> LOQUAT_INLINE i32x8 plus_scaled(i32x8 acc, i8x32 w, i8x32 x, i16x16 scales) noexcept {
  return {_mm256_dpwssd_epi32(acc.v, pairs<Signed>(w.v, x.v), scales.v)};
}
// in blocks of 32, vpdpbusd multiplies unsigned by signed bytes: signed weights have 128 added
inline constexpr int signed_bias = 128;
LOQUAT_INLINE i8x32 prepare_signed(i8x32 w) noexcept { return {_mm256_xor_si256(w.v, _mm256_set1_epi8(-128))}; }
constexpr std::size_t quads_of_a_partial(int) noexcept { return 8; } // partial sums have 32 bits
// four rows: sums over the first sixteen weights, then over the others
template <bool Signed> LOQUAT_INLINE i32x8 dots(i8x32 a, i8x32 b, i8x32 c, i8x32 d, i8x32 x) noexcept {
  auto const wide = [&](i8x32 w) { return plus<Signed>(zero_i32x8(), w, x).v; };
  return {_mm256_hadd_epi32(_mm256_hadd_epi32(wide(a), wide(b)), _mm256_hadd_epi32(wide(c), wide(d)))};
}
// eight rows in pairs 0 and 4, 1 and 5, 2 and 6, 3 and 7
template <bool, std::size_t>
LOQUAT_INLINE __m256i dots(two_rows a, two_rows b, two_rows c, two_rows d, i8x32 first, i8x32 second) noexcept {
  auto const wide = [&](two_rows w) {
    return _mm256_dpbusd_epi32(_mm256_dpbusd_epi32(_mm256_setzero_si256(), w.first.v, first.v), w.second.v, second.v);
  };
  return _mm256_hadd_epi32(_mm256_hadd_epi32(wide(a), wide(b)), _mm256_hadd_epi32(wide(c), wide(d)));
}

inline constexpr std::size_t row_lanes = 16;
inline constexpr std::size_t tile_vectors = 2, tile_columns = 6; // 24 accumulators of 32 registers
inline constexpr std::size_t tile_cell = 4, partial_columns = 1;
inline constexpr int tile_unroll = 8;   // or GCC copies every accumulator in every step
inline constexpr int tile_excess = 128; // a tile's activations are the unsigned factors of vpdpbusd
inline constexpr std::size_t float_rows = 4, float_columns = 4;
struct row_sums {
  __m512i v;
};
using row_floats = f32x16;
struct row_bytes {
  __m512i v;
};
LOQUAT_INLINE row_sums broadcast_sums(std::int32_t x) noexcept { return {_mm512_set1_epi32(x)}; }
LOQUAT_INLINE row_bytes load_row_bytes(std::uint8_t const* p) noexcept { return {_mm512_loadu_si512(p)}; }
using row_partial = row_sums;
LOQUAT_INLINE row_partial begin(row_sums sums) noexcept { return sums; }
template <bool> LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return {_mm512_dpbusd_epi32(acc.v, _mm512_set1_epi32(four), w.v)};
}
struct row_scales {
  __m512i v;
};
constexpr std::int32_t row_scale(std::int8_t g) noexcept { return g; }
LOQUAT_INLINE row_scales load_row_scales(std::int32_t const* p) noexcept { return {_mm512_loadu_si512(p)}; }
LOQUAT_INLINE row_scales unit_scales() noexcept { return {_mm512_set1_epi32(1)}; }
inline constexpr bool scales_partials = false; // sums are scaled as wholes
LOQUAT_INLINE row_sums end(row_sums, row_partial partial, row_scales, std::size_t) noexcept { return partial; }
LOQUAT_INLINE row_sums plus_scaled(row_sums a, row_sums b, row_scales scales) noexcept {
  return {_mm512_add_epi32(a.v, _mm512_mullo_epi32(b.v, scales.v))};
}
LOQUAT_INLINE __m512i broadcast_pair_512(std::int16_t const* pair) noexcept {
  std::int32_t two;
  std::memcpy(&two, pair, 4);
  return _mm512_set1_epi32(two);
}
// sums of one column begin with −excess · the sums of the rows' weights
template <std::size_t Group>
LOQUAT_INLINE void start(row_sums (&sums)[2], std::int32_t const* starts, std::int16_t const*, int) noexcept {
  sums[0] = {_mm512_loadu_si512(starts)};
  sums[1] = {_mm512_loadu_si512(starts + row_lanes)};
}
template <std::size_t Group, std::size_t Rows>
LOQUAT_INLINE void store_starts(std::uint8_t const* quants, std::size_t depth, std::int32_t* starts) noexcept {
  __m512i const excess = _mm512_set1_epi8(static_cast<char>(tile_excess)), zero = _mm512_setzero_si512();
  for (std::size_t d = 0; d < depth; d += Group, starts += Rows)
    for (std::size_t i = 0; i < Rows; i += row_lanes) {
      __m512i sum = zero;
      for (std::size_t q = d; q < d + Group; q += 4)
        sum = _mm512_dpbusd_epi32(sum, excess, _mm512_loadu_si512(quants + q * Rows + i * 4));
      _mm512_storeu_si512(starts + i, _mm512_sub_epi32(zero, sum));
    }
}
LOQUAT_INLINE row_sums zero_sums() noexcept { return {_mm512_setzero_si512()}; }
LOQUAT_INLINE row_sums negated(row_sums a) noexcept { return {_mm512_sub_epi32(_mm512_setzero_si512(), a.v)}; }
LOQUAT_INLINE row_sums dot2(row_sums acc, std::int16_t const* pairs, std::int16_t const* sums) noexcept {
  return {_mm512_dpwssd_epi32(acc.v, _mm512_loadu_si512(pairs), broadcast_pair_512(sums))};
}
LOQUAT_INLINE row_floats to_floats(row_sums a) noexcept { return {_mm512_cvtepi32_ps(a.v)}; }
LOQUAT_INLINE row_floats zero_rows() noexcept { return broadcast(0.0f); }
LOQUAT_INLINE row_floats broadcast_rows(float x) noexcept { return broadcast(x); }
LOQUAT_INLINE row_floats load_rows(float const* p) noexcept { return load(p); }
LOQUAT_INLINE void store_rows(float* p, row_floats a) noexcept { store(p, a); }

struct i16x32 {
  __m512i v;
};
struct i32x16 {
  __m512i v;
};
LOQUAT_INLINE i16x32 load_pairs_i8(std::uint8_t const* p) noexcept {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)))};
}
LOQUAT_INLINE i16x32 load_pairs_i4(std::uint8_t const* p) noexcept {
  __m128i const both = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p)), low = _mm_slli_epi16(both, 4);
  __m256i const high_nibbles = _mm256_inserti128_si256(_mm256_castsi128_si256(low), both, 1);
  return {_mm512_srai_epi16(_mm512_cvtepi8_epi16(high_nibbles), 4)};
}
LOQUAT_INLINE i16x32 repeat_pair(std::int16_t const* p) noexcept {
  std::int32_t pair;
  std::memcpy(&pair, p, 4);
  return {_mm512_set1_epi32(pair)};
}
LOQUAT_INLINE i32x16 zero_i32x16() noexcept { return {_mm512_setzero_si512()}; }
LOQUAT_INLINE i32x16 add_products(i32x16 sums, i16x32 a, i16x32 b) noexcept {
  return {_mm512_dpwssd_epi32(sums.v, a.v, b.v)};
}
LOQUAT_INLINE i16x32 load_pairs(std::int16_t const* p) noexcept { return {_mm512_loadu_si512(p)}; }
LOQUAT_INLINE __m256i folded(i32x16 a) noexcept {
  return _mm256_add_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
}
LOQUAT_INLINE void store_sums(std::int32_t* p, i32x16 a, i32x16 b, i32x16 c, i32x16 d) noexcept {
  store_sums_of_8(p, folded(a), folded(b), folded(c), folded(d));
}
LOQUAT_INLINE f32x16 to_floats(i32x16 a) noexcept { return {_mm512_cvtepi32_ps(a.v)}; }
LOQUAT_INLINE void store_nearest_i16(std::int16_t* p, f32x16 a) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a.v)));
}
inline constexpr std::size_t attention_sums = 16;

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
