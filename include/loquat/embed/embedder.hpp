#pragma once
/// \file
/// The `Embedder` contract: text in, a vector out; and its refinement for embedders that take several texts at once.

#include <loquat/core/result.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace loquat {

/// Turns a text into a vector. Called by indices, by retrieval and by `texts | embed(e)`.
///
/// It owns what it writes: the vector stays valid until the next call, and each thread needs an embedder of its own
/// (models and tokenizers behind them are shared). Errors are `errc::argument` for a text that has no vector, and what
/// its parts report. Smallest conforming type: see `tests/embed/embed.cpp` (letter counts, 10 lines). Neighbours:
/// `Tokenizer`, `VectorIndex`.
template <class E>
concept Embedder = requires(E& e, E const& c, std::string_view text) {
  { c.dimensions() } -> std::convertible_to<std::size_t>;      // elements of a vector
  { e(text) } -> std::same_as<result<std::span<float const>>>; // valid until the next call
};

/// An embedder that is faster with several texts at once. `add` takes a text into the next pass, or returns false where
/// that has no room left: then `run`, read the vectors, and `clear`. An empty pass has room for any text.
template <class E>
concept BatchEmbedder = Embedder<E> && requires(E& e, E const& c, std::string_view text, std::size_t i) {
  { e.add(text) } -> std::same_as<result<bool>>;
  { e.run() } -> std::same_as<result<void>>;               // embeds what was added
  { c.size() } -> std::convertible_to<std::size_t>;        // texts that were added
  { c[i] } -> std::convertible_to<std::span<float const>>; // the vector of the i-th one, after `run`
  e.clear();                                               // begins a new pass
};

} // namespace loquat
