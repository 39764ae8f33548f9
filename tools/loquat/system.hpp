#pragma once
/// \file
/// What the program asks the operating system: time, memory, terminals, Ctrl-C, the standard input.

#include <loquat/core/result.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#if defined(_WIN32)
#  include <io.h>
#else
#  include <sys/resource.h>
#  include <unistd.h>
#endif

namespace tool {

/// Seconds since it was made.
class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
};

inline bool is_terminal(std::FILE* file) {
#if defined(_WIN32)
  return _isatty(_fileno(file)) != 0;
#else
  return ::isatty(::fileno(file)) != 0;
#endif
}

/// The most memory that was resident at once, in bytes, pages of mapped files included; 0 if the system does not say.
inline double peak_memory_bytes() {
#if defined(_WIN32)
  return 0;
#else
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#  if defined(__APPLE__)
  return static_cast<double>(usage.ru_maxrss);
#  else
  return static_cast<double>(usage.ru_maxrss) * 1024;
#  endif
#endif
}

inline std::atomic<bool> interrupt_wanted = false; ///< set by Ctrl-C once it is caught

/// From now on the first Ctrl-C sets `interrupt_wanted`; the second ends the process as ever.
inline void catch_interrupt() {
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");
  std::signal(SIGINT, [](int) {
    interrupt_wanted.store(true, std::memory_order_relaxed);
    std::signal(SIGINT, SIG_DFL);
  });
}

/// The text an argument stands for: itself, or for "-" the whole standard input, byte for byte.
inline loquat::result<std::string> text_of(std::string_view argument) {
  if (argument != "-") return std::string(argument);
  constexpr std::size_t most = std::size_t{64} << 20; // far more than any context
  std::string out;
  char buffer[1 << 14];
  while (std::size_t const n = std::fread(buffer, 1, sizeof buffer, stdin)) {
    if (n > most - out.size())
      return loquat::fail(loquat::errc::capacity, "standard input: expected at most ", most, " bytes");
    out.append(buffer, n);
  }
  if (std::ferror(stdin)) return loquat::fail(loquat::errc::io, "standard input: cannot be read");
  return out;
}

/// The next line of the standard input, without its end. False behind the last one.
inline bool read_line(std::string& out) {
  out.clear();
  int c = std::getc(stdin);
  if (c == EOF) return false;
  for (; c != EOF && c != '\n'; c = std::getc(stdin)) out.push_back(static_cast<char>(c));
  return true;
}

} // namespace tool
