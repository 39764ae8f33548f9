#pragma once
/// \file
/// The class of an `hnsw` index. `hnsw.hpp` has what its members for many vectors do, too.

#include <loquat/core/result.hpp>
#include <loquat/index/filter.hpp>
#include <loquat/index/graph.hpp>
#include <loquat/index/hit.hpp>
#include <loquat/index/keys.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/parallel/gate.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// Runs loops on the thread that calls.
struct calling_thread {
  constexpr unsigned size() const noexcept { return 1; }
  template <class F> constexpr void run(std::size_t chunks, F f) const {
    for (std::size_t i = 0; i < chunks; ++i) f(i, 0u);
  }
};

/// Who stands for an erased node: one with the same vector.
struct heir {
  std::uint32_t erased, node;
  constexpr bool operator<(heir const& other) const noexcept { return erased < other.erased; }
};
struct index_files; // what saves and opens indices,
struct index_importer; // and what takes over those of others

/// An object on the heap that changes while its owner does not (GCC 12 evaluates no mutable members).
template <class T> class owned {
 public:
  constexpr owned() : object_(new T) {}
  constexpr owned(owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  constexpr owned& operator=(owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  constexpr ~owned() { delete object_; }
  constexpr T* operator->() const noexcept { return object_; }

 private:
  T* object_;
};

} // namespace detail

/// How an `hnsw` index is built.
struct hnsw_options {
  std::size_t dimensions = 0;        ///< elements of a vector; 0 where the type says it (`dims`)
  std::size_t capacity = 0;          ///< vectors to make room for at once; it grows by itself
  std::size_t most = 0x7ffffffe;     ///< vectors it may grow to
  std::size_t m = 16;                ///< neighbours of a node: 2·m on the lowest level, m above it; 2 to 256
  std::size_t ef_construction = 200; ///< how widely an insertion searches
  std::uint64_t seed = 1;            ///< of the levels
  bool several = false;              ///< whether a key may have several vectors
  float compact_at = 0.25f;          ///< share of erased vectors at which `erase` compacts; 1: never
};

/// An approximate index of vectors with 64-bit keys. `Parts` in any order: a codec (default `f32`), `rerank<codec>`,
/// `dims<N>`, `allocate_with<allocator>`.
///
/// Any number of threads may search, insert and erase at the same time. Searches run beside everything; insertions look
/// for neighbours beside each other and link one after another; growing, `compact` and moving need a moment alone, which
/// they wait for. Errors leave the index as it was.
template <Metric M, class... Parts> class hnsw {
  using parts = detail::index_parts<Parts...>;
  using allocator = typename parts::allocator;
  using graph = detail::graph<M, parts>;
  static_assert(Codec<typename parts::codec, M>, "this codec cannot serve this metric");
  friend detail::index_files;
  friend detail::index_importer;

 public:
  using workspace = typename graph::workspace; ///< memory of one search or insertion at a time

  /// An empty index. Options out of their ranges are reported by the first insertion.
  constexpr explicit hnsw(hnsw_options options = {}, allocator const& a = {})
      : options_(with_dimensions(options)),
        graph_(options_.dimensions, std::clamp<std::size_t>(options_.m, 2, detail::most_m), a), keys_(a), gone_(a) {
    if (options_.capacity != 0 && valid()) grow(std::min(options_.capacity, options_.most));
  }

  constexpr std::size_t dimensions() const noexcept { return options_.dimensions; } ///< elements of a vector
  constexpr std::size_t size() const noexcept { return live_; }                     ///< vectors that can be found
  constexpr bool empty() const noexcept { return size() == 0; }                     ///< whether there are none
  constexpr hnsw_options const& options() const noexcept { return options_; }       ///< as given
  /// What it takes, in bytes: its arrays with the room they have left. Not beside insertions.
  constexpr std::size_t memory_bytes() const noexcept {
    return graph_.fast.bytes() + graph_.exact.bytes() + graph_.edges.bytes() + keys_.bytes() + gone_.bytes();
  }

  /// Learns what the codec needs (the mean of vectors, code books) from `rows` [n × dimensions], before the first
  /// insertion; the first insertion of several vectors does so by itself, if nothing was learned before.
  constexpr result<void> train(std::span<float const> rows) {
    if (auto good = check_rows(rows); !good) return good;
    turn const mine(writers_);
    if (graph_.size != 0) return fail(errc::argument, "an index learns before its first vector; this one has ", size());
    learn(rows, true);
    return {};
  }

  /// Adds a vector [dimensions] under a key. Errors: `errc::argument` for a vector of a wrong length or one with NaN,
  /// infinity or (cosine) no direction, for a key that is there already, for bad options; `errc::capacity`.
  constexpr result<void> insert(std::uint64_t key, std::span<float const> x, workspace& w) {
    return put(key, x, w, false);
  }
  constexpr result<void> insert(std::uint64_t key, std::span<float const> x) { ///< \overload
    return with_spare([&](workspace& w) { return put(key, x, w, false); });
  }
  /// Adds a vector under a key, in place of those it had.
  constexpr result<void> update(std::uint64_t key, std::span<float const> x) {
    return with_spare([&](workspace& w) { return put(key, x, w, true); });
  }
  /// Adds `keys.size()` vectors, `rows` [n × dimensions], with the threads of an executor. The same index whatever their
  /// number. `progress(done)` is called now and then. On an error nothing is added.
  template <Executor E, class Progress = detail::nothing>
  constexpr result<void> insert(std::span<std::uint64_t const> keys, std::span<float const> rows, E const& threads,
                                Progress const& progress = {});

  /// Takes the vectors of a key out; false if there are none, or the index is mapped.
  constexpr bool erase(std::uint64_t key) {
    turn const mine(writers_);
    if (mapped_) return false;
    std::size_t const erased = bury(key, graph_.size);
    if (erased != 0 && static_cast<float>(dead_) > options_.compact_at * static_cast<float>(live_ + dead_))
      mend(detail::calling_thread(), detail::nothing());
    return erased != 0;
  }
  /// Mends the edges that lead to erased vectors, and frees their slots; `erase` does so when there are many.
  constexpr void compact() { compact(detail::calling_thread()); }
  /// The same with the threads of an executor; the same index whatever their number. `progress(done)` is called now and
  /// then with how many of the slots were looked at.
  template <Executor E, class Progress = detail::nothing>
  constexpr void compact(E const& threads, Progress const& progress = {}) {
    turn const mine(writers_);
    if (!mapped_) mend(threads, progress);
  }

  /// The nearest vectors to x [dimensions], nearest first, as many as `out` has room for and there are; how many.
  /// `passes` says which may be found.
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search(std::span<float const> x, std::span<hit> out, workspace& w,
                                       search_options options = {}, Filter const& passes = {}) const {
    if (auto good = check(x); !good) return good.error();
    passage const in(gate_);
    std::size_t const limit = graph_.size, ef = std::max(out.size(), options.ef == 0 ? 64 : options.ef);
    if (limit == 0 || out.empty()) return std::size_t{0};
    graph_.aim(w, x.data());
    auto near = find(w, out.size(), ef, limit, options.strategy, passes);
    if constexpr (parts::reranks) {
      near = near.first(std::min(near.size(), options.rerank == 0 ? ef : std::max(options.rerank, out.size())));
      graph_.measure_again(w, near);
    }
    std::size_t const n = std::min(out.size(), near.size());
    for (std::size_t i = 0; i < n; ++i) out[i] = {keys_[near[i].node], near[i].distance};
    return n;
  }
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search(std::span<float const> x, std::span<hit> out, search_options options = {},
                                       Filter const& passes = {}) const { ///< \overload
    result<std::size_t> found = std::size_t{0};
    (void)with_spare([&](workspace& w) { return found = search(x, out, w, options, passes), result<void>(); });
    return found;
  }

  /// All vectors at most `radius` from x [dimensions], nearest first, to `found`; how many. Approximate: a search grows
  /// until what it finds lies beyond by an eighth; `options.ef` is what it begins with.
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search_within(std::span<float const> x, float radius, std::vector<hit>& found,
                                              workspace& w, search_options options = {},
                                              Filter const& passes = {}) const {
    if (auto good = check(x); !good) return good.error();
    if (!(radius == radius)) return fail(errc::argument, "the radius of a search is not a number");
    passage const in(gate_);
    found.clear();
    std::size_t const limit = graph_.size;
    if (limit == 0) return std::size_t{0};
    graph_.aim(w, x.data());
    for (std::size_t ef = options.ef == 0 ? 64 : options.ef;; ef *= 2) {
      ef = std::min(ef, limit);
      auto near = find(w, ef, ef, limit, options.strategy, passes);
      if constexpr (parts::reranks) graph_.measure_again(w, near);
      auto const beyond = std::partition_point(near.begin(), near.end(), [&](auto c) { return c.distance <= radius; });
      auto const inside = static_cast<std::size_t>(beyond - near.begin());
      if (near.size() >= ef && ef < limit && inside > ef - ef / 8 - 1) continue;
      for (auto const& c : near.first(inside)) found.push_back({keys_[c.node], c.distance});
      return inside;
    }
  }
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search_within(std::span<float const> x, float radius, std::vector<hit>& found,
                                              search_options options = {},
                                              Filter const& passes = {}) const { ///< \overload
    result<std::size_t> inside = std::size_t{0};
    (void)with_spare(
        [&](workspace& w) { return inside = search_within(x, radius, found, w, options, passes), result<void>(); });
    return inside;
  }

  constexpr bool mapped() const noexcept { return mapped_; } ///< whether it is of a mapped file: it can only be read
  constexpr bool contains(std::uint64_t key) const { ///< whether a vector has this key
    turn const mine(writers_);
    bool found = false;
    keys_.find(key, [&](std::size_t) { return !(found = true); });
    return found;
  }
  /// The vector of a key as it is stored, to x [dimensions]; the first of several. False if there is none.
  constexpr bool read(std::uint64_t key, std::span<float> x) const {
    turn const mine(writers_);
    bool found = false;
    keys_.find(key, [&](std::size_t slot) {
      graph_.best().read(slot, x.data());
      return !(found = true);
    });
    return found;
  }
  /// Calls f(key) for every vector.
  template <class F> constexpr void for_each_key(F f) const {
    turn const mine(writers_);
    for (std::size_t slot = 0; slot < graph_.size; ++slot)
      if (!is_gone(slot)) f(keys_[slot]);
  }

 private:
  static constexpr hnsw_options with_dimensions(hnsw_options options) noexcept {
    if (parts::dimensions != 0 && options.dimensions == 0) options.dimensions = parts::dimensions;
    options.most = std::min<std::size_t>(options.most, 0x7ffffffe); // a bit marks nodes in searches
    return options;
  }
  constexpr result<void> valid() const {
    if (options_.dimensions == 0) return fail(errc::argument, "an index needs options.dimensions");
    if (parts::dimensions != 0 && options_.dimensions != parts::dimensions)
      return fail(errc::argument, "options.dimensions is ", options_.dimensions, ", the type says ", parts::dimensions);
    if (options_.m < 2 || options_.m > detail::most_m)
      return fail(errc::argument, "options.m is ", options_.m, ", not 2 to ", detail::most_m);
    if (options_.ef_construction == 0) return fail(errc::argument, "options.ef_construction is 0");
    return {};
  }
  constexpr result<void> check(std::span<float const> x) const {
    if (auto good = valid(); !good) return good;
    return detail::check_vector<M>(x, options_.dimensions);
  }
  constexpr result<void> check_rows(std::span<float const> rows) const {
    if (auto good = valid(); !good) return good;
    std::size_t const d = options_.dimensions;
    if (rows.size() % d != 0) return fail(errc::argument, rows.size(), " elements are no vectors of ", d);
    for (std::size_t i = 0; i < rows.size() / d; ++i)
      if (auto good = detail::check_vector<M>(rows.subspan(i * d, d), d); !good)
        return error(good.error().code(), "vector ", i, ": ", good.error().message());
    return {};
  }

  // Of a node: by key and vector, so that it does not depend on the order of insertions.
  constexpr unsigned level_of(std::uint64_t key, std::span<float const> x) const noexcept {
    std::uint64_t z = key * 0x9e3779b97f4a7c15u + options_.seed;
    for (std::size_t i : {std::size_t{0}, x.size() / 2, x.size() - 1})
      z = (z ^ std::bit_cast<std::uint32_t>(x[i])) * 0xd1342543de82ef95u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    unsigned level = 0;
    for (std::uint64_t below = ~std::uint64_t{0} / options_.m; z < below; below /= options_.m) ++level;
    return level;
  }

  // The nearest to what `w` aims at that pass, in order: `ef` where that is cheap, at least k unless there are fewer.
  template <class Filter>
  constexpr std::span<detail::candidate> find(workspace& w, std::size_t k, std::size_t ef, std::size_t limit,
                                              filter_strategy const asked, Filter const& passes) const {
    constexpr bool everything = std::same_as<Filter, every_key>;
    auto strategy = asked;
    auto const accept = [&](std::uint32_t slot) { return !is_gone(slot) && passes(keys_[slot]); };
    std::size_t const again = parts::reranks ? std::min(ef, 4 * k) : 0;
    detail::filter_case choice{1, limit, options_.m, ef, k, again, graph_.fast.code_bytes(), KeyList<Filter>};
    if (everything) {
      choice.share = static_cast<double>(std::size_t{live_}) / static_cast<double>(limit);
      if (strategy == filter_strategy::automatic) strategy = filter_strategy::walk;
    } else if constexpr (KeyList<Filter>) {
      choice.share = (static_cast<double>(passes.keys().size()) + 0.5) / static_cast<double>(limit);
    } else if (strategy == filter_strategy::automatic || strategy == filter_strategy::walk) {
      choice.share = detail::passing_share(limit, accept);
    }
    choice.share = std::clamp(choice.share, 1 / static_cast<double>(limit), 1.0);
    if (strategy == filter_strategy::automatic) strategy = choice.cheapest();
    if (strategy != filter_strategy::scan) {
      std::uint32_t const start = graph_.descend(w, 0, limit);
      bool const bounded = !everything && asked == filter_strategy::automatic;
      std::span<detail::candidate> near;
      bool sure = true;
      if (everything && gone_count_ == 0) {
        graph_.walk(w, start, 0, ef, limit);
        near = w.near.finish();
      } else {
        if (strategy == filter_strategy::hop)
          near = detail::hop(graph_, w, start, ef, limit, bounded ? choice.share : 0, accept);
        if (strategy != filter_strategy::hop || (bounded && near.size() < k)) {
          detail::reach far = choice.reach();
          if (!bounded) far.budget = far.early = ~std::size_t{0};
          sure = graph_.walk(w, start, far, limit, accept) || everything;
          near = w.passed.finish();
        }
      }
      if (asked != filter_strategy::automatic || (near.size() >= std::min(k, limit) && sure)) return near;
    }
    // where none is gone now, slots below the limit keep their keys until the search is over
    auto const live = [this, all = gone_count_ == 0](std::size_t i) {
      return all ? ~std::uint64_t{0} : ~detail::load_word(gone_[i]);
    };
    w.passed.begin(parts::reranks ? ef : k);
    detail::for_passing(keys_, limit, live, passes, w.numbers, [&](std::size_t n) {
      if (w.distances.size() < n) w.distances.resize(w.numbers.size(), {});
      graph_.fast.distances(w.query, w.numbers.data(), n, w.distances.data());
      for (std::size_t i = 0; i < n; ++i) w.passed.insert({w.distances[i], w.numbers[i]});
    });
    return w.passed.finish();
  }

  constexpr bool is_gone(std::size_t slot) const noexcept {
    return (detail::load_word(gone_[slot / 64]) >> slot % 64 & 1) != 0;
  }
  constexpr void set_gone(std::size_t slot, bool gone) noexcept {
    std::uint64_t const bit = std::uint64_t{1} << slot % 64, word = gone_[slot / 64];
    detail::store_word(gone_[slot / 64], gone ? word | bit : word & ~bit);
    gone_count_ = gone_count_ + (gone ? 1 : static_cast<std::size_t>(-1));
  }

  constexpr void learn(std::span<float const> rows, bool again) {
    graph_.fast.learn(rows, again), graph_.exact.learn(rows, again);
  }
  constexpr result<void> ready() const {
    if (auto good = graph_.fast.ready(); !good) return good;
    return graph_.exact.ready();
  }

  // Alone, or in the constructor.
  constexpr void grow(std::size_t slots) {
    graph_.fast.grow(slots), graph_.exact.grow(slots), keys_.grow(slots);
    gone_.grow((slots + 63) / 64);
    graph_.edges.grow(slots, graph_.size);
  }
  // Room for n more vectors.
  constexpr result<void> make_room(std::size_t n) {
    if (mapped_) return fail(errc::unsupported, file_.path(), ": a mapped index can only be read; load it to change it");
    std::size_t const used = graph_.size, slots = graph_.edges.slots();
    if (n > options_.most - used + free_.size())
      return fail(errc::capacity, "an index of at most ", options_.most, " vectors is full");
    if (std::min(used + n, options_.most) <= slots) return {};
    closure const alone(gate_);
    grow(std::min(std::max({used + n, slots + slots / 2, std::size_t{64}}), options_.most)); // beyond, free ones do
    return {};
  }

  // A slot for a node: a free one of its level, or the next, or a free one that it fits into. The caller has made room.
  constexpr std::uint32_t claim(detail::link_plan& plan, std::size_t& next) {
    unsigned const level = plan.level;
    for (std::size_t i = free_.size(), tries = 0; i-- > 0 && tries < 64; ++tries)
      if (std::uint32_t const slot = free_[i]; graph_.edges.level(slot) == level) {
        free_[i] = free_.back();
        free_.pop_back();
        return slot;
      }
    if (next == options_.most) {
      std::uint32_t const slot = free_.back();
      free_.pop_back();
      plan.lower(graph_.edges.level(slot));
      return slot;
    }
    auto const slot = static_cast<std::uint32_t>(next++);
    if (!graph_.edges.has_room(slot, level)) {
      closure const alone(gate_);
      graph_.edges.grow_upper(level);
    }
    graph_.edges.add(slot, level);
    return slot;
  }
  // What lets others find a slot that is linked.
  constexpr void publish(std::uint32_t slot, unsigned level, std::size_t next) {
    if (is_gone(slot)) set_gone(slot, false);
    std::uint64_t const entry = graph_.entry;
    if (graph_.size == 0 || level > entry >> 32) graph_.entry = std::uint64_t{level} << 32 | slot;
    if (next != graph_.size) graph_.size = next;
    live_ = live_ + 1;
  }
  // Marks the slots of a key below `limit` as erased; how many there were.
  constexpr std::size_t bury(std::uint64_t key, std::size_t limit, std::uint32_t except = ~std::uint32_t{0}) {
    std::size_t buried = 0;
    for (bool more = true; more;) {
      more = false;
      keys_.find(key, [&](std::size_t slot) {
        if (slot >= limit || slot == except) return true;
        keys_.erase(slot), set_gone(slot, true);
        ++buried;
        more = true;
        return false;
      });
    }
    dead_ += buried;
    live_ = live_ - buried;
    return buried;
  }

  constexpr result<void> put(std::uint64_t key, std::span<float const> x, workspace& w, bool replace) {
    if (auto good = check(x); !good) return good;
    unsigned const level = level_of(key, x);
    for (;;) {
      std::size_t planned = 0, mended = 0;
      {
        passage const in(gate_);
        planned = graph_.size, mended = mended_;
        w.plan.begin(level);
        if (planned != 0) graph_.plan(w, x.data(), level, options_.ef_construction, planned);
      }
      turn const mine(writers_);
      if ((planned == 0 && graph_.size != 0) || mended != mended_) continue; // the plan is of another graph
      if (auto taught = ready(); !taught) return taught;
      if (!replace && !options_.several && has(key)) return already_there(key);
      if (auto room = make_room(1); !room) return room;
      std::size_t next = graph_.size;
      std::uint32_t const slot = claim(w.plan, next);
      graph_.fast.write(slot, x.data()), graph_.exact.write(slot, x.data());
      keys_.insert(slot, key);
      if (w.plan.twin != detail::no_node) {
        graph_.attach(w, slot, w.plan.twin);
      } else {
        graph_.write_plan(slot, w.plan);
        graph_.connect_back(w, slot, w.plan);
      }
      publish(slot, w.plan.level, next);
      if (replace) bury(key, graph_.size, slot);
      return {};
    }
  }
  constexpr bool has(std::uint64_t key) const {
    bool found = false;
    keys_.find(key, [&](std::size_t) { return !(found = true); });
    return found;
  }
  static constexpr error already_there(std::uint64_t key) {
    return fail(errc::argument, "key ", key, " is in the index already: update it, or say options.several");
  }

  constexpr void find_twins(std::span<std::pair<std::uint64_t, std::uint32_t>> hashes,
                            std::span<detail::link_plan> plans, std::span<std::uint32_t const> slots,
                            workspace& w) const;
  template <Executor E, class Progress> constexpr void mend(E const& threads, Progress const& progress);
  constexpr void mend_lists(workspace& w, std::uint32_t node, std::span<detail::heir const> heirs,
                            detail::link_plan& lists) const;
  constexpr std::vector<detail::heir> regroup_twins(workspace& w);

  // f(workspace), with one that an earlier call left.
  template <class F> constexpr result<void> with_spare(F f) const {
    workspace w;
    if (std::is_constant_evaluated()) return f(w);
    {
      turn const mine(spares_turn_);
      if (!spares_->empty()) w = std::move(spares_->back()), spares_->pop_back();
    }
    auto done = f(w);
    turn const mine(spares_turn_);
    spares_->push_back(std::move(w));
    return done;
  }

  hnsw_options options_;
  graph graph_;
  detail::key_table<allocator> keys_;
  detail::pool_of<std::uint64_t, allocator> gone_; // a bit for each slot: erased, or free
  detail::published<std::size_t> gone_count_, live_, mended_; // how often it was compacted
  std::size_t dead_ = 0;            // erased, not free yet
  std::vector<std::uint32_t> free_; // slots that no edge leads to
  gate gate_;
  mutable turnstile writers_, spares_turn_; // taken in this order
  detail::owned<std::vector<workspace>> spares_;
  mapped_file file_;    // whose memory arrays refer to,
  bool mapped_ = false; // if they do
};

} // namespace loquat
