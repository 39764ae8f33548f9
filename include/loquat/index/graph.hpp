#pragma once
/// \file
/// The graph of an `hnsw` index: walking it to a query, and choosing the edges of a new node (Y. Malkov, D. Yashunin,
/// 2016, algorithms 1 to 4). It knows slots, not keys, and no locks: any number of threads may walk while one links.

#include <loquat/index/codec.hpp>
#include <loquat/index/links.hpp>
#include <loquat/index/parts.hpp>
#include <loquat/index/vectors.hpp>
#include <loquat/index/workspace.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat::detail {

/// A number that one thread writes and others read; what was written before it is seen by who reads it.
template <class T> class published {
 public:
  constexpr published() noexcept = default;
  constexpr operator T() const noexcept {
    return std::is_constant_evaluated() ? value_ : __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
  }
  constexpr published& operator=(T value) noexcept {
    if (std::is_constant_evaluated())
      value_ = value;
    else
      __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
    return *this;
  }

 private:
  T value_{};
};

/// Where the second codes of an index without `rerank` would be.
struct no_vectors {
  struct query {};
  struct one {};
  template <class Allocator> constexpr no_vectors(std::size_t, Allocator const&) noexcept {}
  constexpr std::size_t bytes() const noexcept { return 0; }
  constexpr void grow(std::size_t) noexcept {}
  constexpr void write(std::size_t, float const*) noexcept {}
  constexpr void write(one&, float const*) const noexcept {}
  constexpr bool same(auto const&, std::size_t) const noexcept { return true; }
  constexpr result<void> ready() const { return {}; }
  constexpr void learn(std::span<float const>, bool) noexcept {}
};

inline constexpr std::uint32_t no_node = ~std::uint32_t{0};

/// How far a walk goes for slots that pass.
struct reach {
  std::size_t wanted;                   ///< how many of them it looks for
  std::size_t least;                    ///< how many of any kind it goes on from at least
  std::size_t front;                    ///< how many it keeps at most
  std::size_t budget = ~std::size_t{0}; ///< after how many distances it gives up,
  std::size_t early = ~std::size_t{0};  ///< and while fewer pass than are wanted
};

/// The neighbours that a new node will have, from its highest level down to 0.
struct link_plan {
  unsigned level = 0;                ///< of the node
  std::uint32_t twin = no_node;      ///< a node with the same code, to be attached to; then there is nothing else
  std::vector<candidate> neighbours; ///< of all levels
  std::vector<std::size_t> ends;     ///< where a level's end in it, from the highest level on

  /// Nothing, for a node of this level.
  constexpr void begin(unsigned of_level) noexcept {
    level = of_level, twin = no_node;
    neighbours.clear(), ends.clear();
  }
  /// Leaves out the levels above one.
  constexpr void lower(unsigned to_level) {
    if (to_level >= level) return;
    level = to_level;
    if (ends.size() <= to_level + 1) return;
    std::size_t const gone = ends.size() - to_level - 1, begin = ends[gone - 1];
    neighbours.erase(neighbours.begin(), neighbours.begin() + static_cast<std::ptrdiff_t>(begin));
    ends.erase(ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(gone));
    for (std::size_t& end : ends) end -= begin;
  }
  /// Calls f(level, its neighbours) for each.
  template <class F> constexpr void for_each(F f) const {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < ends.size(); begin = ends[i++])
      f(static_cast<unsigned>(ends.size() - 1 - i), std::span(neighbours).subspan(begin, ends[i] - begin));
  }
};

/// Vectors in slots, and edges between them.
template <Metric M, class Parts> class graph {
  using allocator = typename Parts::allocator;
  using fast_vectors = vectors<M, typename Parts::codec, allocator>;
  using exact_codec = std::conditional_t<Parts::reranks, typename Parts::exact, f32>;
  using exact_vectors = std::conditional_t<Parts::reranks, vectors<M, exact_codec, allocator>, no_vectors>;
  using best_vectors = std::conditional_t<Parts::reranks, exact_vectors, fast_vectors>;

 public:
  /// Memory of one search or insertion at a time. It grows with the graph; once it has, nothing is allocated. Its
  /// contents mean nothing in between.
  struct workspace {
    typename fast_vectors::query query;        ///< what is looked for
    typename exact_vectors::query exact_query; ///< the same for `rerank`
    typename best_vectors::query other;        ///< a stored vector
    nearest_list near, passed;                      ///< the front of a search, and what a filter let pass
    seen_nodes seen, crossed;
    std::vector<std::uint32_t> numbers, list;
    std::vector<float> distances;
    std::vector<candidate> around, chosen;
    link_plan plan;
    typename fast_vectors::one code;        ///< of what is inserted
    typename exact_vectors::one exact_code; ///< the same for `rerank`
  };

  constexpr graph(std::size_t dimensions, std::size_t m, allocator const& a)
      : fast(dimensions, a), exact(dimensions, a), edges(m, a) {}

  fast_vectors fast;                          ///< what searches measure with
  [[no_unique_address]] exact_vectors exact;  ///< what their results are measured with again
  links<allocator> edges;                     ///< between slots
  published<std::size_t> size;                ///< slots in use: a search that began before sees fewer
  published<std::uint64_t> entry;             ///< where searches begin: slot, and its level in the upper half

  constexpr best_vectors const& best() const noexcept { ///< the more exact codes
    if constexpr (Parts::reranks)
      return exact;
    else
      return fast;
  }

  /// Prepares a search for x.
  constexpr void aim(workspace& w, float const* x) const {
    fast.code().prepare(x, w.query);
    if constexpr (Parts::reranks) exact.code().prepare(x, w.exact_query);
    std::size_t const most = 2 * edges.most(0) + 1;
    if (w.numbers.size() < most) w.numbers.resize(most, {});
    if (w.distances.size() < most) w.distances.resize(most, {});
  }

  /// The slot nearest to the query on level `to` + 1, or where searches begin if that is lower.
  constexpr std::uint32_t descend(workspace& w, unsigned to, std::size_t limit) const {
    std::uint64_t const begin = entry;
    candidate best{0, static_cast<std::uint32_t>(begin)};
    auto level = static_cast<unsigned>(begin >> 32);
    if (level <= to) return best.node;
    w.numbers[0] = best.node;
    measure(w, 1);
    best.distance = w.distances[0];
    for (; level > to; --level)
      for (bool moved = true; moved;) {
        moved = false;
        std::size_t const n = neighbours(w, best.node, level, limit);
        measure(w, n);
        for (std::size_t i = 0; i < n; ++i)
          if (candidate const c{w.distances[i], w.numbers[i]}; c < best) best = c, moved = true;
      }
    return best.node;
  }

  /// The `ef` slots nearest to the query that are found on a level from `start` on, to `w.near`. Slots from `limit` on
  /// do not exist. `Distinct`: without those that are the same as another (`twins`).
  template <bool Distinct = false>
  constexpr void walk(workspace& w, std::uint32_t start, unsigned level, std::size_t ef, std::size_t limit) const {
    begin_walk(w, start, ef, limit);
    w.near.insert({w.distances[0], start});
    while (auto const* c = w.near.next()) { // two at a time: there is more to fetch at once
      std::size_t n = fresh_neighbours<Distinct>(w, c->node, level, limit, 0);
      if ((c = w.near.next()) != nullptr) n = fresh_neighbours<Distinct>(w, c->node, level, limit, n);
      measure(w, n);
      for (std::size_t i = 0; i < n; ++i)
        if (w.near.insert({w.distances[i], w.numbers[i]}) < soon) edges.prefetch(w.numbers[i]);
    }
  }

  /// The same on level 0, for slots that `accept` lets pass: the `far.wanted` nearest of them, to `w.passed`. False if
  /// it ended before it was sure of them.
  template <class Accept>
  constexpr bool walk(workspace& w, std::uint32_t start, reach const& far, std::size_t limit,
                      Accept const& accept) const {
    begin_walk(w, start, far.front, limit);
    w.passed.begin(far.wanted);
    candidate const first{w.distances[0], start};
    w.near.insert(first);
    if (accept(start)) w.passed.insert(first);
    std::size_t measured = 0, left = far.least;
    while (auto const* c = w.near.next()) {
      if (left != 0) --left;
      if (left == 0 && w.passed.full() && c->distance > w.passed.bound()) return true;
      std::size_t const n = fresh_neighbours<false>(w, c->node, 0, limit, 0);
      measure(w, n);
      if ((measured += n) > (w.passed.full() ? far.budget : far.early)) return false;
      for (std::size_t i = 0; i < n; ++i) {
        candidate const found{w.distances[i], w.numbers[i]};
        if (left == 0 && found.distance > w.passed.bound()) continue;
        if (w.near.insert(found) < soon) edges.prefetch(found.node);
        if (accept(found.node)) w.passed.insert(found);
      }
    }
    return w.passed.full() && !w.near.full();
  }

  /// Measures candidates again with the exact codes, and puts them in order.
  constexpr void measure_again(workspace& w, std::span<candidate> near) const requires(Parts::reranks) {
    if (w.numbers.size() < near.size()) w.numbers.resize(near.size(), {});
    if (w.distances.size() < near.size()) w.distances.resize(near.size(), {});
    for (std::size_t i = 0; i < near.size(); ++i) w.numbers[i] = near[i].node;
    exact.distances(w.exact_query, w.numbers.data(), near.size(), w.distances.data());
    for (std::size_t i = 0; i < near.size(); ++i) near[i].distance = sortable(w.distances[i]);
    std::sort(near.begin(), near.end());
  }

  /// Chooses neighbours for x among the slots below `limit`, at least one, on levels up to `level`: `w.plan`.
  constexpr void plan(workspace& w, float const* x, unsigned level, std::size_t ef, std::size_t limit) const {
    aim(w, x);
    fast.write(w.code, x), exact.write(w.exact_code, x);
    w.plan.begin(level);
    auto const top = static_cast<unsigned>(std::uint64_t{entry} >> 32);
    std::uint32_t start = descend(w, level, limit);
    for (unsigned l = std::min(level, top) + 1; l-- > 0;) {
      walk<true>(w, start, l, ef, limit);
      auto const near = w.near.finish();
      start = near[0].node;
      if constexpr (Parts::reranks) measure_again(w, near);
      for (auto const& c : near)
        if (is_twin(w, c)) {
          w.plan.begin(0);
          w.plan.twin = c.node;
          return;
        }
      select(w, near, edges.m());
      w.plan.neighbours.insert(w.plan.neighbours.end(), w.chosen.begin(), w.chosen.end());
      w.plan.ends.push_back(w.plan.neighbours.size());
    }
  }

  /// Of `near` in ascending order, those that are nearer to the query than to any chosen before, to `w.chosen`: they lie in
  /// different directions (algorithm 4).
  constexpr void select(workspace& w, std::span<candidate const> near, std::size_t most) const {
    constexpr std::size_t at_once = 4;
    w.chosen.clear();
    if (w.numbers.size() < most) w.numbers.resize(most, {});
    float apart[at_once]{};
    for (auto const& c : near) {
      if (w.chosen.size() == most) break;
      bool keep = true;
      if (!w.chosen.empty()) best().prepare(c.node, w.other);
      for (std::size_t i = 0; i < w.chosen.size() && keep; i += at_once) {
        std::size_t const n = std::min(at_once, w.chosen.size() - i);
        best().distances(w.other, w.numbers.data() + i, n, apart);
        for (std::size_t j = 0; j < n; ++j) keep = keep && apart[j] >= c.distance;
      }
      if (!keep) continue;
      w.numbers[w.chosen.size()] = c.node;
      w.chosen.push_back(c);
    }
  }

  /// Writes the edges of a new slot.
  constexpr void write_plan(std::uint32_t slot, link_plan const& plan) noexcept {
    std::uint32_t numbers[2 * most_m]{};
    plan.for_each([&](unsigned level, std::span<candidate const> near) {
      for (std::size_t i = 0; i < near.size(); ++i) numbers[i] = near[i].node;
      edges.write(slot, level, std::span(numbers).first(near.size()));
    });
  }
  /// Adds edges from its neighbours to a new slot.
  constexpr void connect_back(workspace& w, std::uint32_t slot, link_plan const& plan) {
    plan.for_each([&](unsigned level, std::span<candidate const> near) {
      for (auto const& c : near) {
        candidate const back{c.distance, slot};
        connect(w, c.node, level, {&back, 1});
      }
    });
  }
  /// Adds edges from a slot on a level; where there is no room for all, the best directions stay.
  constexpr void connect(workspace& w, std::uint32_t from, unsigned level, std::span<candidate const> to) {
    std::size_t const most = edges.most(level);
    if (w.numbers.size() < most + to.size()) w.numbers.resize(most + to.size(), {});
    std::size_t n = edges.read(from, level, w.numbers.data());
    auto const begin = w.numbers.begin();
    for (auto const& c : to) {
      auto const end = begin + static_cast<std::ptrdiff_t>(n);
      if (std::find(begin, end, c.node) == end) w.numbers[n++] = c.node;
    }
    if (n > most) n = prune_others(w, from, level, n, most);
    edges.write(from, level, std::span(w.numbers).first(n));
  }

  // Vectors that are the same would fill each other's lists, and lead nowhere else. So of each one that is stored more
  // than once, one node has neighbours as any other, and its twins make a tree that hangs from it by an edge: edges on
  // level 0 between nodes of the same code, at most three of each, first in its list and never pruned. Insertions do
  // not look into trees.

  /// Whether two slots are.
  constexpr bool same(workspace& w, std::uint32_t a, std::uint32_t b) const {
    if (fast.same(a, b) && exact.same(a, b)) return true;
    if constexpr (CallableMetric<M>) { // which may not tell different codes apart
      float apart = 0;
      best().prepare(a, w.other);
      best().distances(w.other, &b, 1, &apart);
      return apart == 0;
    }
    return false;
  }
  /// How many of the `n` numbers from `w.numbers[first]` on, a slot's list, are its twins: those at the front.
  constexpr std::size_t twins(workspace& w, std::uint32_t of, std::size_t n, std::size_t first = 0) const {
    std::size_t count = 0;
    while (count < n && same(w, of, w.numbers[first + count])) ++count;
    return count;
  }
  /// Puts a slot into the tree of its twins.
  constexpr void attach(workspace& w, std::uint32_t slot, std::uint32_t twin) {
    constexpr std::size_t deepest = 256; // no tree is; but somebody's metric may see circles
    std::size_t const most = edges.most(0);
    if (w.numbers.size() < most + 1) w.numbers.resize(most + 1, {});
    std::uint64_t turns = (slot + 1) * 0x9e3779b97f4a7c15u;
    turns ^= turns >> 29;
    for (std::uint32_t at = twin, from = no_node, depth = 0;; ++depth, turns = std::rotr(turns, 3)) {
      std::size_t const n = edges.read(at, 0, w.numbers.data());
      std::size_t const same_ones = twins(w, at, n);
      std::size_t const room = n > same_ones ? 1 : most_twins;
      if (same_ones < room || (same_ones == 1 && w.numbers[0] == from) || depth == deepest) {
        auto const place = w.numbers.begin() + static_cast<std::ptrdiff_t>(std::min(same_ones, most_twins));
        std::copy_backward(place, w.numbers.begin() + static_cast<std::ptrdiff_t>(n),
                           w.numbers.begin() + static_cast<std::ptrdiff_t>(n + 1));
        *place = slot;
        edges.write(slot, 0, {&at, 1});
        edges.write(at, 0, std::span(w.numbers).first(std::min(n + 1, most)));
        return;
      }
      std::size_t way = static_cast<std::size_t>(turns & 0xffff) % same_ones;
      if (w.numbers[way] == from) way = (way + 1 + (turns >> 16 & 1)) % same_ones;
      from = std::exchange(at, w.numbers[way]);
    }
  }
  /// `prune`, for the list of a slot that begins with its twins, which stay.
  constexpr std::size_t prune_others(workspace& w, std::uint32_t from, unsigned level, std::size_t n,
                                     std::size_t most) const {
    std::uint32_t stay[most_twins]{};
    std::size_t const kept = level == 0 ? twins(w, from, std::min(n, most_twins)) : 0;
    auto const begin = w.numbers.begin();
    std::copy_n(begin, kept, stay);
    std::copy(begin + static_cast<std::ptrdiff_t>(kept), begin + static_cast<std::ptrdiff_t>(n), begin);
    std::size_t const others = prune(w, from, n - kept, most - kept);
    std::copy_backward(w.numbers.begin(), w.numbers.begin() + static_cast<std::ptrdiff_t>(others),
                       w.numbers.begin() + static_cast<std::ptrdiff_t>(others + kept));
    std::copy_n(stay, kept, w.numbers.begin());
    return kept + others;
  }
  static constexpr std::size_t most_twins = 3; ///< edges between the same vectors

  /// Of the slots `w.numbers` [n] the best neighbours of a slot, at most so many; leaves them there. How many they are.
  constexpr std::size_t prune(workspace& w, std::uint32_t from, std::size_t n, std::size_t most) const {
    best().prepare(from, w.other);
    if (w.distances.size() < n) w.distances.resize(n, {});
    best().distances(w.other, w.numbers.data(), n, w.distances.data());
    w.around.clear();
    for (std::size_t i = 0; i < n; ++i) w.around.push_back({sortable(w.distances[i]), w.numbers[i]});
    std::sort(w.around.begin(), w.around.end());
    select(w, w.around, most);
    return w.chosen.size();
  }

 private:
  // files from elsewhere may hold vectors that are not finite
  static constexpr float sortable(float distance) noexcept { return distance == distance ? distance : __builtin_inff(); }

  static constexpr std::size_t soon = 3; // gone on from before much else is fetched

  // whether what is inserted is the same as a candidate
  constexpr bool is_twin(workspace& w, candidate c) const {
    if constexpr (CallableMetric<M>)
      if (c.distance == 0) return true;
    return fast.same(w.code, c.node) && exact.same(w.exact_code, c.node);
  }

  constexpr void measure(workspace& w, std::size_t n) const {
    fast.distances(w.query, w.numbers.data(), n, w.distances.data());
  }
  constexpr void begin_walk(workspace& w, std::uint32_t start, std::size_t ef, std::size_t limit) const {
    w.seen.begin(limit);
    w.near.begin(ef);
    w.seen.insert(start);
    w.numbers[0] = start;
    measure(w, 1);
  }
  // above level 0, a number that was read while it changed could be of a node that has no such list
  constexpr bool is_there(std::uint32_t number, unsigned level, std::size_t limit) const noexcept {
    return number < limit && (level == 0 || edges.level(number) >= level);
  }
  // those that are there, to w.numbers
  constexpr std::size_t neighbours(workspace& w, std::uint32_t of, unsigned level, std::size_t limit) const noexcept {
    std::size_t const n = edges.read(of, level, w.numbers.data());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t const number = w.numbers[i];
      w.numbers[kept] = number;
      kept += static_cast<std::size_t>(is_there(number, level, limit));
    }
    return kept;
  }
  // those of level `level` not seen before, to w.numbers behind `fresh` that are there; how many these are then
  template <bool Distinct>
  constexpr std::size_t fresh_neighbours(workspace& w, std::uint32_t of, unsigned level, std::size_t limit,
                                         std::size_t fresh) const {
    std::size_t const begin = fresh, n = edges.read(of, level, w.numbers.data() + begin);
    std::size_t first = 0;
    if constexpr (Distinct) {
      if (level == 0) { // numbers from the limit on may be torn: they name nothing to compare
        std::size_t there = 0;
        while (there < n && w.numbers[begin + there] < limit) ++there;
        first = twins(w, of, there, begin);
      }
    }
    for (std::size_t i = first; i < n; ++i) {
      std::uint32_t const number = w.numbers[begin + i];
      w.numbers[fresh] = number;
      if (is_there(number, level, limit)) fresh += w.seen.insert(number);
    }
    return fresh;
  }
};

} // namespace loquat::detail
