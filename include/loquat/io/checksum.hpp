#pragma once
/// \file
/// A checksum of 64 bits that costs less than reading memory: four lanes of words, each combined by exclusive or,
/// rotation and multiplication. A change within one word of a lane always changes it, any other with a probability of
/// 1 − 2⁻⁶⁴. Against accidents, not against forgers.

#include <loquat/io/bytes.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// The checksum of bytes; another `seed` gives another.
constexpr std::uint64_t checksum(std::span<std::byte const> bytes, std::uint64_t seed = 0) noexcept {
  constexpr std::size_t lanes = 4, word = 8;
  constexpr std::uint64_t factors[lanes]{0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0xd6e8feb86659fd93u,
                                         0xa0761d6478bd642fu};
  std::uint64_t state[lanes]{};
  for (std::size_t l = 0; l < lanes; ++l) state[l] = (seed + l + 1) * factors[l];
  auto const step = [&](std::size_t l, std::uint64_t value) {
    state[l] = std::rotl(state[l] ^ value, 29) * factors[l];
  };
  std::size_t i = 0;
  for (; i + lanes * word <= bytes.size(); i += lanes * word)
    for (std::size_t l = 0; l < lanes; ++l) step(l, load_little<std::uint64_t>(bytes.data() + i + l * word));
  for (std::size_t l = 0; i < bytes.size(); i += word, ++l) {
    std::byte last[word]{};
    std::copy_n(bytes.data() + i, std::min(word, bytes.size() - i), last);
    step(l, load_little<std::uint64_t>(last));
  }
  std::uint64_t sum = bytes.size();
  for (std::size_t l = 0; l < lanes; ++l) sum = std::rotl(sum ^ state[l], 31) * factors[l];
  sum = (sum ^ sum >> 32) * factors[0];
  return sum ^ sum >> 29;
}

} // namespace loquat
