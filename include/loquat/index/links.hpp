#pragma once
/// \file
/// The edges of a graph of several levels, each node's as a packed list of numbers of as many bits as the largest
/// needs. One thread writes while others read: words are written whole, so a reader sees old numbers, new ones or,
/// where one crosses words, another node's; and who reads a number sees what was written before it, its node's vector.

#include <loquat/index/pool.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat::detail {

inline constexpr std::size_t most_m = 256; ///< of an index

/// Lists of up to 2·m numbers on level 0, and of m on every level above that a node reaches.
template <class Allocator> class links {
 public:
  constexpr links(std::size_t m, Allocator const& allocator)
      : m_(m), base_(allocator), reaches_up_(allocator), up_before_(allocator), first_list_(allocator),
        upper_(allocator) {}

  constexpr std::size_t most(unsigned level) const noexcept { return level == 0 ? 2 * m_ : m_; } ///< of a list
  constexpr std::size_t slots() const noexcept { return slots_; } ///< nodes there is room for
  constexpr std::size_t m() const noexcept { return m_; } ///< as given
  constexpr std::size_t bytes() const noexcept {
    return base_.bytes() + reaches_up_.bytes() + up_before_.bytes() + first_list_.bytes() + upper_.bytes();
  }

  /// Room for `slots` nodes, of which those in `nodes` exist. Nobody may read meanwhile.
  constexpr void grow(std::size_t slots, std::size_t nodes) {
    if (slots <= slots_) return;
    auto const bits = static_cast<unsigned>(std::bit_width(slots));
    if (bits != bits_ && nodes != 0) {
      repack(bits, slots, nodes);
    } else {
      bits_ = bits;
      base_.grow(slots * words(0));
    }
    slots_ = slots;
    std::size_t const groups = (slots + 63) / 64;
    reaches_up_.grow(groups), up_before_.grow(groups);
  }
  /// Whether a node of this level can be added without growing.
  constexpr bool has_room(std::size_t node, unsigned level) const noexcept {
    return node < slots_ && (level == 0 || (uppers_ + 2 <= first_list_.size() &&
                                            (lists_ + level) * words(1) <= upper_.size()));
  }
  /// Room for more upper lists. Nobody may read meanwhile.
  constexpr void grow_upper(unsigned level) {
    first_list_.grow(std::max(uppers_ + 2, uppers_ + uppers_ / 2 + 16));
    upper_.grow(std::max(lists_ + level, lists_ + lists_ / 2 + 16) * words(1));
  }
  /// Adds the next node, which `has_room`, with empty lists.
  constexpr void add(std::size_t node, unsigned level) noexcept {
    std::size_t const group = node / 64;
    if (node % 64 == 0) up_before_[group] = static_cast<std::uint32_t>(uppers_);
    write(node, 0, {});
    if (level == 0) return;
    for (unsigned l = 1; l <= level; ++l) write_list(upper_.data() + (lists_ + l - 1) * words(1), 1, {});
    lists_ += level;
    first_list_[++uppers_] = static_cast<std::uint32_t>(lists_);
    store_word(reaches_up_[group], reaches_up_[group] | std::uint64_t{1} << node % 64);
  }

  /// Forgets all nodes. Nobody may read meanwhile.
  constexpr void clear(std::size_t nodes) noexcept {
    for (std::size_t g = 0; g < (nodes + 63) / 64; ++g) reaches_up_[g] = 0;
    uppers_ = lists_ = 0;
  }

  /// The highest level that a node is on.
  constexpr unsigned level(std::size_t node) const noexcept {
    std::uint64_t const group = load_word(reaches_up_[node / 64]);
    if ((group >> node % 64 & 1) == 0) return 0;
    std::size_t const upper = upper_number(node, group);
    return upper + 1 < first_list_.size() ? first_list_[upper + 1] - first_list_[upper] : 0;
  }

  /// The neighbours of a node on a level that it is on, to `out` [most(level)]; how many there are.
  constexpr std::size_t read(std::size_t node, unsigned level, std::uint32_t* out) const noexcept {
    std::uint64_t const* const list = at(node, level);
    return list == nullptr ? 0 : read_list(list, level, out);
  }
  /// Replaces them.
  constexpr void write(std::size_t node, unsigned level, std::span<std::uint32_t const> numbers) noexcept {
    write_list(const_cast<std::uint64_t*>(at(node, level)), level, numbers);
  }
  /// What to store of it besides its arrays.
  struct shape {
    std::size_t bits, slots, uppers, lists;
  };
  constexpr shape now() const noexcept { return {bits_, slots_, uppers_, lists_}; } ///< as it is
  /// Calls f(number in files, array) for every array.
  template <class Self, class F> static void arrays(Self& self, F& f) {
    f(9, self.base_), f(10, self.reaches_up_), f(11, self.up_before_), f(12, self.first_list_), f(13, self.upper_);
  }
  /// Gives it the shape of arrays that `arrays` filled.
  void become(shape const& s) noexcept {
    bits_ = static_cast<unsigned>(s.bits), slots_ = s.slots, uppers_ = s.uppers, lists_ = s.lists;
  }
  /// Fetches the list of level 0 ahead.
  constexpr void prefetch(std::size_t node) const noexcept {
    if (!std::is_constant_evaluated()) fetch(node);
  }

 private:
  void fetch(std::size_t node) const noexcept {
    char const* const list = reinterpret_cast<char const*>(base_.data() + node * words(0));
    for (std::size_t b = 0; b < words(0) * 8; b += 64) __builtin_prefetch(list + b);
  }

  constexpr std::size_t words(unsigned level) const noexcept { return (most(level) * bits_ + 63) / 64; }
  constexpr std::size_t upper_number(std::size_t node, std::uint64_t group) const noexcept {
    std::uint64_t const before = group & ((std::uint64_t{1} << node % 64) - 1);
    return up_before_[node / 64] + static_cast<std::size_t>(std::popcount(before));
  }
  // null only where a mapped file is wrong: nobody has read all of it
  constexpr std::uint64_t const* at(std::size_t node, unsigned level) const noexcept {
    if (level == 0) return base_.data() + node * words(0);
    std::size_t const upper = upper_number(node, load_word(reaches_up_[node / 64]));
    if (upper >= first_list_.size()) return nullptr;
    std::size_t const begin = (first_list_[upper] + std::size_t{level} - 1) * words(1);
    return begin + words(1) <= upper_.size() ? upper_.data() + begin : nullptr;
  }
  constexpr std::size_t read_list(std::uint64_t const* list, unsigned level, std::uint32_t* out) const noexcept {
    std::uint64_t const none = (std::uint64_t{1} << bits_) - 1;
    std::size_t const n = most(level);
    for (std::size_t i = 0, bit = 0; i < n; ++i, bit += bits_) {
      std::uint64_t value = load_word(list[bit / 64]) >> bit % 64;
      if (bit % 64 + bits_ > 64) value |= load_word(list[bit / 64 + 1]) << (64 - bit % 64);
      value &= none;
      if (value == none) return i;
      out[i] = static_cast<std::uint32_t>(value);
    }
    return n;
  }
  constexpr void write_list(std::uint64_t* list, unsigned level, std::span<std::uint32_t const> numbers) noexcept {
    std::size_t bit = 0;
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < most(level); ++i) {
      std::uint64_t const value = i < numbers.size() ? numbers[i] : (std::uint64_t{1} << bits_) - 1;
      word |= value << bit % 64;
      if (bit % 64 + bits_ >= 64) {
        store_word(list[bit / 64], word);
        word = bit % 64 + bits_ == 64 ? 0 : value >> (64 - bit % 64);
      }
      bit += bits_;
    }
    if (bit % 64 != 0) store_word(list[bit / 64], word);
  }
  constexpr void repack(unsigned bits, std::size_t slots, std::size_t nodes) {
    links wider(m_, {});
    wider.bits_ = bits;
    wider.base_.grow(slots * wider.words(0));
    wider.reaches_up_ = std::move(reaches_up_), wider.up_before_ = std::move(up_before_);
    wider.first_list_ = std::move(first_list_);
    wider.upper_.grow(lists_ * wider.words(1));
    std::vector<std::uint32_t> list(most(0), std::uint32_t{});
    auto const copy = [&](std::uint64_t* to, unsigned level, std::size_t n) {
      wider.write_list(to, level, std::span(list).first(n));
    };
    for (std::size_t node = 0; node < nodes; ++node) copy(wider.base_.data() + node * wider.words(0), 0, read(node, 0, list.data()));
    for (std::size_t i = 0; i < lists_; ++i)
      copy(wider.upper_.data() + i * wider.words(1), 1, read_list(upper_.data() + i * words(1), 1, list.data()));
    bits_ = bits;
    base_ = std::move(wider.base_), upper_ = std::move(wider.upper_);
    reaches_up_ = std::move(wider.reaches_up_), up_before_ = std::move(wider.up_before_);
    first_list_ = std::move(wider.first_list_);
  }

  std::size_t m_;
  unsigned bits_ = 1;
  std::size_t slots_ = 0, uppers_ = 0, lists_ = 0;    // nodes above level 0, and their lists
  pool_of<std::uint64_t, Allocator> base_;            // [slots × words(0)]
  pool_of<std::uint64_t, Allocator> reaches_up_;      // a bit for each slot
  pool_of<std::uint32_t, Allocator> up_before_;       // nodes above level 0 before each 64 slots
  pool_of<std::uint32_t, Allocator> first_list_;      // of a node above level 0 [uppers + 1]
  pool_of<std::uint64_t, Allocator> upper_;           // [lists × words(1)]
};

} // namespace loquat::detail
