#pragma once
/// \file
/// What `(?i)` adds to a set: every character whose simple case folding (CaseFolding.txt, statuses C and S) is that of
/// one in the set. The folding of a character is its lower case but for the few pairs of the table.

#include <loquat/tokenizer/regex/char_set.hpp>
#include <loquat/tokenizer/unicode/lowercase.hpp>

#include <vector>

namespace loquat::regex_detail {

/// Simple case folding.
constexpr char32_t fold_case(char32_t c) noexcept {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  constexpr char32_t exceptions[][2]{
      {0xB5, 0x3BC},   {0x130, 0x130},  {0x17F, 's'},     {0x345, 0x3B9},   {0x3C2, 0x3C3},  {0x3D0, 0x3B2},
      {0x3D1, 0x3B8},  {0x3D5, 0x3C6},  {0x3D6, 0x3C0},   {0x3F0, 0x3BA},   {0x3F1, 0x3C1},  {0x3F5, 0x3B5},
      {0x1C80, 0x432}, {0x1C81, 0x434}, {0x1C82, 0x43E},  {0x1C83, 0x441},  {0x1C84, 0x442}, {0x1C85, 0x442},
      {0x1C86, 0x44A}, {0x1C87, 0x463}, {0x1C88, 0xA64B}, {0x1E9B, 0x1E61}, {0x1FBE, 0x3B9}};
  for (auto const& [from, to] : exceptions)
    if (c == from) return to;
  return unicode::lowercase(c);
}

/// Adds other cases to sets. It learns all pairs of characters that differ in case only, once it has to.
class case_folder {
 public:
  /// Closes the operand on top of `set`, which must be its only one, under case folding.
  constexpr void close(char_set& set) {
    if (set.written_in_ascii()) {
      for (char32_t c = 'A'; c <= 'Z'; ++c) add(set, c, fold_case(c));
      add(set, 0x17F, 's');
      add(set, 0x212A, 'k'); // the sign of the kelvin
      return;
    }
    constexpr char32_t last = 0x1E943; // no letter beyond it has another case
    if (pairs_.empty())
      for (char32_t c = 'A'; c <= last; ++c)
        if (char32_t const folded = fold_case(c); folded != c) pairs_.push_back({c, folded});
    // Twice: what the first turn adds may have a third form, as s has U+017F.
    for (int turn = 0; turn < 2; ++turn)
      for (auto const& p : pairs_) add(set, p.from, p.to);
  }

 private:
  struct pair {
    char32_t from, to;
  };
  static constexpr void add(char_set& set, char32_t a, char32_t b) {
    bool const has_a = set.evaluate(a), has_b = set.evaluate(b);
    if (has_a && !has_b) set.add_range(b, b);
    if (has_b && !has_a) set.add_range(a, a);
  }
  std::vector<pair> pairs_;
};

} // namespace loquat::regex_detail
