/// \file
/// MXFP4 (Open Compute Project, Microscaling Formats 1.0): 32 weights as an exponent byte e and 32 floats of four bits
/// (E2M1); weight = 2^(e − 127) · float. 4.25 bits per weight. The low nibbles of the 16 bytes are weights 0…15, the
/// high ones 16…31. q is the float doubled, hence the scale is half. e = 255, NaN in the specification, is 2^128 here,
/// as it is for other readers of this file format. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_MXFP4_HPP
#define LOQUAT_QUANT_MXFP4_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/level_search.hpp>

#include <algorithm>
#include <limits>

namespace loquat {

/// 4-bit floats, a power of two per 32.
struct mxfp4 {
  static constexpr tensor_type type = tensor_type::mxfp4;
  static constexpr std::string_view name = "MXFP4";
  static constexpr std::size_t block_length = 32, block_bytes = 17;
  static constexpr integer_layout integer{.lowest = -12, .highest = 12};

  static constexpr float scale(std::byte const* block) noexcept {
    auto const e = std::to_integer<std::uint32_t>(block[0]); // 2^(e − 128): e = 0 and 1 give subnormals
    return std::bit_cast<float>(e < 2 ? 0x200000u << e : (e - 1) << 23);
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    detail::store_levels<16>(detail::e2m1_doubled, block + 1, q);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<mxfp4>(block, weights);
  }
  /// The power of two of least squared error, errors weighted by importance, around the one with which the largest
  /// weight is in [4, 8).
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<32>(importance);
    std::uint32_t exponent = 0; // of the largest weight
    for (std::size_t i = 0; i < 32; ++i)
      exponent = std::max(exponent, std::bit_cast<std::uint32_t>(weights[i]) >> 23 & 255);
    float least = std::numeric_limits<float>::infinity();
    std::byte best{};
    for (std::uint32_t e = std::max(exponent, 4u) - 4; e <= std::max(exponent, 1u) - 1; ++e) {
      block[0] = static_cast<std::byte>(e);
      float const error = detail::level_error<detail::e2m1_doubled, 32>(weights, w.data(), scale(block));
      if (!(error < least)) continue;
      least = error;
      best = block[0];
    }
    block[0] = best;
    detail::store_nearest_levels<detail::e2m1_doubled, 16>(weights, scale(block), block + 1);
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
LOQUAT_INLINE i8x32 load_quants(mxfp4, std::byte const* block, std::size_t) noexcept {
  return lookup(loquat::detail::e2m1_doubled, load_nibbles(block + 1));
}
LOQUAT_INLINE two_rows load_two_rows(mxfp4, std::byte const* a, std::byte const* b) noexcept {
  two_rows const q = nibbles_of_two(a + 1, b + 1);
  return {lookup(loquat::detail::e2m1_doubled, q.first), lookup(loquat::detail::e2m1_doubled, q.second)};
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
