#pragma once
/// \file
/// What an `hnsw` index does about erased vectors: it leaves them out of every list and frees their slots, on several
/// threads, the same whatever their number.

#include <loquat/index/back_edges.hpp>
#include <loquat/index/hnsw_index.hpp>

namespace loquat {

// Nodes are mended in groups: all of a group choose neighbours in the graph as it was before, then their lists are
// written, and edges back from those they had no edge to. Erased nodes keep theirs until the end, so that searches and
// walks from here still cross them.
template <Metric M, class... Parts>
template <Executor E, class Progress>
constexpr void hnsw<M, Parts...>::mend(E const& threads, Progress const& progress) {
  constexpr std::size_t at_once = 1024;
  if (dead_ == 0) return;
  auto& edges = graph_.edges;
  std::size_t const nodes = graph_.size;
  std::vector<workspace> works(threads.size());
  auto const heirs = regroup_twins(works[0]);
  std::vector<detail::link_plan> lists(std::min(at_once, nodes));
  detail::back_edges back;
  std::vector<std::uint32_t> list(edges.most(0), std::uint32_t{});
  auto const leads_to = [&](std::uint32_t from, unsigned level, std::uint32_t to) {
    auto const end = list.begin() + static_cast<std::ptrdiff_t>(edges.read(from, level, list.data()));
    return std::find(list.begin(), end, to) != end;
  };
  for (std::size_t first = 0; first < nodes; first += lists.size()) {
    std::size_t const count = std::min(lists.size(), nodes - first);
    auto const number = [&](std::size_t i) { return static_cast<std::uint32_t>(first + i); };
    threads.run(count, [&](std::size_t i, unsigned thread) {
      mend_lists(works[thread], number(i), heirs, lists[i]);
    });
    back.clear();
    for (std::size_t i = 0; i < count; ++i) {
      lists[i].for_each([&](unsigned level, std::span<detail::candidate const> near) {
        for (auto const& c : near)
          if (!leads_to(number(i), level, c.node)) back.add(c.node, level, {0, number(i)});
      });
      if (!lists[i].ends.empty()) graph_.write_plan(number(i), lists[i]);
    }
    back.connect(graph_, works, threads);
    if constexpr (!std::same_as<Progress, detail::nothing>) progress(first + count);
  }

  auto entry = static_cast<std::uint32_t>(std::uint64_t{graph_.entry});
  unsigned top = static_cast<unsigned>(std::uint64_t{graph_.entry} >> 32);
  if (is_gone(entry)) {
    entry = detail::no_node, top = 0;
    for (std::uint32_t node = 0; node < nodes; ++node) {
      if (is_gone(node)) continue;
      unsigned level = edges.level(node);
      while (level > top && edges.read(node, level, list.data()) == 0) --level; // nothing to walk to there
      if (entry == detail::no_node || level > top) entry = node, top = level;
    }
  }
  closure const alone(gate_); // searches that are inside may know erased nodes
  mended_ = mended_ + 1;
  free_.clear();
  dead_ = 0;
  if (entry == detail::no_node) { // nothing is left: begin anew
    for (std::uint32_t node = 0; node < nodes; ++node) set_gone(node, false);
    edges.clear(nodes);
    graph_.size = 0, graph_.entry = 0;
    return;
  }
  graph_.entry = std::uint64_t{top} << 32 | entry;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (!is_gone(node)) continue;
    for (unsigned level = 0; level <= edges.level(node); ++level) edges.write(node, level, {});
    free_.push_back(node);
  }
}

// New lists for a node that has an edge to an erased one: of its neighbours, and those of erased ones. Where these are
// few, it looks for others as a new node does.
template <Metric M, class... Parts>
constexpr void hnsw<M, Parts...>::mend_lists(workspace& w, std::uint32_t node, std::span<detail::heir const> heirs,
                                             detail::link_plan& lists) const {
  constexpr std::size_t furthest = 256; // erased nodes that are crossed
  auto const& edges = graph_.edges;
  std::size_t const nodes = graph_.size;
  lists.begin(edges.level(node));
  if (is_gone(node)) return;
  bool broken = false;
  std::vector<std::uint32_t> around, erased;
  auto const consider = [&](std::uint32_t other) {
    if (w.seen.insert(other) != 0) (is_gone(other) ? erased : around).push_back(other);
  };
  for (unsigned level = lists.level + 1; level-- > 0;) {
    std::size_t const most = edges.most(level);
    w.numbers.resize(std::max(w.numbers.size(), most), {});
    std::size_t n = edges.read(node, level, w.numbers.data());
    if (std::any_of(w.numbers.data(), w.numbers.data() + n, [&](auto i) { return is_gone(i); })) {
      broken = true;
      std::size_t const kept = level == 0 ? graph_.twins(w, node, n) : 0;
      for (std::size_t i = 0; i < kept; ++i) lists.neighbours.push_back({0, w.numbers[i]});
      around.clear(), erased.clear();
      w.seen.begin(nodes);
      w.seen.insert(node);
      for (std::size_t i = 0; i < kept; ++i) w.seen.insert(w.numbers[i]);
      for (std::size_t i = kept; i < n; ++i) consider(w.numbers[i]);
      std::size_t const direct = erased.size(), near = around.size();
      for (std::size_t i = 0; i < erased.size() && i < furthest && (i < direct || around.size() < most); ++i) {
        std::uint32_t const gone = erased[i];
        auto const heir = std::lower_bound(heirs.begin(), heirs.end(), detail::heir{gone, 0});
        if (heir != heirs.end() && heir->erased == gone && edges.level(heir->node) >= level) consider(heir->node);
        std::size_t const m = edges.read(gone, level, w.numbers.data());
        for (std::size_t j = level == 0 ? graph_.twins(w, gone, m) : 0; j < m; ++j) consider(w.numbers[j]);
      }
      for (std::size_t i = 0; i < near; ++i) { // what lies between where these lead and where the erased ones led
        std::size_t const m = edges.read(around[i], level, w.numbers.data());
        for (std::size_t j = level == 0 ? graph_.twins(w, around[i], m) : 0; j < m; ++j) consider(w.numbers[j]);
      }
      if (level == 0 && around.size() < edges.m()) {
        std::vector<float> x(options_.dimensions, float{});
        graph_.best().read(node, x.data());
        graph_.aim(w, x.data());
        std::size_t const ef = options_.ef_construction, all = live_ + dead_;
        std::size_t const front = std::min(nodes, ef * (all / std::max<std::size_t>(live_, 1) + 1));
        auto const others = [&](std::uint32_t i) { return !is_gone(i) && i != node && !graph_.same(w, node, i); };
        graph_.walk(w, graph_.descend(w, 0, nodes), {ef, 0, front}, nodes, others);
        for (auto const& c : w.passed.finish()) around.push_back(c.node);
      }
      std::sort(around.begin(), around.end());
      around.erase(std::unique(around.begin(), around.end()), around.end());
      w.numbers.resize(std::max(w.numbers.size(), around.size()), {});
      std::copy(around.begin(), around.end(), w.numbers.begin());
      n = graph_.prune(w, node, around.size(), most - std::min(kept, most));
    }
    for (std::size_t i = 0; i < n; ++i) lists.neighbours.push_back({0, w.numbers[i]});
    lists.ends.push_back(lists.neighbours.size());
  }
  if (!broken) lists.ends.clear();
}

// Trees of twins that lost some are planted anew from who is left. Returns who stands for the erased ones.
template <Metric M, class... Parts> constexpr std::vector<detail::heir> hnsw<M, Parts...>::regroup_twins(workspace& w) {
  auto& edges = graph_.edges;
  std::size_t const nodes = graph_.size, most = edges.most(0);
  std::vector<detail::heir> heirs;
  std::vector<std::uint32_t> tree, left, list, lost;
  w.numbers.resize(std::max(w.numbers.size(), most), {});
  w.seen.begin(nodes);
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (!is_gone(node) || w.seen.insert(node) == 0) continue;
    std::uint32_t root = detail::no_node;
    std::size_t widest = 0;
    tree.assign(1, node), left.clear(), lost.clear();
    for (std::size_t i = 0; i < tree.size(); ++i) {
      std::size_t const n = edges.read(tree[i], 0, w.numbers.data()), twins = graph_.twins(w, tree[i], n);
      for (std::size_t j = 0; j < twins; ++j)
        if (w.seen.insert(w.numbers[j]) != 0) tree.push_back(w.numbers[j]);
      if (is_gone(tree[i]))
        lost.insert(lost.end(), w.numbers.data() + twins, w.numbers.data() + n);
      else if (left.push_back(tree[i]); root == detail::no_node || n - twins > widest)
        root = tree[i], widest = n - twins;
    }
    if (tree.size() == 1 || left.empty()) continue;
    std::sort(left.begin(), left.end());
    std::rotate(left.begin(), std::find(left.begin(), left.end(), root), std::find(left.begin(), left.end(), root) + 1);
    for (std::size_t i = 0; i < left.size(); ++i) {
      std::size_t const n = edges.read(left[i], 0, w.numbers.data()), twins = graph_.twins(w, left[i], n);
      list.clear();
      if (i > 0) list.push_back(left[i / 2]);
      for (std::size_t child = std::max<std::size_t>(2 * i, 1); child <= 2 * i + 1 && child < left.size(); ++child)
        list.push_back(left[child]); // the root has one
      list.insert(list.end(), w.numbers.data() + twins, w.numbers.data() + n);
      if (i == 0)
        for (std::uint32_t const other : lost)
          if (std::find(list.begin(), list.end(), other) == list.end()) list.push_back(other);
      edges.write(left[i], 0, std::span(list).first(std::min(list.size(), most)));
    }
    for (std::uint32_t const i : tree)
      if (is_gone(i)) heirs.push_back({i, root});
  }
  std::sort(heirs.begin(), heirs.end());
  return heirs;
}

} // namespace loquat
