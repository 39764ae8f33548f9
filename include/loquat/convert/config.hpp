#pragma once
/// \file
/// Reads a `config.json` of Hugging Face transformers: values by their names, wherever it may have them, and the first
/// error.

#include <loquat/convert/family.hpp>
#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// \cond
namespace detail {

/// JSON has no infinity, but Python writes one: it becomes a large number of as many characters.
inline void make_finite(std::string& text) {
  constexpr std::string_view infinity = "Infinity", large = "1e+00300";
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted)
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text.compare(i, infinity.size(), infinity) == 0)
      text.replace(i, infinity.size(), large);
  }
}

} // namespace detail
/// \endcond

/// A `config.json`. A value is looked for in `text_config`, at the top, and among the family's defaults; null is as
/// good as none. Where several names are given, separated by spaces, the first that is there counts.
class config {
 public:
  /// Reads the text of the file, which must outlive the result.
  static result<config> parse(std::string_view text, std::string_view name) {
    auto parsed = json::parse(text);
    if (!parsed) return parsed.error().within(name);
    if (parsed->root().kind() != json::kind::object) return fail(errc::malformed, name, ": expected an object");
    return config(*std::move(parsed), name);
  }
  /// Takes what the file lacks from there, which must outlive this.
  result<void> use_defaults(std::string_view text) {
    auto parsed = json::parse(text);
    if (!parsed) return parsed.error().within("defaults");
    defaults_.clear();
    defaults_.push_back(*std::move(parsed));
    return {};
  }

  std::string_view name() const noexcept { return name_; }   ///< what messages call it
  json::value root() const noexcept { return file_.root(); } ///< all of the file

  /// A value, absent if there is none.
  json::value find(std::string_view names) const noexcept {
    for (auto const& root : {file_["text_config"], file_.root(), rest()})
      for (auto [name, more] = split_names(names); !name.empty(); std::tie(name, more) = split_names(more))
        if (auto const found = root[name]; found && found.kind() != json::kind::null) return found;
    return {};
  }
  bool has(std::string_view names) const noexcept { return bool(find(names)); } ///< whether there is one

  /// A size of 1 … 2³¹, or `fallback`; an error if that is 0, too.
  std::uint64_t size(std::string_view names, std::uint64_t fallback = 0) {
    return size_of(names, find(names), fallback);
  }
  /// A number, or `fallback`.
  double number(std::string_view names, double fallback) { return number_of(names, find(names), fallback); }
  /// Yes or no.
  bool flag(std::string_view names, bool fallback) {
    auto const found = find(names);
    if (!found) return fallback;
    auto const value = found.as_bool();
    if (!value) return wrong(names, value.error().message()), fallback;
    return *value;
  }
  /// A text, empty if there is none.
  std::string_view word(std::string_view names) {
    auto const found = find(names);
    if (!found) return {};
    auto const value = found.as_string();
    if (!value) return wrong(names, value.error().message()), std::string_view();
    return *value;
  }

  /// The same for a value that was found otherwise; `names` is what messages call it.
  std::uint64_t size_of(std::string_view names, json::value found, std::uint64_t fallback) {
    if (!found && fallback != 0) return fallback;
    if (!found) return wrong(names, "expected 1 to 2^31, but there is none", errc::missing), 1;
    auto const value = found.as_int64();
    if (value && *value > 0 && *value <= std::int64_t{1} << 31) return static_cast<std::uint64_t>(*value);
    auto const number = found.as_double(); // 4096.0
    if (number && *number >= 1 && *number <= 0x1p31 &&
        *number == static_cast<double>(static_cast<std::int64_t>(*number)))
      return static_cast<std::uint64_t>(*number);
    return wrong(names, "expected 1 to 2^31"), 1;
  }
  /// \overload
  double number_of(std::string_view names, json::value found, double fallback) {
    if (!found) return fallback;
    auto const value = found.as_double();
    if (value && *value > -1e30 && *value < 1e30) return *value;
    return wrong(names, value ? "expected less than 1e30" : value.error().message()), fallback;
  }

  /// Remembers an error, unless there is one.
  void wrong(std::string_view names, std::string_view message, errc code = errc::malformed) {
    if (!error_) error_ = fail(code, name_, ": ", split_names(names).first, ": ", message);
  }
  bool failed() const noexcept { return error_.has_value(); }   ///< whether there was an error
  error const& first_error() const noexcept { return *error_; } ///< only then

 private:
  config(json::document file, std::string_view name) : file_(std::move(file)), name_(name) {}
  json::value rest() const noexcept { return defaults_.empty() ? json::value() : defaults_.front().root(); }

  json::document file_;
  std::vector<json::document> defaults_; // none or one
  std::string name_;
  std::optional<error> error_;
};

} // namespace loquat::hugging_face
