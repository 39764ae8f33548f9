#pragma once
/// \file
/// Reads the keys `tokenizer.ggml.*` of a GGUF file one after another and keeps the first error, so that a reader of
/// many keys asks once, at the end, whether all went well. Part of `gguf.hpp`.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// The name of a key: "tokenizer.ggml." and what is behind it.
class gguf_key {
 public:
  constexpr explicit gguf_key(std::string_view rest) noexcept {
    constexpr std::string_view before = "tokenizer.ggml.";
    for (char const c : before) text_[size_++] = c;
    for (char const c : rest)
      if (size_ < text_.size()) text_[size_++] = c;
  }
  constexpr std::string_view view() const noexcept { return {text_.data(), size_}; } ///< all of it

 private:
  std::array<char, 64> text_{};
  std::size_t size_ = 0;
};

/// The first error, if any; what is read after it is worth nothing. Names of keys are without "tokenizer.ggml.".
class gguf_fields {
  // before its uses: Clang wants templates of constant expressions defined
  template <class T, class U> constexpr U take(result<T> read, U fallback) {
    if (read) return U(*std::move(read));
    if (!error_) error_ = std::move(read).error();
    return fallback;
  }

 public:
  constexpr explicit gguf_fields(gguf::file const& file) : file_(file) {}

  constexpr explicit operator bool() const noexcept { return !error_; } ///< true as long as all went well
  constexpr loquat::error error() const { return *error_; }             ///< only after an error
  constexpr gguf::file const& file() const noexcept { return file_; }   ///< what is read

  /// Remembers an error, unless there is one: that `key` should be something else.
  template <class... Parts> constexpr void wrong(errc code, std::string_view key, Parts const&... parts) {
    if (!error_) error_ = fail(code, file_.name(), ": key ", gguf_key(key).view(), ": ", parts...);
  }

  constexpr bool has(std::string_view key) const noexcept { return file_.find(gguf_key(key).view()) != nullptr; }
  constexpr std::string_view text(std::string_view key) {
    return take(file_.get<std::string_view>(gguf_key(key).view()), std::string_view());
  }
  constexpr bool flag(std::string_view key, bool fallback) {
    return take(file_.get_or<bool>(gguf_key(key).view(), fallback), fallback);
  }
  template <class T> constexpr gguf::array_view<T> array(std::string_view key) {
    return take(file_.array<T>(gguf_key(key).view()), gguf::array_view<T>());
  }
  /// A token id below `count`; `no_token` if the key is not there or says so.
  constexpr token id(std::string_view key, std::size_t count) {
    constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    auto const value = take(file_.get_or<std::uint32_t>(gguf_key(key).view(), none), none);
    if (value == none) return no_token;
    if (value < count) return static_cast<token>(value);
    wrong(errc::malformed, key, "token ", value, " of ", count);
    return no_token;
  }
  /// The bytes of an array of 8-bit numbers; none if the key is not there.
  constexpr std::vector<char> bytes(std::string_view key) {
    auto const* const value = file_.find(gguf_key(key).view());
    if (value == nullptr) return {};
    auto const element = value->element_kind();
    if (value->kind() == gguf::value_kind::array &&
        (element == gguf::value_kind::u8 || element == gguf::value_kind::i8))
      return {value->payload().begin(), value->payload().end()};
    wrong(errc::mismatch, key, "expected an array of 8-bit numbers");
    return {};
  }
  /// A score for each of `count` tokens.
  constexpr gguf::array_view<float> scores(std::size_t count) {
    auto const values = array<float>("scores");
    check_count("scores", values.size(), count);
    return values;
  }
  /// The kind of each of `count` tokens: all `normal` if the file does not say.
  constexpr std::vector<token_kind> kinds(std::size_t count) {
    std::vector<token_kind> out(count, token_kind::normal);
    if (!has("token_type")) return out;
    auto const values = array<std::int32_t>("token_type");
    check_count("token_type", values.size(), count);
    std::size_t i = 0;
    for (std::int32_t const value : values) {
      if (!*this) break;
      if (value < 0 || value > static_cast<std::int32_t>(token_kind::byte))
        wrong(errc::malformed, "token_type", "expected 0 to 6, found ", value, " for token ", i);
      else
        out[i++] = static_cast<token_kind>(value);
    }
    return out;
  }

 private:
  constexpr void check_count(std::string_view key, std::size_t found, std::size_t expected) {
    if (*this && found != expected)
      wrong(errc::mismatch, key, "expected as many as tokens (", expected, "), found ", found);
  }

  gguf::file const& file_;
  std::optional<loquat::error> error_;
};

} // namespace loquat::detail
