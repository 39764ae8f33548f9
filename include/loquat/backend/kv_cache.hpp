#pragma once
/// \file
/// The key-value cache of a session: what every layer's attention remembers of the tokens so far.

#include <loquat/core/arena.hpp>
#include <loquat/core/float16.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// Element type of a key-value cache.
enum class kv_type : unsigned char {
  f16, ///< half the memory; keys and values are rounded to 11 bits
  f32, ///< exact
};

/// Keys and values of every layer, head by head: [layer, key or value, kv head, position, head_dim].
struct kv_cache {
  kv_type type = kv_type::f16;
  std::size_t layers = 0, kv_heads = 0, head_dim = 0, capacity = 0; ///< capacity: positions
  std::span<std::uint16_t> halves;                                  ///< the elements if `type` is f16
  std::span<float> floats;                                          ///< the elements if `type` is f32

  /// Elements in all.
  constexpr std::uint64_t elements() const noexcept {
    return std::uint64_t{2} * layers * kv_heads * head_dim * capacity;
  }
  /// Index of the first key of a head; its values follow at `values_offset`.
  constexpr std::size_t keys_offset(std::size_t layer, std::size_t head) const noexcept {
    return (layer * 2 * kv_heads + head) * capacity * head_dim;
  }
  /// Index of the first value of a head.
  constexpr std::size_t values_offset(std::size_t layer, std::size_t head) const noexcept {
    return ((layer * 2 + 1) * kv_heads + head) * capacity * head_dim;
  }

  /// Adds what the cache needs to a session's memory.
  constexpr void reserve(arena_size& size) const noexcept {
    if (type == kv_type::f16)
      size.add<std::uint16_t>(elements());
    else
      size.add<float>(elements());
  }
  /// Takes it from the arena that was made with that size.
  constexpr void take(arena& memory) {
    if (type == kv_type::f16)
      halves = memory.take<std::uint16_t>(static_cast<std::size_t>(elements()));
    else
      floats = memory.take<float>(static_cast<std::size_t>(elements()));
  }
};

} // namespace loquat
