#pragma once
/// \file
/// Finds a token by its bytes: a flat hash table that holds ids only, and compares with the vocabulary.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// Maps the bytes of pieces to their ids. Its size is fixed when it is made.
class word_index {
 public:
  /// Room for `capacity` words, in at most 32 bytes for each.
  constexpr explicit word_index(std::size_t capacity = 0)
      : slots_(std::bit_ceil(2 * capacity + 2), slot{}),
        shift_(64 - static_cast<unsigned>(std::countr_zero(slots_.size()))) {}

  /// Adds a token that is not there yet; one beyond the capacity is not added.
  constexpr void insert(vocabulary const& words, token id) {
    if (size_ + 1 >= slots_.size()) return; // one slot stays empty: it ends every search
    ++size_;
    auto const hash = hash_of(words.piece(id));
    std::size_t i = static_cast<std::size_t>(hash >> shift_);
    while (slots_[i].id != no_token) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<std::uint32_t>(hash), id};
  }

  /// The token with these bytes, or `no_token`.
  constexpr token find(vocabulary const& words, std::string_view bytes) const noexcept {
    auto const hash = hash_of(bytes);
    for (auto i = static_cast<std::size_t>(hash >> shift_);; i = (i + 1) & (slots_.size() - 1)) {
      auto const [check, id] = slots_[i];
      if (id == no_token || (check == static_cast<std::uint32_t>(hash) && words.piece(id) == bytes)) return id;
    }
  }

 private:
  struct slot {
    std::uint32_t check = 0; // low bits of the hash, of which the high ones give the place
    token id = no_token;
  };

  /// Up to eight bytes as a little-endian number.
  static constexpr std::uint64_t load(char const* from, std::size_t bytes) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if (!std::is_constant_evaluated() && bytes >= 4) { // two loads that may overlap
        std::uint32_t low = 0, high = 0;
        std::memcpy(&low, from, 4);
        std::memcpy(&high, from + bytes - 4, 4);
        return low | std::uint64_t{high} << (8 * (bytes - 4));
      }
    }
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes; ++i) word |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return word;
  }
  static constexpr std::uint64_t hash_of(std::string_view bytes) noexcept {
    std::uint64_t hash = bytes.size() * 0x9E3779B97F4A7C15u;
    while (!bytes.empty()) {
      std::size_t const n = bytes.size() < 8 ? bytes.size() : 8;
      hash = (hash ^ load(bytes.data(), n)) * 0xD6E8FEB86659FD93u;
      hash ^= hash >> 32;
      bytes.remove_prefix(n);
    }
    return hash * 0x9E3779B97F4A7C15u;
  }

  std::vector<slot> slots_;
  unsigned shift_;
  std::size_t size_ = 0;
};

} // namespace loquat
