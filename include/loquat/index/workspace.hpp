#pragma once
/// \file
/// What a search in a graph needs: the nearest nodes so far, in order, and which were seen.

#include <algorithm>
#include <bit>
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

/// The nearest candidates in ascending order, at most a given number; and which of them were gone on from. Each is one
/// number: the distance as an integer of the same order, the node, and a mark.
class nearest_list {
 public:
  constexpr void begin(std::size_t most) {
    most_ = most, size_ = 0, next_ = 0;
    if (items_.size() < most + 1) items_.resize(most + 1, {});
    bound_ = ~std::uint64_t{0};
  }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool full() const noexcept { return size_ == most_; }
  /// What an insertion must not be further than.
  constexpr float bound() const noexcept { return full() ? unpacked(items_[size_ - 1]).distance : __builtin_inff(); }

  /// Where it went from `next` on: 0 if it is what is gone on from next; the largest number if nowhere.
  constexpr std::size_t insert(candidate c) noexcept {
    std::uint64_t const item = packed(c);
    if (item >= bound_) return static_cast<std::size_t>(-1);
    std::size_t at = 0; // of the first item that is larger, without branches
    for (std::size_t left = size_; left > 0;) {
      std::size_t const half = (left + 1) / 2;
      at += items_[at + half - 1] < item ? half : 0;
      left -= half;
    }
    std::size_t const kept = size_ - (full() ? 1 : 0);
    std::copy_backward(items_.data() + at, items_.data() + kept, items_.data() + kept + 1);
    items_[at] = item;
    size_ = kept + 1;
    if (full()) bound_ = items_[size_ - 1] & ~mark;
    next_ = std::min(next_, at);
    return at - next_;
  }
  /// The nearest that was not gone on from yet, or null; marks it.
  constexpr candidate const* next() noexcept {
    while (next_ < size_ && (items_[next_] & mark) != 0) ++next_;
    if (next_ == size_) return nullptr;
    last_ = unpacked(items_[next_]);
    items_[next_++] |= mark;
    return &last_;
  }
  /// All of them, for the caller to change; until the next `finish`.
  constexpr std::span<candidate> finish() {
    if (finished_.size() < size_) finished_.resize(items_.size(), {});
    for (std::size_t i = 0; i < size_; ++i) finished_[i] = unpacked(items_[i]);
    return {finished_.data(), size_};
  }

 private:
  static constexpr std::uint64_t mark = 1; // below the node, which has 31 bits

  static constexpr std::uint64_t packed(candidate c) noexcept {
    auto const bits = std::bit_cast<std::uint32_t>(c.distance + 0.0f); // there is one zero
    std::uint32_t const ordered = bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
    return std::uint64_t{ordered} << 32 | std::uint64_t{c.node} << 1;
  }
  static constexpr candidate unpacked(std::uint64_t item) noexcept {
    auto const ordered = static_cast<std::uint32_t>(item >> 32);
    std::uint32_t const bits = ordered ^ ((ordered >> 31) != 0 ? 0x80000000u : 0xffffffffu);
    return {std::bit_cast<float>(bits), static_cast<std::uint32_t>(item) >> 1};
  }

  std::vector<std::uint64_t> items_;
  std::vector<candidate> finished_;
  candidate last_{};
  std::uint64_t bound_ = 0;
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
    if (touched_.size() < groups) bits_.resize(groups * group, {}), touched_.resize(groups, {});
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
