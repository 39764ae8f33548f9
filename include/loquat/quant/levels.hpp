#pragma once
/// \file
/// Weights as nibbles that choose among sixteen levels: those of the IQ4 formats and of the 4-bit floats.

#include <cstddef>
#include <cstdint>

namespace loquat::detail {

// the levels of IQ4_NL and IQ4_XS
inline constexpr std::int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// the floats of one sign, two exponent and one fraction bit (E2M1), doubled
inline constexpr std::int8_t e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// the levels of the low nibbles of `Count` bytes, then of the high ones
template <std::size_t Count>
constexpr void store_levels(std::int8_t const (&levels)[16], std::byte const* nibbles, std::int8_t* q) noexcept {
  for (std::size_t i = 0; i < Count; ++i) {
    auto const pair = std::to_integer<std::size_t>(nibbles[i]);
    q[i] = levels[pair & 15];
    q[i + Count] = levels[pair >> 4];
  }
}

} // namespace loquat::detail
