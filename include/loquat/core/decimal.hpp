#pragma once
/// \file
/// Decimal text to `double`, correctly rounded (to nearest, ties to even), in constant expressions too, which
/// `std::from_chars` cannot do. Numbers of up to 19 digits and small exponents take the exact fast path of W. Clinger,
/// "How to Read Floating Point Numbers Accurately" (1990); the rest is one division of big integers.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace loquat {

namespace detail {

/// A natural number in base 2^32, least significant digit first.
struct natural {
  std::vector<std::uint32_t> digits;

  constexpr void multiply_add(std::uint32_t factor, std::uint32_t addend) {
    std::uint64_t carry = addend;
    for (auto& digit : digits) {
      carry += std::uint64_t{digit} * factor;
      digit = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) digits.push_back(static_cast<std::uint32_t>(carry));
  }
  /// Divides, rounding down, and returns the remainder.
  constexpr std::uint32_t divide(std::uint32_t divisor) {
    std::uint64_t rest = 0;
    for (std::size_t i = digits.size(); i-- > 0;) {
      rest = (rest << 32) | digits[i];
      digits[i] = static_cast<std::uint32_t>(rest / divisor);
      rest %= divisor;
    }
    while (!digits.empty() && digits.back() == 0) digits.pop_back();
    return static_cast<std::uint32_t>(rest);
  }
  constexpr int bits() const {
    return digits.empty() ? 0 : static_cast<int>(digits.size() * 32) - std::countl_zero(digits.back());
  }
  constexpr bool bit(int i) const { return (digits[static_cast<std::size_t>(i / 32)] >> (i % 32)) & 1u; }
};

inline constexpr std::uint32_t powers_of_ten[]{1,       10,        100,        1'000,       10'000,
                                               100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

/// `value · 2^exponent`, plus something smaller than the last bit of `value` if `inexact`, rounded to a double.
constexpr double round_to_double(natural const& value, int exponent, bool inexact) {
  int const bits = value.bits();
  if (bits == 0) return 0;
  if (bits + exponent > 1024) return std::numeric_limits<double>::infinity();
  // The unit in the last place is 2^place: 53 bits below the leading one, but not below the least subnormal.
  int const place = bits + exponent - 53 < -1074 ? -1074 : bits + exponent - 53;
  int const dropped = place - exponent; // low bits of `value` that do not fit
  std::uint64_t mantissa = 0;
  for (int i = bits - 1; i >= 0 && i >= dropped; --i) mantissa = mantissa << 1 | value.bit(i);
  if (dropped < 0) mantissa <<= -dropped; // at most 53 bits, all of them zeros below the value
  if (dropped > 0 && dropped <= bits && value.bit(dropped - 1)) {
    bool above_half = inexact;
    for (int i = 0; i < dropped - 1 && !above_half; ++i) above_half = value.bit(i);
    if (above_half || (mantissa & 1) != 0) ++mantissa; // may carry into the next binade: the encoding does that too
  }
  // A mantissa with its leading bit 2^52 counts one into the biased exponent by itself; subnormals have none.
  auto const biased = static_cast<std::uint64_t>(place + 1074);
  return std::bit_cast<double>((biased << 52) + mantissa);
}

} // namespace detail

/// The double nearest to a decimal number `[-]digits[.digits][(e|E)[+|-]digits]`, as JSON writes it. The form is not
/// checked. What is too large becomes infinity, what is too small zero. Linear in the length of the text.
constexpr double decimal_to_double(std::string_view text) {
  constexpr std::size_t most_digits = 800; // 767 decide every rounding; of the rest it matters only that they are there
  bool const negative = text.starts_with('-');
  std::size_t at = negative ? 1 : 0;
  std::size_t significant = 0;
  long long scale = 0; // power of ten
  std::uint64_t small = 0;
  bool point = false, inexact = false;
  std::size_t const first = at;
  auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (; at < text.size() && (is_digit(text[at]) || text[at] == '.'); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    auto const digit = static_cast<unsigned>(text[at] - '0');
    if (significant < most_digits) {
      if (significant > 0 || digit != 0) ++significant;
      if (significant <= 19) small = small * 10 + digit;
      if (point) --scale;
    } else {
      inexact |= digit != 0;
      if (!point) ++scale;
    }
  }
  std::string_view const mantissa = text.substr(first, at - first);
  if (at < text.size()) { // 'e'
    bool const down = ++at < text.size() && text[at] == '-';
    if (at < text.size() && !is_digit(text[at])) ++at;
    long long exponent = 0;
    for (; at < text.size() && is_digit(text[at]); ++at)
      if (exponent < 1'000'000'000'000) exponent = exponent * 10 + (text[at] - '0');
    scale += down ? -exponent : exponent;
  }
  double magnitude = 0;
  if (significant == 0 || scale + static_cast<long long>(significant) < -330) {
    magnitude = 0;
  } else if (scale + static_cast<long long>(significant) > 310) {
    magnitude = std::numeric_limits<double>::infinity();
  } else if (significant <= 19 && small < (1ULL << 53) && scale >= -22 && scale <= 22) {
    double power = 1; // powers of ten up to 10^22 are exact, so there is one rounding only
    for (long long i = scale < 0 ? -scale : scale; i > 0; --i) power *= 10;
    magnitude = scale < 0 ? static_cast<double>(small) / power : static_cast<double>(small) * power;
  } else {
    detail::natural value;
    std::size_t seen = 0;
    for (char const c : mantissa) {
      if (c == '.' || (seen == 0 && c == '0')) continue;
      if (seen++ == most_digits) break;
      value.multiply_add(10, static_cast<std::uint32_t>(c - '0'));
    }
    int exponent = 0;
    if (scale >= 0) {
      for (; scale > 0; scale -= 9) value.multiply_add(detail::powers_of_ten[scale < 9 ? scale : 9], 0);
    } else { // enough bits ahead of the division that at least 64 are left after it
      int const words = static_cast<int>(-scale) / 9 + 3;
      value.digits.insert(value.digits.begin(), static_cast<std::size_t>(words), 0);
      exponent = -32 * words;
      for (; scale < 0; scale += 9) inexact |= value.divide(detail::powers_of_ten[-scale < 9 ? -scale : 9]) != 0;
    }
    magnitude = detail::round_to_double(value, exponent, inexact);
  }
  return negative ? -magnitude : magnitude;
}

} // namespace loquat
