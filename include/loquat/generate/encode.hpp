#pragma once
/// \file
/// `text | encode(tokenizer)`: a lazy range of token ids. One id is made when it is asked for.

#include <loquat/core/pipe.hpp>
#include <loquat/core/token.hpp>
#include <loquat/generate/pull.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace loquat {

/// What `encode` reads: characters in a row, such as `std::string`, `std::string_view`, `std::vector<char>` or an
/// array.
template <class V>
concept TextView = std::ranges::view<V> && std::ranges::contiguous_range<V> && std::ranges::sized_range<V> &&
                   std::is_same_v < std::ranges::range_value_t<V>,
char > ;

namespace detail {

template <class V> inline constexpr bool is_array_view = false;
template <class C, std::size_t N> inline constexpr bool is_array_view<std::ranges::ref_view<C[N]>> = true;

} // namespace detail

/// Encodes a text that it may own. Its `next()` returns the ids; `encode` makes it a range.
/// `Room`: nothing, or the caller's workspace.
template <TextView V, Tokenizer T, class... Room> class encode_source {
 public:
  constexpr encode_source(V text, T const& tokenizer, encode_options options, Room&... room)
      : text_(std::move(text)), tokenizer_(&tokenizer), options_(options), room_(room...) {}

  constexpr std::optional<token> next() {
    if (!cursor_) cursor_.emplace(std::apply([&](Room&... room) { return start(room...); }, room_));
    token const id = cursor_->next();
    return id == no_token ? std::nullopt : std::optional(id);
  }

 private:
  constexpr std::string_view text() {
    std::string_view const all(std::ranges::data(text_), std::ranges::size(text_));
    if constexpr (detail::is_array_view<V>)
      return all.substr(0, all.find('\0')); // all of it if there is none
    else
      return all;
  }

  constexpr auto start(Room&... room) { return tokenizer_->start(text(), options_, room...); }

  V text_;
  T const* tokenizer_;
  encode_options options_;
  std::tuple<Room&...> room_;
  std::optional<decltype(std::declval<T const&>().start(std::string_view(), encode_options(),
                                                        std::declval<Room&>()...))>
      cursor_;
};

/// A stage: text to token ids. An array of characters, like a string literal, and a `char const*` end before their
/// first zero; for text that has zeros in it use `std::string_view`. An rvalue text is moved into the range; the
/// tokenizer must outlive it.
template <Tokenizer T> constexpr auto encode(T const& tokenizer, encode_options options = {}) {
  return stage([&tokenizer, options]<TextView V>(V text) {
    return pull_view(encode_source<V, T>(std::move(text), tokenizer, options));
  });
}
/// The same in a workspace of the caller's, so that nothing is allocated once that has grown. It must outlive the range
/// and serves one range at a time.
template <Tokenizer T>
constexpr auto encode(T const& tokenizer, typename T::workspace& room, encode_options options = {}) {
  return stage([&tokenizer, &room, options]<TextView V>(V text) {
    return pull_view(encode_source<V, T, typename T::workspace>(std::move(text), tokenizer, options, room));
  });
}
template <Tokenizer T>
void encode(T const&&, encode_options = {}) = delete; // it would be gone before the range is read

/// `text | stage` for a `char const*`, which is no range. Null is the empty text.
template <class P, class F>
requires(std::same_as<std::remove_cvref_t<P>, char const*>&& std::invocable<F const&, std::string_view>) constexpr auto
operator|(P&& text, stage<F> const& self) {
  return self.function(text ? std::string_view(text) : std::string_view());
}

} // namespace loquat
