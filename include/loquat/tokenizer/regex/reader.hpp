#pragma once
/// \file
/// Reads a pattern's characters and the smallest parts of its syntax: escapes and `[…]`.

#include <loquat/core/error.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/regex/case_folding.hpp>
#include <loquat/tokenizer/regex/properties.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace loquat {

/// Which dialect a pattern is written in.
enum class regex_syntax : unsigned char {
  oniguruma, ///< tokenizer.json: `^` and `$` at every line, `(?m)` lets `.` match newlines, `{2}+` is a repeated `{2}`
  rust,      ///< tiktoken (fancy-regex): `^` and `$` at the ends of the text, `(?s)`, `{2}+` is possessive
};

namespace regex_detail {

inline constexpr unsigned max_depth = 50; ///< of brackets and groups in each other

/// A place in a pattern. Errors are kept: after the first nothing more is read.
class reader {
 public:
  constexpr reader(std::string_view pattern, regex_syntax syntax) : pattern_(pattern), syntax_(syntax) {}

  /// True once something was wrong.
  constexpr bool failed() const noexcept { return failed_; }
  /// What that was.
  constexpr loquat::error take_error() { return static_cast<loquat::error&&>(error_); }

 protected:
  struct flags {
    bool fold = false, dot_all = false, multi_line = false;
  };

  template <class... Parts> constexpr void stop(errc code, std::size_t at, Parts const&... parts) {
    if (failed_) return;
    failed_ = true;
    error_ = fail(code, "regex, offset ", at, ": ", parts..., " in '", pattern_.substr(0, 200), "'");
    at_ = pattern_.size();
  }
  constexpr bool done() const noexcept { return at_ >= pattern_.size(); }
  constexpr std::string_view rest() const noexcept { return pattern_.substr(at_); }
  constexpr bool next_is(std::string_view text) const noexcept { return rest().starts_with(text); }
  constexpr bool take(std::string_view text) noexcept {
    bool const is = next_is(text);
    if (is) at_ += text.size();
    return is;
  }
  constexpr char32_t take_character() {
    auto const c = utf8::decode(rest());
    if (!c.valid) return stop(errc::malformed, at_, "no valid UTF-8"), 0;
    at_ += c.length;
    return c.code_point;
  }

  constexpr std::optional<unsigned> take_digit(unsigned base) noexcept {
    if (done()) return {};
    auto const c = static_cast<unsigned char>(pattern_[at_]);
    unsigned const value = c >= '0' && c <= '9'   ? c - unsigned{'0'}
                           : c >= 'a' && c <= 'f' ? c - unsigned{'a'} + 10
                           : c >= 'A' && c <= 'F' ? c - unsigned{'A'} + 10
                                                  : 99;
    if (value >= base) return {};
    ++at_;
    return value;
  }
  /// `least` … `most` digits, as a code point.
  constexpr char32_t take_code(unsigned base, unsigned least, unsigned most) {
    std::size_t const begin = at_;
    char32_t value = 0;
    unsigned digits = 0;
    for (; digits < most; ++digits) {
      auto const digit = take_digit(base);
      if (!digit) break;
      value = value * base + *digit;
    }
    if (digits < least || value > 0x10FFFF) stop(errc::malformed, begin, "no code point");
    return value;
  }

  /// `\w`. Outside of `[…]` Oniguruma has the superscripts and fractions of Latin-1 in it, too.
  constexpr void add_word_class(char_set& set, bool bracketed) const {
    add_word(set);
    if (syntax_ == regex_syntax::rust) return set.add_range(0x200C, 0x200D); // Join_Control
    if (bracketed) return;
    set.add_range(0xB2, 0xB3);
    set.add_range(0xB9, 0xB9);
    set.add_range(0xBC, 0xBE);
  }

  /// After a backslash: adds a class such as `\s` or `\p{L}` to a set's operand on top, if there is one here.
  constexpr bool take_class_escape(char_set& set, bool bracketed) {
    std::size_t const begin = at_;
    if (done()) return false;
    char const c = pattern_[at_++];
    char_set found;
    found.begin();
    switch (c) {
    case 's':
    case 'S':
      add_space(found);
      break;
    case 'd':
    case 'D':
      found.add_categories(bit(unicode::general_category::nd));
      break;
    case 'w':
    case 'W':
      add_word_class(found, bracketed);
      break;
    case 'h':
    case 'H':
      add_property(found, "xdigit");
      break;
    case 'p':
    case 'P': {
      bool negated = c == 'P';
      std::string_view name;
      if (take("{")) {
        if (take("^")) negated = !negated;
        auto const end = rest().find('}');
        if (end == std::string_view::npos) return stop(errc::malformed, begin, "\\p{ without }"), true;
        name = rest().substr(0, end);
        at_ += end + 1;
      } else {
        if (syntax_ == regex_syntax::oniguruma) return stop(errc::unsupported, begin, "\\p without {"), true;
        name = rest().substr(0, 1);
        at_ += name.size();
      }
      if (!add_property(found, name)) stop(errc::unsupported, begin, "unknown property ", name);
      if (negated) found.complement();
      break;
    }
    default:
      at_ = begin;
      return false;
    }
    if (c == 'S' || c == 'D' || c == 'W' || c == 'H') found.complement();
    set.add(found);
    return true;
  }

  /// After a backslash: one character.
  constexpr char32_t take_character_escape() {
    std::size_t const begin = at_;
    char32_t const c = take_character();
    switch (c) {
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case 'a':
      return '\a';
    case 'e':
      return 0x1B;
    case '0':
      return take_code(8, 0, 2);
    case 'x':
    case 'u':
      if (take("{")) {
        char32_t const code = take_code(16, 1, 8);
        if (!take("}")) stop(errc::malformed, begin, "expected }");
        return code;
      }
      return c == 'x' ? take_code(16, 1, 2) : take_code(16, 4, 4);
    default:
      if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        stop(errc::unsupported, begin, "cannot handle \\", static_cast<char>(c));
      return c;
    }
  }

  /// After `[`: the set up to its `]`.
  constexpr char_set take_class(flags f, unsigned depth) {
    std::size_t const begin = at_;
    char_set set;
    set.begin();
    if (depth > max_depth) return stop(errc::unsupported, begin, "classes nested too deeply"), set;
    bool const negated = take("^");
    bool intersection = false;
    for (bool first = true;; first = false) {
      if (failed_) return set;
      if (done()) return stop(errc::malformed, begin, "[ without ]"), set;
      if (next_is("]") && !(first && rest().find(']', 1) != std::string_view::npos)) break;
      if (take("&&")) {
        if (intersection) set.intersect();
        set.begin();
        intersection = true;
      } else if (next_is("[:") && rest().find(":]") != std::string_view::npos) {
        take_posix_class(set);
      } else if (take("[")) {
        set.add(take_class(f, depth + 1));
      } else if (take("\\")) {
        if (take_class_escape(set, true)) continue;
        take_range(set, take("b") ? 8 : take_character_escape());
      } else {
        take_range(set, take_character());
      }
    }
    ++at_;
    if (intersection) set.intersect();
    if (f.fold) cases_.close(set);
    if (negated) set.complement();
    return set;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  regex_syntax syntax_;
  case_folder cases_;

 private:
  constexpr void take_posix_class(char_set& set) {
    std::size_t const begin = at_;
    at_ += 2;
    bool const negated = take("^");
    auto const end = rest().find(":]");
    char_set found;
    found.begin();
    if (rest().starts_with("punct:]")) found.add_categories(mask::symbol); // in Oniguruma
    if (!add_property(found, rest().substr(0, end))) stop(errc::unsupported, begin, "unknown class");
    if (negated) found.complement();
    set.add(found);
    at_ += end + 2;
  }
  /// What begins with the character `low`: itself, or a range.
  constexpr void take_range(char_set& set, char32_t low) {
    std::size_t const begin = at_;
    char32_t high = low;
    if (next_is("-") && !next_is("-]") && !next_is("-[") && !next_is("-&&") && rest().size() > 1) {
      ++at_;
      if (take("\\")) {
        char_set unused;
        unused.begin();
        if (take_class_escape(unused, true)) return stop(errc::malformed, begin, "a range ends with a class");
        high = take_character_escape();
      } else {
        high = take_character();
      }
    }
    if (high < low) return stop(errc::malformed, begin, "an empty range");
    set.add_range(low, high);
  }

  bool failed_ = false;
  loquat::error error_;
};

} // namespace regex_detail
} // namespace loquat
