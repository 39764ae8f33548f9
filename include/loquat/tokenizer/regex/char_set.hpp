#pragma once
/// \file
/// Sets of characters as regular expressions write them: ranges, Unicode properties and scripts, united, intersected
/// and complemented. A set is a small program for a stack of truth values, so that `\p{L}` is one step and not 650
/// ranges; what it says of ASCII is worked out once.

#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/script.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat::regex_detail {

inline constexpr unsigned max_set_depth = 60; ///< operands that wait on the stack of an evaluation

/// A set of code points.
class char_set {
 public:
  friend constexpr bool operator==(char_set const& a, char_set const& b) { return a.steps_ == b.steps_; }

  // The steps of a set, in postfix order: begin() starts an operand, the next three add to it.
  /// Begins an operand, which is empty.
  constexpr void begin() { steps_.push_back({operation::begin, 0, 0}); }
  /// Adds all characters from `low` to `high`.
  constexpr void add_range(char32_t low, char32_t high) { steps_.push_back({operation::range, low, high}); }
  /// Adds general categories, a bit each.
  constexpr void add_categories(std::uint32_t mask) { steps_.push_back({operation::categories, mask, 0}); }
  /// Adds a script.
  constexpr void add_script(unicode::script s) {
    steps_.push_back({operation::script, static_cast<std::uint32_t>(s), 0});
  }
  constexpr void complement() { steps_.push_back({operation::complement, 0, 0}); } ///< of the operand on top
  constexpr void unite() { steps_.push_back({operation::unite, 0, 0}); }           ///< the two operands on top
  constexpr void intersect() { steps_.push_back({operation::intersect, 0, 0}); }   ///< the two operands on top
  /// Adds what `other` holds to the operand on top.
  constexpr void add(char_set const& other) {
    for (auto const& s : other.steps_) steps_.push_back(s);
    unite();
  }
  constexpr std::size_t size() const noexcept { return steps_.size(); } ///< steps

  /// To be called once, after the last step.
  constexpr void finish() {
    for (char32_t c = 0; c < 128; ++c)
      if (evaluate(c)) ascii_[c / 64] |= std::uint64_t{1} << (c % 64);
  }
  /// Membership, once finished.
  constexpr bool contains(char32_t c) const noexcept {
    return c < 128 ? (ascii_[c / 64] >> (c % 64) & 1) != 0 : evaluate(c);
  }
  /// True if nothing in it is beyond ASCII for a reason other than a complement: what case folding needs to know.
  constexpr bool written_in_ascii() const noexcept {
    for (auto const& s : steps_) {
      if (s.what == operation::categories || s.what == operation::script || s.what == operation::complement)
        return false;
      if (s.what == operation::range && s.high > 127) return false;
    }
    return true;
  }
  /// Membership, at any time.
  constexpr bool evaluate(char32_t c) const noexcept {
    std::uint64_t stack = 0; // the operand on top is bit 0
    for (auto const& s : steps_) {
      switch (s.what) {
      case operation::begin:
        stack <<= 1;
        break;
      case operation::range:
        stack |= static_cast<std::uint64_t>(c >= s.low && c <= s.high);
        break;
      case operation::categories:
        stack |= s.low >> static_cast<unsigned>(unicode::category(c)) & 1;
        break;
      case operation::script:
        stack |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(unicode::script_of(c)) == s.low);
        break;
      case operation::complement:
        stack ^= 1;
        break;
      case operation::unite:
        stack = stack >> 1 | (stack & 1);
        break;
      case operation::intersect:
        stack = stack >> 1 & (stack | ~std::uint64_t{1});
        break;
      }
    }
    return (stack & 1) != 0;
  }

 private:
  enum class operation : unsigned char { begin, range, categories, script, complement, unite, intersect };
  struct step {
    operation what;
    std::uint32_t low, high;
    friend constexpr bool operator==(step const&, step const&) = default;
  };

  std::vector<step> steps_;
  std::uint64_t ascii_[2]{};
};

} // namespace loquat::regex_detail
