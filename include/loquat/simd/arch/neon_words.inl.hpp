// What the vector extensions cannot say, for all targets with NEON.
#include <loquat/simd/arch/types128.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

LOQUAT_INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) noexcept { return vfmaq_f32(c, a, b); }
LOQUAT_INLINE i32x4 nearest(f32x4 a) noexcept { // ties to even; 0 for NaN and beyond ±2^20
  return vcvtnq_s32_f32(a) & reinterpret_cast<i32x4>(vcaltq_f32(a, vdupq_n_f32(0x1p20f)));
}
LOQUAT_INLINE f32x4 from_f16(u16x4 bits) noexcept { return vcvt_f32_f16(vreinterpret_f16_u16(bits)); }
LOQUAT_INLINE u8x16 chosen(u8x16 table, u8x16 indices) noexcept { return vqtbl1q_u8(table, indices); }
LOQUAT_INLINE i32x4 added_pairs(i32x4 a, i32x4 b) noexcept { return vpaddq_s32(a, b); } // of a, then of b
LOQUAT_INLINE i32x4 pair_products(i16x8 a, i16x8 b) noexcept {                          // added in pairs
  return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
