/// \file
/// F16: weights as binary16, little-endian. Part one is the format, part two its loads for the kernels.
#ifndef LOQUAT_QUANT_F16_HPP
#define LOQUAT_QUANT_F16_HPP

#include <loquat/core/float16.hpp>
#include <loquat/quant/block.hpp>

namespace loquat {

/// Weights rounded to binary16.
struct f16 {
  static constexpr tensor_type type = tensor_type::f16;
  static constexpr std::string_view name = "F16";
  static constexpr std::size_t block_length = 1, block_bytes = 2;
  static constexpr bool float_weights = true; ///< has the float kernel extension

  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    *weights = float_from_half(detail::load_u16(block));
  }
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    detail::store_u16(block, half_from_float(*weights));
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_TARGET_NS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
template <class... N> LOQUAT_INLINE f32x16 load_weights(f16, std::byte const* p, N... n) noexcept {
  return load_f16(reinterpret_cast<std::uint16_t const*>(p), n...);
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
