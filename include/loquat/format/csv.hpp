#pragma once
/// \file
/// Rows of numbers as text.

#include <loquat/core/decimal.hpp>
#include <loquat/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// Lines of decimal numbers between commas, semicolons, tabs or spaces. A first line that does not begin with a number
/// names the columns; empty lines are nothing. It keeps the place of every 64th row.
class csv_rows {
  static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  static constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\r'; }
  static constexpr std::size_t blanks(std::string_view s) noexcept {
    return static_cast<std::size_t>(std::find_if_not(s.begin(), s.end(), is_blank) - s.begin());
  }
  // of the number that a text begins with; 0 if it is none
  static constexpr std::size_t number_length(std::string_view s) noexcept {
    std::size_t at = 0, digits = 0;
    auto const skip_digits = [&] {
      std::size_t const begin = at;
      while (at < s.size() && is_digit(s[at])) ++at;
      return at - begin;
    };
    auto const skip_sign = [&] {
      if (at < s.size() && (s[at] == '-' || s[at] == '+')) ++at;
    };
    skip_sign();
    digits = skip_digits();
    if (at < s.size() && s[at] == '.') ++at, digits += skip_digits();
    if (digits == 0) return 0;
    std::size_t const end = at;
    if (at == s.size() || (s[at] != 'e' && s[at] != 'E')) return end;
    ++at;
    skip_sign();
    return skip_digits() == 0 ? end : at;
  }
  // Calls f(number) until it returns false; the place of what is no number, or npos.
  template <class F> static constexpr std::size_t each_number(std::string_view line, F f) {
    std::size_t at = blanks(line);
    for (;;) {
      std::size_t const length = number_length(line.substr(at));
      if (length == 0) return at;
      auto const number = line.substr(at, length);
      if (!f(decimal_to_double(number[0] == '+' ? number.substr(1) : number))) return line.npos;
      at += length;
      std::size_t const space = blanks(line.substr(at));
      at += space;
      if (at == line.size()) return line.npos;
      if (line[at] == ',' || line[at] == ';' || line[at] == '\t')
        ++at, at += blanks(line.substr(at));
      else if (space == 0)
        return at - length;
    }
  }
  static constexpr float narrowed(double x) noexcept {
    constexpr double most = static_cast<double>(std::numeric_limits<float>::max());
    constexpr float infinity = std::numeric_limits<float>::infinity();
    return x > most ? infinity : x < -most ? -infinity : static_cast<float>(x);
  }

 public:
  static constexpr std::size_t step = 64; ///< rows that are best read together

  constexpr csv_rows() = default; ///< has no rows
  /// Counts the rows of a text, which must outlive it, and the numbers of the first one. Errors: `errc::malformed`.
  static constexpr result<csv_rows> parse(std::string_view text) {
    csv_rows rows;
    rows.text_ = text;
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    std::size_t at = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    bool first = true;
    for (std::size_t start = 0; rows.next_line(at, start); first = false) {
      auto const line = rows.line(start);
      if (first && number_length(line.substr(blanks(line))) == 0) continue; // names
      if (rows.size_ == 0) {
        std::size_t n = 0;
        auto const wrong = each_number(line, [&](double) { return ++n, true; });
        if (wrong != line.npos) return rows.no_number(0, start + wrong);
        rows.columns_ = n;
      }
      if (rows.size_++ % step == 0) rows.starts_.push_back(start);
    }
    return rows;
  }

  constexpr std::size_t size() const noexcept { return size_; }       ///< rows
  constexpr std::size_t columns() const noexcept { return columns_; } ///< numbers of a row

  /// Rows from `first` on, which are there, to `out` [n × columns]. Errors name row and byte: `errc::malformed` for a
  /// row of another length or what is no number; `mismatch` when the text is not what it was.
  constexpr result<void> read(std::size_t first, std::span<float> out) const {
    std::size_t at = starts_[first / step], start = 0;
    for (std::size_t i = first % step; i > 0; --i) (void)next_line(at, start);
    for (std::size_t row = first; !out.empty(); ++row, out = out.subspan(columns_)) {
      if (!next_line(at, start)) return fail(errc::mismatch, "the text has changed while it was read");
      std::size_t n = 0;
      auto const wrong = each_number(line(start), [&](double x) {
        if (n < columns_) out[n] = narrowed(x);
        return ++n <= columns_;
      });
      if (n != columns_ && (wrong == std::string_view::npos || n > columns_))
        return fail(errc::malformed, "byte ", start, ": row ", row, " has ", n > columns_ ? "more than " : "",
                    std::min(n, columns_), " numbers, where row 0 has ", columns_);
      if (wrong != std::string_view::npos) return no_number(row, start + wrong);
    }
    return {};
  }

 private:
  constexpr std::string_view line(std::size_t start) const noexcept {
    return text_.substr(start, text_.find('\n', start) - start);
  }
  // Where the next line that is not empty starts, from `at` on; moves that behind it. False at the end.
  constexpr bool next_line(std::size_t& at, std::size_t& start) const noexcept {
    while (at < text_.size()) {
      start = at;
      std::size_t const end = text_.find('\n', at);
      at = end == text_.npos ? text_.size() : end + 1;
      auto const found = text_.substr(start, end - start);
      if (blanks(found) != found.size()) return true;
    }
    return false;
  }
  constexpr error no_number(std::size_t row, std::size_t at) const {
    auto const rest = text_.substr(at, 24);
    return fail(errc::malformed, "byte ", at, ": row ", row, ": \"", rest.substr(0, rest.find_first_of(",;\t\r\n")),
                "\" is no number");
  }

  std::string_view text_;
  std::vector<std::size_t> starts_; // of every 64th row
  std::size_t size_ = 0, columns_ = 0;
};

} // namespace loquat
