#pragma once
/// \file
/// The exact index: every search measures every vector. For thousands of vectors, for filters that few pass, and as the
/// truth that approximate indices are judged by.

#include <loquat/core/result.hpp>
#include <loquat/index/filter.hpp>
#include <loquat/index/hit.hpp>
#include <loquat/index/keys.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/parallel/gate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {
struct index_files; // what saves and opens indices
}

/// How a `flat` index is made.
struct flat_options {
  std::size_t dimensions = 0; ///< elements of a vector; 0 where the type says it (`dims`)
  std::size_t capacity = 0;   ///< vectors to make room for at once; it grows by itself
  bool several = false;       ///< whether a key may have several vectors
};

/// An exact index of vectors with 64-bit keys. `Parts` as of `hnsw`, without `rerank`. Any number of threads
/// may search and change it: searches run beside each other, changes wait for their turn and for searches.
template <Metric M, class... Parts> class flat {
  using parts = detail::index_parts<Parts...>;
  using allocator = typename parts::allocator;
  using vectors = detail::vectors<M, typename parts::codec, allocator>;
  static_assert(Codec<typename parts::codec, M>, "this codec cannot serve this metric");
  static_assert(!parts::reranks, "an exact index has nothing to measure again");
  friend detail::index_files;

 public:
  /// Memory of one search at a time.
  struct workspace {
    typename vectors::query query;
    detail::nearest_list near;
    std::vector<float> distances;
    std::vector<std::uint32_t> numbers;
    std::vector<detail::candidate> inside;
  };

  constexpr explicit flat(flat_options options = {}, allocator const& a = {})
      : options_(with_dimensions(options)), vectors_(options_.dimensions, a), keys_(a) {
    if (options_.dimensions != 0) grow(options_.capacity);
  }

  constexpr std::size_t dimensions() const noexcept { return options_.dimensions; } ///< elements of a vector
  constexpr std::size_t size() const noexcept { return size_; }                     ///< vectors that can be found
  constexpr bool empty() const noexcept { return size() == 0; }                     ///< whether there are none
  constexpr flat_options const& options() const noexcept { return options_; }       ///< as given
  constexpr bool mapped() const noexcept { return mapped_; } ///< whether it is of a mapped file: it can only be read
  /// What it takes, in bytes: its arrays with the room they have left.
  constexpr std::size_t memory_bytes() const noexcept { return vectors_.bytes() + keys_.bytes(); }

  /// Learns what the codec needs from `rows` [n × dimensions], before the first insertion.
  constexpr result<void> train(std::span<float const> rows) {
    std::size_t const d = options_.dimensions;
    if (d == 0 || rows.size() % d != 0) return fail(errc::argument, rows.size(), " elements are no vectors of ", d);
    for (std::size_t i = 0; i < rows.size() / d; ++i)
      if (auto good = detail::check_vector<M>(rows.subspan(i * d, d), d); !good) return good;
    turn const mine(writers_);
    closure const alone(gate_);
    if (size_ != 0) return fail(errc::argument, "an index learns before its first vector; this one has ", size());
    vectors_.learn(rows, true);
    return {};
  }

  /// Adds a vector [dimensions] under a key. Errors as of `hnsw::insert`.
  constexpr result<void> insert(std::uint64_t key, std::span<float const> x) {
    if (options_.dimensions == 0) return fail(errc::argument, "an index needs options.dimensions");
    if (auto good = detail::check_vector<M>(x, options_.dimensions); !good) return good;
    if (mapped_)
      return fail(errc::unsupported, file_.path(), ": a mapped index can only be read; load it to change it");
    turn const mine(writers_);
    closure const alone(gate_);
    if (auto taught = vectors_.ready(); !taught) return taught;
    bool there = false;
    keys_.find(key, [&](std::size_t) { return !(there = true); });
    if (there && !options_.several) return fail(errc::argument, "key ", key, " is in the index already");
    if (size_ == slots_) grow(std::max<std::size_t>(64, slots_ + slots_ / 2));
    vectors_.write(size_, x.data());
    keys_.insert(size_, key);
    size_ = size_ + 1;
    return {};
  }
  /// Takes the vectors of a key out; false if there are none, or the index is mapped. The last ones take their slots.
  constexpr bool erase(std::uint64_t key) {
    if (mapped_) return false;
    turn const mine(writers_);
    closure const alone(gate_);
    bool erased = false;
    for (bool more = true; more;) {
      more = false;
      keys_.find(key, [&](std::size_t slot) {
        keys_.erase(slot);
        std::size_t const last = size_ - 1;
        size_ = last;
        if (slot != last) {
          std::uint64_t const moved = keys_[last];
          keys_.erase(last);
          vectors_.copy(last, slot);
          keys_.insert(slot, moved);
        }
        erased = more = true;
        return false;
      });
    }
    return erased;
  }

  /// The nearest vectors to x [dimensions], nearest first, as many as `out` has room for and there are; how many.
  /// Equal distances: the one inserted first. `passes` says which may be found.
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search(std::span<float const> x, std::span<hit> out, workspace& w, search_options = {},
                                       Filter const& passes = {}) const {
    if (auto good = detail::check_vector<M>(x, options_.dimensions); !good) return good.error();
    passage const in(gate_);
    if (size_ == 0 || out.empty()) return std::size_t{0};
    vectors_.code().prepare(x.data(), w.query);
    w.near.begin(out.size());
    scan(w, passes, [&](detail::candidate c) { w.near.insert(c); });
    auto const near = w.near.finish();
    for (std::size_t i = 0; i < near.size(); ++i) out[i] = {keys_[near[i].node], near[i].distance};
    return near.size();
  }
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search(std::span<float const> x, std::span<hit> out, search_options options = {},
                                       Filter const& passes = {}) const { ///< \overload
    workspace w;
    return search(x, out, w, options, passes);
  }

  /// All vectors at most `radius` from x [dimensions], nearest first, to `found`; how many.
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search_within(std::span<float const> x, float radius, std::vector<hit>& found,
                                              workspace& w, search_options = {}, Filter const& passes = {}) const {
    if (auto good = detail::check_vector<M>(x, options_.dimensions); !good) return good.error();
    if (!(radius == radius)) return fail(errc::argument, "the radius of a search is not a number");
    passage const in(gate_);
    found.clear();
    if (size_ == 0) return std::size_t{0};
    vectors_.code().prepare(x.data(), w.query);
    w.inside.clear();
    scan(w, passes, [&](detail::candidate c) {
      if (c.distance <= radius) w.inside.push_back(c);
    });
    std::sort(w.inside.begin(), w.inside.end());
    for (auto const& c : w.inside) found.push_back({keys_[c.node], c.distance});
    return found.size();
  }
  template <KeyFilter Filter = every_key>
  constexpr result<std::size_t> search_within(std::span<float const> x, float radius, std::vector<hit>& found,
                                              search_options options = {},
                                              Filter const& passes = {}) const { ///< \overload
    workspace w;
    return search_within(x, radius, found, w, options, passes);
  }

 private:
  // Calls f(candidate) for all that pass.
  template <class Filter, class F> constexpr void scan(workspace& w, Filter const& passes, F f) const {
    auto const live = [](std::size_t) { return ~std::uint64_t{0}; };
    detail::for_passing(keys_, size_, live, passes, w.numbers, [&](std::size_t n) {
      if (w.distances.size() < n) w.distances.resize(w.numbers.size(), {});
      vectors_.distances(w.query, w.numbers.data(), n, w.distances.data());
      for (std::size_t i = 0; i < n; ++i) f(detail::candidate{w.distances[i], w.numbers[i]});
    });
  }

  static constexpr flat_options with_dimensions(flat_options options) noexcept {
    if (parts::dimensions != 0) options.dimensions = parts::dimensions;
    return options;
  }
  constexpr void grow(std::size_t slots) {
    vectors_.grow(slots), keys_.grow(slots);
    slots_ = std::max(slots_, slots);
  }

  flat_options options_;
  vectors vectors_;
  detail::key_table<allocator> keys_;
  detail::published<std::size_t> size_; // vectors there are
  std::size_t slots_ = 0;               // and room for
  gate gate_;
  mutable turnstile writers_;
  mapped_file file_;    // whose memory arrays refer to,
  bool mapped_ = false; // if they do
};

} // namespace loquat
