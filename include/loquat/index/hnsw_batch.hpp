#pragma once
/// \file
/// What an `hnsw` index does for many vectors at once: insertion on several threads, the same whatever their number, and
/// mending what erased ones leave.

#include <loquat/index/hnsw.hpp>

namespace loquat {

namespace detail {

/// An edge back to a new node.
struct back_edge {
  std::uint32_t from;
  unsigned level;
  candidate to;

  constexpr bool operator<(back_edge const& other) const noexcept {
    if (from != other.from) return from < other.from;
    if (level != other.level) return level < other.level;
    return to.node < other.to.node;
  }
};

} // namespace detail

// Nodes are added in groups, small beside the graph: all of a group choose neighbours in the graph as it was before, and
// then the edges that lead back are added, sorted by the nodes they begin at. So threads share neither nodes nor order.
template <Metric M, class... Parts>
template <Executor E, class Progress>
constexpr result<void> hnsw<M, Parts...>::insert(std::span<std::uint64_t const> keys, std::span<float const> rows,
                                                 E const& threads, Progress const& progress) {
  constexpr std::size_t largest_group = 1024, share = 32;
  std::size_t const d = options_.dimensions, n = keys.size();
  if (auto good = check_rows(rows); !good) return good;
  if (rows.size() / d != n) return fail(errc::argument, n, " keys for ", rows.size() / d, " vectors");
  turn const mine(writers_);
  if (!options_.several) {
    std::vector<std::uint64_t> sorted(keys.begin(), keys.end());
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < n; ++i)
      if ((i > 0 && sorted[i] == sorted[i - 1]) || has(sorted[i])) return already_there(sorted[i]);
  }
  if (auto room = make_room(n); !room) return room;
  if (graph_.size == 0 && n > 1) learn(rows, false);
  if (auto taught = ready(); !taught) return taught;

  std::vector<workspace> works(threads.size());
  std::vector<detail::link_plan> plans(std::min(largest_group, n));
  std::vector<std::uint32_t> slots(plans.size());
  std::vector<detail::back_edge> edges;
  std::vector<std::size_t> starts;
  for (std::size_t first = 0; first < n;) {
    std::size_t const before = graph_.size;
    std::size_t const count = std::min({n - first, largest_group, before / share + 1});
    auto const row = [&](std::size_t i) { return rows.subspan((first + i) * d, d); };
    threads.run(count, [&](std::size_t i, unsigned thread) {
      unsigned const level = level_of(keys[first + i], row(i));
      works[thread].plan.level = level;
      works[thread].plan.neighbours.clear(), works[thread].plan.ends.clear();
      if (before != 0) graph_.plan(works[thread], row(i).data(), level, options_.ef_construction, before);
      plans[i] = works[thread].plan;
    });
    std::size_t next = before;
    edges.clear(), starts.clear();
    for (std::size_t i = 0; i < count; ++i) {
      slots[i] = claim(plans[i].level, next);
      keys_.insert(slots[i], keys[first + i]);
      plans[i].for_each([&](unsigned level, std::span<detail::candidate const> near) {
        for (auto const& c : near) edges.push_back({c.node, level, {c.distance, slots[i]}});
      });
    }
    threads.run(count, [&](std::size_t i, unsigned) {
      graph_.fast.write(slots[i], row(i).data()), graph_.exact.write(slots[i], row(i).data());
      graph_.write_plan(slots[i], plans[i]);
    });
    std::sort(edges.begin(), edges.end());
    for (std::size_t i = 0; i < edges.size(); ++i)
      if (i == 0 || edges[i].from != edges[i - 1].from || edges[i].level != edges[i - 1].level) starts.push_back(i);
    starts.push_back(edges.size());
    threads.run(starts.size() - 1, [&](std::size_t s, unsigned thread) {
      auto& w = works[thread];
      w.plan.neighbours.clear();
      for (std::size_t i = starts[s]; i < starts[s + 1]; ++i) w.plan.neighbours.push_back(edges[i].to);
      graph_.connect(w, edges[starts[s]].from, edges[starts[s]].level, w.plan.neighbours);
    });
    for (std::size_t i = 0; i < count; ++i) publish(slots[i], plans[i].level, next);
    first += count;
    if constexpr (!std::same_as<Progress, detail::nothing>) progress(first);
  }
  return {};
}

// Every node with an edge to an erased one chooses again among its neighbours and those of the erased ones.
template <Metric M, class... Parts> constexpr void hnsw<M, Parts...>::compact(workspace& w) {
  auto& edges = graph_.edges;
  std::size_t const nodes = graph_.size;
  std::vector<std::uint32_t> list(edges.most(0)), beyond(edges.most(0)), all;
  std::uint64_t entry = 0;
  bool entered = false;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (is_gone(node)) continue;
    unsigned const top = edges.level(node);
    if (!entered || top > entry >> 32) entry = std::uint64_t{top} << 32 | node, entered = true;
    for (unsigned level = 0; level <= top; ++level) {
      std::size_t const n = edges.read(node, level, list.data());
      if (std::none_of(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(n), [&](auto i) { return is_gone(i); }))
        continue;
      all.clear();
      for (std::size_t i = 0; i < n; ++i) {
        if (!is_gone(list[i])) {
          all.push_back(list[i]);
          continue;
        }
        std::size_t const m = edges.read(list[i], level, beyond.data());
        for (std::size_t j = 0; j < m; ++j)
          if (!is_gone(beyond[j]) && beyond[j] != node) all.push_back(beyond[j]);
      }
      std::sort(all.begin(), all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
      w.numbers.resize(std::max(w.numbers.size(), all.size()));
      std::copy(all.begin(), all.end(), w.numbers.begin());
      std::size_t const kept = graph_.prune(w, node, all.size(), edges.most(level));
      edges.write(node, level, std::span(w.numbers).first(kept));
    }
  }
  closure const alone(gate_); // searches that are inside may know erased nodes
  mended_ = mended_ + 1;
  free_.clear();
  dead_ = 0;
  if (!entered) { // nothing is left: begin anew
    for (std::uint32_t node = 0; node < nodes; ++node) set_gone(node, false);
    edges.clear(nodes);
    graph_.size = 0, graph_.entry = 0;
    return;
  }
  graph_.entry = entry;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (!is_gone(node)) continue;
    for (unsigned level = 0; level <= edges.level(node); ++level) edges.write(node, level, {});
    free_.push_back(node);
  }
}

} // namespace loquat
