#pragma once
/// \file
/// Finds a token by its bytes: a flat hash table whose keys are the bytes themselves where they are at most seven,
/// which most words are; such a word costs one miss of the cache. Of a longer piece the key is a hash, and the
/// vocabulary has the last word.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// Whether words may be made of tokens of this kind.
constexpr bool is_text(token_kind kind) noexcept {
  return kind == token_kind::normal || kind == token_kind::undefined || kind == token_kind::user_defined;
}

/// Maps the bytes of pieces to their ids.
class piece_index {
 public:
  constexpr piece_index() = default; ///< holds nothing

  /// Up to eight bytes as a little-endian number, by loads that may overlap.
  static constexpr std::uint64_t load(char const* from, std::size_t n) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if (!std::is_constant_evaluated() && n >= 4) {
        std::uint32_t low = 0, high = 0;
        std::memcpy(&low, from, 4);
        std::memcpy(&high, from + n - 4, 4);
        return low | std::uint64_t{high} << (8 * (n - 4));
      }
    }
    auto const byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i); };
    if (n < 4) return n == 0 ? 0 : byte(0) | byte(n / 2) | byte(n - 1);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) word |= byte(i);
    return word;
  }

  /// Indexes all pieces but empty ones, in 21 bytes each. Of equal pieces it has the last, but one that is text rather
  /// than others.
  constexpr explicit piece_index(vocabulary const& words)
      : slots_(words.size() / 4 * 7 + 8, slot{}), size_(words.size()) {
    std::array<token, together> ids{};
    for (bool const text : {true, false}) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < words.size(); ++i) { // low ids, which are the frequent ones, are found soonest
        if (is_text(words.kind(static_cast<token>(i))) != text) continue;
        ids[n++] = static_cast<token>(i);
        if (n == together) insert(words, {ids.data(), std::exchange(n, 0)});
      }
      insert(words, {ids.data(), n});
    }
  }

  constexpr std::size_t size() const noexcept { return size_; }  ///< of the vocabulary that it is of
  constexpr bool has_equals() const noexcept { return equals_; } ///< whether some pieces are equal

  /// The token with these bytes, or `no_token`.
  constexpr token find(vocabulary const& words, std::string_view bytes) const noexcept {
    return slots_[locate(words, key_of(bytes), bytes)].id;
  }

  static constexpr std::size_t together = 32; ///< so many pieces are looked up while memory is waited for once
  /// The tokens of at most `together` parts of the pieces of `words`, behind which eight bytes can be read.
  constexpr void find_parts(vocabulary const& words, std::span<std::string_view const> parts,
                            std::span<token> out) const noexcept {
    std::array<std::uint64_t, together> keys{};
    for (std::size_t i = 0; i < parts.size(); ++i) prefetch(keys[i] = key_of_part(parts[i]));
    for (std::size_t i = 0; i < parts.size(); ++i)
      out[i] = parts[i].size() <= exact ? find_exact(keys[i]) : slots_[locate(words, keys[i], parts[i])].id;
  }

  static constexpr std::size_t exact = 7; ///< so many bytes are a key by themselves
  /// The token of a key of at most `exact` bytes, or `no_token`.
  [[gnu::always_inline]] constexpr token find_exact(std::uint64_t key) const noexcept {
    for (std::size_t i = slot_of(key);;) {
      auto const [low, high, id] = slots_[i];
      if ((low | std::uint64_t{high} << 32) == key || id == no_token) return id;
      if (++i == slots_.size()) i = 0;
    }
  }
  /// The key of `bytes`. Never 0, unless they are none: the highest byte is the length, or 255 above a hash.
  static constexpr std::uint64_t key_of(std::string_view bytes) noexcept {
    std::size_t const n = bytes.size();
    if (n <= exact) return load(bytes.data(), n) | std::uint64_t{n} << 56;
    std::uint64_t hash = n;
    for (std::size_t i = 0; i + 8 < n; i += 8) hash = mix(hash ^ load(bytes.data() + i, 8));
    return mix(hash ^ load(bytes.data() + n - 8, 8)) | std::uint64_t{0xFF} << 56;
  }

 private:
  struct slot { // 12 bytes
    std::uint32_t low = 0, high = 0;
    token id = no_token;
  };

  constexpr void insert(vocabulary const& words, std::span<token const> ids) {
    std::array<std::uint64_t, together> keys{};
    for (std::size_t i = 0; i < ids.size(); ++i) prefetch(keys[i] = key_of_part(words.piece(ids[i])));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      auto const bytes = words.piece(ids[i]);
      if (bytes.empty()) continue;
      auto& place = slots_[locate(words, keys[i], bytes)];
      bool const taken = place.id != no_token;
      equals_ = equals_ || taken;
      if (!taken || is_text(words.kind(place.id)) == is_text(words.kind(ids[i])))
        place = {static_cast<std::uint32_t>(keys[i]), static_cast<std::uint32_t>(keys[i] >> 32), ids[i]};
    }
  }
  /// `key_of` a text behind which eight bytes can be read.
  static constexpr std::uint64_t key_of_part(std::string_view bytes) noexcept {
    std::size_t const n = bytes.size();
    if (std::is_constant_evaluated() || n > exact || n == 0) return key_of(bytes);
    return (load(bytes.data(), 8) & ~(~std::uint64_t{0} << 8 * n)) | std::uint64_t{n} << 56;
  }
  constexpr void prefetch(std::uint64_t key) const noexcept {
    if (!std::is_constant_evaluated()) __builtin_prefetch(&slots_[slot_of(key)]);
  }

  /// Where the piece is, or the empty slot where it would be.
  [[gnu::always_inline]] constexpr std::size_t locate(vocabulary const& words, std::uint64_t key,
                                                      std::string_view bytes) const noexcept {
    for (std::size_t i = slot_of(key);;) {
      auto const [low, high, id] = slots_[i];
      if ((low | std::uint64_t{high} << 32) == key && (bytes.size() <= exact || words.piece(id) == bytes)) return i;
      if (id == no_token) return i;
      if (++i == slots_.size()) i = 0;
    }
  }
  constexpr std::size_t slot_of(std::uint64_t key) const noexcept {
    std::uint64_t hash = (key ^ key >> 32) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return static_cast<std::size_t>((hash >> 32) * slots_.size() >> 32);
  }
  static constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x *= 0xD6E8FEB86659FD93u;
    return x ^ x >> 32;
  }
  std::vector<slot> slots_ = std::vector<slot>(2, slot{}); // never more than four sevenths full
  std::size_t size_ = 0;
  bool equals_ = false;
};

} // namespace loquat
