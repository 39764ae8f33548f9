#pragma once
/// \file
/// The `BlockFormat` contract: how a run of weights is stored. A format is a stateless type in a file of its own;
/// adding one to the library is that file and its name in `formats.hpp`, adding one to a program is that file alone
/// (`examples/06_block_format.cpp`).

#include <loquat/core/float16.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/tensor.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loquat {

static_assert(std::endian::native == std::endian::little, "weights are used as they lie in files");

/// How the integer kernels see a format: weight = s · g · (q − offset) ± e · m, with small integers q, one float s (and
/// e) for a block, and one g (and m) for a group of weights in it.
struct integer_layout {
  std::size_t group = 32;       ///< weights that share g and m: 16, 32 or 256
  std::size_t activations = 32; ///< activations that are rounded to 8 bits with one scale: 32 or 256
  int lowest = 0, highest = 0;  ///< of q: within [−128, 127]
  int offset = 0;
  int minima = 0;                               ///< e · m is added (1) or subtracted (−1); 0: there are none
  bool float_scales = false;                    ///< g are floats, not small integers
  int lowest_scale = -128, highest_scale = 127; ///< of g

  constexpr bool is_signed() const noexcept { return lowest < 0; }                         ///< some q are negative
  constexpr int largest() const noexcept { return highest > -lowest ? highest : -lowest; } ///< |q|
  /// Whether −g · (q − offset) is within [−128, 127].
  constexpr bool scaled_fit_bytes() const noexcept {
    for (int const g : {lowest_scale, highest_scale})
      for (int const q : {lowest, highest})
        if (-g * (q - offset) < -128 || -g * (q - offset) > 127) return false;
    return true;
  }
};

/// Whether the kernels have a way for a format: super-blocks of 256 with one group, or 8 or 16 of them with integer
/// scales, an offset or minima; blocks of 32 with one group, minima added; longer ones with groups of 16, float scales
/// and neither.
constexpr bool kernels_support(integer_layout f, std::size_t block_length) noexcept {
  if (f.lowest - f.offset < -128 || f.highest - f.offset > 127) return false;
  if (f.activations == 256)
    return block_length == 256 && !f.float_scales &&
           (f.group == 16 || f.group == 32 || (f.group == 256 && f.minima == 0 && f.largest() <= 16)) &&
           (f.minima == 0 || f.offset == 0);
  if (f.activations != 32) return false;
  if (f.float_scales) return f.group == 16 && block_length % 32 == 0 && f.minima == 0 && f.offset == 0;
  return block_length == 32 && f.group == 32 && f.minima >= 0;
}

/// A weight format: `block_length` consecutive weights of a row in `block_bytes` bytes.
///
/// `unpack` converts one block to floats and defines the weights exactly; it is constexpr in the library's formats. A
/// format with nothing more is usable everywhere, at the speed of unpacking to floats. Two optional extensions give it
/// vector kernels (`integer_format`, `float_format`); the vector code itself is an overload or two at the end of the
/// format's file, compiled for every instruction set.
template <class F>
concept BlockFormat = requires(std::byte const* block, float* weights) {
  { F::type } -> std::convertible_to<tensor_type>; // its number in files
  { F::name } -> std::convertible_to<std::string_view>;
  { F::block_length } -> std::convertible_to<std::size_t>;
  { F::block_bytes } -> std::convertible_to<std::size_t>;
  F::unpack(block, weights); // block_bytes → block_length floats
};

/// A format that weights can be converted to.
template <class F>
concept PackableFormat = BlockFormat<F> && requires(float const* weights, std::byte* block) {
  F::pack(weights, block); // block_length floats → block_bytes, with the format's rounding
};

/// A packable format whose rounding can weigh the errors: `importance` has one non-negative weight per column.
template <class F>
concept WeightedFormat = PackableFormat<F> &&
    requires(float const* weights, float const* importance, std::byte* block) {
  F::pack(weights, importance, block);
};

/// A format with integer kernels. Where a block has one group only, there are no `group_scales` and `group_minima`.
/// Its vector code is `load_quants(format, block, step)`: q of the weights 32 · step … 32 · step + 31; with blocks of
/// 32 also `load_two_rows(format, a, b)`. A super-block may be taken apart at once first: with `opened(format, block)`
/// there is its value in place of `block`, and with `vector_scales(format, block)` that in place of `group_scales`, in
/// the order of `evens_and_odds`. A format whose scale (minimum) is a binary16 in the block may say at which
/// byte with `scale_at` (`minimum_at`), and which power of two the scale is multiplied with (`scale_factor`).
template <class F>
concept integer_format = BlockFormat<F> && requires(std::byte const* block, std::int8_t* q) {
  { F::integer } -> std::convertible_to<integer_layout>;
  requires kernels_support(F::integer, F::block_length);
  F::quants(block, q);                                                                         // block_length of q
  { F::scale(block) } -> std::convertible_to<float>;                                           // s
  requires !F::integer.minima || requires { F::minimum(block); };                              // e
  requires F::block_length == F::integer.group || requires { F::group_scales(block).size(); }; // array of g
  requires F::block_length == F::integer.group || !F::integer.minima || requires {
    F::group_minima(block).size();
  }; // array of m, at most 127
};

/// A format of 16- or 32-bit floats (`float_weights`), whose vector code is `load_weights` (see `f16.hpp`).
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
template <PackableFormat F> constexpr void pack_row(float const* weights, std::byte* row, std::size_t columns) {
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
constexpr std::uint32_t load_u32(std::byte const* p) noexcept {
  return std::uint32_t{load_u16(p)} | std::uint32_t{load_u16(p + 2)} << 16;
}
constexpr std::uint64_t load_u64(std::byte const* p) noexcept {
  return std::uint64_t{load_u32(p)} | std::uint64_t{load_u32(p + 4)} << 32;
}
constexpr float load_half(std::byte const* p) noexcept { return float_from_half(load_u16(p)); }

// the bytes of words, each from its lowest (on a little-endian machine)
template <std::unsigned_integral... Words> constexpr auto bytes_of(Words... words) noexcept {
  return std::bit_cast<std::array<std::int8_t, (sizeof(words) + ...)>>(std::array{words...});
}
// the nibbles of a word to the low halves of bytes, the lowest one first
constexpr std::uint64_t spread_nibbles(std::uint32_t word) noexcept {
  std::uint64_t const fours = (word | std::uint64_t{word} << 16) & 0x0000ffff0000ffff;
  std::uint64_t const twos = (fours | fours << 8) & 0x00ff00ff00ff00ff;
  return (twos | twos << 4) & 0x0f0f0f0f0f0f0f0f;
}

// x without its fraction, within [low, high]; low for NaN
constexpr int truncate(double x, int low, int high) noexcept {
  return x >= high ? high : x >= low ? static_cast<int>(x) : low;
}

} // namespace detail
} // namespace loquat
