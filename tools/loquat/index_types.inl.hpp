#pragma once
/// \file
/// What `index_types_*.cpp` compile for their metrics.

#include "index_types.hpp"
#include "progress.hpp"
#include "system.hpp"

#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace tool {

/// `n` rows of a file, evenly spread, for codecs to learn from.
inline loquat::result<std::vector<float>> sample_rows(loquat::vector_file const& file, std::size_t n) {
  std::size_t const d = file.dimensions();
  n = std::min(n, file.size());
  std::vector<float> rows(n * d);
  for (std::size_t i = 0; i < n; ++i)
    if (auto read = file.read(i * file.size() / n, std::span(rows).subspan(i * d, d)); !read) return read.error();
  return rows;
}

template <class Index>
loquat::result<std::size_t> build_index(loquat::vector_file const& file, std::string const& path,
                                        index_settings const& s) {
  using namespace loquat;
  constexpr std::size_t at_once = 16384;
  std::size_t const d = file.dimensions(), all = file.size();
  Index index({.dimensions = d, .capacity = all, .m = s.m, .ef_construction = s.ef_construction, .seed = s.seed});
  pool const threads(s.threads);
  progress shows(all);
  auto const here = [&](error const& e, std::size_t first) {
    return fail(e.code(), file.name(), ": of the rows from ", first, " on, ", e.message());
  };
  auto const sample = sample_rows(file, at_once);
  if (!sample) return sample.error();
  if (auto done = index.train(*sample); !done)
    return fail(done.error().code(), file.name(), ": of a sample of rows, ", done.error().message());
  std::vector<float> rows;
  std::vector<std::uint64_t> keys;
  for (std::size_t first = 0; first < all; first += keys.size()) {
    std::size_t const n = std::min(at_once, all - first);
    rows.resize(n * d), keys.resize(n);
    if (auto read = file.read(first, std::span<float>(rows)); !read) return read.error();
    for (std::size_t i = 0; i < n; ++i) keys[i] = first + i;
    std::size_t shown = 0;
    auto const done = index.insert(keys, rows, threads, [&](std::size_t ready) {
      shows.next(file.name(), std::to_string(first + ready) + " of " + std::to_string(all),
                 ready - std::exchange(shown, ready));
    });
    if (!done) return here(done.error(), first);
    if (interrupt_wanted) return fail(errc::cancelled, "interrupted");
  }
  if (auto saved = save_index(index, path); !saved) return saved.error();
  return index.memory_bytes();
}

template <class Index> loquat::result<index_search> open_index(std::string const& path) {
  struct open {
    Index index;
    typename Index::workspace workspace{};
  };
  auto index = loquat::map_index<Index>(path);
  if (!index) return index.error();
  auto const shared = std::make_shared<open>(*std::move(index));
  return index_search([shared](std::span<float const> x, std::span<loquat::hit> out, loquat::search_options options) {
    return shared->index.search(x, out, shared->workspace, options);
  });
}

template <class M, class C>
constexpr index_type plain{M::name, C::name, {}, build_index<loquat::hnsw<M, C>>, open_index<loquat::hnsw<M, C>>};
template <class M, class C, class R>
constexpr index_type reranked{M::name, C::name, R::name, build_index<loquat::hnsw<M, C, loquat::rerank<R>>>,
                              open_index<loquat::hnsw<M, C, loquat::rerank<R>>>};

/// The types for one of the metrics l2, inner product and cosine.
template <class M> std::span<index_type const> linear_indices() {
  using namespace loquat;
  static constexpr index_type types[]{plain<M, f32>,
                                      plain<M, f16>,
                                      plain<M, sq8>,
                                      reranked<M, sq8, f32>,
                                      reranked<M, sq8, f16>,
                                      reranked<M, rabitq<4>, f32>,
                                      reranked<M, rabitq<4>, f16>,
                                      reranked<M, rabitq<2>, f16>,
                                      reranked<M, rabitq<1>, f16>,
                                      reranked<M, pq<32>, f16>};
  return types;
}

} // namespace tool
