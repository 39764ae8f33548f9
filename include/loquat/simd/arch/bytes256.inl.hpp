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
LOQUAT_INLINE i8x32 negated_where(i8x32 mask, i8x32 a) noexcept { // −a where the mask is −1
  return {_mm256_sub_epi8(_mm256_xor_si256(a.v, mask.v), mask.v)};
}
// floor(3 · (byte · power mod 256) / 256): a digit of the fraction byte/256 in base 3; a 16-bit power per two bytes
LOQUAT_INLINE i8x32 ternary_digits(i8x32 a, i8x32 powers) noexcept {
  __m256i const three = _mm256_set1_epi16(3), even = _mm256_slli_epi16(a.v, 8),
                odd = _mm256_and_si256(a.v, _mm256_set1_epi16(-256)); // both in the high bytes
  __m256i const low = _mm256_mulhi_epu16(_mm256_mullo_epi16(even, powers.v), three),
                high = _mm256_mulhi_epu16(_mm256_mullo_epi16(odd, powers.v), three);
  return {_mm256_or_si256(low, _mm256_slli_epi16(high, 8))};
}
// eight rows of 32 bytes to out[quad][row][4], quads `stride` bytes apart
LOQUAT_INLINE void store_quads(i8x32 const (&row)[8], std::uint8_t* out, std::size_t stride) noexcept {
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
struct i32x8 { // four rows' sums over the first sixteen weights of a step, then over the others
  __m256i v;
};
LOQUAT_INLINE i32x8 zero_i32x8() noexcept { return {_mm256_setzero_si256()}; }
LOQUAT_INLINE i32x8 add(i32x8 a, i32x8 b) noexcept { return {_mm256_add_epi32(a.v, b.v)}; }
LOQUAT_INLINE i32x4 low(i32x8 a) noexcept { return {_mm256_castsi256_si128(a.v)}; }
LOQUAT_INLINE i32x4 high(i32x8 a) noexcept { return {_mm256_extracti128_si256(a.v, 1)}; }
LOQUAT_INLINE i32x4 folded(i32x8 a) noexcept { return {_mm_add_epi32(low(a).v, high(a).v)}; }
LOQUAT_INLINE std::int16_t sum_of_16(std::int8_t const* p) noexcept {
  __m128i const above = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)), _mm_set1_epi8(-128));
  __m128i const two = _mm_sad_epu8(above, _mm_setzero_si128());
  return static_cast<std::int16_t>(_mm_cvtsi128_si32(two) + _mm_extract_epi16(two, 4) - 16 * 128);
}
// the dot products as floats (exact), minus Bias · the sum of the group's activations
template <std::size_t Group, int Bias> LOQUAT_INLINE f32x4 less_sums(i32x4 dots, std::int16_t const* sums) noexcept {
  if constexpr (Bias == 0) return {_mm_cvtepi32_ps(dots.v)};
  if constexpr (Group > 32) {
    int total = 0;
    for (std::size_t i = 0; i < Group / 16; ++i) total += sums[i];
    return {_mm_cvtepi32_ps(_mm_sub_epi32(dots.v, _mm_set1_epi32(Bias * total)))};
  }
  __m128i pair;
  if constexpr (Group == 16)
    pair = _mm_set1_epi16(*sums);
  else
    pair = _mm256_castsi256_si128(broadcast_pair(sums));
  __m128i const factors = Group == 16 ? _mm_set1_epi32(Bias) : _mm_set1_epi16(Bias);
  return {_mm_cvtepi32_ps(_mm_sub_epi32(dots.v, _mm_madd_epi16(pair, factors)))};
}
template <class F> LOQUAT_INLINE f32x4 set(std::byte const* const (&block)[4], F f) noexcept { // f(block)
  return {_mm_setr_ps(f(block[0]), f(block[1]), f(block[2]), f(block[3]))};
}
LOQUAT_INLINE f32x4 load_f16(std::byte const* const (&block)[4], std::size_t at) noexcept {
  std::uint16_t half[4];
  for (std::size_t i = 0; i < 4; ++i) std::memcpy(half + i, block[i] + at, 2);
  return from_f16(half[0], half[1], half[2], half[3]);
}
LOQUAT_INLINE __m128i load_words(std::byte const* const (&block)[4], std::size_t at) noexcept { // 32 bits of each
  std::int32_t w[4];
  for (std::size_t i = 0; i < 4; ++i) std::memcpy(w + i, block[i] + at, 4);
  return _mm_setr_epi32(w[0], w[1], w[2], w[3]);
}
struct f16_pairs {
  f32x4 first, second;
};
LOQUAT_INLINE f16_pairs load_f16_pairs(std::byte const* const (&block)[4], std::size_t at) noexcept {
  __m128i const apart = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  __m256 const all = _mm256_cvtph_ps(_mm_shuffle_epi8(load_words(block, at), apart));
  return {{_mm256_castps256_ps128(all)}, {_mm256_extractf128_ps(all, 1)}};
}

// Group scales or minima of four rows: lane r of word i has the bytes of the groups 4i … 4i + 3 of row r.
template <std::size_t Words> struct group_words { __m128i word[Words]; };
template <std::size_t N>
LOQUAT_INLINE group_words<N / 4> rows_of(std::array<std::int8_t, N> const& a, std::array<std::int8_t, N> const& b,
                                         std::array<std::int8_t, N> const& c,
                                         std::array<std::int8_t, N> const& d) noexcept {
  group_words<N / 4> r;
  for (std::size_t i = 0; i < N / 4; ++i) {
    std::int32_t w[4];
    std::memcpy(w, a.data() + i * 4, 4);
    std::memcpy(w + 1, b.data() + i * 4, 4);
    std::memcpy(w + 2, c.data() + i * 4, 4);
    std::memcpy(w + 3, d.data() + i * 4, 4);
    r.word[i] = _mm_setr_epi32(w[0], w[1], w[2], w[3]);
  }
  return r;
}
// A format may overload both for speed.
template <class F> LOQUAT_INLINE auto load_group_scales(F, std::byte const* const (&block)[4]) noexcept {
  return rows_of(F::group_scales(block[0]), F::group_scales(block[1]), F::group_scales(block[2]),
                 F::group_scales(block[3]));
}
template <class F> LOQUAT_INLINE auto load_group_minima(F, std::byte const* const (&block)[4]) noexcept {
  return rows_of(F::group_minima(block[0]), F::group_minima(block[1]), F::group_minima(block[2]),
                 F::group_minima(block[3]));
}
LOQUAT_INLINE group_words<4> load_sixteen(std::byte const* const (&block)[4], std::size_t at) noexcept { // bytes
  auto const row = [&](std::size_t i) { return _mm_loadu_si128(reinterpret_cast<__m128i const*>(block[i] + at)); };
  __m128i const a = row(0), b = row(1), c = row(2), d = row(3);
  __m128i const ab0 = _mm_unpacklo_epi32(a, b), ab1 = _mm_unpackhi_epi32(a, b), cd0 = _mm_unpacklo_epi32(c, d),
                cd1 = _mm_unpackhi_epi32(c, d);
  return {{_mm_unpacklo_epi64(ab0, cd0), _mm_unpackhi_epi64(ab0, cd0), _mm_unpacklo_epi64(ab1, cd1),
           _mm_unpackhi_epi64(ab1, cd1)}};
}
template <int First, int Count> LOQUAT_INLINE __m128i bits(__m128i a) noexcept { // of every byte, as a number
  return _mm_and_si128(First == 0 ? a : _mm_srli_epi16(a, First), _mm_set1_epi8((1 << Count) - 1));
}
// the eight scales and minima of six bits that Q4_K and Q5_K keep in twelve bytes (`quant/scale_pairs.hpp`)
LOQUAT_INLINE group_words<2> six_bit_scales(std::byte const* const (&block)[4], std::size_t at) noexcept {
  __m128i const first = load_words(block, at), low = load_words(block, at + 8);
  __m128i const high = _mm_slli_epi16(bits<6, 2>(first), 4);
  return {{bits<0, 6>(first), _mm_or_si128(bits<0, 4>(low), high)}};
}
LOQUAT_INLINE group_words<2> six_bit_minima(std::byte const* const (&block)[4], std::size_t at) noexcept {
  __m128i const first = load_words(block, at + 4), low = load_words(block, at + 8);
  __m128i const high = _mm_slli_epi16(bits<6, 2>(first), 4);
  return {{bits<0, 6>(first), _mm_or_si128(bits<4, 4>(low), high)}};
}

// the group scales of four rows, one group at a time
template <std::size_t Groups> struct four_scales {
  alignas(16) std::int8_t bytes[Groups * 4]; // [group][row]

  template <class Format> LOQUAT_INLINE four_scales(Format f, std::byte const* const (&block)[4]) noexcept {
    __m128i const turned = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    auto const words = load_group_scales(f, block);
    for (std::size_t i = 0; i < Groups / 4; ++i)
      _mm_store_si128(reinterpret_cast<__m128i*>(bytes) + i, _mm_shuffle_epi8(words.word[i], turned));
  }
  LOQUAT_INLINE f32x4 operator[](std::size_t group) const noexcept {
    std::int32_t four;
    std::memcpy(&four, bytes + group * 4, 4);
    return {_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)))};
  }
};
template <> struct four_scales<1> { // none
  template <class Format> LOQUAT_INLINE four_scales(Format, std::byte const* const (&)[4]) noexcept {}
};
template <> struct four_scales<4> { // floats
  f32x4 groups[4];

  template <class Format> LOQUAT_INLINE four_scales(Format, std::byte const* const (&block)[4]) noexcept {
    auto const a = Format::group_scales(block[0]), b = Format::group_scales(block[1]),
               c = Format::group_scales(block[2]), d = Format::group_scales(block[3]);
    for (std::size_t i = 0; i < 4; ++i) groups[i] = {_mm_setr_ps(a[i], b[i], c[i], d[i])};
  }
  LOQUAT_INLINE f32x4 operator[](std::size_t group) const noexcept { return groups[group]; }
};

// Σ m · (sum of the group's activations) of four rows over 256 activations with 8 or 16 groups
template <std::size_t Words>
LOQUAT_INLINE f32x4 dots_with_sums(group_words<Words> m, std::int16_t const* sums) noexcept {
  __m256i x[Words]; // the sums of the groups 4i … 4i + 3, four times
  if constexpr (Words == 4) {
    for (std::size_t i = 0; i < 4; ++i) {
      double four;
      std::memcpy(&four, sums + i * 4, 8);
      x[i] = _mm256_castpd_si256(_mm256_set1_pd(four));
    }
  } else {
    __m256i const eight =
        _mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(sums)), _mm256_set1_epi16(1));
    __m128i const packed = _mm_packs_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    x[0] = _mm256_broadcastq_epi64(packed);
    x[1] = _mm256_broadcastq_epi64(_mm_unpackhi_epi64(packed, packed));
  }
  __m256i total = _mm256_madd_epi16(_mm256_cvtepi8_epi16(m.word[0]), x[0]);
  for (std::size_t i = 1; i < Words; ++i)
    total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_cvtepi8_epi16(m.word[i]), x[i]));
  return {_mm_cvtepi32_ps(_mm_hadd_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1)))};
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
