#pragma once
/// \file
/// A hierarchical navigable small world graph (Y. Malkov, D. Yashunin, 2016): approximate nearest neighbours among
/// vectors, found by walking from neighbour to neighbour.
///
///     hnsw<cosine, rabitq<4>, rerank<f32>> notes{{.dimensions = 384}};
///     notes.insert(7, vector).value();
///     hit found[10];
///     std::size_t n = notes.search(query, found).value();

#include <loquat/index/hnsw_batch.hpp>
#include <loquat/index/hnsw_compact.hpp>
#include <loquat/index/hnsw_index.hpp>
