/// \file
/// IQ4_NL: 32 weights as a binary16 scale d and 32 nibbles; weight = d · q, where a nibble chooses q among 16 levels
/// that lie closer together near zero. 4.5 bits per weight. The low nibbles of the 16 bytes are weights 0…15, the high
/// ones 16…31. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ4_NL_HPP
#define LOQUAT_QUANT_IQ4_NL_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/level_search.hpp>

namespace loquat {

/// 4-bit weights on uneven levels, one scale per 32.
struct iq4_nl {
  static constexpr tensor_type type = tensor_type::iq4_nl;
  static constexpr std::string_view name = "IQ4_NL";
  static constexpr std::size_t block_length = 32, block_bytes = 18;
  static constexpr integer_layout integer{.lowest = -127, .highest = 113};
  static constexpr std::size_t scale_at = 0;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    detail::store_levels<16>(detail::iq4_levels, block + 2, q);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq4_nl>(block, weights);
  }
  /// The scale of least squared error, errors weighted by importance.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<32>(importance);
    detail::store_u16(block, detail::finite_half(detail::fit_level_scale<detail::iq4_levels, 32>(weights, w.data())));
    detail::store_nearest_levels<detail::iq4_levels, 16>(weights, scale(block), block + 2);
  }
  /// The same for weights that all matter the same.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    pack(weights, detail::equal_importance.data(), block);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(iq4_nl, std::byte const* block, std::size_t) noexcept {
  return lookup(loquat::detail::iq4_levels, load_nibbles(block + 2));
}
LOQUAT_INLINE two_rows load_two_rows(iq4_nl, std::byte const* a, std::byte const* b) noexcept {
  two_rows const q = nibbles_of_two(a + 2, b + 2);
  return {lookup(loquat::detail::iq4_levels, q.first), lookup(loquat::detail::iq4_levels, q.second)};
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
