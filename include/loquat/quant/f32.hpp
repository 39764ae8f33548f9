/// \file
/// F32: weights as IEEE 754 binary32, little-endian. Part one is the format, part two its loads for the kernels.
#ifndef LOQUAT_QUANT_F32_HPP
#define LOQUAT_QUANT_F32_HPP

#include <loquat/quant/block.hpp>

#include <bit>

namespace loquat {

/// Weights as they are.
struct f32 {
  static constexpr tensor_type type = tensor_type::f32;
  static constexpr std::string_view name = "F32";
  static constexpr std::size_t block_length = 1, block_bytes = 4;
  static constexpr bool float_weights = true; ///< has the float kernel extension

  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    std::uint32_t const high = detail::load_u16(block + 2);
    *weights = std::bit_cast<float>(high << 16 | detail::load_u16(block));
  }
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    auto const bits = std::bit_cast<std::uint32_t>(*weights);
    detail::store_u16(block, static_cast<std::uint16_t>(bits));
    detail::store_u16(block + 2, static_cast<std::uint16_t>(bits >> 16));
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_TARGET_NS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
template <class... N> LOQUAT_INLINE f32x16 load_weights(f32, std::byte const* p, N... n) noexcept {
  return load(reinterpret_cast<float const*>(p), n...);
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
