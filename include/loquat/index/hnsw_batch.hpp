#pragma once
/// \file
/// What an `hnsw` index does for many vectors at once: insertion on several threads, the same whatever their number.

#include <loquat/index/back_edges.hpp>
#include <loquat/index/hnsw_index.hpp>

namespace loquat {

// Nodes are added in groups, small beside the graph: all of a group choose neighbours in the graph as it was before, and
// then the edges that lead back are added.
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
  std::vector<std::uint32_t> slots(plans.size(), std::uint32_t{});
  std::vector<std::pair<std::uint64_t, std::uint32_t>> hashes(plans.size());
  detail::back_edges back;
  for (std::size_t first = 0; first < n;) {
    std::size_t const before = graph_.size;
    std::size_t const count = std::min({n - first, largest_group, before / share + 1});
    auto const row = [&](std::size_t i) { return rows.subspan((first + i) * d, d); };
    threads.run(count, [&](std::size_t i, unsigned thread) {
      unsigned const level = level_of(keys[first + i], row(i));
      works[thread].plan.begin(level);
      if (before != 0) graph_.plan(works[thread], row(i).data(), level, options_.ef_construction, before);
      plans[i] = works[thread].plan;
    });
    std::size_t next = before;
    for (std::size_t i = 0; i < count; ++i) {
      slots[i] = claim(plans[i], next);
      keys_.insert(slots[i], keys[first + i]);
    }
    threads.run(count, [&](std::size_t i, unsigned) {
      graph_.fast.write(slots[i], row(i).data()), graph_.exact.write(slots[i], row(i).data());
      hashes[i] = {graph_.fast.hash(slots[i]), static_cast<std::uint32_t>(i)};
    });
    find_twins(std::span(hashes).first(count), plans, slots, works[0]);
    threads.run(count, [&](std::size_t i, unsigned) { graph_.write_plan(slots[i], plans[i]); });
    back.clear();
    for (std::size_t i = 0; i < count; ++i)
      plans[i].for_each([&](unsigned level, std::span<detail::candidate const> near) {
        for (auto const& c : near) back.add(c.node, level, {c.distance, slots[i]});
      });
    back.connect(graph_, works, threads);
    for (std::size_t i = 0; i < count; ++i)
      if (plans[i].twin != detail::no_node) graph_.attach(works[0], slots[i], plans[i].twin);
    for (std::size_t i = 0; i < count; ++i) publish(slots[i], plans[i].level, next);
    first += count;
    if constexpr (!std::same_as<Progress, detail::nothing>) progress(first);
  }
  return {};
}

// Members of a group that are the same as an earlier one get attached to it.
template <Metric M, class... Parts>
constexpr void hnsw<M, Parts...>::find_twins(std::span<std::pair<std::uint64_t, std::uint32_t>> hashes,
                                             std::span<detail::link_plan> plans, std::span<std::uint32_t const> slots,
                                             workspace& w) const {
  std::sort(hashes.begin(), hashes.end());
  for (std::size_t i = 1, begin = 0; i < hashes.size(); ++i) {
    if (hashes[i].first != hashes[begin].first) begin = i;
    auto const one = hashes[begin].second, other = hashes[i].second;
    if (begin == i || plans[other].twin != detail::no_node || !graph_.same(w, slots[one], slots[other])) continue;
    plans[other].begin(0);
    plans[other].twin = slots[one];
  }
}

} // namespace loquat
