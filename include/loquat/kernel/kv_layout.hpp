#pragma once
/// \file
/// How keys and values lie in a key-value cache. Positions are cut into tiles, the unit of attention: a tile's keys are
/// rows of sixteen positions, one row per element of the head, its values rows of sixteen elements, one per position.
/// So one vector lane is a position while scores are computed and an element of the output while values are mixed: no
/// sum runs across lanes, and both are the same loop. Rows of integers lie in pairs, lane by lane, which is how vector
/// units multiply 16-bit integers.

#include <cstddef>

namespace loquat {

/// Element type of a key-value cache.
enum class kv_type : unsigned char {
  f16,  ///< half the memory; keys and values are rounded to 11 bits
  f32,  ///< exact
  q8_0, ///< 8.5 bits: 8-bit integers, one binary16 scale per 32 elements of a head
  q4_0, ///< 4.5 bits: the same with 4-bit integers
};

/// Whether the elements are small integers with a scale per block.
constexpr bool has_scales(kv_type type) noexcept { return type == kv_type::q8_0 || type == kv_type::q4_0; }

/// Where the elements and scales of one tile's keys, or of its values, lie.
struct kv_layout {
  static constexpr std::size_t positions = 256; ///< of a tile
  static constexpr std::size_t lanes = 16;      ///< of a row
  static constexpr std::size_t block = 32;      ///< elements of a head that share a scale

  kv_type type;    ///< of the elements
  std::size_t dim; ///< elements of a head

  constexpr std::size_t blocks() const noexcept { return dim / block + (dim % block != 0); } ///< of a head
  constexpr std::size_t padded() const noexcept { return blocks() * block; }                 ///< a head in whole blocks
  constexpr std::size_t elements() const noexcept { return positions * padded(); }           ///< of a tile
  constexpr std::size_t scales() const noexcept { return positions * blocks(); }             ///< of a tile

  /// Element d of the key of position p: [positions / lanes, padded, lanes].
  constexpr std::size_t key(std::size_t p, std::size_t d) const noexcept {
    return at(p / lanes * padded() + d, p % lanes);
  }
  /// Element d of the value of position p: [padded / lanes, positions, lanes].
  constexpr std::size_t value(std::size_t p, std::size_t d) const noexcept {
    return at(d / lanes * positions + p, d % lanes);
  }
  /// Scale of block b of the key of position p: [positions / lanes, blocks, lanes].
  constexpr std::size_t key_scale(std::size_t p, std::size_t b) const noexcept {
    return (p / lanes * blocks() + b) * lanes + p % lanes;
  }
  /// Scale of block b of the value of position p: [blocks, positions].
  constexpr std::size_t value_scale(std::size_t p, std::size_t b) const noexcept { return b * positions + p; }

 private:
  constexpr std::size_t at(std::size_t row, std::size_t lane) const noexcept {
    return has_scales(type) ? row / 2 * 2 * lanes + lane * 2 + row % 2 : row * lanes + lane;
  }
};

} // namespace loquat
