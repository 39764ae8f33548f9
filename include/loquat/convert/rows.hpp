#pragma once
/// \file
/// What conversion does to the rows of a tensor: their order, and the types of their elements.

#include <loquat/convert/family.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/core/float16.hpp>
#include <loquat/core/float8.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/io/bytes.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace loquat::hugging_face {

/// For each row in a GGUF file the row it is in the original, of a change that turns rows into columns the column;
/// empty if all stay where they are. `errc::mismatch` if so many rows are no whole number of heads.
inline result<std::vector<std::size_t>> row_order(change how, std::uint64_t rows, shape const& s) {
  std::vector<std::size_t> order;
  if (how == change::query_pairs || how == change::key_pairs) {
    auto const heads = how == change::query_pairs ? s.heads : s.kv_heads;
    if (rows % (2 * heads) != 0)
      return fail(errc::mismatch, "expected ", heads, " heads with an even number of rows, found ", rows, " rows");
    auto const half = rows / heads / 2;
    for (std::size_t head = 0; head < heads; ++head)
      for (std::size_t i = 0; i < 2 * half; ++i) order.push_back(head * 2 * half + i % 2 * half + i / 2);
  } else if (how == change::fused_heads) {
    auto const group = s.heads / s.kv_heads; // queries of a key
    auto const each = rows / ((group + 2) * s.kv_heads);
    if (each == 0 || rows % ((group + 2) * s.kv_heads) != 0)
      return fail(errc::mismatch, "expected rows of ", s.heads, " queries and ", s.kv_heads, " keys and values, found ",
                  rows, " rows");
    auto const head = [&](std::size_t number) {
      for (std::size_t i = 0; i < each; ++i) order.push_back(number * each + i);
    };
    for (std::size_t i = 0; i < s.heads; ++i) head(i / group * (group + 2) + i % group);
    for (std::size_t const part : {group, group + 1})
      for (std::size_t i = 0; i < s.kv_heads; ++i) head(i * (group + 2) + part);
  } else if (how == change::even_rows || how == change::odd_rows || how == change::even_columns ||
             how == change::odd_columns || how == change::first_half || how == change::second_half) {
    if (rows % 2 != 0) return fail(errc::mismatch, "expected two joined matrices, found ", rows, " rows");
    bool const halves = how == change::first_half || how == change::second_half;
    bool const second = how == change::odd_rows || how == change::odd_columns || how == change::second_half;
    std::size_t const first = !second ? 0 : halves ? rows / 2 : 1;
    for (std::size_t i = 0; i < rows / 2; ++i) order.push_back(first + (halves ? i : 2 * i));
  } else if (how == change::latent_values) {
    for (std::size_t i = 0; i < s.latent_value; ++i) order.push_back(s.latent_key + i);
  } else if (how == change::positions && s.first_position != 0) {
    if (rows <= s.first_position)
      return fail(errc::mismatch, "expected positions behind ", s.first_position, " rows, found ", rows, " rows");
    for (std::size_t i = s.first_position; i < rows; ++i) order.push_back(i);
  }
  return order;
}

/// The way back: for each row in the original the row it is in a GGUF file.
inline std::vector<std::size_t> inverse(std::span<std::size_t const> order) {
  std::vector<std::size_t> out(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) out[order[i]] = i;
  return out;
}

/// Whether `to_floats` can read a type.
constexpr bool is_readable(safetensors::element type) noexcept {
  using enum safetensors::element;
  return type == f32 || type == f16 || type == bf16 || type == f64 || type == f8_e4m3 || type == f8_e5m2 ||
         type == i8 || type == u8;
}

/// Reads elements of a type that `is_readable`, as many as `out` has room for; F64 is rounded.
inline void to_floats(safetensors::element type, std::byte const* from, std::span<float> out) noexcept {
  auto const each = [&](std::size_t size, auto value) {
    for (float& x : out) x = value(from), from += size;
  };
  using enum safetensors::element;
  switch (type) {
  case f32:
    return each(4, [](std::byte const* p) { return load_little<float>(p); });
  case f16:
    return each(2, [](std::byte const* p) { return float_from_half(load_little<std::uint16_t>(p)); });
  case bf16:
    return each(2, [](std::byte const* p) { return float_from_bfloat(load_little<std::uint16_t>(p)); });
  case f64:
    return each(8, [](std::byte const* p) { return static_cast<float>(load_little<double>(p)); });
  case f8_e4m3:
    return each(1, [](std::byte const* p) { return float_from_e4m3(std::to_integer<std::uint8_t>(*p)); });
  case f8_e5m2:
    return each(1, [](std::byte const* p) { return float_from_e5m2(std::to_integer<std::uint8_t>(*p)); });
  case i8:
    return each(1, [](std::byte const* p) { return static_cast<float>(load_little<std::int8_t>(p)); });
  default:
    return each(1, [](std::byte const* p) { return static_cast<float>(load_little<std::uint8_t>(p)); });
  }
}

/// Writes floats as F32, F16 or BF16.
inline void from_floats(tensor_type type, std::span<float const> from, std::byte* out) noexcept {
  auto const put = [&](auto bits) {
    for (std::size_t i = 0; i < sizeof bits; ++i, bits = static_cast<decltype(bits)>(bits >> 8 * (sizeof bits > 1)))
      *out++ = static_cast<std::byte>(bits & 0xff);
  };
  for (float const x : from) {
    if (type == tensor_type::f32)
      put(std::bit_cast<std::uint32_t>(x));
    else
      put(type == tensor_type::f16 ? half_from_float(x) : bfloat_from_float(x));
  }
}

} // namespace loquat::hugging_face
