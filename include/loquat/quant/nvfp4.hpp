/// \file
/// NVFP4: 64 weights as four scale bytes, one per 16 weights, and 64 floats of four bits (E2M1); weight = scale ·
/// float. 4.5 bits per weight. A scale is a float of four exponent and three fraction bits (UE4M3: the sign bit is
/// ignored and NaN is zero). Of every eight bytes, the low nibbles are weights 0…7, the high ones 8…15. q is the float
/// doubled, hence g is half the scale. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_NVFP4_HPP
#define LOQUAT_QUANT_NVFP4_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/level_search.hpp>

#include <algorithm>
#include <limits>

namespace loquat {
namespace detail {

// half the float of every byte
inline constexpr auto ue4m3_halved = [] {
  std::array<float, 256> floats{};
  for (std::uint32_t i = 0; i < 256; ++i) { // shifted, the bits are those of a binary16, but for the exponent's bias
    std::uint32_t const magnitude = i & 0x7f;
    floats[i] = magnitude == 0x7f ? 0 : float_from_half(static_cast<std::uint16_t>(magnitude << 7)) * 0x1p7f;
  }
  return floats;
}();

} // namespace detail

/// 4-bit floats, an 8-bit float scale per 16.
struct nvfp4 {
  static constexpr tensor_type type = tensor_type::nvfp4;
  static constexpr std::string_view name = "NVFP4";
  static constexpr std::size_t block_length = 64, block_bytes = 36;
  static constexpr integer_layout integer{.group = 16, .lowest = -12, .highest = 12, .float_scales = true};

  static constexpr float scale(std::byte const*) noexcept { return 1; }
  static constexpr std::array<float, 4> group_scales(std::byte const* block) noexcept {
    auto const g = [block](std::size_t i) { return detail::ue4m3_halved[std::to_integer<std::size_t>(block[i])]; };
    return {g(0), g(1), g(2), g(3)};
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 4; ++i) detail::store_levels<8>(detail::e2m1_doubled, block + 4 + i * 8, q + i * 16);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<nvfp4>(block, weights);
  }
  /// The scales of least squared error, errors weighted by importance, of those around the one with which the largest
  /// weight is 6.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    auto const w = detail::error_weights<64>(importance);
    for (std::size_t j = 0; j < 4; ++j) {
      float const* const x = weights + j * 16;
      float largest = 0;
      for (std::size_t i = 0; i < 16; ++i) largest = std::max(largest, x[i] < 0 ? -x[i] : x[i]);
      int const first = std::min(half_from_float(largest / 6 * 0x1p-8f) >> 7, 0x7e); // see `ue4m3_halved`
      float least = std::numeric_limits<float>::infinity();
      std::size_t best = 0;
      for (int i = std::max(first - 3, 0); i <= std::min(first + 7, 0x7e); ++i) {
        auto const byte = static_cast<std::size_t>(i);
        float const g = detail::ue4m3_halved[byte];
        float const error = detail::level_error<detail::e2m1_doubled, 16>(x, w.data() + j * 16, g);
        if (!(error < least)) continue;
        least = error;
        best = byte;
      }
      block[j] = static_cast<std::byte>(best);
      detail::store_nearest_levels<detail::e2m1_doubled, 8>(x, detail::ue4m3_halved[best], block + 4 + j * 8);
    }
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
LOQUAT_INLINE i8x32 load_quants(nvfp4, std::byte const* block, std::size_t step) noexcept {
  return lookup(loquat::detail::e2m1_doubled, load_nibbles_of_8(block + 4 + step * 16));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
