// 128-bit vectors in the language extensions that GCC and Clang share, and the float half of the vocabulary upon them.
// A target's own file defines before it is included what the extensions cannot say: see `neon_words.inl.hpp`.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

struct f32x8 {
  f32x4 lo, hi;
};
struct f32x16 {
  f32x4 v[4];
};

// --- four lanes -----------------------------------------------------------------------------------------------------
LOQUAT_INLINE f32x4 zero4() noexcept { return f32x4{}; }
LOQUAT_INLINE f32x4 broadcast4(float x) noexcept { return f32x4{x, x, x, x}; }
LOQUAT_INLINE f32x4 mul(f32x4 a, f32x4 b) noexcept { return a * b; }
LOQUAT_INLINE f32x4 fma_negated(f32x4 a, f32x4 b, f32x4 c) noexcept { return fma(-a, b, c); } // c − a · b
LOQUAT_INLINE f32x4 max(f32x4 a, f32x4 b) noexcept { return a > b ? a : b; }
LOQUAT_INLINE void store(float* p, f32x4 a) noexcept { std::memcpy(p, &a, sizeof a); }
LOQUAT_INLINE f32x4 to_floats(i32x4 a) noexcept { return __builtin_convertvector(a, f32x4); }

// --- eight lanes ----------------------------------------------------------------------------------------------------
LOQUAT_INLINE f32x8 zero8() noexcept { return {zero4(), zero4()}; }
LOQUAT_INLINE f32x8 broadcast8(float x) noexcept { return {broadcast4(x), broadcast4(x)}; }
LOQUAT_INLINE f32x8 mul(f32x8 a, f32x8 b) noexcept { return {a.lo * b.lo, a.hi * b.hi}; }
LOQUAT_INLINE f32x8 fma(f32x8 a, f32x8 b, f32x8 c) noexcept { return {fma(a.lo, b.lo, c.lo), fma(a.hi, b.hi, c.hi)}; }
LOQUAT_INLINE void store(float* p, f32x8 a) noexcept { std::memcpy(p, &a, sizeof a); }

// --- sixteen lanes --------------------------------------------------------------------------------------------------
template <class F, class... V> LOQUAT_INLINE f32x16 each(F f, V const&... vectors) noexcept {
  return {{f(vectors.v[0]...), f(vectors.v[1]...), f(vectors.v[2]...), f(vectors.v[3]...)}};
}
LOQUAT_INLINE f32x16 broadcast(float x) noexcept {
  f32x4 const four = broadcast4(x);
  return {{four, four, four, four}};
}
LOQUAT_INLINE f32x16 load(float const* p) noexcept {
  f32x16 r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
LOQUAT_INLINE f32x16 load(float const* p, std::size_t n) noexcept {
  f32x16 r{};
  std::memcpy(&r, p, n * sizeof *p);
  return r;
}
LOQUAT_INLINE void store(float* p, f32x16 a) noexcept { std::memcpy(p, &a, sizeof a); }
LOQUAT_INLINE void store(float* p, f32x16 a, std::size_t n) noexcept { std::memcpy(p, &a, n * sizeof *p); }
LOQUAT_INLINE f32x16 add(f32x16 a, f32x16 b) noexcept {
  return each([](f32x4 x, f32x4 y) { return x + y; }, a, b);
}
LOQUAT_INLINE f32x16 sub(f32x16 a, f32x16 b) noexcept {
  return each([](f32x4 x, f32x4 y) { return x - y; }, a, b);
}
LOQUAT_INLINE f32x16 mul(f32x16 a, f32x16 b) noexcept {
  return each([](f32x4 x, f32x4 y) { return x * y; }, a, b);
}
LOQUAT_INLINE f32x16 div(f32x16 a, f32x16 b) noexcept {
  return each([](f32x4 x, f32x4 y) { return x / y; }, a, b);
}
LOQUAT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) noexcept {
  return each([](f32x4 x, f32x4 y, f32x4 z) { return fma(x, y, z); }, a, b, c);
}
LOQUAT_INLINE f32x16 max(f32x16 a, f32x16 b) noexcept {
  return each([](f32x4 x, f32x4 y) { return max(x, y); }, a, b);
}
LOQUAT_INLINE f32x16 abs(f32x16 a) noexcept {
  return each([](f32x4 x) { return reinterpret_cast<f32x4>(reinterpret_cast<u32x4>(x) & 0x7fffffffu); }, a);
}
LOQUAT_INLINE f32x16 select_less(f32x16 a, f32x16 b, f32x16 yes, f32x16 no) noexcept { // a < b ? yes : no
  return each([](f32x4 x, f32x4 y, f32x4 if_less, f32x4 otherwise) { return x < y ? if_less : otherwise; }, a, b, yes,
              no);
}
LOQUAT_INLINE f32x16 scale_by_power(f32x16 y, f32x16 n_plus_magic) noexcept {
  auto const power = [](i32x4 e) { return reinterpret_cast<f32x4>((e + 127) << 23); };
  return each(
      [&](f32x4 x, f32x4 shifted) {
        i32x4 const n = reinterpret_cast<i32x4>(shifted) - 0x4b400000, half = n >> 1;
        return x * power(half) * power(n - half);
      },
      y, n_plus_magic);
}
LOQUAT_INLINE f32x16 swap_pairs(f32x16 a) noexcept {
  return each([](f32x4 x) { return __builtin_shufflevector(x, x, 1, 0, 3, 2); }, a);
}
LOQUAT_INLINE float sum(f32x16 a) noexcept {
  f32x4 const s = (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
  return (s[0] + s[2]) + (s[1] + s[3]);
}
LOQUAT_INLINE f32x4 sums(f32x16 a, f32x16 b, f32x16 c, f32x16 d) noexcept { // of the lanes of each, by the same tree
  auto const quarter = [](f32x16 x) { return (x.v[0] + x.v[2]) + (x.v[1] + x.v[3]); };
  auto const halved = [](f32x4 x, f32x4 y) {
    return __builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7);
  };
  f32x4 const ab = halved(quarter(a), quarter(b)), cd = halved(quarter(c), quarter(d));
  return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}
LOQUAT_INLINE float max(f32x16 a) noexcept {
  f32x4 m = max(max(a.v[0], a.v[2]), max(a.v[1], a.v[3]));
  m = max(m, __builtin_shufflevector(m, m, 2, 3, 2, 3));
  return m[0] > m[1] ? m[0] : m[1];
}

// --- 16-bit floats --------------------------------------------------------------------------------------------------
template <class F> LOQUAT_INLINE f32x16 widened(std::uint16_t const* p, F f) noexcept {
  u16x4 bits[4];
  std::memcpy(bits, p, sizeof bits);
  return {{f(bits[0]), f(bits[1]), f(bits[2]), f(bits[3])}};
}
LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p) noexcept {
  return widened(p, [](u16x4 bits) { return from_f16(bits); });
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p) noexcept {
  return widened(p, [](u16x4 bits) { return reinterpret_cast<f32x4>(__builtin_convertvector(bits, u32x4) << 16); });
}
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
LOQUAT_INLINE f32x4 from_f16(std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d) noexcept {
  return from_f16(u16x4{a, b, c, d});
}

// --- small integers -------------------------------------------------------------------------------------------------
// the low halves of lanes
LOQUAT_INLINE i16x8 narrowed(i32x4 a, i32x4 b) noexcept {
  return __builtin_shufflevector(reinterpret_cast<i16x8>(a), reinterpret_cast<i16x8>(b), 0, 2, 4, 6, 8, 10, 12, 14);
}
LOQUAT_INLINE i8x16 narrowed(i16x8 a, i16x8 b) noexcept {
  return __builtin_shufflevector(reinterpret_cast<i8x16>(a), reinterpret_cast<i8x16>(b), 0, 2, 4, 6, 8, 10, 12, 14, 16,
                                 18, 20, 22, 24, 26, 28, 30);
}
LOQUAT_INLINE void store_nearest_i8(std::int8_t* p, f32x16 a) noexcept {
  i8x16 const bytes = narrowed(narrowed(nearest(a.v[0]), nearest(a.v[1])), narrowed(nearest(a.v[2]), nearest(a.v[3])));
  std::memcpy(p, &bytes, sizeof bytes);
}
LOQUAT_INLINE void store_nearest_i16(std::int16_t* p, f32x16 a) noexcept {
  i16x8 const words[2]{narrowed(nearest(a.v[0]), nearest(a.v[1])), narrowed(nearest(a.v[2]), nearest(a.v[3]))};
  std::memcpy(p, words, sizeof words);
}

// --- pairs of 16 bits in sixteen lanes ------------------------------------------------------------------------------
struct i16x32 {
  i16x8 v[4];
};
struct i32x16 {
  i32x4 v[4];
};
LOQUAT_INLINE i16x8 load_i8(void const* p) noexcept { return __builtin_convertvector(load_as<i8x8>(p), i16x8); }
LOQUAT_INLINE i16x32 load_pairs_i8(std::uint8_t const* p) noexcept {
  return {{load_i8(p), load_i8(p + 8), load_i8(p + 16), load_i8(p + 24)}};
}
LOQUAT_INLINE i16x32 load_pairs_i4(std::uint8_t const* p) noexcept {
  i16x8 const a = load_i8(p), b = load_i8(p + 8);
  return {{a << 12 >> 12, b << 12 >> 12, a >> 4, b >> 4}};
}
LOQUAT_INLINE i16x32 repeat_pair(std::int16_t const* p) noexcept {
  i16x8 const pair = reinterpret_cast<i16x8>(i32x4{} + load_as<std::int32_t>(p));
  return {{pair, pair, pair, pair}};
}
LOQUAT_INLINE i32x16 zero_i32x16() noexcept { return {{i32x4{}, i32x4{}, i32x4{}, i32x4{}}}; }
LOQUAT_INLINE i32x16 add_products(i32x16 sums, i16x32 a, i16x32 b) noexcept {
  for (std::size_t i = 0; i < 4; ++i) sums.v[i] += pair_products(a.v[i], b.v[i]);
  return sums;
}
LOQUAT_INLINE i16x32 load_pairs(std::int16_t const* p) noexcept {
  return {{load_as<i16x8>(p), load_as<i16x8>(p + 8), load_as<i16x8>(p + 16), load_as<i16x8>(p + 24)}};
}
LOQUAT_INLINE std::int32_t sum(i32x16 a) noexcept {
  i32x4 const s = a.v[0] + a.v[1] + (a.v[2] + a.v[3]);
  return s[0] + s[1] + (s[2] + s[3]);
}
LOQUAT_INLINE void store_sums(std::int32_t* p, i32x16 a, i32x16 b, i32x16 c, i32x16 d) noexcept {
  p[0] = sum(a), p[1] = sum(b), p[2] = sum(c), p[3] = sum(d);
}
LOQUAT_INLINE f32x16 to_floats(i32x16 a) noexcept {
  return each([](i32x4 x) { return to_floats(x); }, a);
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
