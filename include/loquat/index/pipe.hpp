#pragma once
/// \file
/// Indices at the ends of pipelines: `vectors | index_into(index)` fills one, `query | search<10>(index)` asks it.
///
///     std::size_t n = (texts | embed(e) | index_into(notes)).value(); // keys from 0 on
///     for (hit h : (vector | search<10>(notes)).value()) …
///     for (auto const& found : queries | search<10>(notes)) …          // a lazy range of results

#include <loquat/core/pipe.hpp>
#include <loquat/core/result.hpp>
#include <loquat/index/hit.hpp>
#include <loquat/index/vector_index.hpp>
#include <loquat/parallel/executor.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// What a search found: up to `N` hits, nearest first, in place. A range.
template <std::size_t N> class hits : public std::ranges::view_interface<hits<N>> {
 public:
  constexpr hit const* begin() const noexcept { return all_.data(); }       ///< the nearest
  constexpr hit const* end() const noexcept { return all_.data() + size_; } ///< behind the farthest

  /// Searches with `f(out)`, which returns how many hits it has written to `out` [N].
  template <class F> static constexpr result<hits> of(F f) {
    hits h;
    auto const n = f(std::span<hit>(h.all_));
    if (!n) return n.error();
    h.size_ = *n;
    return h;
  }

 private:
  std::array<hit, N> all_{};
  std::size_t size_ = 0;
};

namespace detail {

// A vector, or a pair of a key and one.
template <class T>
concept VectorLike = std::convertible_to<T, std::span<float const>>;
template <class T>
concept KeyedVector = requires(T&& t) {
  { std::get<0>(t) } -> std::convertible_to<std::uint64_t>;
  { std::get<1>(t) } -> VectorLike;
}
&&!VectorLike<T>;

/// Calls f(key, vector) for each element until it returns an error; how many there were.
template <class V, class F> constexpr result<std::size_t> for_each_vector(V& view, std::uint64_t first, F f) {
  std::size_t n = 0;
  for (auto&& element : view) {
    result<void> done;
    if constexpr (VectorLike<decltype(element)>)
      done = f(first + n, std::span<float const>(element));
    else
      done = f(static_cast<std::uint64_t>(std::get<0>(element)), std::span<float const>(std::get<1>(element)));
    if (!done) return error(done.error().code(), "vector ", n, ": ", done.error().message());
    ++n;
  }
  return n;
}

/// A stage that searches for a vector, or lazily for each of a range of them. `once(x)` is a search.
template <class F> constexpr auto search_stage(F once) {
  return stage([once]<std::ranges::view V>(V view) {
    using reference = std::ranges::range_reference_t<V>;
    if constexpr (VectorLike<reference>) {
      return std::views::transform(std::move(view), [once](auto&& x) { return once(std::span<float const>(x)); });
    } else {
      static_assert(std::same_as<std::remove_cvref_t<reference>, float> && std::ranges::contiguous_range<V>,
                    "a query is a contiguous range of floats, or a range of such");
      return once(std::span<float const>(std::ranges::data(view), std::ranges::size(view)));
    }
  });
}

} // namespace detail

/// What `index_into` reads: a range of vectors, or of pairs of a key and a vector.
template <class V>
concept VectorsView = std::ranges::view<V> && std::ranges::input_range<V> &&
    (detail::VectorLike<std::ranges::range_reference_t<V>> || detail::KeyedVector<std::ranges::range_reference_t<V>>);

/// A stage that ends a pipeline: inserts every vector; a `result<std::size_t>`, how many. Vectors without keys get
/// `first`, `first` + 1 … An error names the vector; those before it stay.
template <VectorIndex I> constexpr auto index_into(I& index, std::uint64_t first = 0) {
  return stage([&index, first]<VectorsView V>(V view) {
    return detail::for_each_vector(view, first,
                                   [&](std::uint64_t key, std::span<float const> x) { return index.insert(key, x); });
  });
}
/// The same with the threads of an executor, 16,384 vectors at a time; the index learns from the first of them. After
/// an error, those of whole batches stay.
template <VectorIndex I, Executor E>
requires requires(I& index, std::span<std::uint64_t const> keys, std::span<float const> rows, E const& threads) {
  { index.insert(keys, rows, threads) } -> std::same_as<result<void>>;
}
constexpr auto index_into(I& index, E const& threads, std::uint64_t first = 0) {
  return stage([&index, &threads, first]<VectorsView V>(V view) -> result<std::size_t> {
    constexpr std::size_t at_once = 16384;
    std::vector<std::uint64_t> keys;
    std::vector<float> rows;
    auto const flush = [&]() -> result<void> {
      if (keys.empty()) return {};
      auto done = index.insert(keys, rows, threads);
      keys.clear(), rows.clear();
      return done;
    };
    auto const n =
        detail::for_each_vector(view, first, [&](std::uint64_t key, std::span<float const> x) -> result<void> {
          if (x.size() != index.dimensions())
            return fail(errc::argument, x.size(), " elements, where the index has ", index.dimensions());
          keys.push_back(key);
          rows.insert(rows.end(), x.begin(), x.end());
          return keys.size() < at_once ? result<void>() : flush();
        });
    if (!n) return n;
    if (auto done = flush(); !done) return done.error();
    return n;
  });
}

/// A stage on a vector: a `result<hits<K>>`, its `K` nearest in an index. On a range of vectors: a lazy range of such.
/// Allocates nothing that the index does not; `workspace`, for one search at a time, is what the index searches with.
template <std::size_t K, VectorIndex I> constexpr auto search(I const& index, search_options options = {}) {
  return detail::search_stage([&index, options](std::span<float const> x) {
    return hits<K>::of([&](std::span<hit> out) { return index.search(x, out, options); });
  });
}
template <std::size_t K, VectorIndex I> ///< \overload
constexpr auto search(I const& index, typename I::workspace& workspace, search_options options = {}) {
  return detail::search_stage([&index, &workspace, options](std::span<float const> x) {
    return hits<K>::of([&](std::span<hit> out) { return index.search(x, out, workspace, options); });
  });
}
/// For a `k` that is known when the program runs: a `result<std::vector<hit>>`.
template <VectorIndex I> constexpr auto search(I const& index, std::size_t k, search_options options = {}) {
  return detail::search_stage([&index, k, options](std::span<float const> x) -> result<std::vector<hit>> {
    std::vector<hit> found(std::min(k, index.size()), hit{});
    auto const n = index.search(x, std::span<hit>(found), options);
    if (!n) return n.error();
    found.resize(*n, {});
    return found;
  });
}
/// To the caller's memory: a `result<std::span<hit const>>`, the part of `out` that was filled.
template <VectorIndex I> constexpr auto search(I const& index, std::span<hit> out, search_options options = {}) {
  return detail::search_stage([&index, out, options](std::span<float const> x) -> result<std::span<hit const>> {
    auto const n = index.search(x, out, options);
    if (!n) return n.error();
    return out.first(*n);
  });
}

} // namespace loquat
