#pragma once
/// \file
/// The types of indices that the program knows. They are compiled in files of their own, one for each metric.

#include <loquat/core/result.hpp>
#include <loquat/format/vectors.hpp>
#include <loquat/index/hit.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace tool {

/// How an index is built.
struct index_settings {
  std::size_t m = 16, ef_construction = 200;
  std::uint64_t seed = 1;
  unsigned threads = 0;
};

/// Searches an open index.
using index_search =
    std::function<loquat::result<std::size_t>(std::span<float const>, std::span<loquat::hit>, loquat::search_options)>;

/// A type of index, by the names that are in files.
struct index_type {
  std::string_view metric, codec, rerank; ///< `rerank` is empty without one
  /// Builds an index of all rows, with their numbers as keys, and saves it; the bytes that it takes in memory.
  loquat::result<std::size_t> (*build)(loquat::vector_file const&, std::string const& path, index_settings const&);
  /// Opens one in place.
  loquat::result<index_search> (*open)(std::string const& path);
};

std::span<index_type const> l2_indices();
std::span<index_type const> inner_product_indices();
std::span<index_type const> cosine_indices();
std::span<index_type const> bit_indices();

} // namespace tool
