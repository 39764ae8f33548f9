// The kernel vocabulary for 64-bit ARMs with dot products of bytes. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/neon_words.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::neon_dotprod;

LOQUAT_INLINE i32x4 plus_products(i32x4 acc, i8x16 w, i8x16 x) noexcept { return vdotq_s32(acc, w, x); }
LOQUAT_INLINE i32x4 plus_scaled_products(i32x4 acc, i8x16 w, i8x16 x, i16x8 scales) noexcept {
  return acc + vdotq_s32(i32x4{}, w, x) * vmovl_s16(vget_low_s16(scales));
}
using narrow_half = i32x4;
LOQUAT_INLINE narrow_half plus_narrow(narrow_half acc, i8x16 w, i8x16 x) noexcept { return vdotq_s32(acc, w, x); }
LOQUAT_INLINE i32x4 widened(narrow_half a) noexcept { return a; }

inline constexpr std::size_t tile_vectors = 2, tile_columns = 4;
inline constexpr std::size_t float_rows = 2, float_columns = 2, attention_sums = 4;
using row_sums = i32x4;
using row_bytes = i8x16;
using row_partial = row_sums;
constexpr std::size_t quads_of_a_partial(int) noexcept { return 8; } // partial sums have 32 bits
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return row_partial{}; }
template <bool> LOQUAT_INLINE row_partial dot4(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  return vdotq_s32(acc, w, reinterpret_cast<i8x16>(i32x4{} + load_as<std::int32_t>(x)));
}
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, i32x4 scales) noexcept {
  return sums + partial * scales;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS

#include <loquat/simd/arch/bytes128.inl.hpp>
