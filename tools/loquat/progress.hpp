#pragma once
/// \file
/// A line on the terminal that shows how far a command is.

#include "system.hpp"
#include "text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace tool {

/// The line; it goes away with the object. Nothing is shown where the standard error is no terminal.
class progress {
 public:
  /// Of work that is `all` units in all.
  explicit progress(std::uint64_t all) : shown_(is_terminal(stderr)), all_(all) {}
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;
  ~progress() {
    if (begun_) std::fputs("\r\033[K", stderr); // clear the line
  }

  /// The next piece begins: what it is, what becomes of it, and its units.
  void next(std::string_view what, std::string_view how, std::uint64_t units) {
    if (!shown_) return;
    constexpr std::size_t width = 24;
    auto const share = all_ == 0 ? 1 : std::min(1.0, static_cast<double>(done_) / static_cast<double>(all_));
    auto const filled = static_cast<std::size_t>(share * static_cast<double>(width));
    std::string const line = "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " +
                             number_text("%3.0f%%  ", 100 * share) + left(printable(what).substr(0, 32), 32) + "  " +
                             std::string(how);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    begun_ = true;
    done_ += units;
  }

 private:
  bool shown_, begun_ = false;
  std::uint64_t all_, done_ = 0;
};

} // namespace tool
