#pragma once
/// \file
/// Numbers the keys that turn up: a flat hash table that holds no values, so that whoever counts keeps them in rows.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// Gives keys the numbers 0, 1, 2, …, in the order in which they are added.
class key_index {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0}; ///< the number of no key

  constexpr std::size_t size() const noexcept { return keys_.size(); }         ///< how many keys there are
  constexpr std::uint64_t operator[](std::size_t i) const { return keys_[i]; } ///< the key with this number
  /// The number of a key, or `none`.
  constexpr std::uint32_t find(std::uint64_t key) const noexcept { return slots_[locate(key)]; }
  /// The number of a key, which is a new one if `size()` has grown.
  constexpr std::uint32_t add(std::uint64_t key) {
    std::size_t at = locate(key);
    if (slots_[at] != none) return slots_[at];
    if (2 * (keys_.size() + 1) > slots_.size()) {
      slots_.assign(2 * slots_.size(), none);
      --shift_;
      for (std::size_t i = 0; i < keys_.size(); ++i) slots_[locate(keys_[i])] = static_cast<std::uint32_t>(i);
      at = locate(key);
    }
    slots_[at] = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back(key);
    return slots_[at];
  }

 private:
  /// Where the key is, or the empty slot where it would be.
  constexpr std::size_t locate(std::uint64_t key) const noexcept {
    auto i = static_cast<std::size_t>(((key ^ key >> 32) * 0x9E3779B97F4A7C15u) >> shift_);
    while (slots_[i] != none && keys_[slots_[i]] != key) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  std::vector<std::uint64_t> keys_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(16, none); // never more than half full
  unsigned shift_ = 60;
};

} // namespace loquat
