// The kernel vocabulary in plain C++: the definition of what every operation means, lane by lane.
// f32x16: sixteen float lanes, the unit of every float reduction. f32x4: four.
// What integer formats are made of (`bytes256.inl.hpp`) is not here: `quant/integer_block.hpp` is its definition.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::scalar;

struct f32x16 {
  float v[16];
};
struct f32x4 {
  float v[4];
};

LOQUAT_INLINE f32x16 broadcast(float x) noexcept {
  f32x16 r;
  for (float& lane : r.v) lane = x;
  return r;
}
template <class F> LOQUAT_INLINE f32x16 lanewise(F f) noexcept {
  f32x16 r;
  for (std::size_t i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
LOQUAT_INLINE f32x16 load(float const* p) noexcept {
  return lanewise([=](std::size_t i) { return p[i]; });
}
LOQUAT_INLINE f32x16 load(float const* p, std::size_t n) noexcept { // n < 16 lanes, zeros beyond
  return lanewise([=](std::size_t i) { return i < n ? p[i] : 0.0f; });
}
LOQUAT_INLINE void store(float* p, f32x16 a) noexcept {
  for (std::size_t i = 0; i < 16; ++i) p[i] = a.v[i];
}
LOQUAT_INLINE void store(float* p, f32x16 a, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) p[i] = a.v[i];
}
LOQUAT_INLINE f32x16 add(f32x16 a, f32x16 b) noexcept {
  return lanewise([&](std::size_t i) { return a.v[i] + b.v[i]; });
}
LOQUAT_INLINE f32x16 sub(f32x16 a, f32x16 b) noexcept {
  return lanewise([&](std::size_t i) { return a.v[i] - b.v[i]; });
}
LOQUAT_INLINE f32x16 mul(f32x16 a, f32x16 b) noexcept {
  return lanewise([&](std::size_t i) { return a.v[i] * b.v[i]; });
}
LOQUAT_INLINE f32x16 div(f32x16 a, f32x16 b) noexcept {
  return lanewise([&](std::size_t i) { return a.v[i] / b.v[i]; });
}
LOQUAT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) noexcept { // a · b + c, one rounding
  return lanewise([&](std::size_t i) { return math::fma(a.v[i], b.v[i], c.v[i]); });
}
LOQUAT_INLINE f32x16 select_less(f32x16 a, f32x16 b, f32x16 yes, f32x16 no) noexcept {
  return lanewise([&](std::size_t i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}
LOQUAT_INLINE f32x16 max(f32x16 a, f32x16 b) noexcept { // b where either is NaN
  return lanewise([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
LOQUAT_INLINE f32x16 abs(f32x16 a) noexcept {
  return lanewise([&](std::size_t i) { return __builtin_fabsf(a.v[i]); });
}
LOQUAT_INLINE f32x16 swap_pairs(f32x16 a) noexcept { // 1 0 3 2 5 4 …
  return lanewise([&](std::size_t i) { return a.v[i ^ 1]; });
}
// the tree: i with i + 8, then + 4, + 2, + 1
LOQUAT_INLINE float sum(f32x16 a) noexcept {
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) a.v[i] += a.v[i + width];
  return a.v[0];
}
LOQUAT_INLINE float max(f32x16 a) noexcept {
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) a.v[i] = a.v[i] > a.v[i + width] ? a.v[i] : a.v[i + width];
  return a.v[0];
}
LOQUAT_INLINE f32x4 sums(f32x16 a, f32x16 b, f32x16 c, f32x16 d) noexcept { return {{sum(a), sum(b), sum(c), sum(d)}}; }

LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p) noexcept {
  return lanewise([=](std::size_t i) { return float_from_half(p[i]); });
}
LOQUAT_INLINE f32x16 load_f16(std::uint16_t const* p, std::size_t n) noexcept {
  return lanewise([=](std::size_t i) { return i < n ? float_from_half(p[i]) : 0.0f; });
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p) noexcept {
  return lanewise([=](std::size_t i) { return float_from_bfloat(p[i]); });
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p, std::size_t n) noexcept {
  return lanewise([=](std::size_t i) { return i < n ? float_from_bfloat(p[i]) : 0.0f; });
}
// a rounded to the nearest integers, ties to even, |a| ≤ 127; 0 for NaN
LOQUAT_INLINE void store_nearest_i8(std::int8_t* p, f32x16 a) noexcept {
  for (std::size_t i = 0; i < 16; ++i) p[i] = static_cast<std::int8_t>(math::nearest(a.v[i]));
}
LOQUAT_INLINE void store(float* p, f32x4 a) noexcept { std::memcpy(p, a.v, sizeof a.v); }
LOQUAT_INLINE float round_to_half(float x) noexcept { return float_from_half(half_from_float(x)); }
LOQUAT_INLINE f32x16 round_to_half(f32x16 a) noexcept {
  return lanewise([&](std::size_t i) { return round_to_half(a.v[i]); });
}
LOQUAT_INLINE std::int16_t sum_of_16(std::int8_t const* p) noexcept {
  int total = 0;
  for (std::size_t i = 0; i < 16; ++i) total += p[i];
  return static_cast<std::int16_t>(total);
}

inline constexpr std::size_t tile_columns = 1, tile_cell = 4, tile_excess = 0;
inline constexpr std::size_t float_rows = 1, float_columns = 1; // a tile of float dot products

// attention to integers: sixteen lanes of pairs of 16 bits, and of 32-bit sums
struct i16x32 {
  std::int16_t v[32];
};
struct i32x16 {
  std::int32_t v[16];
};
LOQUAT_INLINE i16x32 load_pairs_i8(std::uint8_t const* p) noexcept { // signed bytes
  i16x32 r;
  for (std::size_t i = 0; i < 32; ++i) r.v[i] = static_cast<std::int8_t>(p[i]);
  return r;
}
LOQUAT_INLINE i16x32 load_pairs_i4(std::uint8_t const* p) noexcept { // signed nibbles of 16 bytes: low ones, high ones
  i16x32 r;
  for (std::size_t i = 0; i < 32; ++i) r.v[i] = static_cast<std::int16_t>(((p[i % 16] >> i / 16 * 4 & 15) ^ 8) - 8);
  return r;
}
LOQUAT_INLINE i16x32 repeat_pair(std::int16_t const* p) noexcept { // in every lane
  i16x32 r;
  for (std::size_t i = 0; i < 32; ++i) r.v[i] = p[i % 2];
  return r;
}
LOQUAT_INLINE i32x16 zero_i32x16() noexcept { return {}; }
LOQUAT_INLINE i32x16 add_products(i32x16 sums, i16x32 a, i16x32 b) noexcept { // sums + a · b, lane by lane
  for (std::size_t i = 0; i < 32; ++i) sums.v[i / 2] += a.v[i] * b.v[i];
  return sums;
}
LOQUAT_INLINE f32x16 to_floats(i32x16 a) noexcept {
  return lanewise([&](std::size_t i) { return static_cast<float>(a.v[i]); });
}
LOQUAT_INLINE i16x32 load_pairs(std::int16_t const* p) noexcept {
  i16x32 r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
LOQUAT_INLINE std::int32_t sum(i32x16 a) noexcept {
  std::int32_t total = 0;
  for (std::int32_t lane : a.v) total += lane;
  return total;
}
LOQUAT_INLINE void store_sums(std::int32_t* p, i32x16 a, i32x16 b, i32x16 c, i32x16 d) noexcept { // of each, four
  p[0] = sum(a), p[1] = sum(b), p[2] = sum(c), p[3] = sum(d);
}
// rounded to the nearest integers, ties to even, |a| ≤ 32767; 0 for NaN and infinity
LOQUAT_INLINE void store_nearest_i16(std::int16_t* p, f32x16 a) noexcept {
  for (std::size_t i = 0; i < 16; ++i) p[i] = static_cast<std::int16_t>(math::nearest(a.v[i]));
}
inline constexpr std::size_t attention_sums = 2; // that fill the registers, or the pipeline

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
