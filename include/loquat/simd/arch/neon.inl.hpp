// The kernel vocabulary for every 64-bit ARM. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/neon_words.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::neon;

// Products of bytes have 16 bits; two of them can be added.
LOQUAT_INLINE i16x8 products_in_two(i8x16 w, i8x16 x) noexcept {
  return vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x);
}
LOQUAT_INLINE i32x4 plus_products(i32x4 acc, i8x16 w, i8x16 x) noexcept {
  return vpadalq_s16(acc, products_in_two(w, x));
}
LOQUAT_INLINE i32x4 plus_scaled_products(i32x4 acc, i8x16 w, i8x16 x, i16x8 scales) noexcept {
  i16x8 const p = products_in_two(w, x);
  return vmlal_high_s16(vmlal_s16(acc, vget_low_s16(p), vget_low_s16(scales)), p, scales);
}
using narrow_half = i16x8;
LOQUAT_INLINE narrow_half plus_narrow(narrow_half acc, i8x16 w, i8x16 x) noexcept {
  return vmlal_high_s8(vmlal_s8(acc, vget_low_s8(w), vget_low_s8(x)), w, x);
}
LOQUAT_INLINE i32x4 widened(narrow_half a) noexcept { return vpaddlq_s16(a); }

inline constexpr std::size_t tile_vectors = 2, tile_columns = 4, tile_cell = 4, partial_columns = 1;
inline constexpr std::size_t float_rows = 2, float_columns = 2, attention_sums = 4;
using row_sums = i32x4;
using row_bytes = i8x16;
struct row_partial { // four products of each row, 16 bits
  i16x8 lo, hi;
};
constexpr std::size_t quads_of_a_partial(int largest) noexcept { // how many products fit into 16 bits
  int const most = 32767 / (127 * largest);
  return most >= 8 ? 8 : most >= 4 ? 4 : 2;
}
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return {i16x8{}, i16x8{}}; }
template <bool> LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  i8x16 const four = reinterpret_cast<i8x16>(i32x4{} + load_as<std::int32_t>(x));
  return {vmlal_s8(acc.lo, vget_low_s8(w), vget_low_s8(four)), vmlal_high_s8(acc.hi, w, four)};
}
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, i32x4 scales, std::size_t) noexcept {
  return sums + added_pairs(vpaddlq_s16(partial.lo), vpaddlq_s16(partial.hi)) * scales;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS

#include <loquat/simd/arch/bytes128.inl.hpp>
