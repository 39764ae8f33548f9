/// \file
/// IQ4_XS: 256 weights as a binary16 scale d, eight 6-bit numbers s, one per 32 weights, and 256 nibbles;
/// weight = d · (s − 32) · q, where a nibble chooses q among the levels of IQ4_NL. 4.25 bits per weight. The high two
/// bits of the s stand in one word, the low four in the nibbles of the four bytes after it; of every 16 bytes, the low
/// nibbles are weights 0…15, the high ones 16…31. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_IQ4_XS_HPP
#define LOQUAT_QUANT_IQ4_XS_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/level_search.hpp>

#include <algorithm>
#include <limits>

namespace loquat {

/// 4-bit weights on uneven levels, a 6-bit scale per 32.
struct iq4_xs {
  static constexpr tensor_type type = tensor_type::iq4_xs;
  static constexpr std::string_view name = "IQ4_XS";
  static constexpr std::size_t block_length = 256, block_bytes = 136;
  static constexpr integer_layout integer{.activations = 256, .lowest = -127, .highest = 113};
  static constexpr std::size_t scale_at = 0;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block); }
  static constexpr std::array<std::int8_t, 8> group_scales(std::byte const* block) noexcept {
    std::uint64_t const pairs = detail::load_u16(block + 2); // to be spread over the bytes
    std::uint64_t const fours = (pairs | pairs << 24) & 0x000000ff000000ff;
    std::uint64_t const twos = (fours | fours << 12) & 0x000f000f000f000f;
    std::uint64_t const high = (twos | twos << 6) & 0x0303030303030303;
    std::uint64_t const s = detail::spread_nibbles(detail::load_u32(block + 4)) | high << 4;
    return detail::bytes_of((s + 0x6060606060606060) ^ 0x8080808080808080); // s - 32
  }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    for (std::size_t i = 0; i < 8; ++i) detail::store_levels<16>(detail::iq4_levels, block + 8 + i * 16, q + i * 32);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<iq4_xs>(block, weights);
  }
  /// The scales of least squared error: of every 32 weights by themselves, then of these as multiples of d, of which
  /// those next to the nearest are tried as well. Errors are weighted by importance.
  static constexpr void pack(float const* weights, float const* importance, std::byte* block) noexcept {
    using detail::fit_level_scale, detail::level_error, detail::nearest;
    auto const w = detail::error_weights<256>(importance);
    std::array<float, 8> scales{}, sums{};
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t i = j * 32; i < j * 32 + 32; ++i) sums[j] += w[i];
      scales[j] = fit_level_scale<detail::iq4_levels, 32>(weights + j * 32, w.data() + j * 32);
    }
    std::fill_n(block, 8, std::byte{});
    detail::store_u16(block, detail::finite_half(detail::fit_scale<8>(scales.data(), sums.data(), -32, 31)));
    float const d = scale(block);
    for (std::size_t j = 0; j < 8; ++j) {
      float const* const x = weights + j * 32;
      float const nearest_g = nearest(scales[j] * detail::inverse(d), -31, 30);
      float least = std::numeric_limits<float>::infinity(), best = nearest_g;
      for (float const g : {nearest_g, nearest_g - 1, nearest_g + 1})
        if (float const error = level_error<detail::iq4_levels, 32>(x, w.data() + j * 32, d * g); error < least) {
          least = error;
          best = g;
        }
      auto const s = static_cast<unsigned>(static_cast<int>(best) + 32);
      block[2 + j / 4] |= static_cast<std::byte>(s >> 4 << j % 4 * 2);
      block[4 + j / 2] |= static_cast<std::byte>((s & 15) << j % 2 * 4);
      detail::store_nearest_levels<detail::iq4_levels, 16>(x, d * best, block + 8 + j * 16);
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
LOQUAT_INLINE i8x32 load_quants(iq4_xs, std::byte const* block, std::size_t step) noexcept {
  return lookup(loquat::detail::iq4_levels, load_nibbles(block + 8 + step * 16));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
