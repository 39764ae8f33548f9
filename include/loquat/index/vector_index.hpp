#pragma once
/// \file
/// The `VectorIndex` contract: vectors under keys, and the nearest of them to another.

#include <loquat/core/result.hpp>
#include <loquat/index/hit.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat {

/// Finds the nearest of the vectors that were inserted. Called by retrieval, and by `query | search(index, k)`.
/// Smallest conforming type: `flat`. `workspace` is the memory of one search; after one of the same size, a search allocates
/// nothing. Searches may run beside each other, each with a workspace of its own. Neighbours: `Metric`, `Codec`,
/// `Embedder`.
template <class I>
concept VectorIndex = std::default_initializable<typename I::workspace> &&
                      requires(I& index, I const& c, std::uint64_t key, std::span<float const> x, std::span<hit> out,
                               typename I::workspace& w, search_options options) {
                        { c.dimensions() } -> std::same_as<std::size_t>; // elements of a vector
                        { c.size() } -> std::same_as<std::size_t>;       // vectors that can be found
                        { index.insert(key, x) } -> std::same_as<result<void>>;
                        { index.erase(key) } -> std::same_as<bool>;      // false if the key is not there
                        { c.search(x, out, w, options) } -> std::same_as<result<std::size_t>>; // nearest first
                        { c.memory_bytes() } -> std::same_as<std::size_t>;
                      };

} // namespace loquat
