#pragma once
/// \file
/// What searches give, and how they are asked.

#include <cstddef>
#include <cstdint>

namespace loquat {

/// A vector that was found.
struct hit {
  std::uint64_t key; ///< given at its insertion
  float distance;    ///< in the index's metric

  friend constexpr bool operator==(hit const&, hit const&) = default;
};

/// How a search with a filter goes about (`docs/index_filters.md`).
enum class filter_strategy : unsigned char {
  automatic, ///< as an estimate of the share that passes suggests, and by `scan` where that found fewer than asked for
  walk,      ///< to neighbours of any kind, wider the fewer pass
  hop,       ///< to neighbours that pass, and neighbours of those that do not
  scan,      ///< measures all that pass
};

/// How widely an approximate index is searched.
struct search_options {
  std::size_t ef = 0;     ///< candidates that are kept; more find more and take longer. 0: 64, or k if that is more
  std::size_t rerank = 0; ///< candidates measured exactly, where the index has `rerank`. 0: all of them
  filter_strategy strategy = filter_strategy::automatic; ///< of an `hnsw` index with a filter
};

/// Lets every key pass.
struct every_key {
  constexpr bool operator()(std::uint64_t) const noexcept { return true; }
};

} // namespace loquat
