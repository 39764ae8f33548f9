/// \file
/// The twelve bytes in which Q4_K and Q5_K keep eight scales and eight minima of six bits: bytes 0…3 are scales 0…3,
/// bytes 4…7 minima 0…3, bytes 8…11 the low nibbles of scales (low) and minima (high) 4…7, whose two high bits stand
/// above the six bits of bytes 0…3 and 4…7.
#ifndef LOQUAT_QUANT_SCALE_PAIRS_HPP
#define LOQUAT_QUANT_SCALE_PAIRS_HPP

#include <loquat/quant/block.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace loquat::detail {

constexpr std::array<std::int8_t, 8> six_bit_scales(std::byte const* bytes) noexcept {
  std::uint32_t const first = load_u32(bytes), low = load_u32(bytes + 8);
  return bytes_of(first & 0x3f3f3f3f, (low & 0x0f0f0f0f) | (first >> 2 & 0x30303030));
}
constexpr std::array<std::int8_t, 8> six_bit_minima(std::byte const* bytes) noexcept {
  std::uint32_t const first = load_u32(bytes + 4), low = load_u32(bytes + 8);
  return bytes_of(first & 0x3f3f3f3f, (low >> 4 & 0x0f0f0f0f) | (first >> 2 & 0x30303030));
}
constexpr void store_six_bit_pairs(std::array<int, 8> const& scales, std::array<int, 8> const& minima,
                                   std::byte* bytes) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<std::byte>(scales[i] | scales[i + 4] >> 4 << 6);
    bytes[i + 4] = static_cast<std::byte>(minima[i] | minima[i + 4] >> 4 << 6);
    bytes[i + 8] = static_cast<std::byte>((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
  }
}

} // namespace loquat::detail


#endif
