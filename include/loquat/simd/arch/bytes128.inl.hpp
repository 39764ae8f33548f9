// The integer half of the vocabulary for targets with 128-bit vectors. Bytes of weights are signed or not above 127, so
// that signed products serve both. A target's file brings the products of bytes before it includes this one.
#include <loquat/simd/arch/vectors128.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

struct i8x32 {
  u8x16 lo, hi;
};
template <class F, class... V> LOQUAT_INLINE i8x32 each_half(F f, V const&... vectors) noexcept {
  return {f(vectors.lo...), f(vectors.hi...)};
}
LOQUAT_INLINE i8x32 load_bytes(void const* p) noexcept { return load_as<i8x32>(p); }
LOQUAT_INLINE void store_bytes(void* p, i8x32 a) noexcept { std::memcpy(p, &a, sizeof a); }
LOQUAT_INLINE i8x32 broadcast_byte(int x) noexcept {
  u8x16 const bytes = u8x16{} + static_cast<std::uint8_t>(x);
  return {bytes, bytes};
}
LOQUAT_INLINE i8x32 load_nibbles(void const* p) noexcept { // 16 low halves, then 16 high halves
  u8x16 const bytes = load_as<u8x16>(p);
  return {bytes & 15, bytes >> 4};
}
LOQUAT_INLINE i8x32 load_nibbles_of_8(void const* p) noexcept { // 8 low halves, 8 high halves, and again for 8 more
  u64x2 const bytes = load_as<u64x2>(p), low = bytes & 0x0f0f0f0f0f0f0f0f, high = bytes >> 4 & 0x0f0f0f0f0f0f0f0f;
  return {reinterpret_cast<u8x16>(__builtin_shufflevector(low, high, 0, 2)),
          reinterpret_cast<u8x16>(__builtin_shufflevector(low, high, 1, 3))};
}
LOQUAT_INLINE i8x32 from_u64(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) noexcept {
  return {reinterpret_cast<u8x16>(u64x2{a, b}), reinterpret_cast<u8x16>(u64x2{c, d})};
}
LOQUAT_INLINE i8x32 from_u32(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d, std::uint32_t e,
                             std::uint32_t f, std::uint32_t g, std::uint32_t h) noexcept {
  return {reinterpret_cast<u8x16>(u32x4{a, b, c, d}), reinterpret_cast<u8x16>(u32x4{e, f, g, h})};
}
LOQUAT_INLINE i8x32 both(i8x32 a, i8x32 b) noexcept { return {a.lo & b.lo, a.hi & b.hi}; }
LOQUAT_INLINE i8x32 either(i8x32 a, i8x32 b) noexcept { return {a.lo | b.lo, a.hi | b.hi}; }
LOQUAT_INLINE i8x32 plus(i8x32 a, i8x32 b) noexcept { return {a.lo + b.lo, a.hi + b.hi}; }
LOQUAT_INLINE i8x32 minus(i8x32 a, i8x32 b) noexcept { return {a.lo - b.lo, a.hi - b.hi}; }
// bits First … First + Count of every byte, as a number
template <int First, int Count> LOQUAT_INLINE i8x32 bits(i8x32 a) noexcept {
  constexpr std::uint8_t mask = (1 << Count) - 1;
  return each_half([](u8x16 x) { return x >> First & mask; }, a);
}
// bits from … from + Count of every byte, moved to To … To + Count
template <int To, int Count> LOQUAT_INLINE i8x32 moved_bits(std::size_t from, i8x32 a) noexcept {
  constexpr std::uint8_t mask = ((1 << Count) - 1) << To;
  int const right = static_cast<int>(from) - To;
  auto const amount = static_cast<std::uint8_t>(right > 0 ? right : -right);
  return each_half([=](u8x16 x) { return (right > 0 ? x >> amount : x << amount) & mask; }, a);
}
template <int N> LOQUAT_INLINE i8x32 shifted_left(i8x32 a) noexcept { return {a.lo << N, a.hi << N}; }
LOQUAT_INLINE i8x32 lookup(std::int8_t const (&table)[16], i8x32 indices) noexcept { // indices below 16
  u8x16 const t = load_as<u8x16>(table);
  return {chosen(t, indices.lo), chosen(t, indices.hi)};
}
LOQUAT_INLINE i8x32 spread_bits(std::uint32_t bits) noexcept { // byte i: −1 where bit i is set, else 0
  u8x16 const bit{1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  u8x16 const all = reinterpret_cast<u8x16>(u32x4{bits, bits, bits, bits});
  u8x16 const lo = __builtin_shufflevector(all, all, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
              hi = __builtin_shufflevector(all, all, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  return {reinterpret_cast<u8x16>((lo & bit) != 0), reinterpret_cast<u8x16>((hi & bit) != 0)};
}
LOQUAT_INLINE i8x32 shuffled(i8x32 a, i8x32 numbers) noexcept { // bytes of each half by their numbers; 0 for −128
  return each_half([](u8x16 x, u8x16 n) { return chosen(x, n); }, a, numbers);
}
LOQUAT_INLINE i8x32 broadcast_word(int x) noexcept {
  u8x16 const words = reinterpret_cast<u8x16>(u16x8{} + static_cast<std::uint16_t>(x));
  return {words, words};
}
LOQUAT_INLINE i8x32 word_products(i8x32 a, i8x32 b) noexcept { // low halves of the products of 16-bit words
  return each_half(
      [](u8x16 x, u8x16 y) { return reinterpret_cast<u8x16>(reinterpret_cast<u16x8>(x) * reinterpret_cast<u16x8>(y)); },
      a, b);
}
LOQUAT_INLINE i8x32 high_bytes(i8x32 a, i8x32 b) noexcept { // of the words in a half of a, then of b
  return each_half(
      [](u8x16 x, u8x16 y) {
        return __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
      },
      a, b);
}
// floor(3 · byte / 256), the first digit of the fraction byte/256 in base 3, of bytes less 128
LOQUAT_INLINE i8x32 ternary_digits(i8x32 a) noexcept {
  return each_half(
      [](u8x16 bytes) {
        i8x16 const x = reinterpret_cast<i8x16>(bytes);
        return reinterpret_cast<u8x16>(1 + (x < 86 - 128) - (x > 170 - 128));
      },
      a);
}
LOQUAT_INLINE float round_to_half(float x) noexcept { return float_from_half(half_from_float(x)); }
LOQUAT_INLINE f32x16 round_to_half(f32x16 a) noexcept {
  return each(
      [](f32x4 x) {
        return f32x4{round_to_half(x[0]), round_to_half(x[1]), round_to_half(x[2]), round_to_half(x[3])};
      },
      a);
}
LOQUAT_INLINE std::int16_t sum_of_16(std::int8_t const* p) noexcept {
  i8x16 const ones = i8x16{} + std::int8_t{1};
  i32x4 const s = plus_products(i32x4{}, load_as<i8x16>(p), ones);
  return static_cast<std::int16_t>(s[0] + s[1] + s[2] + s[3]);
}
// eight rows of 32 bytes to out[cell][row][tile_cell], cells `stride` bytes apart
LOQUAT_INLINE void store_cells(i8x32 const (&row)[8], std::uint8_t* out, std::size_t stride) noexcept {
  if constexpr (tile_cell == 8) {
    auto const* const from = reinterpret_cast<std::uint8_t const*>(row);
    for (std::size_t i = 0; i < 32; ++i) std::memcpy(out + i % 4 * stride + i / 4 * 8, from + i * 8, 8);
    return;
  }
  auto const store = [&](std::uint8_t* to, u8x16 a, u8x16 b, u8x16 c, u8x16 d) { // a transposition of 4 × 4 words
    auto const words = [](u8x16 x) { return reinterpret_cast<u32x4>(x); };
    auto const first = [&](u8x16 x, u8x16 y) { return __builtin_shufflevector(words(x), words(y), 0, 4, 1, 5); };
    auto const second = [&](u8x16 x, u8x16 y) { return __builtin_shufflevector(words(x), words(y), 2, 6, 3, 7); };
    u64x2 const ab0 = reinterpret_cast<u64x2>(first(a, b)), ab1 = reinterpret_cast<u64x2>(second(a, b)),
                cd0 = reinterpret_cast<u64x2>(first(c, d)), cd1 = reinterpret_cast<u64x2>(second(c, d));
    u64x2 const quads[4]{__builtin_shufflevector(ab0, cd0, 0, 2), __builtin_shufflevector(ab0, cd0, 1, 3),
                         __builtin_shufflevector(ab1, cd1, 0, 2), __builtin_shufflevector(ab1, cd1, 1, 3)};
    for (std::size_t i = 0; i < 4; ++i) std::memcpy(to + i * stride, quads + i, sizeof quads[i]);
  };
  for (std::size_t i = 0; i < 8; i += 4) {
    store(out + i * 4, row[i].lo, row[i + 1].lo, row[i + 2].lo, row[i + 3].lo);
    store(out + 4 * stride + i * 4, row[i].hi, row[i + 1].hi, row[i + 2].hi, row[i + 3].hi);
  }
}

// --- dot products ---------------------------------------------------------------------------------------------------
struct i32x8 {
  i32x4 lo, hi;
};
LOQUAT_INLINE i32x8 zero_i32x8() noexcept { return {i32x4{}, i32x4{}}; }
LOQUAT_INLINE i32x4 low(i32x8 a) noexcept { return a.lo; }
LOQUAT_INLINE i32x4 high(i32x8 a) noexcept { return a.hi; }
LOQUAT_INLINE i32x4 sums(i32x4 a, i32x4 b, i32x4 c, i32x4 d) noexcept { // of the lanes of each
  return added_pairs(added_pairs(a, b), added_pairs(c, d));
}
LOQUAT_INLINE i32x4 sums(i32x8 a, i32x8 b, i32x8 c, i32x8 d) noexcept {
  return sums(a.lo + a.hi, b.lo + b.hi, c.lo + c.hi, d.lo + d.hi);
}
LOQUAT_INLINE i8x16 bytes(u8x16 a) noexcept { return reinterpret_cast<i8x16>(a); }
inline constexpr int signed_bias = 0;
LOQUAT_INLINE i8x32 prepare_signed(i8x32 w) noexcept { return w; }

// --- eight rows, the halves of a block of 32 apart ------------------------------------------------------------------
struct two_rows { // sixteen weights of one row and of another
  i8x32 first, second;
};
LOQUAT_INLINE i8x32 load_two(void const* a, void const* b) noexcept { return {load_as<u8x16>(a), load_as<u8x16>(b)}; }
LOQUAT_INLINE i8x32 load_twice(void const* p) noexcept { return load_two(p, p); }
LOQUAT_INLINE two_rows nibbles_of_two(std::byte const* a, std::byte const* b) noexcept { // as load_nibbles
  i8x32 const both_rows = load_two(a, b);
  return {bits<0, 4>(both_rows), bits<4, 4>(both_rows)};
}
LOQUAT_INLINE two_rows with_fifth_bits(two_rows q, std::uint32_t a, std::uint32_t b) noexcept { // bit i for weight i
  i8x32 const sixteen = broadcast_byte(16);
  return {either(q.first, both(spread_bits((a & 0xffff) | b << 16), sixteen)),
          either(q.second, both(spread_bits(a >> 16 | (b & 0xffff0000)), sixteen))};
}
// eight rows in pairs 0 and 4, 1 and 5, 2 and 6, 3 and 7
template <bool, std::size_t>
LOQUAT_INLINE i32x8 dots(two_rows a, two_rows b, two_rows c, two_rows d, i8x32 first, i8x32 second) noexcept {
  auto const one = [&](u8x16 w0, u8x16 w1) {
    return plus_products(plus_products(i32x4{}, bytes(w0), bytes(first.lo)), bytes(w1), bytes(second.lo));
  };
  return {sums(one(a.first.lo, a.second.lo), one(b.first.lo, b.second.lo), one(c.first.lo, c.second.lo),
               one(d.first.lo, d.second.lo)),
          sums(one(a.first.hi, a.second.hi), one(b.first.hi, b.second.hi), one(c.first.hi, c.second.hi),
               one(d.first.hi, d.second.hi))};
}
// the dot products as floats (exact), minus Bias · the sum of the block's activations
template <int Bias> LOQUAT_INLINE f32x8 less_sums(i32x8 dots, std::int16_t const* sums) noexcept {
  std::int32_t const excess = Bias * (sums[0] + sums[1]);
  return {to_floats(dots.lo - excess), to_floats(dots.hi - excess)};
}
template <class F> LOQUAT_INLINE f32x8 set(std::byte const* const (&block)[8], F f) noexcept { // f(block)
  return {f32x4{f(block[0]), f(block[1]), f(block[2]), f(block[3])},
          f32x4{f(block[4]), f(block[5]), f(block[6]), f(block[7])}};
}
template <std::size_t First, std::size_t N>
LOQUAT_INLINE f32x4 load_four_f16(std::byte const* const (&block)[N], std::size_t at) noexcept {
  std::uint16_t half[4];
  for (std::size_t i = 0; i < 4; ++i) std::memcpy(half + i, block[First + i] + at, 2);
  return from_f16(half[0], half[1], half[2], half[3]);
}
LOQUAT_INLINE f32x8 load_f16(std::byte const* const (&block)[8], std::size_t at) noexcept {
  return {load_four_f16<0>(block, at), load_four_f16<4>(block, at)};
}

// --- four rows ------------------------------------------------------------------------------------------------------
// sums over the first sixteen weights, then over the others
template <bool> LOQUAT_INLINE i32x8 dots(i8x32 a, i8x32 b, i8x32 c, i8x32 d, i8x32 x) noexcept {
  auto const lo = [&](i8x32 w) { return plus_products(i32x4{}, bytes(w.lo), bytes(x.lo)); };
  auto const hi = [&](i8x32 w) { return plus_products(i32x4{}, bytes(w.hi), bytes(x.hi)); };
  return {sums(lo(a), lo(b), lo(c), lo(d)), sums(hi(a), hi(b), hi(c), hi(d))};
}
template <class F> LOQUAT_INLINE f32x4 set(std::byte const* const (&block)[4], F f) noexcept { // f(block)
  return f32x4{f(block[0]), f(block[1]), f(block[2]), f(block[3])};
}
LOQUAT_INLINE f32x4 load_f16(std::byte const* const (&block)[4], std::size_t at) noexcept {
  return load_four_f16<0>(block, at);
}
struct f16_pairs {
  f32x4 first, second;
};
LOQUAT_INLINE f16_pairs load_f16_pairs(std::byte const* const (&block)[4], std::size_t at) noexcept {
  return {load_f16(block, at), load_f16(block, at + 2)};
}

// --- super-blocks ---------------------------------------------------------------------------------------------------
// Sixteen words, one per 16 weights of a super-block: the even ones, then the odd ones.
struct i16x16 {
  i16x8 lo, hi;
};
LOQUAT_INLINE i16x16 broadcast_i16(int x) noexcept {
  i16x8 const words = i16x8{} + static_cast<std::int16_t>(x);
  return {words, words};
}
LOQUAT_INLINE i16x16 evens_and_odds(std::array<std::int8_t, 16> const& per_16) noexcept {
  i16x8 const pairs = load_as<i16x8>(per_16.data());
  return {pairs << 8 >> 8, pairs >> 8};
}
LOQUAT_INLINE i16x16 evens_and_odds(std::array<std::int8_t, 8> const& per_32) noexcept {
  i16x8 const words = __builtin_convertvector(load_as<i8x8>(per_32.data()), i16x8);
  return {words, words};
}
LOQUAT_INLINE i16x16 as_words(i8x32 a) noexcept {
  return {reinterpret_cast<i16x8>(a.lo), reinterpret_cast<i16x8>(a.hi)};
}
LOQUAT_INLINE i8x32 byte_products(i8x32 a, i16x16 factors) noexcept { // low bytes; a factor for every two
  auto const half = [](u8x16 bytes, i16x8 f) LOQUAT_INLINE_LAMBDA {
    i16x8 const pairs = reinterpret_cast<i16x8>(bytes);
    return reinterpret_cast<u8x16>((pairs * f & 0xff) | (pairs & -0x100) * f);
  };
  return {half(a.lo, factors.lo), half(a.hi, factors.hi)};
}
LOQUAT_INLINE i16x16 evens_and_odds(i8x32 per_16) noexcept {
  i16x16 const words = as_words(per_16);
  return {__builtin_shufflevector(words.lo, words.hi, 0, 2, 4, 6, 8, 10, 12, 14),
          __builtin_shufflevector(words.lo, words.hi, 1, 3, 5, 7, 9, 11, 13, 15)};
}
LOQUAT_INLINE i16x16 evens_and_odds(std::int16_t const* per_16) noexcept { return evens_and_odds(load_bytes(per_16)); }
template <int N> LOQUAT_INLINE i16x16 words_right(i8x32 a) noexcept { // words without their lowest N bits
  return as_words(each_half([](u8x16 x) { return reinterpret_cast<u8x16>(reinterpret_cast<u16x8>(x) >> N); }, a));
}
LOQUAT_INLINE i8x32 first_words_twice(i8x32 a) noexcept { // the first four words of each half, in both halves
  u64x2 const words = __builtin_shufflevector(reinterpret_cast<u64x2>(a.lo), reinterpret_cast<u64x2>(a.hi), 0, 2);
  return {reinterpret_cast<u8x16>(words), reinterpret_cast<u8x16>(words)};
}
LOQUAT_INLINE i16x16 times(i16x16 a, int factor) noexcept {
  return {a.lo * static_cast<std::int16_t>(factor), a.hi * static_cast<std::int16_t>(factor)};
}
LOQUAT_INLINE i32x8 products(i16x16 a, i16x16 b) noexcept { // added in pairs
  return {pair_products(a.lo, b.lo), pair_products(a.hi, b.hi)};
}
LOQUAT_INLINE i16x16 scales_of_step(i16x16 scales, std::size_t step) noexcept { // of 32 weights
  return {i16x8{} + scales.lo[step], i16x8{} + scales.hi[step]};
}
LOQUAT_INLINE i8x32 bytes_of_step(i16x16 words, std::size_t step) noexcept { // each for 8 of 32 weights
  auto const eight_times = [](std::int16_t word) LOQUAT_INLINE_LAMBDA {
    std::uint64_t const two = static_cast<std::uint16_t>(word), ones = 0x0101010101010101;
    return reinterpret_cast<u8x16>(u64x2{(two & 0xff) * ones, (two >> 8) * ones});
  };
  return {eight_times(words.lo[step]), eight_times(words.hi[step])};
}
LOQUAT_INLINE i8x32 bits_of_step(i16x16 words, std::size_t step) noexcept { // −1 where a weight's bit is set, else 0
  return spread_bits(static_cast<std::uint16_t>(words.lo[step]) |
                     std::uint32_t{static_cast<std::uint16_t>(words.hi[step])} << 16);
}
// acc + the products times the scales
template <bool> LOQUAT_INLINE i32x8 plus_scaled(i32x8 acc, i8x32 w, i8x32 x, i16x16 scales) noexcept {
  return {plus_scaled_products(acc.lo, bytes(w.lo), bytes(x.lo), scales.lo),
          plus_scaled_products(acc.hi, bytes(w.hi), bytes(x.hi), scales.hi)};
}
struct narrow_sums { // of 256 products of weights up to 16
  narrow_half lo, hi;
};
LOQUAT_INLINE narrow_sums zero_narrow() noexcept { return {narrow_half{}, narrow_half{}}; }
template <bool> LOQUAT_INLINE narrow_sums plus(narrow_sums acc, i8x32 w, i8x32 x) noexcept {
  return {plus_narrow(acc.lo, bytes(w.lo), bytes(x.lo)), plus_narrow(acc.hi, bytes(w.hi), bytes(x.hi))};
}
LOQUAT_INLINE i32x8 plus(i32x8 acc, narrow_sums a) noexcept { return {acc.lo + widened(a.lo), acc.hi + widened(a.hi)}; }

// --- tiles ----------------------------------------------------------------------------------------------------------
// A target brings row_bytes; row_partial, sums for `partial_columns` columns; begin; dot_cells, which adds the products
// of `tile_cell` weights of each row; and end for one of the columns.
inline constexpr std::size_t row_lanes = 4;
inline constexpr bool scales_partials = true; // sums are scaled where they are added to those of the group
inline constexpr int tile_unroll = 1, tile_excess = 0;
using row_floats = f32x4;
LOQUAT_INLINE row_bytes load_row_bytes(std::uint8_t const* p) noexcept { return load_as<row_bytes>(p); }
LOQUAT_INLINE row_sums zero_sums() noexcept { return row_sums{}; }
LOQUAT_INLINE row_sums negated(row_sums a) noexcept { return -a; }
LOQUAT_INLINE row_sums broadcast_sums(std::int32_t x) noexcept { return row_sums{} + x; }
// sums of one column begin with factor · the sum of the group's activations
template <std::size_t Group>
LOQUAT_INLINE void start(row_sums (&sums)[tile_vectors], std::int32_t const*, std::int16_t const* x,
                         int factor) noexcept {
  row_sums const all = broadcast_sums(factor * (Group == 16 ? x[0] : x[0] + x[1]));
  for (row_sums& s : sums) s = all;
}
template <std::size_t, std::size_t>
LOQUAT_INLINE void store_starts(std::uint8_t const*, std::size_t, std::int32_t*) noexcept {}
LOQUAT_INLINE row_sums dot2(row_sums acc, std::int16_t const* pairs, std::int16_t const* sums) noexcept {
  i32x4 const pair = i32x4{} + load_as<std::int32_t>(sums);
  return acc + pair_products(load_as<i16x8>(pairs), reinterpret_cast<i16x8>(pair));
}
using row_scales = i32x4;
constexpr std::int32_t row_scale(std::int8_t g) noexcept { return g; }
LOQUAT_INLINE row_scales load_row_scales(std::int32_t const* p) noexcept { return load_as<row_scales>(p); }
LOQUAT_INLINE row_scales unit_scales() noexcept { return row_scales{1, 1, 1, 1}; }
LOQUAT_INLINE row_floats zero_rows() noexcept { return zero4(); }
LOQUAT_INLINE row_floats broadcast_rows(float x) noexcept { return broadcast4(x); }
LOQUAT_INLINE row_floats load_rows(float const* p) noexcept { return load_as<row_floats>(p); }
LOQUAT_INLINE void store_rows(float* p, row_floats a) noexcept { store(p, a); }

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
