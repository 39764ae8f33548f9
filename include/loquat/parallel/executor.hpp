#pragma once
/// \file
/// What a backend needs to share its loops out: the library's `pool`, or a program's own threads.

#include <concepts>
#include <cstddef>

namespace loquat {

namespace detail {
struct any_chunk { // what `Executor::run` is given, for the concept
  void operator()(std::size_t chunk, unsigned thread) const;
};
} // namespace detail

/// Runs loops of chunks: `run(chunks, f)` calls `f(chunk, thread)` once for every chunk in [0, chunks), in any order,
/// on any threads, and returns when all are done. `thread` is below `size()`, and no two calls share one at the same
/// time. `f` does not throw. `run` may be called from several threads at once. Called by backends; results do not
/// depend on it. Smallest conforming type: `size()` returns 1 and `run` is a loop.
template <class E>
concept Executor = requires(E const& executor, std::size_t chunks, detail::any_chunk f) {
  { executor.size() } -> std::convertible_to<unsigned>;
  executor.run(chunks, f);
};

} // namespace loquat
