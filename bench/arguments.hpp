#pragma once
/// \file
/// The arguments of a benchmark, and how it ends where they, or what they name, are wrong.

#include <loquat/core/result.hpp>
#include <loquat/simd/targets.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace bench {

/// What messages begin with, and what is printed behind those about arguments.
struct program_texts {
  char const* name;
  char const* usage;
};
inline program_texts program{"", ""};

/// Ends the program: its arguments are wrong.
[[noreturn]] inline void fail(std::string_view why) {
  std::fprintf(stderr, "%s: %.*s\n\n%s", program.name, static_cast<int>(why.size()), why.data(), program.usage);
  std::exit(2);
}
/// The value of a result, or the end of the program with its error.
template <class T> T must(loquat::result<T> r) {
  if (!r) {
    std::fprintf(stderr, "%s: %s\n", program.name, r.error().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(r);
}

/// The arguments one after another. `--help` prints the usage and ends the program.
class arguments {
 public:
  arguments(program_texts texts, int argc, char** argv) : end_(argv + argc), at_(argv + std::min(argc, 1)) {
    program = texts;
  }

  bool next() { ///< whether there is another
    if (at_ == end_) return false;
    arg_ = *at_++;
    if (arg_ != "--help") return true;
    std::fputs(program.usage, stdout);
    std::exit(0);
  }
  bool is(std::string_view option) const { return arg_ == option; }
  /// What is no option: a file, say.
  char const* name() const {
    if (arg_.starts_with("-")) fail("unknown option " + std::string(arg_));
    return arg_.data();
  }

  char const* value() { ///< of the option
    if (at_ == end_) fail(std::string(arg_) + ": a value is missing");
    return *at_++;
  }
  std::size_t number(std::size_t least = 1) { return to_number(value(), least); }
  std::vector<std::string> list() { ///< separated by commas
    std::vector<std::string> parts;
    for (std::string_view rest = value(); !rest.empty();) {
      auto const end = std::min(rest.find(','), rest.size());
      parts.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return parts;
  }
  std::vector<std::size_t> numbers() {
    std::vector<std::size_t> out;
    for (auto const& part : list()) out.push_back(to_number(part, 1));
    if (out.empty()) fail(std::string(arg_) + ": no number");
    return out;
  }
  loquat::simd::target target() {
    std::string_view const wanted = value();
    for (auto t : loquat::simd::all_targets)
      if (loquat::simd::name(t) == wanted) return t;
    fail("this architecture has no target " + std::string(wanted));
  }

 private:
  std::size_t to_number(std::string_view text, std::size_t least) const {
    std::size_t n = 0;
    auto const [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (bad != std::errc() || end != text.data() + text.size() || n < least)
      fail(std::string(arg_) + ": expected a number from " + std::to_string(least) + " on, not " + std::string(text));
    return n;
  }

  char** end_;
  char** at_;
  std::string_view arg_;
};

} // namespace bench
