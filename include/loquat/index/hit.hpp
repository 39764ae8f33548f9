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

/// How widely an approximate index is searched.
struct search_options {
  std::size_t ef = 0;     ///< candidates that are kept; more find more and take longer. 0: 64, or k if that is more
  std::size_t rerank = 0; ///< candidates measured exactly, where the index has `rerank`. 0: all of them
};

/// Lets every key pass.
struct every_key {
  constexpr bool operator()(std::uint64_t) const noexcept { return true; }
};

} // namespace loquat
