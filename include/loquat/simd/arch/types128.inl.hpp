// Vectors of 128 bits in the language extensions that GCC and Clang share.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

using f32x4 = float __attribute__((vector_size(16)));
using i8x16 = std::int8_t __attribute__((vector_size(16)));
using u8x16 = std::uint8_t __attribute__((vector_size(16)));
using i16x8 = std::int16_t __attribute__((vector_size(16)));
using u16x8 = std::uint16_t __attribute__((vector_size(16)));
using i32x4 = std::int32_t __attribute__((vector_size(16)));
using u32x4 = std::uint32_t __attribute__((vector_size(16)));
using i64x2 = std::int64_t __attribute__((vector_size(16)));
using u64x2 = std::uint64_t __attribute__((vector_size(16)));
using i8x8 = std::int8_t __attribute__((vector_size(8)));
using u16x4 = std::uint16_t __attribute__((vector_size(8)));

template <class V> LOQUAT_INLINE V load_as(void const* p) noexcept { // p: anywhere
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
