// The kernel vocabulary in plain C++: the definition of what every operation means, lane by lane.
// f32x16: sixteen float lanes, the unit of every float reduction. f32x4: four. rows: one lane per weight row.
// i8x32: a block of 32 bytes.
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
LOQUAT_INLINE f32x16 max(f32x16 a, f32x16 b) noexcept { // b where either is NaN
  return lanewise([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
LOQUAT_INLINE f32x16 abs(f32x16 a) noexcept {
  return lanewise([&](std::size_t i) { return __builtin_fabsf(a.v[i]); });
}
LOQUAT_INLINE f32x16 select_less(f32x16 a, f32x16 b, f32x16 yes, f32x16 no) noexcept { // a < b ? yes : no
  return lanewise([&](std::size_t i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}
// y · 2ⁿ for integral n in [−126, 128] that carries 1.5 · 2²³ on top, in two exact factors
LOQUAT_INLINE f32x16 scale_by_power(f32x16 y, f32x16 n_plus_magic) noexcept {
  return lanewise([&](std::size_t i) {
    auto const n = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(n_plus_magic.v[i]) - 0x4b400000u);
    auto const power = [](std::int32_t e) { return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23); };
    return y.v[i] * power(n >> 1) * power(n - (n >> 1));
  });
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
LOQUAT_INLINE void store_f16(std::uint16_t* p, f32x16 a) noexcept {
  for (std::size_t i = 0; i < 16; ++i) p[i] = half_from_float(a.v[i]);
}
LOQUAT_INLINE void store_f16(std::uint16_t* p, f32x16 a, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) p[i] = half_from_float(a.v[i]);
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p) noexcept {
  return lanewise([=](std::size_t i) { return float_from_bfloat(p[i]); });
}
LOQUAT_INLINE f32x16 load_bf16(std::uint16_t const* p, std::size_t n) noexcept {
  return lanewise([=](std::size_t i) { return i < n ? float_from_bfloat(p[i]) : 0.0f; });
}
// round(a) to the nearest integer, ties to even, |a| ≤ 127; 16 bytes
LOQUAT_INLINE void store_i8(std::int8_t* p, f32x16 a_plus_magic) noexcept {
  for (std::size_t i = 0; i < 16; ++i)
    p[i] = static_cast<std::int8_t>(std::bit_cast<std::uint32_t>(a_plus_magic.v[i]) & 0xffu);
}

LOQUAT_INLINE f32x4 zero4() noexcept { return {}; }
LOQUAT_INLINE f32x4 broadcast4(float x) noexcept { return {{x, x, x, x}}; }
LOQUAT_INLINE f32x4 mul(f32x4 a, f32x4 b) noexcept {
  for (std::size_t i = 0; i < 4; ++i) a.v[i] *= b.v[i];
  return a;
}
LOQUAT_INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) noexcept {
  for (std::size_t i = 0; i < 4; ++i) a.v[i] = math::fma(a.v[i], b.v[i], c.v[i]);
  return a;
}
LOQUAT_INLINE void store(float* p, f32x4 a) noexcept {
  for (std::size_t i = 0; i < 4; ++i) p[i] = a.v[i];
}
LOQUAT_INLINE f32x4 from_f16(std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d) noexcept {
  return {{float_from_half(a), float_from_half(b), float_from_half(c), float_from_half(d)}};
}

// --- 32 bytes: weights w (prepared), activations x in [−127, 127] ---------------------------------------------------
struct i8x32 {
  std::uint8_t v[32];
};
inline constexpr int signed_bias = 0; // what `prepare_signed` adds to every weight

LOQUAT_INLINE i8x32 load_bytes(void const* p) noexcept {
  i8x32 r;
  std::memcpy(r.v, p, 32);
  return r;
}
LOQUAT_INLINE void store_bytes(void* p, i8x32 a) noexcept { std::memcpy(p, a.v, 32); }
LOQUAT_INLINE i8x32 load_nibbles(void const* p) noexcept { // 16 low halves, then 16 high halves
  i8x32 r;
  auto const* bytes = static_cast<std::uint8_t const*>(p);
  for (std::size_t i = 0; i < 16; ++i) {
    r.v[i] = bytes[i] & 15;
    r.v[i + 16] = bytes[i] >> 4;
  }
  return r;
}
LOQUAT_INLINE i8x32 prepare_signed(i8x32 w) noexcept { return w; }
// w is signed and prepared, or unsigned and below 32
template <bool Signed> LOQUAT_INLINE std::int32_t dot(i8x32 w, i8x32 x) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    int const weight = Signed ? static_cast<std::int8_t>(w.v[i]) : w.v[i];
    sum += weight * static_cast<std::int8_t>(x.v[i]);
  }
  return sum;
}
// the dot products of four blocks with the same activations, minus `less`, as floats (exact)
template <bool Signed>
LOQUAT_INLINE f32x4 dots(i8x32 a, i8x32 b, i8x32 c, i8x32 d, i8x32 x, std::int32_t less) noexcept {
  return {{static_cast<float>(dot<Signed>(a, x) - less), static_cast<float>(dot<Signed>(b, x) - less),
           static_cast<float>(dot<Signed>(c, x) - less), static_cast<float>(dot<Signed>(d, x) - less)}};
}

// --- one lane per weight row: the tile of a matrix product -----------------------------------------------------------
inline constexpr std::size_t row_lanes = 8;
inline constexpr std::size_t tile_vectors = 1, tile_columns = 2; // a tile: row_lanes · tile_vectors rows by columns
inline constexpr int tile_unroll = 1;
inline constexpr std::size_t float_rows = 2, float_columns = 2; // a tile of float dot products

struct row_sums {
  std::int32_t v[row_lanes];
};
struct row_floats {
  float v[row_lanes];
};
struct row_bytes { // 4 consecutive weights of each row
  std::uint8_t v[row_lanes * 4];
};
LOQUAT_INLINE row_sums broadcast_sums(std::int32_t x) noexcept {
  row_sums r;
  for (auto& lane : r.v) lane = x;
  return r;
}
LOQUAT_INLINE row_bytes load_row_bytes(std::uint8_t const* p) noexcept {
  row_bytes r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
template <bool Signed> LOQUAT_INLINE row_sums dot4(row_sums acc, row_bytes const& w, std::int8_t const* x) noexcept {
  for (std::size_t i = 0; i < row_lanes; ++i)
    for (std::size_t k = 0; k < 4; ++k) {
      int const weight = Signed ? static_cast<std::int8_t>(w.v[i * 4 + k]) : w.v[i * 4 + k];
      acc.v[i] += weight * x[k];
    }
  return acc;
}
LOQUAT_INLINE row_floats zero_rows() noexcept { return {}; }
LOQUAT_INLINE row_floats load_rows(float const* p) noexcept {
  row_floats r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
LOQUAT_INLINE void store_rows(float* p, row_floats a) noexcept { std::memcpy(p, a.v, sizeof a.v); }
// acc + float(sums) · (row_scale · scale), the product of the scales rounded first
LOQUAT_INLINE row_floats accumulate(row_floats acc, row_sums sums, row_floats row_scale, float scale) noexcept {
  for (std::size_t i = 0; i < row_lanes; ++i)
    acc.v[i] = math::fma(static_cast<float>(sums.v[i]), row_scale.v[i] * scale, acc.v[i]);
  return acc;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
