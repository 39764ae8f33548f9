// The kernel vocabulary for WebAssembly with SIMD128. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/types128.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::wasm128;

using f64x2 = double __attribute__((vector_size(16)));

// WebAssembly has no fused multiply-add (the relaxed one may round once or twice). The product of two floats is exact
// in double. Where the sum in double rounds to the middle between two floats, or the result is subnormal, rounding it
// again would be wrong: such lanes are rare, and then `math::fma` computes all four.
LOQUAT_INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) noexcept {
  auto const low = [](f32x4 x) {
    return reinterpret_cast<f64x2>(wasm_f64x2_promote_low_f32x4(reinterpret_cast<v128_t>(x)));
  };
  auto const narrow = [](f64x2 x) {
    return reinterpret_cast<f32x4>(wasm_f32x4_demote_f64x2_zero(reinterpret_cast<v128_t>(x)));
  };
  auto const high = [&](f32x4 x) { return low(__builtin_shufflevector(x, x, 2, 3, 2, 3)); };
  f64x2 const first = low(a) * low(b) + low(c), second = high(a) * high(b) + high(c);
  f32x4 const r = __builtin_shufflevector(narrow(first), narrow(second), 0, 1, 4, 5);
  auto const middle = [](f64x2 s) { return (reinterpret_cast<u64x2>(s) & 0x1fffffff) == 0x10000000; };
  u32x4 const magnitude = reinterpret_cast<u32x4>(r) & 0x7fffffff;
  i32x4 const subnormal = magnitude - 1 < 0x00800000; // up to the smallest normal number
  if (wasm_v128_any_true(reinterpret_cast<i32x4>(middle(first) | middle(second)) | subnormal)) [[unlikely]]
    return f32x4{math::fma(a[0], b[0], c[0]), math::fma(a[1], b[1], c[1]), math::fma(a[2], b[2], c[2]),
                 math::fma(a[3], b[3], c[3])};
  return r;
}

LOQUAT_INLINE i32x4 nearest(f32x4 a) noexcept { // ties to even; 0 for NaN and beyond ±2^20
  i32x4 const rounded = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(reinterpret_cast<v128_t>(a)));
  return rounded & (a < 0x1p20f) & (a > -0x1p20f);
}

LOQUAT_INLINE f32x4 from_f16(u16x4 bits) noexcept { // as float_from_half
  u32x4 const half = __builtin_convertvector(bits, u32x4), magnitude = half & 0x7fff;
  u32x4 const shifted = magnitude << 13;
  f32x4 const finite = reinterpret_cast<f32x4>(shifted) * 0x1p112f; // exact, of subnormals too
  u32x4 const quiet = reinterpret_cast<u32x4>(magnitude > 0x7c00) & 0x400000;
  u32x4 const r = magnitude < 0x7c00 ? reinterpret_cast<u32x4>(finite) : shifted | 0x7f800000 | quiet;
  return reinterpret_cast<f32x4>(r | (half & 0x8000) << 16);
}
LOQUAT_INLINE u8x16 chosen(u8x16 table, u8x16 indices) noexcept { return wasm_i8x16_swizzle(table, indices); }
LOQUAT_INLINE i32x4 added_pairs(i32x4 a, i32x4 b) noexcept { // of a, then of b
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
LOQUAT_INLINE i32x4 pair_products(i16x8 a, i16x8 b) noexcept { return wasm_i32x4_dot_i16x8(a, b); } // added in pairs

// Bytes are widened to 16 bits, whose products are added in pairs.
LOQUAT_INLINE i16x8 low_words(i8x16 a) noexcept { return wasm_i16x8_extend_low_i8x16(a); }
LOQUAT_INLINE i16x8 high_words(i8x16 a) noexcept { return wasm_i16x8_extend_high_i8x16(a); }
LOQUAT_INLINE i32x4 plus_products(i32x4 acc, i8x16 w, i8x16 x) noexcept {
  return acc + pair_products(low_words(w), low_words(x)) + pair_products(high_words(w), high_words(x));
}
LOQUAT_INLINE i16x8 products_in_two(i8x16 w, i8x16 x) noexcept { // two products fit into 16 bits
  return low_words(w) * low_words(x) + high_words(w) * high_words(x);
}
LOQUAT_INLINE i32x4 plus_scaled_products(i32x4 acc, i8x16 w, i8x16 x, i16x8 scales) noexcept {
  return acc + pair_products(products_in_two(w, x), scales);
}
using narrow_half = i16x8;
LOQUAT_INLINE narrow_half plus_narrow(narrow_half acc, i8x16 w, i8x16 x) noexcept {
  return acc + products_in_two(w, x);
}
LOQUAT_INLINE i32x4 widened(narrow_half a) noexcept { return wasm_i32x4_extadd_pairwise_i16x8(a); }

inline constexpr std::size_t tile_vectors = 2, tile_columns = 2, tile_cell = 4, partial_columns = 1;
inline constexpr std::size_t float_rows = 1, float_columns = 1, attention_sums = 2;
using row_sums = i32x4;
using row_bytes = i8x16;
struct row_partial { // two sums of each row
  i32x4 lo, hi;
};
constexpr std::size_t quads_of_a_partial(int) noexcept { return 8; } // they have 32 bits
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return {i32x4{}, i32x4{}}; }
template <bool> LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  i16x8 const four = low_words(reinterpret_cast<i8x16>(i32x4{} + load_as<std::int32_t>(x)));
  return {acc.lo + pair_products(low_words(w), four), acc.hi + pair_products(high_words(w), four)};
}
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, i32x4 scales, std::size_t) noexcept {
  return sums + added_pairs(partial.lo, partial.hi) * scales;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS

#include <loquat/simd/arch/bytes128.inl.hpp>
