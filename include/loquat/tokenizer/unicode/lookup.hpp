#pragma once
/// \file
/// Tables of a value per code point in stages: blocks of code points with the same values are stored once, and found by
/// their number. Two stages are quickest; three take about half the room.

#include <cstddef>
#include <cstdint>

namespace loquat::unicode::detail {

/// Blocks of `1 << Shift` values.
template <class Number, class Value, unsigned Shift> struct two_stage {
  Number const* blocks;
  Value const* values;
  char32_t end; ///< the first code point that is not in the table

  /// The value of a code point below `end`.
  constexpr Value operator[](char32_t c) const noexcept {
    return values[std::size_t{blocks[c >> Shift]} << Shift | (c & ((1u << Shift) - 1))];
  }
};

/// Blocks of `1 << Shift` values, whose numbers are in blocks of `1 << Group`.
template <class Number, class Value, unsigned Shift, unsigned Group> struct three_stage {
  std::uint8_t const* groups;
  two_stage<Number, Value, Shift> inner;
  char32_t end; ///< the first code point that is not in the table

  /// The value of a code point below `end`.
  constexpr Value operator[](char32_t c) const noexcept {
    constexpr unsigned low = Shift + Group;
    return inner[static_cast<char32_t>(groups[c >> low]) << low | (c & ((1u << low) - 1))];
  }
};

} // namespace loquat::unicode::detail
