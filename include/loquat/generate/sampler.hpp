#pragma once
/// \file
/// The `Sampler` contract: logits in, token out; and the steps that rework logits before one is chosen. Steps and
/// samplers are small values that compose at compile time: `top_k{40} | temperature{0.8f} | draw{.seed = 42}`.

#include <loquat/core/token.hpp>

#include <concepts>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace loquat {

/// Chooses the next token. Called by `generator` once per token, with the logits of the vocabulary, which it may
/// overwrite, and everything the session has seen. Returns `no_token` when nothing can be chosen.
///
/// Smallest conforming type: `[](std::span<float>, std::span<token const>) -> token { return 0; }`. Lambdas with
/// captures conform too, although they cannot be assigned. Neighbours: `Model` makes the logits, `SamplerStep`s rework
/// them, `Tokenizer` reads the token.
template <class S>
concept Sampler = std::is_nothrow_move_constructible_v<S> &&
    requires(S& s, std::span<float> logits, std::span<token const> history) {
  { s(logits, history) } -> std::same_as<token>;
};

/// Reworks logits in place: scales, biases or excludes. An excluded token has the logit −∞; NaN counts as excluded, in
/// every step and sampler of this library. Called by a `sampler_chain`, never by itself.
///
/// Smallest conforming type: `[](std::span<float> logits, std::span<token const>) { logits[0] = -INFINITY; }`.
/// Neighbours: other steps, and the `Sampler` that ends their chain.
template <class S>
concept SamplerStep = std::is_nothrow_move_constructible_v<S> &&
    requires(S& s, std::span<float> logits, std::span<token const> history) {
  { s(logits, history) } -> std::same_as<void>;
};

/// A step and what comes after it: a step again, or a sampler if the second is one. Made by `|`; where neither operand
/// belongs to this library (two lambdas), write `sampler_chain{a, b}`.
template <SamplerStep First, class Second>
requires(SamplerStep<Second> || Sampler<Second>) struct sampler_chain {
  [[no_unique_address]] First first;   ///< goes over the logits first
  [[no_unique_address]] Second second; ///< sees what `first` left

  constexpr auto operator()(std::span<float> logits, std::span<token const> history) {
    first(logits, history);
    return second(logits, history);
  }
};
template <class First, class Second> sampler_chain(First, Second) -> sampler_chain<First, Second>;

/// `first`, then `second`.
template <class First, class Second>
requires(SamplerStep<std::remove_cvref_t<First>> &&
         (SamplerStep<std::remove_cvref_t<Second>> || Sampler<std::remove_cvref_t<Second>>)) constexpr auto
operator|(First&& first, Second&& second) {
  return sampler_chain{std::forward<First>(first), std::forward<Second>(second)};
}

namespace detail {

/// Makes a type that can only be constructed, like a lambda with captures, assignable, as parts of a view must be.
template <class T> struct assignable {
  T value;

  constexpr explicit assignable(T v) : value(std::move(v)) {}
  constexpr assignable(assignable const&) = default;
  constexpr assignable(assignable&&) = default;
  constexpr assignable& operator=(assignable other) noexcept {
    std::destroy_at(&value);
    std::construct_at(&value, std::move(other.value));
    return *this;
  }
};
template <std::movable T> struct assignable<T> {
  [[no_unique_address]] T value;
  constexpr explicit assignable(T v) : value(std::move(v)) {}
};

} // namespace detail

} // namespace loquat
