#pragma once
/// \file
/// The `Codec` contract: how vectors are kept. A codec is a small type (`f32`, `sq8`, …) with a coder for
/// each metric.

#include <loquat/index/metric.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace loquat {

/// Vectors to codes, and distances from a vector to many codes. A code is an array of `elements()` numbers of type
/// `element`, with a small struct `factors` beside it (empty where none are needed). Given what it learned, the same vector
/// always gives the same code. Called by `flat` and `hnsw`, which check dimensions and finiteness before. Neighbours:
/// `Metric`, `Codec`.
template <class C>
concept Coder =
    std::copyable<C> && std::constructible_from<C, std::size_t> && std::is_trivially_copyable_v<typename C::factors> &&
    std::is_trivially_copyable_v<typename C::element> && std::default_initializable<typename C::query> &&
    requires(C const& c, float const* x, float* decoded, typename C::element* code, typename C::element const* codes,
             typename C::factors& factors, typename C::factors const* all, typename C::query& query,
             std::uint32_t const* numbers, std::size_t n) {
      { c.elements() } -> std::same_as<std::size_t>; // of a code
      c.encode(x, code, factors);                    // x [dimensions]
      c.decode(codes, *all, decoded);                // the vector that a code stands for (scaled to 1 under cosine)
      c.prepare(x, query);                           // what distances from x need; reuses the memory of `query`
      c.prepare_code(codes, *all, query);            // the same for the vector that a code stands for
      // from the query to the codes `numbers` [n] of an array, or the first n if that is null; `all` is null if empty
      c.distances(query, codes, all, numbers, n, decoded);
    };

/// A coder that learns from vectors before the first is encoded, such as their mean.
template <class C>
concept TrainableCoder = Coder<C> && requires(C& c, std::span<float const> rows) {
  c.train(rows);                                                  // rows [n × dimensions]
  { c.learned() } -> std::same_as<std::span<float const>>;        // to store
  { c.relearn(rows) } -> std::same_as<bool>;                      // stored before; false if it cannot be
};

/// A coder that can do nothing before it has learned, such as one of code books. Indices say so at the first insertion.
template <class C>
concept UntaughtCoder = TrainableCoder<C> && requires(C const& c) {
  { c.ready() } -> std::same_as<bool>; // whether it has learned
};

/// The coder of a codec for a metric: its member template `coder`, unless this is specialised.
template <class C, Metric M> struct coder_for {
  using type = typename C::template coder<M>; ///< models `Coder`
};

/// How vectors are kept: a name in files, and a coder for each metric it can serve. A new one is one file in
/// `index/codecs/`; a program's own one works as well.
template <class C, class M>
concept Codec = Metric<M> && requires {
  { C::name } -> std::convertible_to<std::string_view>;
  requires Coder<typename coder_for<C, M>::type>;
};

} // namespace loquat
