#pragma once
/// \file
/// The 8-bit float formats of model files, as bits: E4M3 without infinities and E5M2 (P. Micikevicius et al., "FP8
/// Formats for Deep Learning", 2022).

#include <loquat/core/float16.hpp>

#include <bit>
#include <cstdint>

namespace loquat {

/// The float with the value of E5M2 bits, which are the upper half of binary16's; exact.
constexpr float float_from_e5m2(std::uint8_t bits) noexcept {
  return float_from_half(static_cast<std::uint16_t>(bits << 8));
}

/// The float with the value of E4M3 bits; exact. All ones but the sign are a NaN; there are no infinities.
constexpr float float_from_e4m3(std::uint8_t bits) noexcept {
  std::uint32_t const sign = static_cast<std::uint32_t>(bits & 0x80u) << 24, magnitude = bits & 0x7fu;
  if (magnitude == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
  if (magnitude >= 8) return std::bit_cast<float>(sign | ((magnitude << 20) + 0x3c000000u));
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-9f));
}

} // namespace loquat
