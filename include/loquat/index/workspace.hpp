#pragma once
/// \file
/// What a search in a graph needs: the nearest nodes so far, in order, and which were seen.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat {

namespace detail {

/// A node at a distance.
struct candidate {
  float distance;
  std::uint32_t node;

  constexpr bool operator<(candidate const& other) const noexcept {
    return distance != other.distance ? distance < other.distance : node < other.node;
  }
};

/// The nearest candidates in ascending order, at most a given number; and which of them were gone on from.
class nearest {
 public:
  constexpr void begin(std::size_t most) {
    most_ = most, size_ = 0, next_ = 0;
    if (items_.size() < most + 1) items_.resize(most + 1);
  }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr std::span<candidate const> items() const noexcept { return {items_.data(), size_}; }
  constexpr bool full() const noexcept { return size_ == most_; }
  /// What an insertion must be nearer than.
  constexpr float bound() const noexcept { return full() ? items_[size_ - 1].distance : __builtin_inff(); }

  /// Where it went from `next` on: 0 if it is what is gone on from next; the largest number if nowhere.
  constexpr std::size_t insert(candidate c) noexcept {
    if (full() && !(c < unmarked(items_[size_ - 1]))) return static_cast<std::size_t>(-1);
    std::size_t at = size_;
    for (std::size_t low = 0; low < at;) {
      std::size_t const middle = (low + at) / 2;
      if (c < unmarked(items_[middle]))
        at = middle;
      else
        low = middle + 1;
    }
    std::size_t const kept = size_ - (full() ? 1 : 0);
    std::copy_backward(items_.data() + at, items_.data() + kept, items_.data() + kept + 1);
    items_[at] = c;
    size_ = kept + 1;
    next_ = std::min(next_, at);
    return at - next_;
  }
  /// The nearest that was not gone on from yet, or null; marks it.
  constexpr candidate const* next() noexcept {
    while (next_ < size_ && (items_[next_].node & mark) != 0) ++next_;
    if (next_ == size_) return nullptr;
    last_ = unmarked(items_[next_]);
    items_[next_++].node |= mark;
    return &last_;
  }
  /// Takes the marks away: the search is over.
  constexpr std::span<candidate> finish() noexcept {
    for (std::size_t i = 0; i < size_; ++i) items_[i] = unmarked(items_[i]);
    return {items_.data(), size_};
  }

  static constexpr std::uint32_t mark = std::uint32_t{1} << 31;

 private:
  static constexpr candidate unmarked(candidate c) noexcept { return {c.distance, c.node & ~mark}; }

  std::vector<candidate> items_;
  candidate last_{};
  std::size_t most_ = 0, size_ = 0, next_ = 0;
};

/// Which nodes a search has seen; forgetting costs as much as was seen.
class seen_nodes {
 public:
  constexpr void begin(std::size_t nodes) {
    for (std::size_t g = 0; g < touched_.size(); ++g)
      if (touched_[g] != 0) {
        std::fill_n(bits_.begin() + static_cast<std::ptrdiff_t>(g * group), group, std::uint64_t{});
        touched_[g] = 0;
      }
    std::size_t const groups = nodes / (group * 64) + 1;
    if (touched_.size() < groups) bits_.resize(groups * group), touched_.resize(groups);
  }
  /// 1 the first time, then 0.
  constexpr std::size_t insert(std::uint32_t node) noexcept {
    std::uint64_t& word = bits_[node / 64];
    std::uint64_t const before = word >> node % 64 & 1;
    word |= std::uint64_t{1} << node % 64;
    touched_[node / (group * 64)] = 1;
    return static_cast<std::size_t>(before ^ 1);
  }

 private:
  static constexpr std::size_t group = 8; // words that are cleared together: a cache line
  std::vector<std::uint64_t> bits_;
  std::vector<unsigned char> touched_; // by group
};

} // namespace detail

} // namespace loquat
