#pragma once
/// \file
/// Indices in files: saving one so that the former file stays whole until the new one is, loading one, and searching one
/// in place, where the system reads what searches touch. `docs/index_file.md` describes the bytes.
///
///     save_index(notes, "notes.index").value();
///     auto const found = map_index<hnsw<cosine, sq8>>("notes.index").value();

#include <loquat/core/result.hpp>
#include <loquat/index/file_check.hpp>
#include <loquat/index/file_layout.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/io/file_handle.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

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
    i.dimensions = x.options_.dimensions, i.slots = x.size_, i.places = x.keys_.places(), i.several = x.options_.several;
    return i;
  }

  /// An empty index of the type, with the options of a header.
  template <Metric M, class... Parts> static hnsw<M, Parts...> empty(std::type_identity<hnsw<M, Parts...>>, index_info const& i) {
    auto const number = [](std::uint64_t n) { return static_cast<std::size_t>(n); };
    return hnsw<M, Parts...>({.dimensions = number(i.dimensions), .most = number(i.most), .m = number(i.m),
                              .ef_construction = number(i.ef_construction), .seed = i.seed, .several = i.several != 0,
                              .compact_at = std::bit_cast<float>(static_cast<std::uint32_t>(i.compact_at))});
  }
  template <Metric M, class... Parts> static flat<M, Parts...> empty(std::type_identity<flat<M, Parts...>>, index_info const& i) {
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
  /// Whether the codecs have learned what they must.
  template <class Index> static bool ready(Index const& x) {
    if constexpr (requires { x.vectors_; })
      return x.vectors_.ready().has_value();
    else
      return x.ready().has_value();
  }
  template <class Index> static void keep(Index& x, mapped_file file) { x.file_ = std::move(file), x.mapped_ = true; }
  template <class Index, class F> static auto alone(Index const& x, F f) {
    if constexpr (requires { x.writers_; }) {
      turn const mine(x.writers_);
      return f();
    } else {
      passage const in(x.gate_);
      return f();
    }
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
  template <class C> void learned(std::uint32_t id, C const& coder) { add(id, coder.learned().data(), coder.learned().size()); }
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
      done = fail(errc::mismatch, "section ", name_of_section(id), ": expected ", n, " elements of ", element, " bytes");
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
    std::vector<float> values;
    if (s == nullptr || !(done = get(*s, values))) return;
    bool sane = true;
    for (float v : values) sane = sane && v >= -1e15f && v <= 1e15f;
    if (!sane || !coder.relearn(values)) done = fail(errc::malformed, "section learned is not what the codec can have learned");
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
    return fail(errc::mismatch, "the file holds an index of kind ", name(i.kind), ", the program's type is ", name(mine.kind));
  auto const differs = [](std::string_view what, index_name const& is, index_name const& expected) -> result<void> {
    if (is.view() == expected.view()) return {};
    return fail(errc::mismatch, what, " of the file: ", is.view().empty() ? "none" : is.view(), ", of the program's type: ",
                expected.view().empty() ? "none" : expected.view());
  };
  if (auto same = differs("metric", i.metric, mine.metric); !same) return same;
  if (auto same = differs("codec", i.codec, mine.codec); !same) return same;
  if (auto same = differs("rerank", i.rerank, mine.rerank); !same) return same;
  if (mine.dimensions != 0 && i.dimensions != mine.dimensions)
    return fail(errc::mismatch, "vectors of the file have ", i.dimensions, " elements, those of the program's type ", mine.dimensions);
  return {};
}

/// An index whose arrays come from `get(section, array)`.
template <class Index, class Get> result<Index> assemble_index(index_layout const& layout, Get get) {
  if (auto good = check_type<Index>(layout.info); !good) return good.error();
  Index index = index_files::empty(std::type_identity<Index>(), layout.info);
  array_filler<Get> fill{layout, std::move(get)};
  index_files::arrays(index, fill);
  if (fill.done && fill.next != layout.sections.size())
    fill.done = fail(errc::mismatch, "section ", name_of_section(layout.sections[fill.next].id), " is not of this type of index");
  if (!fill.done) return fill.done.error();
  if (layout.info.slots != 0 && !index_files::ready(index))
    return fail(errc::malformed, "section learned is empty, but there are vectors");
  index_files::finish(index, layout.info);
  return index;
}

/// The layout of a file in memory.
inline result<index_layout> layout_of(std::span<std::byte const> file) {
  if constexpr (std::endian::native != std::endian::little)
    return fail(errc::unsupported, "files of indices are of little-endian machines");
  auto const length = header_length(file.first(std::min<std::size_t>(file.size(), fixed_header)));
  if (!length) return length.error();
  if (*length > file.size()) return fail(errc::malformed, "the file ends at ", file.size(), ", within its header of ", *length);
  return parse_header(file.first(*length), file.size());
}
inline std::span<std::byte const> bytes_of(section const& s, std::span<std::byte const> file) noexcept {
  return file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.bytes));
}
inline result<void> check_sum(section const& s, std::span<std::byte const> bytes) {
  if (checksum(bytes, s.id) == s.sum) return {};
  return fail(errc::malformed, "section ", name_of_section(s.id), " at ", s.offset, " is damaged: its checksum is another");
}

/// An index in a file that is in memory and stays there.
template <class Index> result<Index> view_index(std::span<std::byte const> file) {
  auto const layout = layout_of(file);
  if (!layout) return layout.error();
  if (reinterpret_cast<std::uintptr_t>(file.data()) % index_alignment != 0)
    return fail(errc::argument, "the file must be in memory at a multiple of ", index_alignment);
  return assemble_index<Index>(*layout, [&]<class Array>(section const& s, Array& array) -> result<void> {
    auto const bytes = bytes_of(s, file);
    if constexpr (requires { array.refer({}); }) {
      using element = std::remove_cvref_t<decltype(array[0])>;
      array.refer({reinterpret_cast<element const*>(bytes.data()), bytes.size() / sizeof(element)});
    } else {
      array.resize(bytes.size() / sizeof(array[0]));
      if (!bytes.empty()) std::memcpy(array.data(), bytes.data(), bytes.size());
    }
    return {};
  });
}

/// An index read with `source.read(bytes)` from a file of `source.size()` bytes, and checked.
template <class Index, class Source> result<Index> read_index(Source& source, index_info* info = nullptr) {
  if constexpr (std::endian::native != std::endian::little)
    return fail(errc::unsupported, "files of indices are of little-endian machines");
  std::uint64_t const size = source.size();
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(size, fixed_header)));
  if (auto done = source.read(head); !done) return done.error();
  auto const length = header_length(head);
  if (!length) return length.error();
  if (*length > size) return fail(errc::malformed, "the file ends at ", size, ", within its header of ", *length);
  head.resize(*length);
  if (auto done = source.read(std::span(head).subspan(fixed_header)); !done) return done.error();
  auto const layout = parse_header(head, size);
  if (!layout) return layout.error();
  if (info != nullptr) *info = layout->info;
  section_bytes arrays;
  std::uint64_t at = *length;
  auto index = assemble_index<Index>(*layout, [&]<class Array>(section const& s, Array& array) -> result<void> {
    std::byte gap[index_alignment];
    if (auto done = source.read(std::span(gap).first(static_cast<std::size_t>(s.offset - at))); !done) return done;
    auto const n = static_cast<std::size_t>(s.bytes / s.element);
    if constexpr (requires { array.grow(n); })
      array.grow(n);
    else
      array.resize(n);
    std::span const bytes(reinterpret_cast<std::byte*>(array.data()), static_cast<std::size_t>(s.bytes));
    if (auto done = source.read(bytes); !done) return done;
    at = s.offset + s.bytes;
    arrays.push_back(bytes);
    return check_sum(s, bytes);
  });
  if (!index) return index;
  // what was learned went into the codec, and nothing else of it is checked
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (auto id = layout->sections[i].id; id == array_number::learned || id == array_number::exact_learned) arrays[i] = {};
  if (auto good = index_checker(*layout, arrays)(); !good) return good.error();
  return index;
}

/// Reads a file from its start to its end.
class file_source {
 public:
  static result<file_source> open(std::string const& path) {
    auto handle = file_handle::open(path);
    if (!handle) return handle.error();
    auto const size = handle->size(path);
    if (!size) return size.error();
    return file_source(std::move(*handle), path, *size);
  }
  std::uint64_t size() const noexcept { return size_; }
  result<void> read(std::span<std::byte> bytes) { return handle_.read(path_, bytes); }

 private:
  file_source(file_handle handle, std::string path, std::uint64_t size)
      : handle_(std::move(handle)), path_(std::move(path)), size_(size) {}

  file_handle handle_;
  std::string path_;
  std::uint64_t size_;
};
/// Reads bytes in memory like a file.
class memory_source {
 public:
  explicit memory_source(std::span<std::byte const> bytes) noexcept : bytes_(bytes), size_(bytes.size()) {}
  std::uint64_t size() const noexcept { return size_; }
  result<void> read(std::span<std::byte> bytes) {
    if (bytes.size() > bytes_.size()) return fail(errc::io, "the file ends early");
    std::copy_n(bytes_.begin(), bytes.size(), bytes.begin());
    bytes_ = bytes_.subspan(bytes.size());
    return {};
  }

 private:
  std::span<std::byte const> bytes_;
  std::size_t size_;
};

} // namespace detail

/// Saves a `flat` or `hnsw` index to `path` (UTF-8), which gets it whole or stays as it was. Searches go on meanwhile,
/// changes wait. Errors: `errc::io`; `errc::argument` for an index whose options are out of their ranges.
template <class Index> result<void> save_index(Index const& index, std::string const& path) {
  auto file = atomic_file::create(path);
  if (!file) return file.error();
  auto done = detail::emit_index(index, 0, [&](std::span<std::byte const> bytes) { return file->write(bytes); });
  return done ? file->commit() : done.error().within(path);
}
/// The same bytes in memory.
template <class Index> result<std::vector<std::byte>> index_bytes(Index const& index) {
  std::vector<std::byte> out;
  auto done = detail::emit_index(index, 0, [&](std::span<std::byte const> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
    return result<void>();
  });
  if (!done) return done.error();
  return out;
}

/// Reads an index into memory, to search and to change it: `load_index<hnsw<cosine, sq8>>(path)`. Every byte is checked.
/// Errors: `errc::io`, `errc::missing`; `errc::malformed` for damage, with the section; `errc::mismatch` for another
/// metric, codec or dimensions than those of the type; `errc::unsupported` for a later version.
template <class Index> result<Index> load_index(std::string const& path) {
  auto source = detail::file_source::open(path);
  if (!source) return source.error();
  auto index = detail::read_index<Index>(*source);
  return index ? std::move(index) : index.error().within(path);
}
/// The same from the bytes of a file.
template <class Index> result<Index> load_index(std::span<std::byte const> file) {
  detail::memory_source source(file);
  return detail::read_index<Index>(source);
}

/// Opens an index in place, to search it: nothing is read but the header, memory is that of the system's cache of files, and
/// processes share it. What is damaged behind the header is not noticed (see `verify_index`) and makes searches find
/// something else, but nothing worse. The file must not be changed in place or get shorter while it is open;
/// `save_index` to its path is no change, but a new file.
template <class Index> result<Index> map_index(std::string const& path) {
  auto file = mapped_file::open(path);
  if (!file) return file.error();
  auto index = detail::view_index<Index>(file->bytes());
  if (!index) return index.error().within(path);
  detail::index_files::keep(*index, std::move(*file));
  return index;
}
/// The same for the bytes of a file at a multiple of 64, which live longer than the index.
template <class Index> result<Index> map_index(std::span<std::byte const> file) {
  auto index = detail::view_index<Index>(file);
  if (index) detail::index_files::keep(*index, {});
  return index;
}

/// What a file says about its index, from its header alone; of any type.
inline result<index_info> read_index_info(std::string const& path) {
  auto file = mapped_file::open(path);
  if (!file) return file.error();
  auto layout = detail::layout_of(file->bytes());
  if (!layout) return layout.error().within(path);
  return layout->info;
}

/// Checks every byte of a file in memory, at a multiple of 64, of an index of any type.
inline result<void> verify_index(std::span<std::byte const> file) {
  auto const layout = detail::layout_of(file);
  if (!layout) return layout.error();
  detail::section_bytes arrays;
  for (auto const& s : layout->sections) {
    arrays.push_back(detail::bytes_of(s, file));
    if (auto good = detail::check_sum(s, arrays.back()); !good) return good;
  }
  return detail::index_checker(*layout, arrays)();
}
/// Checks every byte of a file of an index of any type. Errors as of `load_index`.
inline result<void> verify_index(std::string const& path) {
  auto file = mapped_file::open(path);
  if (!file) return file.error();
  auto good = verify_index(file->bytes());
  return good ? good : good.error().within(path);
}

} // namespace loquat
