#pragma once
/// \file
/// The alphabet of a pattern's automata: two characters that are in the same of its sets are the same symbol. Symbols
/// are found as a text shows them, so that nobody has to go through all of Unicode.

#include <loquat/tokenizer/regex/automaton.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::regex_detail {

/// Which sets a character is in, and which conditions hold in front of it (reading backwards: behind it). All zero for
/// the end of the text, too.
struct signature {
  std::array<std::uint64_t, max_sets / 64 + 1> sets{};
  std::uint32_t conditions = 0;

  constexpr bool in(std::uint32_t set) const noexcept { return (sets[set / 64] >> (set % 64) & 1) != 0; }
  friend constexpr bool operator==(signature const&, signature const&) = default;
};

/// The sets that a character is in.
constexpr signature signature_of(std::span<char_set const> sets, char32_t c) noexcept {
  signature s;
  for (std::size_t i = 0; i < sets.size(); ++i) s.sets[i / 64] |= std::uint64_t{sets[i].contains(c)} << (i % 64);
  return s;
}

/// Numbers signatures. Symbol 0 is the signature of nothing.
class symbol_table {
 public:
  using symbol = std::uint32_t;
  static constexpr symbol max_symbols = 1024;

  constexpr void reset(std::span<char_set const> sets) {
    known_.assign(1, signature{});
    remembered_.clear();
    for (unsigned c = 0; c < 128; ++c) ascii_[c] = number(signature_of(sets, c));
  }
  /// The symbol of an ASCII character.
  constexpr symbol of_ascii(unsigned char c) const noexcept { return ascii_[c]; }
  /// The symbol of a character before which no condition is asked for; `max_symbols` if there is no number left.
  constexpr symbol of(std::span<char_set const> sets, char32_t c) {
    if (c < 128) return ascii_[c];
    if (remembered_.empty()) remembered_.resize(slots, {});
    auto& entry = remembered_[c % slots];
    if (entry.character != c) entry = {c, number(signature_of(sets, c))};
    return entry.number;
  }
  constexpr signature const& at(symbol s) const noexcept { return known_[s]; }
  constexpr symbol number(signature const& s) {
    for (symbol i = 0; i < known_.size(); ++i)
      if (known_[i] == s) return i;
    if (known_.size() == max_symbols) return max_symbols;
    known_.push_back(s);
    return static_cast<symbol>(known_.size() - 1);
  }

 private:
  static constexpr std::size_t slots = 1024;
  struct slot {
    char32_t character = 0;
    symbol number = 0;
  };
  std::vector<signature> known_;
  std::array<symbol, 128> ascii_{};
  std::vector<slot> remembered_;
};

} // namespace loquat::regex_detail
