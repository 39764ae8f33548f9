#pragma once
/// \file
/// The `BlockFormat` contract: how a run of weights is stored. A format is a stateless type in a file of its own;
/// adding one to the library is that file and its name in `formats.hpp`, adding one to a program is that file alone
/// (`examples/06_block_format.cpp`).

#include <loquat/core/float16.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loquat {

/// A weight format: `block_length` consecutive weights of a row in `block_bytes` bytes.
///
/// `unpack` and `pack` convert one block; both are constexpr in the library's formats, and `unpack` defines the values
/// exactly. A format with nothing more is usable everywhere, at the speed of unpacking to floats. Two optional
/// extensions give it a vector kernel, each a one-line overload at the end of its file that is compiled for every
/// instruction set:
///  * *integer*: 32 weights (q − offset) · scale with q signed or from 0 to 31, and a binary16 scale in the
///    block's first two bytes.
///    Declares `offset` and `signed_quants`, overloads `load_quants` (see `q4_0.hpp`).
///  * *float*: weights that are 16- or 32-bit floats. Declares `float_weights`, overloads `load_weights` (see
///  `f16.hpp`).
template <class F>
concept BlockFormat = requires(std::byte const* block, float* weights, float const* source, std::byte* out) {
  { F::type } -> std::convertible_to<tensor_type>; // its number in files
  { F::name } -> std::convertible_to<std::string_view>;
  { F::block_length } -> std::convertible_to<std::size_t>;
  { F::block_bytes } -> std::convertible_to<std::size_t>;
  F::unpack(block, weights); // block_bytes → block_length floats
  F::pack(source, out);      // the reverse, with the format's rounding
};

/// A format with the *integer* kernel extension.
template <class F>
concept integer_format = BlockFormat<F> && requires {
  { F::signed_quants } -> std::convertible_to<bool>;
  { F::offset } -> std::convertible_to<int>;
};

/// A format with the *float* kernel extension.
template <class F>
concept float_format = BlockFormat<F> && requires {
  F::float_weights;
};

/// A compile-time list of types; `builtin_formats::with<mine>` is a longer one.
template <class... Types> struct type_list {
  template <class... More> using with = type_list<Types..., More...>; ///< these types and more
};

/// Bytes of a row of `columns` weights, whose number must be a multiple of the block length.
template <BlockFormat F> constexpr std::size_t row_bytes(std::size_t columns) noexcept {
  return columns / F::block_length * F::block_bytes;
}

/// Unpacks `columns` weights of a row, a multiple of the block length.
template <BlockFormat F> constexpr void unpack_row(std::byte const* row, float* weights, std::size_t columns) {
  for (std::size_t i = 0; i < columns; i += F::block_length, row += F::block_bytes) F::unpack(row, weights + i);
}

/// Packs `columns` weights of a row, a multiple of the block length.
template <BlockFormat F> constexpr void pack_row(float const* weights, std::byte* row, std::size_t columns) {
  for (std::size_t i = 0; i < columns; i += F::block_length, row += F::block_bytes) F::pack(weights + i, row);
}

/// Checks that a tensor is whole rows of blocks of `F` and has all its bytes; errors name it.
template <BlockFormat F> constexpr result<void> check_layout(tensor_view const& tensor) {
  if (tensor.columns() % F::block_length != 0)
    return fail(errc::mismatch, "tensor ", tensor.name, ": ", tensor.columns(), " columns are no multiple of the ",
                F::block_length, " in a block of ", F::name);
  std::uint64_t const blocks = tensor.columns() / F::block_length, most = tensor.data.size() / F::block_bytes;
  if (blocks != 0 && tensor.rows() > most / blocks)
    return fail(errc::mismatch, "tensor ", tensor.name, ": ", tensor.data.size(), " bytes are too few for ",
                tensor.rows(), " rows of ", tensor.columns());
  return {};
}

/// Unpacks a whole tensor whose type is one of the list into `out`, which must be as long. `errc::unsupported` for
/// another type, `errc::mismatch` for a wrong length or layout.
template <BlockFormat... Formats>
constexpr result<void> unpack_tensor(type_list<Formats...>, tensor_view const& tensor, std::span<float> out) {
  result<void> done = fail(errc::unsupported, "tensor ", tensor.name, ": no format for type ", name(tensor.type));
  auto const with = [&]<BlockFormat F>(F) {
    done = check_layout<F>(tensor);
    if (done && out.size() != tensor.elements())
      done = fail(errc::mismatch, "tensor ", tensor.name, ": ", tensor.elements(), " elements, room for ", out.size());
    if (done) unpack_row<F>(tensor.data.data(), out.data(), out.size());
  };
  ((tensor.type == Formats::type ? with(Formats{}) : void()), ...);
  return done;
}

namespace detail {

constexpr std::uint16_t load_u16(std::byte const* p) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) | std::to_integer<unsigned>(p[1]) << 8);
}
constexpr void store_u16(std::byte* p, std::uint16_t bits) noexcept {
  p[0] = static_cast<std::byte>(bits & 0xff);
  p[1] = static_cast<std::byte>(bits >> 8);
}

// x without its fraction, within [low, high]; low for NaN
constexpr int truncate(double x, int low, int high) noexcept {
  return x >= high ? high : x >= low ? static_cast<int>(x) : low;
}

} // namespace detail
} // namespace loquat
