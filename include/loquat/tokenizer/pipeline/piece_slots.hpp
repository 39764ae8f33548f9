#pragma once
/// \file
/// The texts of tokens, short ones in slots of 16 bytes, so that they are put one behind the other without asking how
/// long they are. Part of `pipeline.hpp`.

#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// What tokens append in the middle of a text.
class piece_slots {
 public:
  /// What else is to be known of a token.
  enum class role : unsigned char {
    none,
    special, ///< it may be left out
    byte,    ///< it makes a character only together with others
    unknown, ///< a space in front is not of the text
  };

  /// Makes room for `tokens` tokens.
  constexpr void reserve(std::size_t tokens) { slots_.reserve(tokens); }
  /// Adds the next token. False, and nothing is added, if all pieces that have no slot would take 4 GiB.
  [[nodiscard]] constexpr bool add(std::string_view piece, role what) {
    slot_type slot{};
    unsigned tag = 0;
    if (what == role::none && piece.size() <= longest) {
      auto const low = piece_index::load(piece.data(), std::min<std::size_t>(piece.size(), 8));
      auto const high = piece.size() > 8 ? piece_index::load(piece.data() + 8, piece.size() - 8) : 0;
      write(slot, 0, low);
      write(slot, 8, high);
      bool const ascii = ((low | high) & 0x8080808080808080u) == 0;
      tag = (ascii || utf8::is_valid(piece) ? 0u : is_broken) | static_cast<unsigned>(piece.size());
    } else {
      tag = utf8::is_valid(piece) ? 0 : is_broken;
      if (piece.size() > std::numeric_limits<std::uint32_t>::max() - others_.size()) return false;
      write(slot, 0, others_.size() | std::uint64_t{piece.size()} << 32);
      others_.insert(others_.end(), piece.begin(), piece.end());
      tag |= is_other | static_cast<unsigned>(what);
    }
    slot[longest] = static_cast<char>(tag);
    slots_.push_back(slot);
    return true;
  }

  constexpr std::size_t size() const noexcept { return slots_.size(); } ///< tokens
  /// True for the ids that were added.
  constexpr bool contains(token id) const noexcept { return id >= 0 && static_cast<std::size_t>(id) < size(); }
  /// The text of a token; empty for an id out of range.
  constexpr std::string_view operator[](token id) const noexcept {
    if (!contains(id)) return {};
    auto const& slot = slots_[static_cast<std::size_t>(id)];
    unsigned const tag = static_cast<unsigned char>(slot[longest]);
    if ((tag & is_other) == 0) return {slot.data(), tag & longest};
    return {others_.data() + read(slot, 0), read(slot, 4)};
  }
  /// The role of a token, whose id must be one.
  constexpr role role_of(token id) const noexcept {
    unsigned const tag = static_cast<unsigned char>(slots_[static_cast<std::size_t>(id)][longest]);
    return (tag & is_other) == 0 ? role::none : static_cast<role>(tag & longest);
  }

  /// Calls `put(text)` with the pieces of `ids`, many at a time. `put_other(i)` puts what a long token or one with a
  /// role at place `i` gives, and returns the place to go on at. False if a piece, of these others too, is no UTF-8 by
  /// itself.
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

  using slot_type = std::array<char, longest + 1>;
  static constexpr void write(slot_type& slot, std::size_t at, std::uint64_t number) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if (!std::is_constant_evaluated()) {
        std::memcpy(slot.data() + at, &number, sizeof number);
        return;
      }
    }
    for (unsigned i = 0; i < 8; ++i) slot[at + i] = static_cast<char>(number >> (8 * i) & 0xFF);
  }
  static constexpr std::size_t read(slot_type const& slot, std::size_t at) noexcept {
    std::size_t number = 0;
    for (unsigned i = 0; i < 4; ++i)
      number |= static_cast<std::size_t>(static_cast<unsigned char>(slot[at + i])) << (8 * i);
    return number;
  }

  std::vector<slot_type> slots_; // the last byte: the size of the piece, or the role, and marks
  std::vector<char> others_;     // pieces that are in no slot; that has the place and the size
};

} // namespace loquat
