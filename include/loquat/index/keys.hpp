#pragma once
/// \file
/// Keys of slots, and the slots of a key: a table of slot numbers with linear probing, four bytes for each place. One
/// thread writes while others read.

#include <loquat/index/pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::detail {

/// 64-bit keys by slot and slots by key; several slots may have the same key.
template <class Allocator> class key_table {
 public:
  constexpr explicit key_table(Allocator const& allocator) : keys_(allocator), table_(allocator) {}

  constexpr std::size_t bytes() const noexcept { return keys_.bytes() + table_.bytes(); }
  constexpr std::uint64_t operator[](std::size_t slot) const noexcept { return keys_[slot]; }
  constexpr std::uint64_t const* data() const noexcept { return keys_.data(); } ///< by slot

  /// Room for `slots` keys. Nobody may read meanwhile.
  constexpr void grow(std::size_t slots) {
    if (slots <= keys_.size()) return;
    keys_.grow(slots);
    std::vector<std::uint32_t> taken;
    std::size_t hole = 0; // so that slots of the same key stay in order
    while (hole < table_.size() && table_[hole] != 0) ++hole;
    for (std::size_t i = hole; i < table_.size() + hole; ++i)
      if (auto const place = table_[i < table_.size() ? i : i - table_.size()]; place != 0) taken.push_back(place - 1);
    pool_of<std::uint32_t, Allocator> const old = std::move(table_);
    table_.grow(slots + slots / 3 + 2);
    place(taken);
  }
  /// Gives a slot without a key one.
  constexpr void insert(std::size_t slot, std::uint64_t key) noexcept {
    keys_[slot] = key;
    place(static_cast<std::uint32_t>(slot));
  }
  /// Gives slots key_of(slot), in a table without keys; in time that does not depend on them.
  template <class F> constexpr void insert(std::span<std::uint32_t const> slots, F key_of) {
    for (auto const slot : slots) keys_[slot] = key_of(slot);
    place(slots);
  }
  /// Takes a slot's key away.
  constexpr void erase(std::size_t slot) noexcept {
    store_word(moves_, moves_ + 1);
    std::size_t i = home(keys_[slot]);
    while (table_[i] != slot + 1) i = after(i);
    // what follows moves up, unless it is at home between the hole and itself
    for (std::size_t j = after(i); table_[j] != 0; j = after(j)) {
      std::size_t const h = home(keys_[table_[j] - 1]);
      bool const stays = i <= j ? i < h && h <= j : i < h || h <= j;
      if (!stays) store_word(table_[i], table_[j]), i = j;
    }
    store_word(table_[i], 0);
    store_word(moves_, moves_ + 1);
  }
  /// The slots of a key that f(slot) accepts, to `out` from its n-th element on; the new n. Beside a thread that
  /// writes.
  template <class F>
  constexpr std::size_t read(std::uint64_t key, std::vector<std::uint32_t>& out, std::size_t n, F f) const {
    if (table_.size() == 0) return n;
    for (;;) {
      std::uint32_t const moves = load_word(moves_);
      std::size_t end = n, i = home(key), left = table_.size(); // as in `find`
      for (std::uint32_t place; moves % 2 == 0 && left-- != 0 && (place = load_word(table_[i])) != 0; i = after(i))
        if (place <= keys_.size() && keys_[place - 1] == key && f(place - 1)) {
          if (end == out.size()) out.resize(2 * end + 64, {});
          out[end++] = place - 1;
        }
      if (moves % 2 == 0 && moves == load_word(moves_)) return end; // else some may have been missed
    }
  }
  /// Calls f(slot) for slots with this key until it returns false.
  template <class F> constexpr void find(std::uint64_t key, F f) const {
    if (table_.size() == 0) return;
    std::size_t i = home(key), left = table_.size(); // a mapped file may have no hole, or wrong numbers
    for (; table_[i] != 0 && left != 0; i = after(i), --left)
      if (std::size_t const slot = table_[i] - 1; slot < keys_.size() && keys_[slot] == key && !f(slot)) return;
  }
  constexpr std::size_t places() const noexcept { return table_.size(); } ///< of the table
  /// Calls f(number in files, array) for both arrays.
  template <class Self, class F> static void arrays(Self& self, F& f) { f(7, self.keys_), f(8, self.table_); }
  /// Where the table's search for a key begins, of so many places.
  static constexpr std::size_t home(std::uint64_t key, std::size_t places) noexcept {
    return home_of(hash(key), places);
  }

 private:
  static constexpr std::uint64_t hash(std::uint64_t key) noexcept { // below 2³²
    return (key ^ key >> 32) * 0x9e3779b97f4a7c15u >> 32;
  }
  static constexpr std::size_t home_of(std::uint64_t hash, std::size_t places) noexcept {
    return static_cast<std::size_t>(hash * places >> 32);
  }
  constexpr std::size_t after(std::size_t i) const noexcept { return i + 1 == table_.size() ? 0 : i + 1; }
  constexpr std::size_t home(std::uint64_t key) const noexcept { return home(key, table_.size()); }
  constexpr void place(std::uint32_t slot) noexcept {
    std::size_t i = home(keys_[slot]);
    while (table_[i] != 0) i = after(i);
    store_word(table_[i], slot + 1);
  }
  // Puts slots into the empty table. In the order of hashes each is at home or behind the one before, so that many that
  // collide cost no more than others; one by one, each would walk past all before it.
  constexpr void place(std::span<std::uint32_t const> slots) {
    std::vector<std::uint64_t> order(slots.size(), std::uint64_t{});
    for (std::size_t i = 0; i < slots.size(); ++i) order[i] = hash(keys_[slots[i]]) << 32 | i;
    std::sort(order.begin(), order.end());
    std::size_t next = 0;
    bool around = false; // behind the end: at the beginning, where others are
    for (auto const o : order) {
      if (!around) next = std::max(next, home_of(o >> 32, table_.size()));
      if (next == table_.size()) next = 0, around = true;
      while (table_[next] != 0) ++next;
      table_[next++] = slots[static_cast<std::size_t>(o & 0xffffffff)] + 1;
    }
  }

  pool_of<std::uint64_t, Allocator> keys_;  // [slots]
  pool_of<std::uint32_t, Allocator> table_; // slot + 1, or 0
  std::uint32_t moves_ = 0;                 // counts, odd while places change
};

} // namespace loquat::detail
