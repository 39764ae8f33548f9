#pragma once
/// \file
/// Writes JSON: values and objects with their commas, checked text, numbers as short as they can be. Part of
/// `save_json.hpp`.

#include <loquat/core/error.hpp>
#include <loquat/core/json.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// A value that is written as null.
struct json_null {};

/// Appends to `Out`, a vector of `char` or a `std::string`, and keeps the first error.
template <class Out> class json_writer {
 public:
  constexpr explicit json_writer(Out& out) : out_(out) {}

  constexpr explicit operator bool() const noexcept { return !error_; } ///< true as long as all went well
  constexpr loquat::error error() const { return *error_; }             ///< only after an error
  /// Remembers an error, unless there is one.
  constexpr void wrong(loquat::error e) {
    if (!error_) error_ = std::move(e);
  }

  constexpr void raw(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }
  constexpr void value(json_null) { raw("null"); }
  constexpr void value(std::same_as<bool> auto b) { raw(b ? "true" : "false"); }
  constexpr void value(std::integral auto n) requires(!std::same_as<decltype(n), bool> &&
                                                      !std::same_as<decltype(n), char32_t>) {
    loquat::detail::append(digits_, n);
    flush();
  }
  constexpr void value(double x) {
    if (!(x - x == 0)) return wrong(fail(errc::unsupported, "JSON: a number that is not finite"));
    if (x == static_cast<double>(static_cast<long long>(x < -1e15 || x > 1e15 ? 0 : x)) && x != 0) {
      loquat::detail::append(digits_, static_cast<long long>(x));
      raw_digits(".0");
    } else if (x == 0) {
      raw(std::bit_cast<std::uint64_t>(x) == 0 ? "0.0" : "-0.0");
    } else {
      char text[32];
      auto const end = std::to_chars(text, text + sizeof text, x).ptr;
      raw({text, static_cast<std::size_t>(end - text)});
    }
  }
  constexpr void value(std::string_view text) {
    if (!utf8::is_valid(text)) wrong(fail(errc::unsupported, "JSON: text that is no UTF-8"));
    json::append_string(out_, text);
  }
  constexpr void value(char const* text) { value(std::string_view(text)); }
  constexpr void value(owned_text const& text) { value(text.view()); }
  constexpr void value(char32_t c) { value(utf8::encode(c).view()); }
  constexpr void value(text_pattern const& p) { object(p.is_regex ? "Regex" : "String", p.text); }
  template <class T> constexpr void value(std::optional<T> const& v) { v ? value(*v) : value(json_null{}); }

  /// {"key": value, …}
  template <class... Members> constexpr void object(Members const&... members) {
    raw("{");
    add_members(true, members...);
    raw("}");
  }
  /// {"type": type, "key": value, …}
  template <class... Members> constexpr void typed(std::string_view type, Members const&... members) {
    object("type", type, members...);
  }
  /// [ … ], each element by `one`.
  template <class Range, class One> constexpr void array(Range const& range, One one) {
    raw("[");
    bool first = true;
    for (auto const& element : range) {
      if (!std::exchange(first, false)) raw(",");
      one(element);
    }
    raw("]");
  }

 private:
  constexpr void add_members(bool) {}
  template <class Value, class... Rest>
  constexpr void add_members(bool first, std::string_view key, Value const& v, Rest const&... rest) {
    raw(first ? "" : ",");
    value(key);
    raw(":");
    if constexpr (requires { v(); })
      v();
    else
      value(v);
    add_members(false, rest...);
  }
  constexpr void raw_digits(std::string_view behind) {
    flush();
    raw(behind);
  }
  constexpr void flush() {
    raw({digits_.data(), digits_.size()});
    digits_.clear();
  }

  Out& out_;
  std::vector<char> digits_;
  std::optional<loquat::error> error_;
};

} // namespace loquat::detail
