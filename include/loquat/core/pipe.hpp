#pragma once
/// \file
/// Stages: function objects on ranges that compose with `|`, before a range is there (`S | S`) or on one (`R | S`).
/// A C++20 stand-in for `std::ranges::range_adaptor_closure` (P2387), constexpr and without a heap allocation.

#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>

namespace loquat {

/// A pipeline stage: `range | stage(f)` is `f(views::all(range))`.
template <class F> struct [[nodiscard]] stage {
  [[no_unique_address]] F function; ///< view → view

  constexpr explicit stage(F f) : function(std::move(f)) {}

  template <std::ranges::viewable_range R>
  requires std::invocable<F const&, std::views::all_t<R>>
  friend constexpr auto operator|(R&& range, stage const& self) {
    return self.function(std::views::all(std::forward<R>(range)));
  }
  template <class G> friend constexpr auto operator|(stage const& first, stage<G> const& second) {
    return loquat::stage([first, second]<std::ranges::view V>(V view) { return std::move(view) | first | second; });
  }
};

} // namespace loquat
