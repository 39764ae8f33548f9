#pragma once
/// \file
/// `one_of<Ts...>`: a value of one of several types. What `std::variant` is, but a constant expression with every
/// compiler (libstdc++ 12's is one for GCC only), never without a value, and several times quicker to compile: a
/// tokenizer has a dozen of them, of a dozen types each.

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace loquat {

namespace detail {

/// Place for one of several types. Which one is there, and its lifetime, is the matter of `one_of`.
template <class... Ts> union one_of_place {};
template <class First, class... Rest> union one_of_place<First, Rest...> {
  constexpr one_of_place() noexcept {}
  constexpr ~one_of_place() {}
  one_of_place(one_of_place const&) = delete;
  one_of_place& operator=(one_of_place const&) = delete;

  First first;
  one_of_place<Rest...> rest;
};

/// The value number `I` of a place.
template <std::size_t I, class Place> [[gnu::always_inline]] constexpr auto& value_at(Place& place) noexcept {
  if constexpr (I == 0)
    return place.first;
  else
    return value_at<I - 1>(place.rest);
}

/// Begins the lifetime of the value number `I`, made from `from`.
template <std::size_t I, class Place, class From> constexpr void construct_value(Place& place, From&& from) {
  if constexpr (I == 0) {
    std::construct_at(std::addressof(place.first), std::forward<From>(from));
  } else {
    std::construct_at(std::addressof(place.rest));
    construct_value<I - 1>(place.rest, std::forward<From>(from));
  }
}

} // namespace detail

/// A value of one of the types `Ts`, which are all different; the first one to begin with.
template <class... Ts> class one_of {
  static constexpr std::size_t count = sizeof...(Ts);

 public:
  /// The place of `T` among the types; their number if it is none of them.
  template <class T>
  static constexpr std::size_t index_of = [] {
    std::size_t i = 0;
    (void)((std::is_same_v<T, Ts> || (++i, false)) || ...);
    return i;
  }();
  /// The type number `I`.
  template <std::size_t I>
  using type = std::remove_reference_t<decltype(detail::value_at<I>(std::declval<detail::one_of_place<Ts...>&>()))>;

  /// Holds a default value of the first type, or `value`.
  constexpr one_of() : index_(0) { detail::construct_value<0>(place_, type<0>{}); }
  template <class T>
  requires(index_of<T> < count) constexpr one_of(T value) : index_(index_of<T>) {
    detail::construct_value<index_of<T>>(place_, std::move(value));
  }
  constexpr one_of(one_of const& other) requires(std::is_copy_constructible_v<Ts>&&...) : index_(other.index_) {
    other.visit([this]<class T>(T const& value) { detail::construct_value<index_of<T>>(place_, value); });
  }
  constexpr one_of(one_of&& other) noexcept((std::is_nothrow_move_constructible_v<Ts> && ...)) : index_(other.index_) {
    other.visit([this]<class T>(T& value) { detail::construct_value<index_of<T>>(place_, std::move(value)); });
  }
  constexpr one_of& operator=(one_of other) noexcept((std::is_nothrow_move_constructible_v<Ts> && ...)) {
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    return *this;
  }
  constexpr ~one_of() {
    visit([](auto& value) { std::destroy_at(std::addressof(value)); });
  }

  constexpr std::size_t index() const noexcept { return index_; } ///< of the type that it holds, among `Ts`
  template <class T> constexpr bool holds() const noexcept { return index_ == index_of<T>; } ///< whether it is a `T`
  /// The value if it is a `T`, else null.
  template <class T> constexpr T const* get_if() const noexcept {
    return holds<T>() ? std::addressof(detail::value_at<index_of<T>>(place_)) : nullptr;
  }
  template <class T> constexpr T* get_if() noexcept { ///< \overload
    return holds<T>() ? std::addressof(detail::value_at<index_of<T>>(place_)) : nullptr;
  }
  /// The value, which must be a `T`.
  template <class T> constexpr T const& get() const noexcept { return *get_if<T>(); }
  template <class T> constexpr T& get() noexcept { return *get_if<T>(); } ///< \overload
  /// What `f` returns for the value; the same type for each of the types.
  template <class F> constexpr decltype(auto) visit(F&& f) const { return choose<0>(place_, f); }
  template <class F> constexpr decltype(auto) visit(F&& f) { return choose<0>(place_, f); } ///< \overload

 private:
  template <std::size_t I, class Place, class F>
  [[gnu::always_inline]] constexpr decltype(auto) choose(Place& place, F& f) const {
    if constexpr (I + 1 < count)
      if (index_ != I) return choose<I + 1>(place.rest, f);
    return f(place.first);
  }

  detail::one_of_place<Ts...> place_;
  std::size_t index_;
};

} // namespace loquat
