#pragma once
/// \file
/// The smallest of many numbers that change, and where it is: what byte-pair encoding asks for again and again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// A row of numbers under a tree whose nodes hold the least of eight below. It keeps its memory from use to use.
class min_tree {
 public:
  static constexpr std::uint32_t none = (1u << 21) - 1; ///< stands for no number; numbers are smaller

  struct entry {
    std::uint32_t number = none;
    std::size_t at = 0;
  };

  /// Begins a row of `size` numbers, at least one and below 2^32; `number(i)` gives the one at `i`, or `none`.
  template <class Number> constexpr void assign(std::size_t size, Number number) {
    levels_.clear();
    std::size_t nodes = 0;
    for (std::size_t n = size; n > 1; n /= width) {
      n = (n + width - 1) / width * width;
      levels_.push_back(nodes);
      nodes += n;
    }
    levels_.push_back(nodes);
    nodes_.assign(nodes + 1, key(none, 0));
    for (std::size_t i = 0; i < size; ++i) nodes_[i] = key(number(i), i);
    for (std::size_t level = 1; level < levels_.size(); ++level)
      for (std::size_t i = levels_[level - 1]; i < levels_[level]; i += width)
        nodes_[levels_[level] + (i - levels_[level - 1]) / width] = least_of(i);
  }
  /// The smallest number, the leftmost of equals.
  constexpr entry least() const noexcept {
    return {static_cast<std::uint32_t>(nodes_.back() >> 32), static_cast<std::size_t>(nodes_.back() & 0xFFFF'FFFFu)};
  }
  /// Replaces the number at `i`.
  constexpr void set(std::size_t i, std::uint32_t number) noexcept {
    nodes_[i] = key(number, i);
    for (std::size_t level = 1; level < levels_.size(); ++level) {
      i /= width;
      auto const now = least_of(levels_[level - 1] + i * width);
      auto& node = nodes_[levels_[level] + i];
      if (node == now) return;
      node = now;
    }
  }

 private:
  static constexpr std::size_t width = 8; // children of a node: a cache line

  static constexpr std::uint64_t key(std::uint32_t number, std::size_t at) noexcept {
    return std::uint64_t{number} << 32 | at;
  }
  constexpr std::uint64_t least_of(std::size_t first) const noexcept {
    auto const* const n = nodes_.data() + first;
    return std::min(std::min(std::min(n[0], n[1]), std::min(n[2], n[3])),
                    std::min(std::min(n[4], n[5]), std::min(n[6], n[7])));
  }

  std::vector<std::uint64_t> nodes_; // the numbers, then level by level the least of eight; the last is the root
  std::vector<std::size_t> levels_;  // where each level begins
};

} // namespace loquat
