#pragma once
/// \file
/// How training says how far it is.

#include <concepts>
#include <cstddef>

namespace loquat {

/// What a training is at.
enum class train_stage : unsigned char {
  seed,   ///< collects the pieces to begin with; `done` and `total` are words
  merge,  ///< BPE: joins pieces; tokens of the vocabulary
  expect, ///< unigram: weighs pieces; `done` pieces are left, of which at most `total` shall be
};

/// How far a training is.
struct train_progress {
  train_stage stage = train_stage::seed;
  std::size_t done = 0, total = 0;
};

/// Somebody who is told. What returns false stops the training.
template <class F>
concept TrainObserver = std::invocable<F&, train_progress> &&
    (std::same_as<std::invoke_result_t<F&, train_progress>, bool> ||
     std::same_as<std::invoke_result_t<F&, train_progress>, void>);

/// Nobody.
struct no_observer {
  constexpr void operator()(train_progress) const noexcept {}
};

namespace detail {

/// Tells `observer`; false if it wants no more.
template <TrainObserver F> constexpr bool goes_on(F& observer, train_progress now) {
  if constexpr (std::same_as<std::invoke_result_t<F&, train_progress>, bool>)
    return observer(now);
  else
    return observer(now), true;
}

} // namespace detail
} // namespace loquat
