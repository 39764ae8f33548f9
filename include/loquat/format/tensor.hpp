#pragma once
/// \file
/// What a file says about a tensor: element type, shape and bytes. The type numbers, block lengths and block sizes are
/// those of GGUF (ggml's `enum ggml_type`); every type of the format is known here, so that any file can be listed,
/// whether or not a kernel exists for it.

#include <loquat/core/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace loquat {

/// Element type of a stored tensor. The numbers are GGUF's; gaps are retired types, which no file may use;
/// one of their numbers, 36, lives on in Microsoft's BitNet files.
enum class tensor_type : std::uint32_t {
  f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q8_1 = 9,
  q2_k = 10, q3_k = 11, q4_k = 12, q5_k = 13, q6_k = 14, q8_k = 15,
  iq2_xxs = 16, iq2_xs = 17, iq3_xxs = 18, iq1_s = 19, iq4_nl = 20, iq3_s = 21, iq2_s = 22, iq4_xs = 23,
  i8 = 24, i16 = 25, i32 = 26, i64 = 27, f64 = 28, iq1_m = 29, bf16 = 30,
  tq1_0 = 34, tq2_0 = 35, i2_s = 36, mxfp4 = 39, nvfp4 = 40, q1_0 = 41, q2_0 = 42,
};

/// How a type is laid out: `block_length` consecutive elements of a row share `block_bytes` bytes.
struct type_layout {
  tensor_type type;
  std::string_view name;
  std::uint32_t block_length; ///< elements
  std::uint32_t block_bytes;
  std::uint32_t tail_bytes = 0; ///< behind all blocks of a tensor
};

/// Every type of the format, in the order of its numbers.
inline constexpr std::array type_layouts{
    type_layout{tensor_type::f32, "F32", 1, 4},          type_layout{tensor_type::f16, "F16", 1, 2},
    type_layout{tensor_type::q4_0, "Q4_0", 32, 18},      type_layout{tensor_type::q4_1, "Q4_1", 32, 20},
    type_layout{tensor_type::q5_0, "Q5_0", 32, 22},      type_layout{tensor_type::q5_1, "Q5_1", 32, 24},
    type_layout{tensor_type::q8_0, "Q8_0", 32, 34},      type_layout{tensor_type::q8_1, "Q8_1", 32, 36},
    type_layout{tensor_type::q2_k, "Q2_K", 256, 84},     type_layout{tensor_type::q3_k, "Q3_K", 256, 110},
    type_layout{tensor_type::q4_k, "Q4_K", 256, 144},    type_layout{tensor_type::q5_k, "Q5_K", 256, 176},
    type_layout{tensor_type::q6_k, "Q6_K", 256, 210},    type_layout{tensor_type::q8_k, "Q8_K", 256, 292},
    type_layout{tensor_type::iq2_xxs, "IQ2_XXS", 256, 66}, type_layout{tensor_type::iq2_xs, "IQ2_XS", 256, 74},
    type_layout{tensor_type::iq3_xxs, "IQ3_XXS", 256, 98}, type_layout{tensor_type::iq1_s, "IQ1_S", 256, 50},
    type_layout{tensor_type::iq4_nl, "IQ4_NL", 32, 18},  type_layout{tensor_type::iq3_s, "IQ3_S", 256, 110},
    type_layout{tensor_type::iq2_s, "IQ2_S", 256, 82},   type_layout{tensor_type::iq4_xs, "IQ4_XS", 256, 136},
    type_layout{tensor_type::i8, "I8", 1, 1},            type_layout{tensor_type::i16, "I16", 1, 2},
    type_layout{tensor_type::i32, "I32", 1, 4},          type_layout{tensor_type::i64, "I64", 1, 8},
    type_layout{tensor_type::f64, "F64", 1, 8},          type_layout{tensor_type::iq1_m, "IQ1_M", 256, 56},
    type_layout{tensor_type::bf16, "BF16", 1, 2},        type_layout{tensor_type::tq1_0, "TQ1_0", 256, 54},
    type_layout{tensor_type::tq2_0, "TQ2_0", 256, 66},   type_layout{tensor_type::i2_s, "I2_S", 128, 32, 32},
    type_layout{tensor_type::mxfp4, "MXFP4", 32, 17},
    type_layout{tensor_type::nvfp4, "NVFP4", 64, 36},    type_layout{tensor_type::q1_0, "Q1_0", 128, 18},
    type_layout{tensor_type::q2_0, "Q2_0", 64, 18},
};

/// The layout of a type number, or null for a number that the format does not (or no longer) define.
constexpr type_layout const* find_layout(tensor_type type) noexcept {
  for (auto const& layout : type_layouts)
    if (layout.type == type) return &layout;
  return nullptr;
}

/// The name of a type, "unknown" for a number that is none.
constexpr std::string_view name(tensor_type type) noexcept {
  auto const* layout = find_layout(type);
  return layout ? layout->name : "unknown";
}

inline constexpr std::size_t max_rank = 4; ///< dimensions a tensor can have

/// Lengths of a tensor's dimensions, fastest-varying first: `{columns, rows, …}`; unused ones are 1.
using tensor_shape = std::array<std::uint64_t, max_rank>;

/// Bytes that a tensor takes. Errors: `errc::unsupported` for a type that the format does not define, `errc::malformed`
/// for a dimension of length 0, for columns that are no whole number of blocks and for sizes beyond 2^63 - 1.
constexpr result<std::uint64_t> byte_size(tensor_type type, tensor_shape const& shape) {
  auto const* layout = type_layouts.data();
  auto const* const end = layout + type_layouts.size();
  while (layout != end && layout->type != type) ++layout;
  if (layout == end) { // GCC's sanitizers take no comparison with null for constant, so `find_layout` does not do here
    bool const retired = type < type_layouts.back().type;
    return fail(errc::unsupported, "type ", static_cast<std::uint32_t>(type),
                retired ? " was retired from the format" : " is not known");
  }
  if (shape[0] % layout->block_length != 0)
    return fail(errc::malformed, shape[0], " columns are not a multiple of the ", layout->block_length,
                " elements in a block of ", layout->name);
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t elements = 1;
  for (std::uint64_t const length : shape) {
    if (length == 0) return fail(errc::malformed, "a dimension has length 0");
    if (elements > most / length)
      return fail(errc::malformed, "dimensions ", shape[0], " x ", shape[1], " x ", shape[2], " x ", shape[3],
                  " overflow 64 bits");
    elements *= length;
  }
  std::uint64_t const blocks = elements / layout->block_length;
  if (blocks > (most - layout->tail_bytes) / layout->block_bytes)
    return fail(errc::malformed, elements, " elements of ", layout->name, " overflow 64 bits");
  return blocks * layout->block_bytes + layout->tail_bytes;
}

/// A tensor where it lies in a file: nothing is copied, and the bytes belong to the file.
struct tensor_view {
  std::string_view name;
  tensor_type type{};
  std::uint32_t rank = 0;
  tensor_shape shape{1, 1, 1, 1};
  std::span<std::byte const> data; ///< all elements, row after row, little-endian

  constexpr std::uint64_t columns() const noexcept { return shape[0]; } ///< elements of a row
  constexpr std::uint64_t rows() const noexcept { return shape[1] * shape[2] * shape[3]; } ///< of all matrices together
  constexpr std::uint64_t elements() const noexcept { return columns() * rows(); } ///< of all
};

} // namespace loquat
