// The 256-bit half of the vocabulary, shared by both x86 targets: blocks of 32 bytes and f32x4.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

struct f32x4 {
  __m128 v;
};
struct f32x8 {
  __m256 v;
};
struct i8x32 {
  __m256i v;
};
LOQUAT_INLINE f32x4 zero4() noexcept { return {_mm_setzero_ps()}; }
LOQUAT_INLINE f32x4 broadcast4(float x) noexcept { return {_mm_set1_ps(x)}; }
LOQUAT_INLINE f32x4 mul(f32x4 a, f32x4 b) noexcept { return {_mm_mul_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) noexcept { return {_mm_fmadd_ps(a.v, b.v, c.v)}; }
LOQUAT_INLINE f32x4 fma_negated(f32x4 a, f32x4 b, f32x4 c) noexcept {
  return {_mm_fnmadd_ps(a.v, b.v, c.v)};
} // c − a · b
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
LOQUAT_INLINE i8x32 load_nibbles_of_8(void const* p) noexcept { // 8 low halves, 8 high halves, and again for 8 more
  __m256i const bytes = _mm256_castsi128_si256(_mm_loadu_si128(static_cast<__m128i const*>(p)));
  __m256i const twice = _mm256_permute4x64_epi64(bytes, 0x50);
  return {_mm256_and_si256(_mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 4, 0, 4)), _mm256_set1_epi8(15))};
}
LOQUAT_INLINE i8x32 broadcast_byte(int x) noexcept { return {_mm256_set1_epi8(static_cast<char>(x))}; }
LOQUAT_INLINE i8x32 from_u64(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) noexcept {
  auto const s = [](std::uint64_t x) { return static_cast<long long>(x); };
  return {_mm256_setr_epi64x(s(a), s(b), s(c), s(d))};
}
LOQUAT_INLINE i8x32 from_u32(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d, std::uint32_t e,
                             std::uint32_t f, std::uint32_t g, std::uint32_t h) noexcept {
  auto const s = [](std::uint32_t x) { return static_cast<int>(x); };
  return {_mm256_setr_epi32(s(a), s(b), s(c), s(d), s(e), s(f), s(g), s(h))};
}
LOQUAT_INLINE i8x32 both(i8x32 a, i8x32 b) noexcept { return {_mm256_and_si256(a.v, b.v)}; }
LOQUAT_INLINE i8x32 either(i8x32 a, i8x32 b) noexcept { return {_mm256_or_si256(a.v, b.v)}; }
LOQUAT_INLINE i8x32 plus(i8x32 a, i8x32 b) noexcept { return {_mm256_add_epi8(a.v, b.v)}; }
LOQUAT_INLINE i8x32 minus(i8x32 a, i8x32 b) noexcept { return {_mm256_sub_epi8(a.v, b.v)}; }
// bits First … First + Count of every byte, as a number
template <int First, int Count> LOQUAT_INLINE i8x32 bits(i8x32 a) noexcept {
  return both({First == 0 ? a.v : _mm256_srli_epi16(a.v, First)}, broadcast_byte((1 << Count) - 1));
}
// bits from … from + Count of every byte, moved to To … To + Count
template <int To, int Count> LOQUAT_INLINE i8x32 moved_bits(std::size_t from, i8x32 a) noexcept {
  int const right = static_cast<int>(from) - To;
  i8x32 const moved{right > 0 ? _mm256_srli_epi16(a.v, right) : _mm256_slli_epi16(a.v, -right)};
  return both(moved, broadcast_byte(((1 << Count) - 1) << To));
}
template <int N> LOQUAT_INLINE i8x32 shifted_left(i8x32 a) noexcept { // of bytes that stay below 256
  return {_mm256_slli_epi16(a.v, N)};
}
LOQUAT_INLINE i8x32 lookup(std::int8_t const (&table)[16], i8x32 indices) noexcept { // indices below 16
  __m128i const t = _mm_loadu_si128(reinterpret_cast<__m128i const*>(table));
  return {_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), indices.v)};
}
LOQUAT_INLINE i8x32 spread_bits(std::uint32_t bits) noexcept { // byte i: −1 where bit i is set, else 0
  __m256i const which = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  __m256i const bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), which);
  __m256i const bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  return {_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit)};
}
LOQUAT_INLINE i8x32 shuffled(i8x32 a, i8x32 numbers) noexcept { // bytes of each half by their numbers; 0 for −128
  return {_mm256_shuffle_epi8(a.v, numbers.v)};
}
LOQUAT_INLINE i8x32 broadcast_word(int x) noexcept { return {_mm256_set1_epi16(static_cast<short>(x))}; }
LOQUAT_INLINE i8x32 word_products(i8x32 a, i8x32 b) noexcept { // low halves of the products of 16-bit words
  return {_mm256_mullo_epi16(a.v, b.v)};
}
LOQUAT_INLINE i8x32 high_bytes(i8x32 a, i8x32 b) noexcept { // of the words in a half of a, then of b
  return {_mm256_packus_epi16(_mm256_srli_epi16(a.v, 8), _mm256_srli_epi16(b.v, 8))};
}
// floor(3 · byte / 256), the first digit of the fraction byte/256 in base 3, of bytes less 128
LOQUAT_INLINE i8x32 ternary_digits(i8x32 a) noexcept {
  __m256i const is_zero = _mm256_cmpgt_epi8(_mm256_set1_epi8(86 - 128), a.v),
                is_two = _mm256_cmpgt_epi8(a.v, _mm256_set1_epi8(170 - 128));
  return {_mm256_sub_epi8(_mm256_add_epi8(_mm256_set1_epi8(1), is_zero), is_two)};
}
// eight rows of 32 bytes to out[cell][row][4], cells `stride` bytes apart
LOQUAT_INLINE void store_cells(i8x32 const (&row)[8], std::uint8_t* out, std::size_t stride) noexcept {
  // a transposition of 8 × 8 words: pairs, then quadruples, then halves
  __m256i const ab0 = _mm256_unpacklo_epi32(row[0].v, row[1].v), ab1 = _mm256_unpackhi_epi32(row[0].v, row[1].v),
                cd0 = _mm256_unpacklo_epi32(row[2].v, row[3].v), cd1 = _mm256_unpackhi_epi32(row[2].v, row[3].v),
                ef0 = _mm256_unpacklo_epi32(row[4].v, row[5].v), ef1 = _mm256_unpackhi_epi32(row[4].v, row[5].v),
                gh0 = _mm256_unpacklo_epi32(row[6].v, row[7].v), gh1 = _mm256_unpackhi_epi32(row[6].v, row[7].v);
  auto const store = [&](std::size_t quad, __m256i abcd, __m256i efgh) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + quad * stride), _mm256_permute2x128_si256(abcd, efgh, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (quad + 4) * stride),
                        _mm256_permute2x128_si256(abcd, efgh, 0x31));
  };
  store(0, _mm256_unpacklo_epi64(ab0, cd0), _mm256_unpacklo_epi64(ef0, gh0));
  store(1, _mm256_unpackhi_epi64(ab0, cd0), _mm256_unpackhi_epi64(ef0, gh0));
  store(2, _mm256_unpacklo_epi64(ab1, cd1), _mm256_unpacklo_epi64(ef1, gh1));
  store(3, _mm256_unpackhi_epi64(ab1, cd1), _mm256_unpackhi_epi64(ef1, gh1));
}

LOQUAT_INLINE f32x8 zero8() noexcept { return {_mm256_setzero_ps()}; }
LOQUAT_INLINE f32x8 broadcast8(float x) noexcept { return {_mm256_set1_ps(x)}; }
LOQUAT_INLINE f32x8 mul(f32x8 a, f32x8 b) noexcept { return {_mm256_mul_ps(a.v, b.v)}; }
LOQUAT_INLINE f32x8 fma(f32x8 a, f32x8 b, f32x8 c) noexcept { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
LOQUAT_INLINE void store(float* p, f32x8 a) noexcept { _mm256_storeu_ps(p, a.v); }
LOQUAT_INLINE __m256i broadcast_pair(std::int16_t const* pair) noexcept {
  std::int32_t two;
  std::memcpy(&two, pair, 4);
  return _mm256_set1_epi32(two);
}

// --- eight rows, the halves of a block of 32 apart ------------------------------------------------------------------
struct two_rows { // sixteen weights of one row and of another
  i8x32 first, second;
};
LOQUAT_INLINE i8x32 load_two(void const* a, void const* b) noexcept { // 16 bytes of each
  __m128i const low = _mm_loadu_si128(static_cast<__m128i const*>(a)),
                high = _mm_loadu_si128(static_cast<__m128i const*>(b));
  return {_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1)};
}
LOQUAT_INLINE i8x32 load_twice(void const* p) noexcept { // the same 16 bytes
  return {_mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<__m128i const*>(p)))};
}
LOQUAT_INLINE two_rows nibbles_of_two(std::byte const* a, std::byte const* b) noexcept { // as load_nibbles
  i8x32 const both_rows = load_two(a, b);
  return {bits<0, 4>(both_rows), bits<4, 4>(both_rows)};
}
LOQUAT_INLINE two_rows with_fifth_bits(two_rows q, std::uint32_t a, std::uint32_t b) noexcept { // bit i for weight i
  i8x32 const sixteen = broadcast_byte(16);
  return {either(q.first, both(spread_bits((a & 0xffff) | b << 16), sixteen)),
          either(q.second, both(spread_bits(a >> 16 | (b & 0xffff0000)), sixteen))};
}
LOQUAT_INLINE f32x8 load_f16(std::byte const* const (&block)[8], std::size_t at) noexcept {
  std::int32_t first; // every block goes on for more than four bytes
  std::memcpy(&first, block[0] + at, 4);
  __m128i halves = _mm_cvtsi32_si128(first);
  auto const half = [&](std::size_t i) {
    std::uint16_t bits;
    std::memcpy(&bits, block[i] + at, 2);
    return static_cast<short>(bits);
  };
  halves = _mm_insert_epi16(halves, half(1), 1);
  halves = _mm_insert_epi16(halves, half(2), 2);
  halves = _mm_insert_epi16(halves, half(3), 3);
  halves = _mm_insert_epi16(halves, half(4), 4);
  halves = _mm_insert_epi16(halves, half(5), 5);
  halves = _mm_insert_epi16(halves, half(6), 6);
  halves = _mm_insert_epi16(halves, half(7), 7);
  return {_mm256_cvtph_ps(halves)};
}
template <class F> LOQUAT_INLINE f32x8 set(std::byte const* const (&block)[8], F f) noexcept { // f(block)
  return {_mm256_setr_ps(f(block[0]), f(block[1]), f(block[2]), f(block[3]), f(block[4]), f(block[5]), f(block[6]),
                         f(block[7]))};
}
// the dot products as floats (exact), minus Bias · the sum of the block's activations
template <int Bias> LOQUAT_INLINE f32x8 less_sums(__m256i dots, std::int16_t const* sums) noexcept {
  if constexpr (Bias != 0)
    dots = _mm256_sub_epi32(dots, _mm256_madd_epi16(broadcast_pair(sums), _mm256_set1_epi16(Bias)));
  return {_mm256_cvtepi32_ps(dots)};
}

// --- four rows ------------------------------------------------------------------------------------------------------
struct i32x4 {
  __m128i v;
};
struct i32x8 {
  __m256i v;
};
LOQUAT_INLINE i32x8 zero_i32x8() noexcept { return {_mm256_setzero_si256()}; }
LOQUAT_INLINE i32x4 low(i32x8 a) noexcept { return {_mm256_castsi256_si128(a.v)}; }
LOQUAT_INLINE i32x4 high(i32x8 a) noexcept { return {_mm256_extracti128_si256(a.v, 1)}; }
LOQUAT_INLINE f32x4 to_floats(i32x4 a) noexcept { return {_mm_cvtepi32_ps(a.v)}; }
LOQUAT_INLINE i32x4 sums(i32x8 a, i32x8 b, i32x8 c, i32x8 d) noexcept { // of the lanes of each
  i32x8 const all{_mm256_hadd_epi32(_mm256_hadd_epi32(a.v, b.v), _mm256_hadd_epi32(c.v, d.v))};
  return {_mm_add_epi32(low(all).v, high(all).v)};
}
LOQUAT_INLINE float round_to_half(float x) noexcept {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT)));
}
LOQUAT_INLINE std::int16_t sum_of_16(std::int8_t const* p) noexcept {
  __m128i const above = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)), _mm_set1_epi8(-128));
  __m128i const two = _mm_sad_epu8(above, _mm_setzero_si128());
  return static_cast<std::int16_t>(_mm_cvtsi128_si32(two) + _mm_extract_epi16(two, 4) - 16 * 128);
}
template <class F> LOQUAT_INLINE f32x4 set(std::byte const* const (&block)[4], F f) noexcept { // f(block)
  return {_mm_setr_ps(f(block[0]), f(block[1]), f(block[2]), f(block[3]))};
}
LOQUAT_INLINE f32x4 load_f16(std::byte const* const (&block)[4], std::size_t at) noexcept {
  auto const half = [&](std::size_t i) {
    std::uint16_t bits;
    std::memcpy(&bits, block[i] + at, 2);
    return bits;
  };
  return from_f16(half(0), half(1), half(2), half(3));
}
struct f16_pairs {
  f32x4 first, second;
};
LOQUAT_INLINE f16_pairs load_f16_pairs(std::byte const* const (&block)[4], std::size_t at) noexcept {
  auto const pair = [&](std::size_t i) {
    std::int32_t bits;
    std::memcpy(&bits, block[i] + at, 4);
    return bits;
  };
  __m128i const apart = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  __m256 const all = _mm256_cvtph_ps(_mm_shuffle_epi8(_mm_setr_epi32(pair(0), pair(1), pair(2), pair(3)), apart));
  return {{_mm256_castps256_ps128(all)}, {_mm256_extractf128_ps(all, 1)}};
}

// --- super-blocks ---------------------------------------------------------------------------------------------------
// Sixteen words, one per 16 weights of a super-block: the even ones, then the odd ones.
struct i16x16 {
  __m256i v;
};
LOQUAT_INLINE i16x16 broadcast_i16(int x) noexcept { return {_mm256_set1_epi16(static_cast<short>(x))}; }
LOQUAT_INLINE i16x16 evens_and_odds(std::array<std::int8_t, 16> const& per_16) noexcept {
  auto const halves = std::bit_cast<std::array<long long, 2>>(per_16);
  __m128i const bytes = _mm_set_epi64x(halves[1], halves[0]); // a load would wait for the stores of two registers
  __m128i const apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  return {_mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, apart))};
}
LOQUAT_INLINE i16x16 evens_and_odds(std::array<std::int8_t, 8> const& per_32) noexcept {
  __m128i const bytes = _mm_cvtsi64_si128(std::bit_cast<long long>(per_32));
  return {_mm256_broadcastsi128_si256(_mm_cvtepi8_epi16(bytes))};
}
LOQUAT_INLINE i16x16 evens_and_odds(i8x32 per_16) noexcept {
  __m256i const apart = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, //
                                         0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  return {_mm256_permute4x64_epi64(_mm256_shuffle_epi8(per_16.v, apart), 0xd8)};
}
LOQUAT_INLINE i16x16 evens_and_odds(std::int16_t const* per_16) noexcept { return evens_and_odds(load_bytes(per_16)); }
LOQUAT_INLINE i16x16 as_words(i8x32 a) noexcept { return {a.v}; }
LOQUAT_INLINE i8x32 byte_products(i8x32 a, i16x16 factors) noexcept { // low bytes; a factor for every two
  __m256i const low = _mm256_set1_epi16(255);
  return {_mm256_or_si256(_mm256_and_si256(_mm256_mullo_epi16(a.v, factors.v), low),
                          _mm256_mullo_epi16(_mm256_andnot_si256(low, a.v), factors.v))};
}
template <int N> LOQUAT_INLINE i16x16 words_right(i8x32 a) noexcept { // words without their lowest N bits
  return {_mm256_srli_epi16(a.v, N)};
}
LOQUAT_INLINE i8x32 first_words_twice(i8x32 a) noexcept { // the first four words of each half, in both halves
  return {_mm256_permute4x64_epi64(a.v, 0x88)};
}
LOQUAT_INLINE i16x16 times(i16x16 a, int factor) noexcept { return {_mm256_mullo_epi16(a.v, broadcast_i16(factor).v)}; }
LOQUAT_INLINE i32x8 products(i16x16 a, i16x16 b) noexcept { return {_mm256_madd_epi16(a.v, b.v)}; } // added in pairs
inline constexpr auto word_masks = [] { // the n-th word of each half, everywhere in it
  std::array<std::array<std::int8_t, 32>, 8> masks{};
  for (std::size_t n = 0; n < 8; ++n)
    for (std::size_t i = 0; i < 32; ++i) masks[n][i] = static_cast<std::int8_t>(n * 2 + i % 2);
  return masks;
}();
LOQUAT_INLINE i16x16 scales_of_step(i16x16 scales, std::size_t step) noexcept { // of 32 weights
  return {_mm256_shuffle_epi8(scales.v, load_bytes(word_masks[step].data()).v)};
}
LOQUAT_INLINE __m256i in_order(__m256i a) noexcept { // or GCC reassociates the sums of all steps and spills them
#if defined(__GNUC__) && !defined(__clang__)
  __asm__("" : "+x"(a));
#endif
  return a;
}
inline constexpr auto byte_masks = [] { // the two bytes of the n-th word of each half, each eight times
  std::array<std::array<std::int8_t, 32>, 8> masks{};
  for (std::size_t n = 0; n < 8; ++n)
    for (std::size_t i = 0; i < 32; ++i) masks[n][i] = static_cast<std::int8_t>(n * 2 + i % 16 / 8);
  return masks;
}();
LOQUAT_INLINE i8x32 bytes_of_step(i16x16 words, std::size_t step) noexcept { // each for 8 of 32 weights
  return {_mm256_shuffle_epi8(words.v, load_bytes(byte_masks[step].data()).v)};
}
LOQUAT_INLINE i8x32 bits_of_step(i16x16 words, std::size_t step) noexcept { // −1 where a weight's bit is set, else 0
  __m256i const bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  return {_mm256_cmpeq_epi8(_mm256_and_si256(bytes_of_step(words, step).v, bit), bit)};
}
// vpmaddubsw multiplies unsigned by signed bytes and adds pairs: for signed weights the sign moves to the activation
template <bool Signed> LOQUAT_INLINE __m256i pairs(__m256i w, __m256i x) noexcept {
  return Signed ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)) : _mm256_maddubs_epi16(w, x);
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

// the sums of four times eight
LOQUAT_INLINE void store_sums_of_8(std::int32_t* p, __m256i a, __m256i b, __m256i c, __m256i d) noexcept {
  __m256i const halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
