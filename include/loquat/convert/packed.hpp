#pragma once
/// \file
/// Weights that folders keep packed: 4-bit floats of gpt-oss, and BitNet's three values, four to a byte.

#include <cstddef>
#include <span>

namespace loquat::hugging_face {

/// A block of MXFP4 of 17 bytes from its scale and 16 bytes of neighbours: weights 2i and 2i + 1, rather than i and
/// i + 16. Nothing is lost.
constexpr void repack_mxfp4(std::byte scale, std::span<std::byte const> from, std::span<std::byte> to) noexcept {
  auto const weight = [&](std::size_t i) { return from[i / 2] >> (i % 2 == 0 ? 0 : 4) & std::byte{15}; };
  to[0] = scale;
  for (std::size_t i = 0; i < 16; ++i) to[1 + i] = weight(i) | weight(16 + i) << 4;
}

/// The way back: 16 bytes of a block of 17.
constexpr void unpack_mxfp4(std::span<std::byte const> from, std::span<std::byte> to) noexcept {
  auto const weight = [&](std::size_t i) { return from[1 + i % 16] >> (i < 16 ? 0 : 4) & std::byte{15}; };
  for (std::size_t i = 0; i < 16; ++i) to[i] = weight(2 * i) | weight(2 * i + 1) << 4;
}

/// Row `row` of a matrix of −1, 0 and 1 in two bits, plus one: the first quarter of the rows are the lowest bits.
inline void unpack_ternary(std::span<std::byte const> packed, std::size_t row, std::span<float> out) noexcept {
  auto const quarter = packed.size() / out.size();
  auto const* const from = packed.data() + row % quarter * out.size();
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] =
        static_cast<float>(std::to_integer<int>(from[i] >> static_cast<int>(2 * (row / quarter)) & std::byte{3})) - 1;
}

} // namespace loquat::hugging_face
