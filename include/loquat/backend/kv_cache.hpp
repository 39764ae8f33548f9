#pragma once
/// \file
/// The key-value cache of a session: what every layer's attention remembers of the tokens so far.

#include <loquat/core/arena.hpp>
#include <loquat/core/float16.hpp>
#include <loquat/kernel/kv_layout.hpp>
#include <loquat/quant/q4_0.hpp>
#include <loquat/quant/q8_0.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// Where the tiles of a layer lie: the number of the first, and how many a head has, which it uses in turn.
struct kv_ring {
  std::size_t first, tiles;
};

/// Keys and values of every layer, head by head: [layer, kv head, tile, keys then values of the tile]. Layers that see
/// only a window keep the tiles that it can touch: a new tile takes the place of one that is out of sight.
struct kv_cache {
  kv_type type = kv_type::f16;
  std::size_t layers = 0, kv_heads = 0, head_dim = 0, capacity = 0; ///< capacity: positions
  std::span<float> floats{};                                        ///< the elements if `type` is f32
  std::span<std::uint16_t> halves{};                                ///< the elements if it is f16, else scales
  std::span<std::uint8_t> quants{}; ///< q8_0: signed bytes; q4_0: signed nibbles, see `byte_of`
  std::size_t window = 0;           ///< positions that layers with a window see
  std::size_t windows = 0;          ///< layers that keep only what it needs; `keep_windows` sets all three
  std::size_t window_tiles = 0;     ///< tiles of a head that these keep
  std::span<kv_ring> rings{};       ///< [layers], if there are such layers

  constexpr kv_layout layout() const noexcept { return {type, head_dim}; } ///< of a tile
  /// Tiles of a head that keeps all positions.
  constexpr std::size_t tiles() const noexcept {
    return capacity / kv_layout::positions + (capacity % kv_layout::positions != 0);
  }
  /// Number of a tile among those of all heads and layers.
  constexpr std::size_t tile(std::size_t layer, std::size_t head, std::size_t position) const noexcept {
    std::size_t const tile = position / kv_layout::positions;
    if (rings.empty()) return (layer * kv_heads + head) * tiles() + tile;
    kv_ring const ring = rings[layer];
    return ring.first + head * ring.tiles + tile % ring.tiles;
  }
  /// Before `reserve`: `count` layers keep only the tiles that windows over `batch` tokens, or over one token up to
  /// `batch` positions back, can touch. Nothing happens where that is no less than all.
  constexpr void keep_windows(std::size_t length, std::size_t count, std::size_t batch) noexcept {
    std::uint64_t const span = std::uint64_t{length} + batch - 1; // positions, in any place among the tiles
    std::uint64_t const touched = (span + kv_layout::positions - 2) / kv_layout::positions + 1;
    if (length == 0 || count == 0 || touched >= tiles()) return;
    window = length, windows = count, window_tiles = static_cast<std::size_t>(touched);
  }
  /// After `take`: the layers that `has_window(layer)` are those that keep less.
  template <class HasWindow> constexpr void lay_out(HasWindow has_window) noexcept {
    std::size_t next = 0;
    for (std::size_t l = 0; l < rings.size(); ++l) {
      rings[l] = {next, has_window(l) ? window_tiles : tiles()};
      next += kv_heads * rings[l].tiles;
    }
  }
  /// Whether all that the token at position n sees is still there, after `stored` positions were stored.
  constexpr bool holds(std::size_t n, std::size_t stored) const noexcept {
    if (windows == 0 || n == 0) return true;
    std::size_t const seen = n + 1 > window ? n + 1 - window : 0; // from here on
    std::size_t const newest = (std::max(stored, n) - 1) / kv_layout::positions;
    return newest < seen / kv_layout::positions + window_tiles;
  }
  /// Index of a tile's first key; its values follow.
  constexpr std::size_t keys_offset(std::size_t tile) const noexcept { return tile * 2 * layout().elements(); }
  /// Index of a tile's first value.
  constexpr std::size_t values_offset(std::size_t tile) const noexcept {
    return keys_offset(tile) + layout().elements();
  }
  /// Index of the first scale of a tile's keys; those of its values follow.
  constexpr std::size_t key_scales_offset(std::size_t tile) const noexcept { return tile * 2 * layout().scales(); }
  /// Index of the first scale of a tile's values.
  constexpr std::size_t value_scales_offset(std::size_t tile) const noexcept {
    return key_scales_offset(tile) + layout().scales();
  }

 private: // before `store`: Clang wants templates defined before constant expressions use them
  // of a nibble: elements i and i + 16 of a pair of rows share a byte
  static constexpr std::size_t byte_of(std::size_t i) noexcept { return i / 32 * 16 + i % 16; }
  static constexpr int shift_of(std::size_t i) noexcept { return i % 32 < 16 ? 0 : 4; }

  // the integers of a weight format's block, and its scale
  template <class Format>
  static constexpr std::array<std::int8_t, kv_layout::block> quantised(std::array<float, kv_layout::block> const& x,
                                                                       std::uint16_t& scale) noexcept {
    static_assert(Format::block_length == kv_layout::block && Format::scale_at == 0);
    std::array<std::byte, Format::block_bytes> block{};
    Format::pack(x.data(), block.data());
    scale = detail::load_u16(block.data());
    std::array<std::int8_t, kv_layout::block> q{};
    Format::quants(block.data(), q.data());
    for (auto& lane : q) lane = static_cast<std::int8_t>(lane - Format::integer.offset);
    return q;
  }
  // n elements x of a block and zeros after them, to the indices that `at` gives
  template <class At> constexpr void store_block(float const* x, std::size_t n, std::size_t scale, At at) noexcept {
    std::array<float, kv_layout::block> block{};
    std::copy_n(x, n, block.begin());
    auto const each = [&](auto put) {
      for (std::size_t i = 0; i < block.size(); ++i) put(at(i), i);
    };
    switch (type) {
    case kv_type::f32:
      return each([&](std::size_t to, std::size_t i) { floats[to] = block[i]; });
    case kv_type::f16:
      return each([&](std::size_t to, std::size_t i) { halves[to] = half_from_float(block[i]); });
    case kv_type::q8_0: {
      auto const q = quantised<q8_0>(block, halves[scale]);
      return each([&](std::size_t to, std::size_t i) { quants[to] = static_cast<std::uint8_t>(q[i]); });
    }
    case kv_type::q4_0: {
      auto const q = quantised<q4_0>(block, halves[scale]);
      return each([&](std::size_t to, std::size_t i) {
        std::uint8_t& byte = quants[byte_of(to)];
        byte = static_cast<std::uint8_t>((byte & 240 >> shift_of(to)) | (q[i] & 15) << shift_of(to));
      });
    }
    }
  }

 public:
  /// Stores the key and the value [head_dim] of one head at a position.
  constexpr void store(std::size_t layer, std::size_t head, std::size_t position, float const* key,
                       float const* value) noexcept {
    std::size_t const t = tile(layer, head, position), p = position % kv_layout::positions;
    kv_layout const in_tile = layout();
    if (type == kv_type::f32) { // as below, in steps: what encoders store is all new in every pass
      constexpr std::size_t lanes = kv_layout::lanes;
      auto const keys = floats.subspan(keys_offset(t) + in_tile.key(p, 0)),
                 values = floats.subspan(values_offset(t) + in_tile.value(p, 0));
      for (std::size_t d = 0; d < in_tile.padded(); ++d) keys[d * lanes] = d < head_dim ? key[d] : 0.0f;
      for (std::size_t d = 0; d < in_tile.padded(); d += lanes)
        for (std::size_t i = 0; i < lanes; ++i)
          values[d * kv_layout::positions + i] = d + i < head_dim ? value[d + i] : 0.0f;
      return;
    }
    for (std::size_t b = 0; b < in_tile.blocks(); ++b) {
      std::size_t const first = b * kv_layout::block, n = std::min(kv_layout::block, head_dim - first);
      store_block(key + first, n, key_scales_offset(t) + in_tile.key_scale(p, b),
                  [&](std::size_t d) { return keys_offset(t) + in_tile.key(p, first + d); });
      store_block(value + first, n, value_scales_offset(t) + in_tile.value_scale(p, b),
                  [&](std::size_t d) { return values_offset(t) + in_tile.value(p, first + d); });
    }
  }

  /// What is stored there: the key and the value [head_dim] of one head at a position.
  constexpr void load(std::size_t layer, std::size_t head, std::size_t position, float* key,
                      float* value) const noexcept {
    for (std::size_t d = 0; d < head_dim; ++d) {
      key[d] = key_at(layer, head, position, d);
      value[d] = value_at(layer, head, position, d);
    }
  }
  /// Element d of the key of a head at a position.
  constexpr float key_at(std::size_t layer, std::size_t head, std::size_t position, std::size_t d) const noexcept {
    std::size_t const t = tile(layer, head, position), p = position % kv_layout::positions;
    kv_layout const in_tile = layout();
    return element(keys_offset(t) + in_tile.key(p, d)) *
           scale(key_scales_offset(t) + in_tile.key_scale(p, d / kv_layout::block));
  }
  /// The same of the value.
  constexpr float value_at(std::size_t layer, std::size_t head, std::size_t position, std::size_t d) const noexcept {
    std::size_t const t = tile(layer, head, position), p = position % kv_layout::positions;
    kv_layout const in_tile = layout();
    return element(values_offset(t) + in_tile.value(p, d)) *
           scale(value_scales_offset(t) + in_tile.value_scale(p, d / kv_layout::block));
  }

  /// The element at an index, without its scale.
  constexpr float element(std::size_t i) const noexcept {
    switch (type) {
    case kv_type::f32:
      return floats[i];
    case kv_type::f16:
      return float_from_half(halves[i]);
    case kv_type::q8_0:
      return static_cast<float>(static_cast<std::int8_t>(quants[i]));
    default:
      return static_cast<float>(((quants[byte_of(i)] >> shift_of(i) & 15) ^ 8) - 8);
    }
  }
  /// The scale at an index, 1 for floats.
  constexpr float scale(std::size_t i) const noexcept { return has_scales(type) ? float_from_half(halves[i]) : 1.0f; }

  /// Bytes in all; saturates.
  constexpr std::uint64_t bytes() const noexcept {
    arena_size size;
    reserve(size);
    return size.bytes();
  }
  /// Adds what the cache needs to a session's memory.
  constexpr void reserve(arena_size& size) const noexcept {
    auto const [n_floats, n_halves, n_quants] = counts();
    size.add<float>(n_floats).add<std::uint16_t>(n_halves).add<std::uint8_t>(n_quants);
    size.add<kv_ring>(windows != 0 ? layers : 0);
  }
  /// Takes it from the arena that was made with that size.
  constexpr void take(arena& memory) {
    auto const [n_floats, n_halves, n_quants] = counts();
    floats = memory.take<float>(static_cast<std::size_t>(n_floats));
    halves = memory.take<std::uint16_t>(static_cast<std::size_t>(n_halves));
    quants = memory.take<std::uint8_t>(static_cast<std::size_t>(n_quants));
    rings = memory.take<kv_ring>(windows != 0 ? layers : 0);
  }

 private:
  // floats, halves, quants
  constexpr std::array<std::uint64_t, 3> counts() const noexcept {
    std::uint64_t const all =
        std::uint64_t{kv_heads} * (std::uint64_t{layers - windows} * tiles() + std::uint64_t{windows} * window_tiles);
    std::uint64_t const elements = all * 2 * kv_layout::positions * layout().padded();
    std::uint64_t const scales = elements / kv_layout::block;
    switch (type) {
    case kv_type::f32:
      return {elements, 0, 0};
    case kv_type::f16:
      return {0, elements, 0};
    case kv_type::q8_0:
      return {0, scales, elements};
    default:
      return {0, scales, elements / 2};
    }
  }
};

} // namespace loquat
