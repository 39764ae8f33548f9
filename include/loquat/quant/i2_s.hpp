#pragma once
/// \file
/// I2_S, the type of Microsoft's BitNet files: ternary weights of two bits, and one scale for the whole tensor, a float
/// behind them. Groups of 128 weights take 32 bytes; the highest two bits are the first 32 weights. Packed on ARM,
/// groups of 64 take 16 bytes in the same way, and some versions pack four rows together; files do not say which it
/// was. It is no block format, as the scale is nowhere near the weights: tensors are turned into TQ2_0, whose integers
/// are the same.

#include <loquat/core/result.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/quant/tq2_0.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat {

/// How a tensor of I2_S was packed.
enum class i2_s_order : unsigned char {
  x86, ///< groups of 128 weights, as in the files that Microsoft publishes
  arm, ///< groups of 64 weights
  rows ///< a byte for each column of four rows, of which the first has the highest bits
};

/// The bytes of a tensor of I2_S as TQ2_0. The scale is rounded to binary16, which holds what was a bfloat16 exactly.
/// `errc::unsupported` for columns that are no multiple of 256, or rows of four rows in a byte that are none of 4,
/// `errc::malformed` for a scale that binary16 has not.
constexpr result<std::vector<std::byte>> i2_s_to_tq2_0(tensor_view const& tensor, i2_s_order order = i2_s_order::x86) {
  if (tensor.columns() % tq2_0::block_length != 0)
    return fail(errc::unsupported, "tensor ", tensor.name, ": I2_S with ", tensor.columns(),
                " columns, expected a multiple of ", tq2_0::block_length);
  if (order == i2_s_order::rows && tensor.rows() % 4 != 0)
    return fail(errc::unsupported, "tensor ", tensor.name, ": I2_S with four rows in a byte and ", tensor.rows(),
                " rows, expected a multiple of 4");
  auto const bytes = static_cast<std::size_t>(tensor.elements() / 4);
  std::uint32_t bits = 0;
  for (std::size_t i = 4; i-- > 0;) bits = bits << 8 | std::to_integer<std::uint32_t>(tensor.data[bytes + i]);
  float const scale = std::bit_cast<float>(bits);
  if (!(scale >= 0 && scale <= 65504))
    return fail(errc::malformed, "tensor ", tensor.name, ": I2_S needs a scale of 0 to 65504");
  std::vector<std::byte> out(bytes / 64 * tq2_0::block_bytes, std::byte{});
  // of a group: weights whose bits are in one place; four rows are a group, too
  std::size_t const quarter = order == i2_s_order::x86   ? 32
                              : order == i2_s_order::arm ? 16
                                                         : static_cast<std::size_t>(tensor.columns());
  for (std::size_t i = 0; i < bytes; ++i) {
    auto const four = std::to_integer<unsigned>(tensor.data[i]);
    for (std::size_t k = 0; k < 4; ++k) {
      std::size_t const weight = i / quarter * 4 * quarter + k * quarter + i % quarter, of = weight % 256;
      out[weight / 256 * tq2_0::block_bytes + of / 128 * 32 + of % 32] |=
          static_cast<std::byte>((four >> (6 - 2 * k) & 3) << of % 128 / 32 * 2);
    }
  }
  for (std::size_t block = 0; block < bytes / 64; ++block)
    detail::store_u16(&out[block * tq2_0::block_bytes + tq2_0::scale_at], half_from_float(scale));
  return out;
}

} // namespace loquat
