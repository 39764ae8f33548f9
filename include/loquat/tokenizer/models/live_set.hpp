#pragma once
/// \file
/// The places of a row that are still in use.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// A set of places 0 … size - 1, from which places are taken away. It keeps its memory from use to use.
class live_set {
 public:
  /// All places of a row of `size`.
  constexpr void assign(std::size_t size) {
    words_.assign(size / 64 + 1, ~std::uint64_t{0});
    words_.back() = (std::uint64_t{1} << (size % 64)) - 1;
    size_ = size;
  }
  constexpr std::size_t size() const noexcept { return size_; } ///< of the row
  /// Takes `i` away.
  constexpr void erase(std::size_t i) noexcept { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  /// The next place after `i`; the size of the row if there is none.
  constexpr std::size_t after(std::size_t i) const noexcept {
    std::size_t w = i / 64;
    for (auto bits = words_[w] & (~std::uint64_t{1} << (i % 64));; bits = words_[w]) {
      if (bits != 0) return w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      if (++w == words_.size()) return size_;
    }
  }
  /// The last place before `i`; the size of the row if there is none.
  constexpr std::size_t before(std::size_t i) const noexcept {
    std::size_t w = i / 64;
    for (auto bits = words_[w] & ((std::uint64_t{1} << (i % 64)) - 1);; bits = words_[w]) {
      if (bits != 0) return w * 64 + 63 - static_cast<std::size_t>(std::countl_zero(bits));
      if (w-- == 0) return size_;
    }
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_ = 0;
};

} // namespace loquat
