#pragma once
/// \file
/// Graphs that other libraries have built, taken over as they are: vectors, keys, levels and edges. Nothing is
/// believed: each number is checked before it is used.

#include <loquat/core/result.hpp>
#include <loquat/index/file_layout.hpp>
#include <loquat/index/hnsw.hpp>

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

/// A graph in somebody else's file. Slots are below `size()`; `links` returns false where there are more than fit.
template <class G>
concept ForeignGraph = requires(G const& g, std::size_t slot, unsigned level, float* x,
                                std::vector<std::uint32_t>& out) {
  { g.options() } -> std::same_as<hnsw_options>; // with dimensions and m
  { g.size() } -> std::same_as<std::size_t>;
  { g.entry() } -> std::same_as<std::size_t>;     // the slot where searches begin
  { g.level(slot) } -> std::same_as<std::size_t>; // the highest of a slot
  { g.key(slot) } -> std::same_as<std::uint64_t>;
  { g.erased(slot) } -> std::same_as<bool>;
  g.vector(slot, x); // [dimensions]
  { g.links(slot, level, out) } -> std::same_as<bool>;
};

/// Takes over graphs of others. It knows the members of an index.
struct index_importer {
  template <Metric M, class... Parts, ForeignGraph G>
  static result<hnsw<M, Parts...>> take(std::type_identity<hnsw<M, Parts...>>, G const& from) {
    using index_type = hnsw<M, Parts...>;
    auto const options = from.options();
    std::size_t const n = from.size(), d = options.dimensions;
    if (d == 0 || d > most_dimensions)
      return fail(errc::malformed, "vectors of ", d, " elements, expected 1 to ", most_dimensions);
    if (index_type::parts::dimensions != 0 && index_type::parts::dimensions != d)
      return fail(errc::mismatch, "vectors of the file have ", d, " elements, those of the program's type ",
                  index_type::parts::dimensions);
    if (options.m < 2 || options.m > 256)
      return fail(errc::unsupported, "a graph with m = ", options.m, ", expected 2 to 256");
    if (n > options.most) return fail(errc::capacity, n, " vectors, expected at most ", options.most);
    index_type index(options);
    if (n == 0) return index;
    if (from.entry() >= n)
      return fail(errc::malformed, "searches begin at node ", from.entry(), ", expected one below ", n);
    if (auto room = check_memory(n * bytes_of_node(index, n)); !room) return room.error();
    if (auto good = take_vectors<M>(index, from); !good) return good.error();
    if (auto good = take_links(index, from); !good) return good.error();
    index.graph_.size = n;
    index.graph_.entry = std::uint64_t{from.level(from.entry())} << 32 | from.entry();
    return index;
  }

 private:
  // about, on the lowest level
  template <class Index> static std::uint64_t bytes_of_node(Index const& index, std::size_t nodes) {
    std::uint64_t bytes = 16 + index.graph_.edges.most(0) * static_cast<std::size_t>(std::bit_width(nodes)) / 8;
    bytes += index.graph_.fast.code_bytes();
    if constexpr (Index::parts::reranks) bytes += index.graph_.exact.code_bytes();
    return bytes;
  }
  template <Metric M, class Index, class G> static result<void> take_vectors(Index& index, G const& from) {
    std::size_t const n = from.size(), d = from.options().dimensions;
    std::size_t const sample = std::min({n, std::size_t{4096}, (std::size_t{1} << 27) / d});
    std::vector<float> x(d), rows;
    auto const read = [&](std::size_t slot) -> result<void> {
      from.vector(slot, x.data());
      auto good = check_vector<M>(x, d);
      return good ? good : error(good.error().code(), "node ", slot, ": ", good.error().message());
    };
    for (std::size_t i = 0; i < sample; ++i) { // evenly, for the codec to learn from
      if (auto good = read(i * n / sample); !good) return good;
      rows.insert(rows.end(), x.begin(), x.end());
    }
    index.learn(rows, true);
    index.grow(n);
    if (!from.options().several) {
      std::vector<std::uint64_t> keys;
      for (std::size_t slot = 0; slot < n; ++slot)
        if (!from.erased(slot)) keys.push_back(from.key(slot));
      std::sort(keys.begin(), keys.end());
      if (auto const twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
        return fail(errc::malformed, "key ", *twice, " is there twice");
    }
    std::vector<std::uint32_t> slots;
    for (std::size_t slot = 0; slot < n; ++slot) {
      if (auto good = read(slot); !good) return good;
      index.graph_.fast.write(slot, x.data()), index.graph_.exact.write(slot, x.data());
      if (from.erased(slot)) {
        index.set_gone(slot, true);
        ++index.dead_;
      } else {
        slots.push_back(static_cast<std::uint32_t>(slot));
      }
    }
    index.keys_.insert(slots, [&](std::uint32_t slot) { return from.key(slot); });
    index.live_ = slots.size();
    return {};
  }

  template <class Index, class G> static result<void> take_links(Index& index, G const& from) {
    auto& edges = index.graph_.edges;
    std::size_t const n = from.size();
    std::vector<std::uint32_t> list;
    for (std::size_t slot = 0; slot < n; ++slot) {
      std::size_t const levels = from.level(slot);
      if (levels > most_levels)
        return fail(errc::malformed, "node ", slot, " is on level ", levels, ", expected at most ", most_levels);
      auto const level = static_cast<unsigned>(levels);
      if (!edges.has_room(slot, level)) edges.grow_upper(level);
      edges.add(slot, level);
      for (unsigned l = 0; l <= level; ++l) {
        list.clear();
        if (!from.links(slot, l, list) || list.size() > edges.most(l))
          return fail(errc::malformed, "node ", slot, " has more neighbours on level ", l, " than there is room for");
        for (auto to : list)
          if (to >= n || from.level(to) < l)
            return fail(errc::malformed, "node ", slot, " has neighbour ", to, " on level ", l,
                        ", where there is no such node");
        std::erase(list, static_cast<std::uint32_t>(slot));
        edges.write(slot, l, list);
      }
    }
    return {};
  }
};

} // namespace loquat::detail
