#pragma once
/// \file
/// A flat hash table from two small numbers to a third: merge rules of a BPE (left, right → merged), edges of a trie
/// (node, byte → node), code points to symbols. A slot is one 64-bit word, so a look-up usually costs one cache line.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace loquat {

/// Maps pairs of numbers below 2^21 to numbers below 2^21 - 1.
class pair_map {
 public:
  static constexpr unsigned number_bits = 21;
  static constexpr std::uint32_t none = (1u << number_bits) - 1; ///< no value; as half of a key it is never found

  /// Room for `expected` entries, in at most 32 bytes for each; it grows when there are more.
  constexpr explicit pair_map(std::size_t expected = 0) : slots_(std::bit_ceil(2 * expected + 2), empty) {}

  /// The value of a pair, or `none`.
  constexpr std::uint32_t find(std::uint32_t a, std::uint32_t b) const noexcept {
    std::uint64_t const key = pack(a, b);
    for (std::size_t i = slot_of(key);; i = (i + 1) & (slots_.size() - 1)) {
      std::uint64_t const slot = slots_[i];
      if (slot >> number_bits == key) return static_cast<std::uint32_t>(slot) & none;
      if (slot == empty) return none;
    }
  }

  /// Adds an entry. An entry that is there stays as it is.
  constexpr void insert(std::uint32_t a, std::uint32_t b, std::uint32_t value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    size_ += place(pack(a, b) << number_bits | value);
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  static constexpr std::uint64_t pack(std::uint32_t a, std::uint32_t b) noexcept {
    return std::uint64_t{a} << number_bits | b;
  }
  constexpr std::size_t slot_of(std::uint64_t key) const noexcept { // Fibonacci hashing: the high bits are good
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }
  constexpr bool place(std::uint64_t entry) noexcept {
    std::uint64_t const key = entry >> number_bits;
    std::size_t i = slot_of(key);
    for (; slots_[i] != empty; i = (i + 1) & (slots_.size() - 1))
      if (slots_[i] >> number_bits == key) return false;
    slots_[i] = entry;
    return true;
  }
  constexpr void grow() {
    auto const old = std::exchange(slots_, std::vector<std::uint64_t>(2 * slots_.size(), empty));
    --shift_;
    for (auto const entry : old)
      if (entry != empty) place(entry);
  }

  std::vector<std::uint64_t> slots_; // key, value; all ones if empty; never more than half full
  unsigned shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots_.size()));
  std::size_t size_ = 0;
};

} // namespace loquat
