#pragma once
/// \file
/// Reads the fields of JSON objects one after another and keeps the first error, so that a reader of many fields asks
/// once, at the end, whether all went well. Part of `tokenizer_json.hpp`.

#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/base64.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// The first error, if any; what is read after it is worth nothing.
class json_fields {
  // before its uses: Clang wants templates of constant expressions defined
  template <class T, class U> constexpr U take(result<T> read, std::string_view key, U fallback) {
    if (read) return static_cast<U>(*read);
    wrong(fail(read.error().code(), "key ", key, ": ", read.error().message()));
    return fallback;
  }

 public:
  constexpr explicit operator bool() const noexcept { return !error_; } ///< true as long as all went well
  constexpr loquat::error error() const { return *error_; }             ///< only after an error

  /// Remembers an error, unless there is one.
  constexpr void wrong(loquat::error e) {
    if (!error_) error_ = std::move(e);
  }
  /// The same, of a value of which is said what was expected.
  constexpr void wrong(json::value at, std::string_view expected) {
    wrong(fail(errc::malformed, "JSON: expected ", expected, " at byte ", at.offset()));
  }

  constexpr std::string_view text(json::value object, std::string_view key) {
    return take(object[key].as_string(), key, std::string_view());
  }
  constexpr std::string_view text_or(json::value object, std::string_view key, std::string_view fallback) {
    return is_given(object, key) ? text(object, key) : fallback;
  }
  constexpr bool flag(json::value object, std::string_view key, bool fallback) {
    return is_given(object, key) ? take(object[key].as_bool(), key, fallback) : fallback;
  }
  constexpr std::optional<bool> optional_flag(json::value object, std::string_view key) {
    if (!is_given(object, key)) return std::nullopt;
    return flag(object, key, false);
  }
  /// A whole number from 0 to `most`.
  constexpr std::uint64_t number(json::value object, std::string_view key, std::uint64_t fallback,
                                 std::uint64_t most = std::numeric_limits<std::uint32_t>::max()) {
    if (!is_given(object, key)) return fallback;
    auto const n = take(object[key].as_int64(), key, std::int64_t{0});
    if (n >= 0 && static_cast<std::uint64_t>(n) <= most) return static_cast<std::uint64_t>(n);
    wrong(fail(errc::malformed, "JSON: key ", key, ": expected 0 to ", most, ", found ", n));
    return fallback;
  }
  /// A token id.
  constexpr token id(json::value v) {
    auto const n = v.as_int64();
    if (n && *n >= 0 && *n < std::numeric_limits<token>::max()) return static_cast<token>(*n);
    wrong(v, "a token id");
    return no_token;
  }
  /// A string of one character.
  constexpr char32_t character(json::value object, std::string_view key, char32_t fallback) {
    if (!is_given(object, key)) return fallback;
    auto const all = text(object, key);
    auto const c = utf8::decode(all);
    if (!c.valid || c.length != all.size()) wrong(object[key], "one character");
    return c.code_point;
  }
  /// Bytes in base64.
  constexpr std::vector<char> base64(json::value object, std::string_view key) {
    std::vector<char> bytes;
    auto const digits = text(object, key);
    bytes.reserve(digits.size() / 4 * 3);
    if (!decode_base64(digits, bytes)) wrong(object[key], "base64");
    return bytes;
  }
  /// {"String": …} or {"Regex": …}, or a string.
  constexpr text_pattern pattern(json::value object, std::string_view key) {
    auto const v = object[key];
    if (v.kind() == json::kind::string) return {owned_text(text(object, key)), false};
    if (v["Regex"]) return {owned_text(text(v, "Regex")), true};
    return {owned_text(text(v, "String")), false};
  }

  static constexpr bool is_given(json::value object, std::string_view key) noexcept {
    auto const kind = object[key].kind();
    return kind != json::kind::absent && kind != json::kind::null;
  }

 private:
  std::optional<loquat::error> error_;
};

} // namespace loquat::detail
