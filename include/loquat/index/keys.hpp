#pragma once
/// \file
/// Keys of slots, and the slots of a key: a table of slot numbers with linear probing, four bytes for each place. One
/// thread writes while others read.

#include <loquat/index/pool.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
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
    pool_of<std::uint32_t, Allocator> old = std::move(table_);
    table_ = pool_of<std::uint32_t, Allocator>();
    table_.grow(slots + slots / 3 + 2);
    for (std::size_t i = 0; i < old.size(); ++i)
      if (old[i] != 0) place(old[i] - 1);
  }
  /// Gives a slot without a key one.
  constexpr void insert(std::size_t slot, std::uint64_t key) noexcept {
    keys_[slot] = key;
    place(static_cast<std::uint32_t>(slot));
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
    key = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>((key >> 32) * places >> 32);
  }

 private:
  constexpr std::size_t after(std::size_t i) const noexcept { return i + 1 == table_.size() ? 0 : i + 1; }
  constexpr std::size_t home(std::uint64_t key) const noexcept { return home(key, table_.size()); }
  constexpr void place(std::uint32_t slot) noexcept {
    std::size_t i = home(keys_[slot]);
    while (table_[i] != 0) i = after(i);
    store_word(table_[i], slot + 1);
  }

  pool_of<std::uint64_t, Allocator> keys_;  // [slots]
  pool_of<std::uint32_t, Allocator> table_; // slot + 1, or 0
  std::uint32_t moves_ = 0;                 // counts, odd while places change
};

} // namespace loquat::detail
