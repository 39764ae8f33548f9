#pragma once
/// \file
/// Edges back to nodes that have chosen neighbours, gathered and then added by several threads: the same graph whatever
/// their number.

#include <loquat/index/graph.hpp>
#include <loquat/parallel/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::detail {

/// Edges to be added. They are sorted by the nodes they begin at, so threads share neither nodes nor order.
class back_edges {
 public:
  constexpr void clear() noexcept { edges_.clear(); }
  /// An edge on a level from a node `from` to the one that chose it, at a distance.
  constexpr void add(std::uint32_t from, unsigned level, candidate to) { edges_.push_back({from, level, to}); }

  /// Adds them to the graph, with a workspace for each thread.
  template <class Graph, Executor E>
  constexpr void connect(Graph& graph, std::span<typename Graph::workspace> works, E const& threads) {
    std::sort(edges_.begin(), edges_.end());
    starts_.clear();
    for (std::size_t i = 0; i < edges_.size(); ++i)
      if (i == 0 || edges_[i].from != edges_[i - 1].from || edges_[i].level != edges_[i - 1].level) starts_.push_back(i);
    starts_.push_back(edges_.size());
    threads.run(starts_.size() - 1, [&](std::size_t s, unsigned thread) {
      auto& w = works[thread];
      w.plan.neighbours.clear();
      for (std::size_t i = starts_[s]; i < starts_[s + 1]; ++i) w.plan.neighbours.push_back(edges_[i].to);
      graph.connect(w, edges_[starts_[s]].from, edges_[starts_[s]].level, w.plan.neighbours);
    });
  }

 private:
  struct edge {
    std::uint32_t from;
    unsigned level;
    candidate to;

    constexpr bool operator<(edge const& other) const noexcept {
      if (from != other.from) return from < other.from;
      if (level != other.level) return level < other.level;
      return to.node < other.to.node;
    }
  };
  std::vector<edge> edges_;
  std::vector<std::size_t> starts_;
};

} // namespace loquat::detail
