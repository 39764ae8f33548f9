#pragma once
/// \file
/// The lines of a text file, without their ends (\n, \r\n).

#include <cstddef>
#include <string_view>

namespace loquat {

/// Hands out lines. A line end behind the last line makes no further one.
class line_reader {
 public:
  constexpr explicit line_reader(std::string_view text) noexcept : rest_(text) {}

  /// Whether there is another line, which `line` then is.
  constexpr bool next(std::string_view& line) noexcept {
    if (rest_.empty()) return false;
    ++number_;
    auto const end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }
  constexpr std::size_t number() const noexcept { return number_; } ///< of the last line, from 1 on

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

} // namespace loquat
