#pragma once
/// \file
/// Little-endian bytes as numbers and text: checked reading, and appending. A `byte_reader` remembers its first
/// failure, so that a parser reads a whole record and asks once whether it was there.

#include <loquat/core/result.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

/// What can be stored as little-endian bytes: integers, `bool` (one byte), `float` and `double`.
template <class T>
concept PlainNumber = std::integral<T> || std::same_as<T, float> || std::same_as<T, double>;

/// The number stored in the `sizeof(T)` bytes from `from` on; alignment does not matter. Any non-zero byte is `true`.
template <PlainNumber T, class Byte>
requires(sizeof(Byte) == 1) constexpr T load_little(Byte const* from) noexcept {
  if constexpr (std::same_as<T, bool>) {
    return load_little<std::uint8_t>(from) != 0;
  } else if constexpr (std::floating_point<T>) {
    return std::bit_cast<T>(load_little<std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>(from));
  } else {
    if (std::endian::native == std::endian::little && !std::is_constant_evaluated()) {
      T value;
      std::memcpy(&value, from, sizeof value);
      return value;
    }
    std::uint64_t bits = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(from[i]);
    return static_cast<T>(bits);
  }
}

/// Appends the little-endian bytes of a number.
template <PlainNumber T> constexpr void append_little(std::vector<std::byte>& out, T value) {
  if constexpr (std::floating_point<T>) {
    append_little(out, std::bit_cast<std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>(value));
  } else {
    auto bits = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i, bits >>= 8) out.push_back(static_cast<std::byte>(bits));
  }
}

/// Appends the bytes of a text.
constexpr void append_text(std::vector<std::byte>& out, std::string_view text) {
  for (char c : text) out.push_back(static_cast<std::byte>(c));
}

/// The same bytes as text, in place. Constant evaluation cannot look at bytes as characters: there, and only there, the
/// text is a copy, which `copy` keeps.
constexpr std::string_view as_text(std::span<std::byte const> bytes, std::vector<char>& copy) {
  if (!std::is_constant_evaluated()) return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
  copy.assign(bytes.size(), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) copy[i] = static_cast<char>(bytes[i]);
  return {copy.data(), copy.size()};
}

/// Reads numbers and text one after another, never past the end. After the first read that does not fit, every read
/// gives zero or nothing, `ok()` is false and `failure()` names the offset. `Byte` is `std::byte` or, where constant
/// evaluation needs text out of it, `char` (see `as_text`).
template <class Byte> class byte_reader {
 public:
  /// Reads `bytes` from their start.
  constexpr explicit byte_reader(std::span<Byte const> bytes) noexcept : bytes_(bytes) {}
  constexpr explicit byte_reader(std::string_view text) noexcept ///< \overload
      requires std::same_as<Byte, char> : bytes_(text) {}

  constexpr bool ok() const noexcept { return wanted_ == 0; }        ///< whether every read so far fitted
  constexpr explicit operator bool() const noexcept { return ok(); } ///< the same
  constexpr std::size_t offset() const noexcept { return offset_; }  ///< where the next (or the failed) read begins
  /// Bytes that are left; 0 after a failure.
  constexpr std::size_t remaining() const noexcept { return ok() ? bytes_.size() - offset_ : 0; }

  /// The next `size` bytes, which stay where they are.
  constexpr std::span<Byte const> take(std::uint64_t size) noexcept {
    if (size > remaining()) {
      if (ok()) wanted_ = size;
      return {};
    }
    auto const taken = bytes_.subspan(offset_, static_cast<std::size_t>(size));
    offset_ += taken.size();
    return taken;
  }
  /// Passes over `size` bytes.
  constexpr void skip(std::uint64_t size) noexcept { (void)take(size); }

  /// What was read since the reader stood at `start`.
  constexpr std::span<Byte const> since(std::size_t start) const noexcept {
    return bytes_.subspan(start, offset_ - start);
  }

  /// The next number.
  template <PlainNumber T> constexpr T read() noexcept {
    auto const bytes = take(sizeof(T));
    return bytes.empty() ? T{} : load_little<T>(bytes.data());
  }

  /// The next `size` bytes as text. In constant evaluation only for a reader of `char`.
  constexpr std::string_view text(std::uint64_t size) noexcept {
    auto const taken = take(size);
    if constexpr (std::same_as<Byte, char>)
      return {taken.data(), taken.size()};
    else
      return {reinterpret_cast<char const*>(taken.data()), taken.size()};
  }
  /// Text behind its length, which is stored as a `Length`.
  template <std::unsigned_integral Length> constexpr std::string_view text() noexcept { return text(read<Length>()); }

  /// The first read that did not fit: its offset, what it wanted and what there was.
  constexpr error failure() const {
    return fail(errc::malformed, "at byte ", offset_, ": ", wanted_, " bytes expected, ", bytes_.size() - offset_,
                " left");
  }

 private:
  std::span<Byte const> bytes_;
  std::size_t offset_ = 0;
  std::uint64_t wanted_ = 0; ///< size of the read that failed; a read of nothing cannot fail
};

template <class Byte> byte_reader(std::span<Byte const>) -> byte_reader<Byte>;
byte_reader(std::string_view)->byte_reader<char>;

} // namespace loquat
