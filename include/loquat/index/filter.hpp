#pragma once
/// \file
/// Searches for vectors that a predicate lets pass, and how they go about it: by how many pass. See
/// `docs/index_filters.md`.
///
///     notes.search(x, found, w, {}, [&](std::uint64_t key) { return year[key] >= 2020; });
///     key_set const mine(keys_of_mine);
///     notes.search(x, found, w, {}, mine);

#include <loquat/index/graph.hpp>
#include <loquat/index/hit.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

/// Says which keys may be found: the same for a key as long as a search lasts, from several threads where several
/// search. Called many times for a key, in no order; a search is as fast as it is.
template <class F>
concept KeyFilter = requires(F const& passes, std::uint64_t key) {
  { passes(key) } -> std::convertible_to<bool>;
};
/// A filter that knows its keys: how many pass need not be guessed, and few are looked up instead of many asked.
template <class F>
concept KeyList = KeyFilter<F> && requires(F const& passes) {
  { passes.keys() } -> std::same_as<std::span<std::uint64_t const>>;
};

/// Lets keys of an array pass that the caller holds, in ascending order, each once.
class sorted_keys {
 public:
  constexpr explicit sorted_keys(std::span<std::uint64_t const> keys) noexcept : keys_(keys) {}
  constexpr std::span<std::uint64_t const> keys() const noexcept { return keys_; } ///< as given
  constexpr bool operator()(std::uint64_t key) const noexcept {                    ///< whether it is among them
    return std::binary_search(keys_.begin(), keys_.end(), key);
  }

 private:
  std::span<std::uint64_t const> keys_;
};

/// Lets the keys of a set pass: a bit for each number from the least to the largest of them where that takes little
/// memory, else their sorted array. To be made once and used for many searches.
class key_set {
 public:
  constexpr key_set() = default;
  /// Keys in any order.
  constexpr explicit key_set(std::span<std::uint64_t const> keys) : keys_(keys.begin(), keys.end()) {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    if (keys_.empty() || (keys_.back() - keys_.front()) / 64 >= std::max<std::size_t>(4 * keys_.size(), 1024)) return;
    bits_.resize(static_cast<std::size_t>((keys_.back() - keys_.front()) / 64) + 1, 0);
    for (std::uint64_t const key : keys_)
      bits_[static_cast<std::size_t>((key - keys_.front()) / 64)] |= std::uint64_t{1} << (key - keys_.front()) % 64;
  }
  constexpr std::span<std::uint64_t const> keys() const noexcept { return keys_; } ///< in ascending order
  constexpr bool operator()(std::uint64_t key) const noexcept {                    ///< whether it is in the set
    if (bits_.empty()) return std::binary_search(keys_.begin(), keys_.end(), key);
    std::uint64_t const at = key - keys_.front(); // below the least: very large
    return at / 64 < bits_.size() && (bits_[static_cast<std::size_t>(at / 64)] >> at % 64 & 1) != 0;
  }

 private:
  std::vector<std::uint64_t> keys_, bits_;
};

namespace detail {

/// Slots at the places of a golden ratio's multiples: spread evenly however many are taken, and in no step with keys.
constexpr std::uint32_t spread_slot(std::uint32_t i, std::size_t slots) noexcept {
  return static_cast<std::uint32_t>((std::uint64_t{(i + 1) * 0x9e3779b9u} * slots) >> 32);
}

/// The share of slots that pass, about: more are asked where fewer pass.
template <class Accept> constexpr double passing_share(std::size_t slots, Accept const& accept) {
  constexpr std::uint32_t least = 128, most = 1024, enough = 8;
  std::uint32_t asked = 0, passed = 0;
  while (asked < least || (passed < enough && asked < most && asked < slots / 256))
    passed += static_cast<std::uint32_t>(accept(spread_slot(asked++, slots)));
  return (static_cast<double>(passed) + 0.5) / static_cast<double>(asked + 1);
}

/// What a search with a filter is chosen by. Costs are estimated nanoseconds; only their ratios matter.
struct filter_case {
  double share;           ///< of slots that pass
  std::size_t slots, m;   ///< of the graph
  std::size_t ef, k;      ///< of the search
  std::size_t again;      ///< candidates that are measured again
  std::size_t code_bytes; ///< of a vector that is measured
  bool listed;            ///< whether the passing keys are known

  constexpr double bytes() const noexcept { return static_cast<double>(code_bytes); }
  constexpr double far() const noexcept { return 55 + 0.03 * bytes(); } ///< an edge of a walk, and its distance
  constexpr double near() const noexcept { return 3 + 0.03 * bytes(); } ///< a distance in a scan
  /// How many that pass a walk looks for: as much wider than k as it would be among all.
  constexpr std::size_t wanted() const noexcept {
    double const wider = share * static_cast<double>(ef) + 1.5 * (1 - share) * static_cast<double>(k);
    return std::max(static_cast<std::size_t>(wider) + 1, again);
  }
  /// How many nodes of any kind it goes on from.
  constexpr double front() const noexcept {
    return std::min(static_cast<double>(wanted()) / share, static_cast<double>(slots));
  }
  constexpr double scan() const noexcept {
    double const n = static_cast<double>(slots), passing = share * n;
    return passing * near() + (listed ? passing * 8 : n * 0.7);
  }
  constexpr double walk() const noexcept { return front() * static_cast<double>(m) * far(); }
  constexpr double hop() const noexcept { // two hops reach degree² nodes at most, many of them seen before
    double const degree = 2 * static_cast<double>(m), reached = share * degree * degree;
    return static_cast<double>(ef + 8) * (degree * degree * 4.5 + std::min(0.15 * reached, 0.3 * degree) * far());
  }
  constexpr filter_strategy cheapest() const noexcept {
    constexpr double connected = 32; // neighbours in two hops: with fewer, many cannot be reached
    bool const may_hop = share * 4 * static_cast<double>(m * m) >= connected;
    bool const hops = may_hop && hop() < walk();
    // what is not exact may find too little, and be done again
    if (scan() <= 1.6 * (hops ? hop() : walk())) return filter_strategy::scan;
    return hops ? filter_strategy::hop : filter_strategy::walk;
  }
  /// How far a walk goes: until it measured so many that it cost 0.6 of a scan. A share around the query that would
  /// take it there shows early: those wanted are seen m times sooner than they are known to be the nearest.
  constexpr detail::reach reach() const noexcept {
    double const budget = 0.6 * scan() / far();
    return {wanted(), ef, std::max(ef, std::min(slots, 64 * static_cast<std::size_t>(front()))),
            static_cast<std::size_t>(budget) + 1, static_cast<std::size_t>(2 * budget / static_cast<double>(m)) + 1};
  }
};

/// The `ef` nearest slots that pass, by walking over those alone, where those that do not are stepped across: from a
/// node to its neighbours and to theirs (L. Patel, P. Kraft, C. Guestrin, M. Zaharia, 2024). To `w.near`. None where
/// the share that passes around the query is not about `share` (0: any is right): what lies near is then behind what
/// does not pass, and a walk finds more.
template <class Graph, class Accept>
constexpr std::span<candidate> hop(Graph const& g, typename Graph::workspace& w, std::uint32_t start, std::size_t ef,
                                   std::size_t limit, double share, Accept const& accept) {
  std::size_t const degree = g.edges.most(0), most = 2 * degree;
  if (w.numbers.size() < most + degree) w.numbers.resize(most + degree, {});
  if (w.distances.size() < most + degree) w.distances.resize(most + degree, {});
  if (w.list.size() < 2 * degree) w.list.resize(2 * degree, {});
  std::size_t found = 0, asked = 0, passed = 0;
  auto const measure = [&] {
    g.fast.distances(w.query, w.numbers.data(), found, w.distances.data());
    for (std::size_t i = 0; i < found; ++i)
      if (w.near.insert({w.distances[i], w.numbers[i]}) < 3) g.edges.prefetch(w.numbers[i]);
    found = 0;
  };
  // whether a slot need not be stepped across: `w.seen` were asked, `w.crossed` pass or were crossed
  auto const ask = [&](std::uint32_t slot) {
    if (slot >= limit || w.seen.insert(slot) == 0) return;
    ++asked;
    if (!accept(slot)) return;
    ++passed;
    w.crossed.insert(slot);
    w.numbers[found++] = slot;
  };
  w.seen.begin(limit), w.crossed.begin(limit), w.near.begin(ef + 1);
  bool const start_passes = accept(start);
  w.seen.insert(start), w.crossed.insert(start);
  w.numbers[found++] = start;
  measure();
  std::uint32_t* const direct = w.list.data();
  std::uint32_t* const beyond = w.list.data() + degree;
  while (auto const* c = w.near.next()) {
    std::size_t const n = g.edges.read(c->node, 0, direct);
    for (std::size_t i = 0; i < n; ++i) ask(direct[i]);
    for (std::size_t i = 0; i < n && found < degree; ++i) {
      if (direct[i] >= limit || w.crossed.insert(direct[i]) == 0) continue;
      std::size_t const m = g.edges.read(direct[i], 0, beyond);
      for (std::size_t j = 0; j < m; ++j) ask(beyond[j]);
    }
    measure();
    double const expected = share * static_cast<double>(asked), passing = static_cast<double>(passed);
    if (share != 0 && std::max(expected, passing) >= 64 && (passing > 2 * expected || 2 * passing < expected))
      return {};
  }
  auto near = w.near.finish();
  if (!start_passes) {
    auto const end = std::remove_if(near.begin(), near.end(), [&](candidate const& c) { return c.node == start; });
    near = near.first(static_cast<std::size_t>(end - near.begin()));
  }
  return near.first(std::min(near.size(), ef));
}

/// Of the slots `first` to `first` + 63, those whose bit in `live` is set and whose keys pass: to `out` [64], how many.
/// Nothing branches on what passes, which nobody could predict.
template <class Filter>
constexpr std::size_t passing_of_word(std::uint64_t const* keys, std::uint32_t first, std::uint64_t live,
                                      Filter const& passes, std::uint32_t* out) {
  std::size_t n = 0;
  if (live == ~std::uint64_t{0}) {
    for (std::uint32_t slot = first; slot < first + 64; ++slot) {
      out[n] = slot;
      n += static_cast<bool>(passes(keys[slot]));
    }
  } else {
    for (; live != 0; live &= live - 1) {
      std::uint32_t const slot = first + static_cast<std::uint32_t>(std::countr_zero(live));
      out[n] = slot;
      n += static_cast<bool>(passes(keys[slot]));
    }
  }
  return n;
}

/// Puts all slots below `limit` that live and whose keys pass in `numbers`, some hundred at a time, and calls
/// measure(n) for the first n of it. `live(i)` has a bit for each of the slots 64·i to 64·i + 63; no other slot's key
/// is asked.
template <class Keys, class Live, class Filter, class F>
constexpr void for_passing(Keys const& keys, std::size_t limit, Live const& live, Filter const& passes,
                           std::vector<std::uint32_t>& numbers, F measure) {
  constexpr std::size_t at_once = 256;
  if (numbers.size() < at_once) numbers.resize(at_once, {});
  std::size_t n = 0;
  if constexpr (KeyList<Filter>) {
    auto const lives = [&](std::uint32_t slot) { return slot < limit && (live(slot / 64) >> slot % 64 & 1) != 0; };
    for (std::uint64_t const key : passes.keys()) {
      n = keys.read(key, numbers, n, lives); // more than there was room for, if a key has many
      if (n >= at_once) measure(std::exchange(n, 0));
    }
  } else {
    for (std::size_t slot = 0; slot < limit; slot += 64) {
      std::uint64_t word = live(slot / 64);
      if (limit - slot < 64) word &= ~(~std::uint64_t{0} << (limit - slot));
      n += passing_of_word(keys.data(), static_cast<std::uint32_t>(slot), word, passes, numbers.data() + n);
      if (n + 64 > at_once) measure(std::exchange(n, 0));
    }
  }
  if (n != 0) measure(n);
}

} // namespace detail
} // namespace loquat
