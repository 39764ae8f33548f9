// The kernel vocabulary for 64-bit ARMs with dot products of bytes. `scalar.inl.hpp` defines what each operation means.
#include <loquat/simd/arch/neon_dots.inl.hpp>

namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

inline constexpr target this_target = target::neon_dotprod;

inline constexpr std::size_t tile_vectors = 2, tile_columns = 4, tile_cell = 4, partial_columns = 1;
using row_bytes = i8x16;
using row_partial = row_sums;
LOQUAT_INLINE row_partial begin(row_sums) noexcept { return row_partial{}; }
template <bool> LOQUAT_INLINE row_partial dot_cells(row_partial acc, row_bytes w, std::int8_t const* x) noexcept {
  return vdotq_s32(acc, w, reinterpret_cast<i8x16>(i32x4{} + load_as<std::int32_t>(x)));
}
LOQUAT_INLINE row_sums end(row_sums sums, row_partial partial, i32x4 scales, std::size_t) noexcept {
  return sums + partial * scales;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS

#include <loquat/simd/arch/bytes128.inl.hpp>
