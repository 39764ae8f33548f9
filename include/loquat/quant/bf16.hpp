/// \file
/// BF16: weights as bfloat16, little-endian. Part one is the format, part two its loads for the kernels.
#ifndef LOQUAT_QUANT_BF16_HPP
#define LOQUAT_QUANT_BF16_HPP

#include <loquat/core/float16.hpp>
#include <loquat/quant/block.hpp>

namespace loquat {

/// Weights rounded to bfloat16.
struct bf16 {
  static constexpr tensor_type type = tensor_type::bf16;
  static constexpr std::string_view name = "BF16";
  static constexpr std::size_t block_length = 1, block_bytes = 2;
  static constexpr bool float_weights = true; ///< has the float kernel extension

  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    *weights = float_from_bfloat(detail::load_u16(block));
  }
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    detail::store_u16(block, bfloat_from_float(*weights));
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_TARGET_NS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
template <class... N> LOQUAT_INLINE f32x16 load_weights(bf16, std::byte const* p, N... n) noexcept {
  return load_bf16(reinterpret_cast<std::uint16_t const*>(p), n...);
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
