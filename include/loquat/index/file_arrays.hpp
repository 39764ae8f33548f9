#pragma once
/// \file
/// What lies between an index and the sections of its file: which arrays it has, and the numbers beside them.

#include <loquat/core/result.hpp>
#include <loquat/index/file_check.hpp>
#include <loquat/index/file_layout.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/io/mmap.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat::detail {

/// What is in the way between an index and its file. It knows their members.
struct index_files {
  /// Calls f for every array, in the order of sections.
  template <class Index, class F> static void arrays(Index& x, F& f) {
    if constexpr (requires { x.vectors_; }) {
      x.vectors_.arrays(x.vectors_, array_number::codes, f);
      x.keys_.arrays(x.keys_, f);
    } else {
      x.graph_.fast.arrays(x.graph_.fast, array_number::codes, f);
      if constexpr (Index::parts::reranks) x.graph_.exact.arrays(x.graph_.exact, array_number::exact_codes, f);
      x.keys_.arrays(x.keys_, f);
      x.graph_.edges.arrays(x.graph_.edges, f);
      f(array_number::gone, x.gone_);
      f.numbers(array_number::free_slots, x.free_);
    }
  }

  /// What a type says of its files: kind, names, and dimensions if they are part of it.
  template <Metric M, class Parts> static index_info names(index_kind kind) {
    index_info i;
    i.kind = kind, i.metric = index_name(M::name), i.codec = index_name(Parts::codec::name);
    if constexpr (Parts::reranks) i.rerank = index_name(Parts::exact::name);
    i.dimensions = Parts::dimensions;
    return i;
  }
  template <Metric M, class... Parts> static index_info describe(std::type_identity<hnsw<M, Parts...>>) {
    return names<M, typename hnsw<M, Parts...>::parts>(index_kind::hnsw);
  }
  template <Metric M, class... Parts> static index_info describe(std::type_identity<flat<M, Parts...>>) {
    return names<M, typename flat<M, Parts...>::parts>(index_kind::flat);
  }
  template <Metric M, class... Parts> static index_info describe(hnsw<M, Parts...> const& x) {
    index_info i = describe(std::type_identity<hnsw<M, Parts...>>());
    auto const& o = x.options_;
    auto const& edges = x.graph_.edges;
    auto const shape = edges.now();
    i.dimensions = o.dimensions, i.slots = x.graph_.size, i.erased = x.gone_count_, i.free = x.free_.size();
    i.places = x.keys_.places(), i.entry = x.graph_.entry;
    i.link_bits = shape.bits, i.uppers = shape.uppers, i.lists = shape.lists;
    i.m = edges.m(), i.ef_construction = o.ef_construction, i.seed = o.seed, i.most = o.most, i.several = o.several;
    i.compact_at = std::bit_cast<std::uint32_t>(o.compact_at);
    return i;
  }
  template <Metric M, class... Parts> static index_info describe(flat<M, Parts...> const& x) {
    index_info i = describe(std::type_identity<flat<M, Parts...>>());
    i.dimensions = x.options_.dimensions, i.slots = x.size_, i.places = x.keys_.places(),
    i.several = x.options_.several;
    return i;
  }

  /// An empty index of the type, with the options of a header.
  template <Metric M, class... Parts>
  static hnsw<M, Parts...> empty(std::type_identity<hnsw<M, Parts...>>, index_info const& i) {
    auto const number = [](std::uint64_t n) { return static_cast<std::size_t>(n); };
    return hnsw<M, Parts...>({.dimensions = number(i.dimensions),
                              .most = number(i.most),
                              .m = number(i.m),
                              .ef_construction = number(i.ef_construction),
                              .seed = i.seed,
                              .several = i.several != 0,
                              .compact_at = std::bit_cast<float>(static_cast<std::uint32_t>(i.compact_at))});
  }
  template <Metric M, class... Parts>
  static flat<M, Parts...> empty(std::type_identity<flat<M, Parts...>>, index_info const& i) {
    return flat<M, Parts...>({.dimensions = static_cast<std::size_t>(i.dimensions), .several = i.several != 0});
  }
  /// The numbers of an index whose arrays are in place.
  template <Metric M, class... Parts> static void finish(hnsw<M, Parts...>& x, index_info const& i) {
    auto const number = [](std::uint64_t n) { return static_cast<std::size_t>(n); };
    x.graph_.edges.become({number(i.link_bits), number(i.slots), number(i.uppers), number(i.lists)});
    x.graph_.entry = i.entry, x.graph_.size = number(i.slots);
    x.gone_count_ = number(i.erased), x.live_ = number(i.size()), x.dead_ = number(i.erased - i.free);
  }
  template <Metric M, class... Parts> static void finish(flat<M, Parts...>& x, index_info const& i) {
    x.size_ = x.slots_ = static_cast<std::size_t>(i.slots);
  }
  template <class Index> static void keep(Index& x, mapped_file file) { x.file_ = std::move(file), x.mapped_ = true; }
  template <class Index, class F> static auto alone(Index const& x, F f) {
    turn const mine(x.writers_);
    return f();
  }
};

template <class T> std::span<std::byte const> bytes_of(T const* data, std::size_t n) noexcept {
  return {reinterpret_cast<std::byte const*>(data), n * sizeof(T)};
}

/// Finds the arrays of an index to save.
struct array_collector {
  index_layout& layout;
  section_bytes& arrays;

  template <class Pool> void operator()(std::uint32_t id, Pool const& pool, std::size_t each = 0) {
    auto const n = is_counted(id) ? elements_of(id, layout.info) : layout.info.slots * each;
    add(id, pool.data(), static_cast<std::size_t>(n));
  }
  template <class C> void learned(std::uint32_t id, C const& coder) {
    add(id, coder.learned().data(), coder.learned().size());
  }
  void numbers(std::uint32_t id, std::vector<std::uint32_t> const& numbers) { add(id, numbers.data(), numbers.size()); }
  template <class T> void add(std::uint32_t id, T const* data, std::size_t n) {
    arrays.push_back(bytes_of(data, n));
    layout.sections.push_back({id, sizeof(T), 0, arrays.back().size(), 0});
  }
};

/// Gives an index its arrays, one after another as `get(section, pool or vector)` does.
template <class Get> struct array_filler {
  index_layout const& layout;
  Get get;
  std::size_t next = 0;
  result<void> done{};

  // the section with this number, of elements of this size and, where it is known here, so many
  section const* take(std::uint32_t id, std::size_t element, std::uint64_t n) {
    if (!done) return nullptr;
    section const* const s = next < layout.sections.size() ? &layout.sections[next] : nullptr;
    if (s == nullptr || s->id != id || s->element != element || (!is_counted(id) && s->bytes != n * element)) {
      done =
          fail(errc::mismatch, "section ", name_of_section(id), ": expected ", n, " elements of ", element, " bytes");
      return nullptr;
    }
    ++next;
    return s;
  }
  template <class T, class A> void operator()(std::uint32_t id, pool_of<T, A>& pool, std::size_t each = 0) {
    if (auto const* s = take(id, sizeof(T), is_counted(id) ? elements_of(id, layout.info) : layout.info.slots * each))
      done = get(*s, pool);
  }
  template <class C> void learned(std::uint32_t id, C& coder) {
    auto const* const there = next < layout.sections.size() ? &layout.sections[next] : nullptr;
    auto const* const s = take(id, sizeof(float), there == nullptr ? 0 : there->bytes / sizeof(float));
    pool_of<float, std::allocator<std::byte>> array;
    if (s == nullptr || !(done = get(*s, array))) return;
    std::span<float const> const values(array.data(), array.size());
    bool sane = true;
    for (float v : values) sane = sane && v >= -1e15f && v <= 1e15f;
    if (!sane || !coder.relearn(values))
      done = fail(errc::malformed, "section learned is not what the codec can have learned");
    if constexpr (UntaughtCoder<C>)
      if (done && layout.info.slots != 0 && !coder.ready())
        done = fail(errc::malformed, "section learned is empty, and the codec can do nothing before it has learned");
  }
  void numbers(std::uint32_t id, std::vector<std::uint32_t>& numbers) {
    if (auto const* s = take(id, 4, layout.info.free)) done = get(*s, numbers);
  }
};

/// The header and arrays of an index, ready to be written. The index must not change meanwhile.
template <class Index> result<index_layout> lay_out(Index const& index, std::uint64_t sequence, section_bytes& arrays) {
  if constexpr (std::endian::native != std::endian::little)
    return fail(errc::unsupported, "files of indices are of little-endian machines");
  index_layout layout;
  layout.info = index_files::describe(index);
  layout.info.sequence = sequence;
  array_collector collect{layout, arrays};
  index_files::arrays(index, collect);
  if (auto good = check_numbers(layout.info); !good) return error(errc::argument, good.error().message());
  std::uint64_t at = fixed_header + layout.sections.size() * section_entry;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    auto& s = layout.sections[i];
    s.offset = aligned(at), s.sum = checksum(arrays[i], s.id);
    at = s.offset + s.bytes;
  }
  layout.file_bytes = at;
  return layout;
}

/// Writes an index with `put(bytes)`, which returns a result.
template <class Index, class Put> result<void> emit_index(Index const& index, std::uint64_t sequence, Put put) {
  return index_files::alone(index, [&]() -> result<void> {
    section_bytes arrays;
    auto const layout = lay_out(index, sequence, arrays);
    if (!layout) return layout.error();
    constexpr std::array<std::byte, index_alignment> zeros{};
    auto const head = header_bytes(*layout);
    auto const first = layout->sections.front().offset; // of which there is at least one
    if (auto done = put(std::span(head).first(static_cast<std::size_t>(first))); !done) return done;
    std::uint64_t at = first;
    for (std::size_t i = 0; i < arrays.size(); at = layout->sections[i].offset + arrays[i].size(), ++i) {
      if (auto const gap = static_cast<std::size_t>(layout->sections[i].offset - at); gap != 0)
        if (auto done = put(std::span(zeros).first(gap)); !done) return done;
      if (!arrays[i].empty())
        if (auto done = put(arrays[i]); !done) return done;
    }
    return {};
  });
}

/// The error of a file whose index is of another type than `Index`.
template <class Index> result<void> check_type(index_info const& i) {
  index_info const mine = index_files::describe(std::type_identity<Index>());
  if (i.kind != mine.kind)
    return fail(errc::mismatch, "the file holds an index of kind ", name(i.kind), ", the program's type is ",
                name(mine.kind));
  auto const differs = [](std::string_view what, index_name const& is, index_name const& expected) -> result<void> {
    if (is.view() == expected.view()) return {};
    return fail(errc::mismatch, what, " of the file: ", is.view().empty() ? "none" : is.view(),
                ", of the program's type: ", expected.view().empty() ? "none" : expected.view());
  };
  if (auto same = differs("metric", i.metric, mine.metric); !same) return same;
  if (auto same = differs("codec", i.codec, mine.codec); !same) return same;
  if (auto same = differs("rerank", i.rerank, mine.rerank); !same) return same;
  if (mine.dimensions != 0 && i.dimensions != mine.dimensions)
    return fail(errc::mismatch, "vectors of the file have ", i.dimensions, " elements, those of the program's type ",
                mine.dimensions);
  return {};
}

/// An index whose arrays come from `get(section, array)`.
template <class Index, class Get> result<Index> assemble_index(index_layout const& layout, Get get) {
  if (auto good = check_type<Index>(layout.info); !good) return good.error();
  Index index = index_files::empty(std::type_identity<Index>(), layout.info);
  array_filler<Get> fill{layout, std::move(get)};
  index_files::arrays(index, fill);
  if (fill.done && fill.next != layout.sections.size())
    fill.done = fail(errc::mismatch, "section ", name_of_section(layout.sections[fill.next].id),
                     " is not of this type of index");
  if (!fill.done) return fill.done.error();
  index_files::finish(index, layout.info);
  return index;
}

} // namespace loquat::detail
