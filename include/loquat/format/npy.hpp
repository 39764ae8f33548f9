#pragma once
/// \file
/// Numbers as files of vectors keep them, and the head of NumPy's files (NEP 1: versions 1 to 3).

#include <loquat/core/float16.hpp>
#include <loquat/core/result.hpp>
#include <loquat/io/bytes.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A little-endian number in a file of vectors.
enum class number_type : unsigned char { f16, f32, f64, u8, i8, i32, i64 };

/// Its bytes.
constexpr std::size_t byte_size(number_type type) noexcept {
  constexpr std::size_t sizes[]{2, 4, 8, 1, 1, 4, 8};
  return sizes[static_cast<std::size_t>(type)];
}
/// Whether it is a whole number.
constexpr bool is_whole(number_type type) noexcept { return type >= number_type::u8; }

namespace detail {

template <class Stored, class T> constexpr bool convert_numbers(std::byte const* from, std::span<T> to) noexcept {
  for (std::size_t i = 0; i < to.size(); ++i) {
    auto const x = load_little<Stored>(from + i * sizeof(Stored));
    if constexpr (std::same_as<Stored, double>) {
      constexpr double most = static_cast<double>(std::numeric_limits<float>::max());
      constexpr float infinity = std::numeric_limits<float>::infinity();
      to[i] = x > most ? infinity : x < -most ? -infinity : static_cast<T>(x);
    } else {
      if constexpr (std::integral<T> && sizeof(Stored) > sizeof(T))
        if (x < std::numeric_limits<T>::min() || x > std::numeric_limits<T>::max()) return false;
      to[i] = static_cast<T>(x);
    }
  }
  return true;
}

} // namespace detail

/// Numbers from `from` on as floats; those beyond the range become infinite.
constexpr void convert_numbers(number_type type, std::byte const* from, std::span<float> to) noexcept {
  switch (type) {
  case number_type::f16:
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = float_from_half(load_little<std::uint16_t>(from + 2 * i));
    return;
  case number_type::f32:
    detail::convert_numbers<float>(from, to);
    return;
  case number_type::f64:
    detail::convert_numbers<double>(from, to);
    return;
  case number_type::u8:
    detail::convert_numbers<std::uint8_t>(from, to);
    return;
  case number_type::i8:
    detail::convert_numbers<std::int8_t>(from, to);
    return;
  case number_type::i32:
    detail::convert_numbers<std::int32_t>(from, to);
    return;
  case number_type::i64:
    detail::convert_numbers<std::int64_t>(from, to);
    return;
  }
}
/// Whole numbers from `from` on; false if one needs more than 32 bits.
constexpr bool convert_numbers(number_type type, std::byte const* from, std::span<std::int32_t> to) noexcept {
  switch (type) {
  case number_type::u8:
    return detail::convert_numbers<std::uint8_t>(from, to);
  case number_type::i8:
    return detail::convert_numbers<std::int8_t>(from, to);
  case number_type::i32:
    return detail::convert_numbers<std::int32_t>(from, to);
  case number_type::i64:
    return detail::convert_numbers<std::int64_t>(from, to);
  default:
    return false;
  }
}

/// What NumPy's file says about the rows behind its head.
struct npy_head {
  number_type type;                ///< of the numbers
  std::size_t rows, columns, data; ///< `data`: where they begin, in bytes

  /// Of a whole file. One axis is one row. Errors: `errc::malformed`; `unsupported` for other types and orders and more
  /// axes.
  static constexpr result<npy_head> parse(std::span<std::byte const> bytes);
};

namespace detail {

/// Reads the literal in an NPY head: a Python dictionary.
class npy_reader {
 public:
  constexpr npy_reader(std::string_view text, std::size_t offset) : text_(text), offset_(offset) {}

  constexpr bool accept(char c) noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    if (at_ == text_.size() || text_[at_] != c) return false;
    return ++at_, true;
  }
  constexpr bool accept(std::string_view word) noexcept {
    if (!accept(word[0])) return false;
    if (text_.substr(at_ - 1, word.size()) != word) return --at_, false;
    return at_ += word.size() - 1, true;
  }
  constexpr result<std::string_view> quoted() {
    char const quote = accept('\'') ? '\'' : '"';
    if (quote == '"' && !accept('"')) return expected("a quoted text");
    std::size_t const end = text_.find(quote, at_);
    if (end == text_.npos) return expected("the end of a quoted text");
    auto const inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }
  constexpr result<std::uint64_t> number() {
    (void)accept('+');
    std::uint64_t n = 0;
    std::size_t const first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      n = n * 10 + static_cast<std::uint64_t>(text_[at_] - '0');
      if (n >> 48 != 0) return expected("a size below 2^48");
    }
    if (at_ == first) return expected("a size");
    (void)accept('L'); // Python 2
    return n;
  }
  constexpr error expected(std::string_view what) const {
    return fail(errc::malformed, "byte ", offset_ + at_, ": expected ", what, " in the head of an npy file");
  }

 private:
  std::string_view text_;
  std::size_t offset_, at_ = 0;
};

} // namespace detail

constexpr result<npy_head> npy_head::parse(std::span<std::byte const> bytes) {
  byte_reader read(bytes);
  bool is_npy = true;
  for (unsigned const c : {0x93u, 0x4eu, 0x55u, 0x4du, 0x50u, 0x59u}) is_npy = read.read<std::uint8_t>() == c && is_npy;
  if (!is_npy) return fail(errc::malformed, "byte 0: an npy file begins with \\x93NUMPY");
  unsigned const npy_version = read.read<std::uint8_t>();
  read.skip(1);
  if (read && (npy_version < 1 || npy_version > 3))
    return fail(errc::unsupported, "byte 6: npy version ", npy_version, ", not 1 to 3");
  std::uint64_t const length = npy_version == 1 ? read.read<std::uint16_t>() : read.read<std::uint32_t>();
  std::size_t const begin = read.offset();
  auto const literal = read.take(length);
  if (!read) return read.failure();

  std::vector<char> copy;
  detail::npy_reader text(as_text(literal, copy), begin);
  npy_head head{{}, 0, 0, read.offset()};
  bool has_type = false, has_order = false, has_shape = false;
  if (!text.accept('{')) return text.expected("'{'");
  while (!text.accept('}')) {
    auto const key = text.quoted();
    if (!key) return key.error();
    if (!text.accept(':')) return text.expected("':'");
    if (*key == "descr") {
      if (text.accept('[')) return fail(errc::unsupported, "an npy file of structures; vectors are of one type");
      auto const type = text.quoted();
      if (!type) return type.error();
      constexpr std::pair<std::string_view, number_type> types[]{
          {"<f2", number_type::f16}, {"<f4", number_type::f32}, {"<f8", number_type::f64}, {"|u1", number_type::u8},
          {"|i1", number_type::i8},  {"<i4", number_type::i32}, {"<i8", number_type::i64}};
      for (auto const& [name, t] : types)
        if (*type == name) head.type = t, has_type = true;
      if (!has_type)
        return fail(errc::unsupported, "an npy file of type '", type->substr(0, 16),
                    "'; vectors can be <f2, <f4, <f8, |u1, |i1, <i4 or <i8");
    } else if (*key == "fortran_order") {
      if (text.accept("True"))
        return fail(errc::unsupported, "an npy file in Fortran's order; numpy.ascontiguousarray changes it");
      if (!text.accept("False")) return text.expected("True or False");
      has_order = true;
    } else if (*key == "shape") {
      if (!text.accept('(')) return text.expected("'('");
      std::size_t axes = 0;
      std::uint64_t sizes[2]{};
      while (!text.accept(')')) {
        auto const size = text.number();
        if (!size) return size.error();
        if (axes == 2)
          return fail(errc::unsupported, "an npy file of more than two axes; vectors have rows and columns");
        sizes[axes++] = *size;
        if (text.accept(',')) continue;
        if (!text.accept(')')) return text.expected("',' or ')'");
        break;
      }
      if (axes == 0) return fail(errc::unsupported, "an npy file of no axis; vectors have rows and columns");
      head.rows = static_cast<std::size_t>(axes == 1 ? 1 : sizes[0]);
      head.columns = static_cast<std::size_t>(sizes[axes - 1]);
      has_shape = true;
    } else {
      return text.expected("the key descr, fortran_order or shape");
    }
    if (text.accept(',')) continue;
    if (!text.accept('}')) return text.expected("',' or '}'");
    break;
  }
  if (!has_type || !has_order || !has_shape) return text.expected("the keys descr, fortran_order and shape");
  std::uint64_t const stride = std::uint64_t{head.columns} * byte_size(head.type), there = bytes.size() - head.data;
  if (head.rows != 0 && head.columns == 0) return fail(errc::malformed, head.rows, " rows of no elements");
  if (head.rows == 0 ? there != 0 : head.rows > there / stride || head.rows * stride != there)
    return fail(errc::malformed, "byte ", head.data, ": ", there, " bytes, where ", head.rows, " rows of ", stride,
                " bytes are expected");
  return head;
}

} // namespace loquat
