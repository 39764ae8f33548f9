/// \file
/// TQ2_0: 256 ternary weights of two bits and a binary16 scale d; weight = d · (q − 1). 2.0625 bits per weight. Of
/// every 32 bytes, the lowest two bits are 32 weights, the next two the following 32, and so on. q = 3 is no ternary
/// weight, but means 2d. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_TQ2_0_HPP
#define LOQUAT_QUANT_TQ2_0_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/ternary.hpp>

namespace loquat {

/// Ternary weights, four in a byte, one scale per 256.
struct tq2_0 {
  static constexpr tensor_type type = tensor_type::tq2_0;
  static constexpr std::string_view name = "TQ2_0";
  static constexpr std::size_t block_length = 256, block_bytes = 66;
  static constexpr integer_layout integer{.group = 256, .activations = 256, .highest = 3, .offset = 1};
  static constexpr std::size_t scale_at = 64;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block + 64); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 256; ++i) {
      auto const four = std::to_integer<unsigned>(block[i / 128 * 32 + i % 32]);
      q[i] = static_cast<std::int8_t>(four >> i / 32 % 4 * 2 & 3);
    }
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<tq2_0>(block, weights);
  }
  /// The scale of least squared error.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    detail::store_u16(block + 64, detail::finite_half(detail::fit_ternary_scale(weights)));
    float const per_scale = detail::inverse(scale(block));
    for (std::size_t i = 0; i < 64; ++i) {
      unsigned four = 0;
      for (std::size_t n = 0; n < 4; ++n)
        four |= detail::ternary_digit(weights[i / 32 * 128 + n * 32 + i % 32], per_scale) << n * 2;
      block[i] = static_cast<std::byte>(four);
    }
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(tq2_0, std::byte const* block, std::size_t step) noexcept {
  return moved_bits<0, 2>(step % 4 * 2, load_bytes(block + step / 4 * 32));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
