#pragma once
/// \file
/// Which characters may stand side by side within a piece. Between two that never do, a text can be cut without
/// changing its encoding. ASCII pairs are exact; the others share hashed bits, where a collision only forgoes a cut.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// A set of pairs of code points that has no false negatives.
class adjacency {
 public:
  /// About 8 bits for each of `pairs` pairs, at most 128 KiB.
  constexpr explicit adjacency(std::size_t pairs = 0)
      : bits_(std::bit_ceil((pairs < 131'072 ? pairs : 131'072) / 8 + 1), 0),
        shift_(58 - static_cast<unsigned>(std::countr_zero(bits_.size()))) {}

  /// Notes that the two meet, in this order.
  constexpr void insert(char32_t left, char32_t right) {
    auto const [word, bit] = locate(left, right);
    (is_ascii(left, right) ? ascii_[word] : bits_[word]) |= bit;
  }
  /// False if the two were never noted; rarely true although they were not.
  constexpr bool contains(char32_t left, char32_t right) const noexcept {
    auto const [word, bit] = locate(left, right);
    return ((is_ascii(left, right) ? ascii_[word] : bits_[word]) & bit) != 0;
  }

 private:
  struct place {
    std::size_t word;
    std::uint64_t bit;
  };
  static constexpr bool is_ascii(char32_t left, char32_t right) noexcept { return (left | right) < 128; }
  constexpr place locate(char32_t left, char32_t right) const noexcept {
    if (is_ascii(left, right)) return {left * 2 + right / 64, std::uint64_t{1} << (right % 64)};
    std::uint64_t const hash = ((std::uint64_t{left} << 21) | right) * 0x9E3779B97F4A7C15u;
    std::uint64_t const position = hash >> shift_;
    return {static_cast<std::size_t>(position / 64), std::uint64_t{1} << (position % 64)};
  }

  std::array<std::uint64_t, 256> ascii_{};
  std::vector<std::uint64_t> bits_;
  unsigned shift_;
};

} // namespace loquat
