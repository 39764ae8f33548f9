#pragma once
/// \file
/// Indices in files: saving one so that the former file stays whole until the new one is, loading one, and searching
/// one in place, where the system reads what searches touch. `docs/index_file.md` describes the bytes.
///
///     save_index(notes, "notes.index").value();
///     auto const found = map_index<hnsw<cosine, sq8>>("notes.index").value();

#include <loquat/core/result.hpp>
#include <loquat/index/file_arrays.hpp>
#include <loquat/index/file_check.hpp>
#include <loquat/index/file_layout.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/io/file_handle.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// The layout of a file in memory.
inline result<index_layout> layout_of(std::span<std::byte const> file) {
  if constexpr (std::endian::native != std::endian::little)
    return fail(errc::unsupported, "files of indices are of little-endian machines");
  auto const length = header_length(file.first(std::min<std::size_t>(file.size(), fixed_header)));
  if (!length) return length.error();
  if (*length > file.size())
    return fail(errc::malformed, "the file ends at ", file.size(), ", within its header of ", *length);
  return parse_header(file.first(*length), file.size());
}
inline std::span<std::byte const> bytes_of(section const& s, std::span<std::byte const> file) noexcept {
  return file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.bytes));
}
inline result<void> check_sum(section const& s, std::span<std::byte const> bytes) {
  if (checksum(bytes, s.id) == s.sum) return {};
  return fail(errc::malformed, "section ", name_of_section(s.id), " at ", s.offset,
              " is damaged: its checksum is another");
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
      if (auto room = check_memory(bytes.size()); !room) return room;
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
  if (auto room = check_memory(size); !room) return room.error();
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
    if (auto id = layout->sections[i].id; id == array_number::learned || id == array_number::exact_learned)
      arrays[i] = {};
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

/// Reads an index into memory, to search and to change it: `load_index<hnsw<cosine, sq8>>(path)`. Every byte is
/// checked. Errors: `errc::io`, `errc::missing`; `errc::malformed` for damage, with the section; `errc::mismatch` for
/// another metric, codec or dimensions than those of the type; `errc::unsupported` for a later version;
/// `errc::capacity` for a file that is larger than what the system will give.
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

/// Opens an index in place, to search it: nothing is read but the header, memory is that of the system's cache of
/// files, and processes share it. What is damaged behind the header is not noticed (see `verify_index`) and makes
/// searches find something else, but nothing worse. The file must not be changed in place or get shorter while it is
/// open; `save_index` to its path is no change, but a new file.
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
