// The kernel vocabulary for 64-bit ARMs with products of byte matrices (FEAT_I8MM). `scalar.inl.hpp` defines what each
// operation means.
#include <loquat/simd/arch/neon_dots.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::neon_i8mm;

inline constexpr std::size_t tile_vectors = 2, tile_columns = 4, tile_cell = 8, partial_columns = 2;
struct row_bytes { // two rows each
  i8x16 lo, hi;
};
struct row_partial { // two rows by two columns each
  i32x4 lo, hi;
};
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return {i32x4{}, i32x4{}}; }
template <bool> LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  i8x16 const two = load_as<i8x16>(x);
  return {vmmlaq_s32(acc.lo, w.lo, two), vmmlaq_s32(acc.hi, w.hi, two)};
}
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, i32x4 scales, std::size_t column) noexcept {
  return sums + (column == 0 ? vuzp1q_s32(partial.lo, partial.hi) : vuzp2q_s32(partial.lo, partial.hi)) * scales;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS

#include <loquat/simd/arch/bytes128.inl.hpp>
