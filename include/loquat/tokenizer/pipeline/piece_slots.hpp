#pragma once
/// \file
/// The texts of tokens in slots of 16 bytes, so that short ones are put one behind the other without asking how long
/// they are. Part of `pipeline.hpp`.

#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// Texts of at most 15 bytes, by token, and which tokens are no such text.
class piece_slots {
 public:
  /// Adds the next token. `apart`: what it gives is not always this piece.
  constexpr void add(std::string_view piece, bool apart) {
    auto& slot = slots_.emplace_back();
    bool const is_long = piece.size() > longest;
    if (!is_long) std::ranges::copy(piece, slot.begin());
    slot[longest] = static_cast<char>((is_long ? 0 : piece.size()) | (is_long || apart ? is_other : 0) |
                                      (utf8::is_valid(piece) ? 0 : is_broken));
  }

  /// Calls `put(text)` with the pieces of `ids`, many at a time. `put_other(i)` puts what a long token or one apart at
  /// place `i` gives, and returns the place to go on at. False if a piece, of these others too, is no UTF-8 by itself.
  template <class Put, class Other> constexpr bool each(std::span<token const> ids, Put put, Other put_other) const {
    constexpr std::size_t most = 1024;
    std::array<char, most + longest + 1> block; // texts that are not put yet
    std::size_t size = 0;
    unsigned marks = 0;
    auto const flush = [&] {
      put(std::string_view(block.data(), size));
      size = 0;
    };
    for (std::size_t i = 0; i < ids.size();) {
      auto const id = static_cast<std::size_t>(ids[i]);
      if (id >= slots_.size()) {
        ++i;
        continue;
      }
      auto const& slot = slots_[id];
      unsigned const tag = static_cast<unsigned char>(slot[longest]);
      marks |= tag;
      if ((tag & is_other) != 0) {
        flush();
        i = put_other(i);
        continue;
      }
      std::copy_n(slot.data(), slot.size(), block.data() + size); // the next piece overwrites what is not of this one
      size += tag & longest;
      if (size > most) flush();
      ++i;
    }
    flush();
    return (marks & is_broken) == 0;
  }

 private:
  static constexpr std::size_t longest = 15;
  static constexpr unsigned is_other = 0x10, is_broken = 0x20;

  std::vector<std::array<char, longest + 1>> slots_; // the last byte: the size of the piece, and marks
};

} // namespace loquat
