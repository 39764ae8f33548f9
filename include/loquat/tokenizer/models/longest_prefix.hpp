#pragma once
/// \file
/// The longest piece that a text begins with, without a trie, whose steps wait for each other: all lengths are looked
/// up in a `piece_index`, from the longest possible one down. Which that is, is known from the first two bytes, and
/// from a filter of pieces and of their first 4, 8, 16, … bytes (B. H. Bloom, "Space/time trade-offs in hash coding
/// with allowable errors", 1970; with one bit each), which is small enough to stay in a near cache.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// What is known of the beginnings of pieces.
class longest_prefix {
 public:
  /// A piece and its size in bytes; 0 if there is none.
  struct match {
    token id = no_token;
    std::size_t size = 0;
  };
  static constexpr std::size_t longest = 255; ///< bytes of a piece that can be found

  constexpr longest_prefix() = default; ///< knows no piece
  /// Expects about so many pieces.
  constexpr explicit longest_prefix(std::size_t pieces)
      : reach_(std::is_constant_evaluated() ? 64 : std::size_t{1} << 16, 0), bits_(std::bit_ceil(pieces / 8 + 2), 0),
        shift_(64 - static_cast<int>(std::bit_width(64 * bits_.size() - 1))) {}

  /// Adds a piece of at most `longest` bytes.
  constexpr void add(std::string_view piece) {
    if (piece.size() < 2) return;
    auto& reach = reach_[pair_of(piece)];
    reach = std::max(reach, static_cast<unsigned char>(piece.size()));
    set(bit_of(piece_index::key_of(piece)));
    for (std::size_t head = 4; head < piece.size(); head *= 2) set(head_bit(piece.substr(0, head)));
  }

  /// The longest piece of at most `most` bytes that `text` begins with, of those that `wanted(id)` accepts: all of them
  /// were added, but for single bytes. `index` is that of `pieces`; `most` is 1 … `text.size()`.
  template <class Wanted>
  [[gnu::always_inline]] constexpr match find(std::string_view text, std::size_t most, vocabulary const& pieces,
                                              piece_index const& index, Wanted wanted) const {
    std::size_t size = most < 2 ? most : std::min<std::size_t>(most, std::max<unsigned char>(reach_[pair_of(text)], 1));
    for (std::size_t head = 4; head < size; head *= 2)
      if (!has(head_bit(text.substr(0, head)))) size = head;
    for (; size > piece_index::exact; --size)
      if (has(bit_of(piece_index::key_of(text.substr(0, size)))))
        if (token const id = index.find(pieces, text.substr(0, size)); id != no_token && wanted(id)) return {id, size};
    auto const first = piece_index::load(text.data(), std::min<std::size_t>(text.size(), 8));
    for (; size > 0; --size) {
      std::uint64_t const key = (first & ~(~std::uint64_t{0} << 8 * size)) | std::uint64_t{size} << 56;
      if (size == 1 || has(bit_of(key)))
        if (token const id = index.find_exact(key); id != no_token && wanted(id)) return {id, size};
    }
    return {};
  }

 private:
  constexpr std::size_t pair_of(std::string_view text) const noexcept {
    auto const byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(text[i])); };
    return (byte(0) << 8 | byte(1)) & (reach_.size() - 1);
  }
  constexpr std::size_t bit_of(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> shift_);
  }
  constexpr std::size_t head_bit(std::string_view head) const noexcept { return bit_of(~piece_index::key_of(head)); }
  constexpr void set(std::size_t bit) noexcept { bits_[bit / 64] |= std::uint64_t{1} << (bit % 64); }
  constexpr bool has(std::size_t bit) const noexcept { return (bits_[bit / 64] >> (bit % 64) & 1) != 0; }

  std::vector<unsigned char> reach_; // by the first two bytes: the size of the longest piece
  std::vector<std::uint64_t> bits_;  // by hash
  int shift_ = 63;
};

} // namespace loquat
