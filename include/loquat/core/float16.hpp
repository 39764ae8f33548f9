#pragma once
/// \file
/// The 16-bit float formats of model files: IEEE 754 binary16 (F16) and bfloat16 (BF16), as bits.

#include <bit>
#include <cstdint>

namespace loquat {

/// The float with the value of binary16 bits; exact. NaNs become quiet, as the hardware conversions make them.
constexpr float float_from_half(std::uint16_t half) noexcept {
  std::uint32_t const sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::uint32_t const magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) // infinity, NaN
    return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13 |
                                (magnitude > 0x7c00u ? 0x400000u : 0));
  if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
  float const subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

/// The binary16 bits nearest to a float, ties to even; too large becomes infinity.
constexpr std::uint16_t half_from_float(float value) noexcept {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  auto const sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  std::uint32_t const magnitude = bits & 0x7fffffffu;
  auto const signed_half = [sign](std::uint32_t half) { return static_cast<std::uint16_t>(sign | half); };
  if (magnitude > 0x7f800000u) return signed_half(0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return signed_half(0x7c00u); // 65520 and above
  if (magnitude >= 0x38800000u) {
    std::uint32_t const rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return signed_half((rounded - 0x38000000u) >> 13);
  }
  // subnormal: adding 0.5 aligns the last place of the result with that of the sum, which rounds
  float const aligned = std::bit_cast<float>(magnitude) + 0.5f;
  return signed_half(std::bit_cast<std::uint32_t>(aligned) - 0x3f000000u);
}

/// The float with the value of bfloat16 bits; exact.
constexpr float float_from_bfloat(std::uint16_t bfloat) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat) << 16);
}

/// The bfloat16 bits nearest to a float, ties to even.
constexpr std::uint16_t bfloat_from_float(float value) noexcept {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u); // NaN stays one
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

} // namespace loquat
