// What targets with dot products of bytes have in common: all but their tiles.
#include <loquat/simd/arch/neon_words.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

LOQUAT_INLINE i32x4 plus_products(i32x4 acc, i8x16 w, i8x16 x) noexcept { return vdotq_s32(acc, w, x); }
LOQUAT_INLINE i32x4 plus_scaled_products(i32x4 acc, i8x16 w, i8x16 x, i16x8 scales) noexcept {
  return acc + vdotq_s32(i32x4{}, w, x) * vmovl_s16(vget_low_s16(scales));
}
using narrow_half = i32x4;
LOQUAT_INLINE narrow_half plus_narrow(narrow_half acc, i8x16 w, i8x16 x) noexcept { return vdotq_s32(acc, w, x); }
LOQUAT_INLINE i32x4 widened(narrow_half a) noexcept { return a; }

inline constexpr std::size_t float_rows = 2, float_columns = 2, attention_sums = 4;
using row_sums = i32x4;
constexpr std::size_t quads_of_a_partial(int) noexcept { return 8; } // partial sums have 32 bits

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
