#pragma once
/// \file
/// A set of numbers that only says of most others that they are not in it, but does so from memory that is near (B. H.
/// Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// A set without false negatives.
class key_filter {
 public:
  /// At least `bits` bits, and less than twice as many.
  constexpr explicit key_filter(std::size_t bits = 64)
      : words_(std::bit_ceil((bits + 63) / 64), 0),
        shift_(58 - static_cast<unsigned>(std::countr_zero(words_.size()))) {}

  /// Adds a number.
  constexpr void insert(std::uint64_t key) noexcept {
    auto const bit = bit_of(key);
    words_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
  /// False if it was never added; sometimes true although it was not.
  constexpr bool may_have(std::uint64_t key) const noexcept {
    auto const bit = bit_of(key);
    return (words_[bit / 64] >> (bit % 64) & 1) != 0;
  }

 private:
  constexpr std::size_t bit_of(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>((key ^ key >> 32) * 0x9E3779B97F4A7C15u >> shift_);
  }

  std::vector<std::uint64_t> words_;
  unsigned shift_;
};

} // namespace loquat
