#pragma once
/// \file
/// The names that `\p{…}` and `[[:…:]]` know: general categories, scripts and a few properties (Unicode UAX 44).

#include <loquat/tokenizer/regex/char_set.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::regex_detail {

/// The bit of a general category.
constexpr std::uint32_t bit(unicode::general_category c) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(c);
}

namespace mask {

using enum unicode::general_category;
inline constexpr std::uint32_t letter = bit(lu) | bit(ll) | bit(lt) | bit(lm) | bit(lo); ///< L
inline constexpr std::uint32_t cased = bit(lu) | bit(ll) | bit(lt);                      ///< LC
inline constexpr std::uint32_t mark = bit(mn) | bit(mc) | bit(me);                       ///< M
inline constexpr std::uint32_t number = bit(nd) | bit(nl) | bit(no);                     ///< N
inline constexpr std::uint32_t punctuation = bit(pc) | bit(pd) | bit(ps) | bit(pe) | bit(pi) | bit(pf) | bit(po); ///< P
inline constexpr std::uint32_t symbol = bit(sm) | bit(sc) | bit(sk) | bit(so);                                    ///< S
inline constexpr std::uint32_t separator = bit(zs) | bit(zl) | bit(zp);                                           ///< Z
inline constexpr std::uint32_t other = bit(cc) | bit(cf) | bit(cs) | bit(co) | bit(cn);                           ///< C
inline constexpr std::uint32_t all = letter | mark | number | punctuation | symbol | separator | other; ///< any

} // namespace mask

/// `\s`: White_Space.
constexpr void add_space(char_set& set) {
  set.add_categories(mask::separator);
  set.add_range(0x09, 0x0D);
  set.add_range(0x85, 0x85);
}
/// Alphabetic: letters, letter numbers, and the marks and circled letters of Other_Alphabetic that `\w` has.
constexpr void add_circled_letters(char_set& set) {
  set.add_range(0x24B6, 0x24E9);
  set.add_range(0x1F130, 0x1F149);
  set.add_range(0x1F150, 0x1F169);
  set.add_range(0x1F170, 0x1F189);
}
/// `\w`: Alphabetic, marks, decimal digits, connectors (UTS 18, annex C).
constexpr void add_word(char_set& set) {
  set.add_categories(mask::letter | mask::mark | bit(unicode::general_category::nl) |
                     bit(unicode::general_category::nd) | bit(unicode::general_category::pc));
  add_circled_letters(set);
}

/// Adds the characters of a property to the operand on top; false if no property has this name. `name` is compared
/// without regard to case, spaces, `_` and `-`.
constexpr bool add_property(char_set& set, std::string_view name) {
  // the name in lower case without separators
  char buffer[40]{};
  std::size_t n = 0;
  for (char const c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    if (n == sizeof buffer) return false;
    buffer[n++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  std::string_view key(buffer, n);
  for (std::string_view const prefix : {"script=", "sc=", "generalcategory=", "gc=", "is"})
    if (key.starts_with(prefix) && key.size() > prefix.size()) {
      key.remove_prefix(prefix.size());
      break;
    }

  using namespace mask;
  struct row {
    std::string_view code, name;
    std::uint32_t categories;
  };
  constexpr row rows[]{
      {"l", "letter", letter},
      {"lc", "casedletter", cased},
      {"m", "mark", mark},
      {"n", "number", number},
      {"p", "punctuation", punctuation},
      {"punct", "punct", punctuation},
      {"s", "symbol", symbol},
      {"z", "separator", separator},
      {"c", "other", other},
      {"lu", "uppercaseletter", bit(lu)},
      {"ll", "lowercaseletter", bit(ll)},
      {"lt", "titlecaseletter", bit(lt)},
      {"lm", "modifierletter", bit(lm)},
      {"lo", "otherletter", bit(lo)},
      {"mn", "nonspacingmark", bit(mn)},
      {"mc", "spacingmark", bit(mc)},
      {"me", "enclosingmark", bit(me)},
      {"nd", "decimalnumber", bit(nd)},
      {"nl", "letternumber", bit(nl)},
      {"no", "othernumber", bit(no)},
      {"pc", "connectorpunctuation", bit(pc)},
      {"pd", "dashpunctuation", bit(pd)},
      {"ps", "openpunctuation", bit(ps)},
      {"pe", "closepunctuation", bit(pe)},
      {"pi", "initialpunctuation", bit(pi)},
      {"pf", "finalpunctuation", bit(pf)},
      {"po", "otherpunctuation", bit(po)},
      {"sm", "mathsymbol", bit(sm)},
      {"sc", "currencysymbol", bit(sc)},
      {"sk", "modifiersymbol", bit(sk)},
      {"so", "othersymbol", bit(so)},
      {"zs", "spaceseparator", bit(zs)},
      {"zl", "lineseparator", bit(zl)},
      {"zp", "paragraphseparator", bit(zp)},
      {"cc", "control", bit(cc)},
      {"cf", "format", bit(cf)},
      {"co", "privateuse", bit(co)},
      {"cn", "unassigned", bit(cn)},
      {"any", "any", all},
      {"digit", "digit", bit(nd)},
      {"cntrl", "cntrl", bit(cc)},
      {"assigned", "assigned", all & ~bit(cn)},
  };
  for (auto const& r : rows)
    if (key == r.code || key == r.name) return set.add_categories(r.categories), true;
  if (key == "space" || key == "whitespace") return add_space(set), true;
  if (key == "word") return add_word(set), true;
  if (key == "ascii") return set.add_range(0, 0x7F), true;
  if (key == "xdigit" || key == "asciihexdigit" || key == "ahex")
    return set.add_range('0', '9'), set.add_range('A', 'F'), set.add_range('a', 'f'), true;
  if (key == "blank") return set.add_categories(bit(zs)), set.add_range('\t', '\t'), true;
  if (auto const s = unicode::script_named(key); s) return set.add_script(*s), true;
  return false;
}

} // namespace loquat::regex_detail
