#pragma once
/// \file
/// Errors are values: a code that programs test and a message that people read. The message names the file, key,
/// tensor or byte offset it is about and says what was expected. It lives in a vector because `std::string` of
/// libstdc++ 12 cannot be used in constant expressions, and errors must be.

#include <concepts>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What kind of thing went wrong. The message says which one.
enum class errc : unsigned char {
  argument,    ///< the caller passed something out of its documented range
  io,          ///< the operating system refused: open, read, map, write
  malformed,   ///< bytes that contradict their own format
  unsupported, ///< well-formed, but nothing here can handle it
  missing,     ///< a key, tensor, file or capability that must be there is not
  mismatch,    ///< there, but of another type or shape than required
  capacity,    ///< a caller-set limit is reached: context, memory cap, output span
  cancelled,   ///< stopped from outside
};

/// The name of a code, for messages and logs.
constexpr std::string_view name(errc code) noexcept {
  constexpr std::string_view names[]{"argument", "io",       "malformed", "unsupported",
                                     "missing",  "mismatch", "capacity",  "cancelled"};
  return names[static_cast<std::size_t>(code)];
}

namespace detail {

// out of line and away from the code that runs: a program has hundreds of messages
[[gnu::noinline, gnu::cold]] constexpr void append(std::vector<char>& out, std::string_view part) {
  for (char c : part) out.push_back(c); // insert() of a range draws false warnings from GCC 12
}
template <std::same_as<char> C> constexpr void append(std::vector<char>& out, C part) { out.push_back(part); }
template <std::same_as<bool> B> constexpr void append(std::vector<char>& out, B part) {
  append(out, std::string_view(part ? "true" : "false"));
}
template <std::integral I>
requires(!std::same_as<I, char> && !std::same_as<I, bool>) constexpr void append(std::vector<char>& out, I value) {
  char digits[24]{};
  std::size_t n = sizeof digits;
  bool const negative = value < 0;
  auto magnitude = static_cast<unsigned long long>(value);
  if (negative) magnitude = 0 - magnitude;
  do digits[--n] = static_cast<char>('0' + magnitude % 10);
  while ((magnitude /= 10) != 0);
  if (negative) digits[--n] = '-';
  append(out, std::string_view(digits + n, sizeof digits - n));
}

} // namespace detail

/// A failure: a code and a message.
class error {
 public:
  constexpr error() = default;
  /// An error of kind `kind` whose message is the parts (strings, characters, integers) one after another.
  template <class... Parts>
  [[gnu::noinline, gnu::cold]] constexpr explicit error(errc kind, Parts const&... parts) : code_(kind) {
    (detail::append(message_, parts), ...);
    message_.push_back('\0');
  }

  constexpr errc code() const noexcept { return code_; } ///< what kind of thing went wrong
  /// What went wrong, where, and what was expected.
  constexpr std::string_view message() const noexcept { return {c_str(), message_.empty() ? 0 : message_.size() - 1}; }
  constexpr char const* c_str() const noexcept { return message_.empty() ? "" : message_.data(); } ///< zero-terminated

  /// The same error seen from further out: `place + ": " + message`.
  [[nodiscard]] constexpr error within(std::string_view place) const { return error(code_, place, ": ", message()); }

  friend constexpr bool operator==(error const&, error const&) = default;

 private:
  errc code_{};
  std::vector<char> message_;
};

/// Builds an error: `fail(errc::mismatch, "tensor ", name, ": expected ", want, " rows, found ", have)`.
template <class... Parts> [[nodiscard]] constexpr error fail(errc code, Parts const&... parts) {
  return error(code, parts...);
}

} // namespace loquat
