#pragma once
/// \file
/// The lazy view behind every stage of generation: a source is an object whose `next()` returns one element after
/// another, then nothing; `pull_view` makes a range of it, `puller` makes a source of a range.

#include <loquat/core/token.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>

namespace loquat {

/// A range of token ids. Not of anything that converts to them: text is no prompt before it is encoded.
template <class R>
concept TokenRange =
    std::ranges::input_range<R> && std::same_as<std::remove_cvref_t<std::ranges::range_reference_t<R>>, token>;

/// A range of pieces of text: of views, or of strings that stay where they are.
template <class R>
concept PieceRange = std::ranges::input_range<R> &&
    std::convertible_to<std::ranges::range_reference_t<R>, std::string_view> &&
    (std::is_lvalue_reference_v<std::ranges::range_reference_t<R>> ||
     std::is_trivially_copyable_v<std::ranges::range_reference_t<R>>);

/// A single-pass range over what `Source::next()` returns, a `std::optional` that is empty at the end. The first
/// element is asked for by `begin()`, each further one by `++`; nothing runs ahead. Copy or move it only before
/// `begin()`.
template <class Source> class pull_view : public std::ranges::view_interface<pull_view<Source>> {
  using optional = std::remove_cvref_t<decltype(std::declval<Source&>().next())>;

 public:
  class iterator {
   public:
    using value_type = typename optional::value_type;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    constexpr iterator() = default;
    constexpr explicit iterator(pull_view& view) : view_(&view) {}
    constexpr value_type const& operator*() const { return *view_->now_; }
    constexpr iterator& operator++() { return view_->now_ = view_->source_.next(), *this; }
    constexpr void operator++(int) { ++*this; }
    constexpr bool operator==(std::default_sentinel_t) const { return !view_->now_; }

   private:
    pull_view* view_ = nullptr;
  };

  constexpr explicit pull_view(Source source) : source_(std::move(source)) {}
  constexpr iterator begin() { return now_ = source_.next(), iterator(*this); } ///< once only
  constexpr std::default_sentinel_t end() const noexcept { return {}; }         ///< after the last element

 private:
  Source source_;
  optional now_;
};

/// Hands out the elements of a view, as `T`s, one after another. Advances the view only when asked for more, so that an
/// element that refers into its view stays valid until the next call.
template <std::ranges::input_range V, class T = std::ranges::range_value_t<V>>
requires std::ranges::view<V>
class puller {
 public:
  constexpr explicit puller(V view) : view_(std::move(view)) {}

  constexpr std::optional<T> next() {
    if (ended_) return std::nullopt;
    if (at_)
      ++*at_;
    else
      at_.emplace(std::ranges::begin(view_));
    if (*at_ == std::ranges::end(view_)) {
      ended_ = true;
      return std::nullopt;
    }
    return static_cast<T>(**at_);
  }

 private:
  V view_;
  std::optional<std::ranges::iterator_t<V>> at_;
  bool ended_ = false;
};

} // namespace loquat
