#pragma once
/// \file
/// Writes GGUF files, version 3, little-endian: to memory, to one file or to several parts. What is written is what the
/// reader accepts, because the reader checks every header before it goes out.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_layout.hpp>
#include <loquat/format/gguf_split.hpp>
#include <loquat/format/gguf_value.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/io/bytes.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::gguf {

namespace detail {

template <class T> inline constexpr bool storable = PlainNumber<T> || std::convertible_to<T const&, std::string_view>;
template <std::ranges::forward_range R>
requires(!std::convertible_to<R const&, std::string_view>) inline constexpr bool storable<R> =
    storable<std::ranges::range_value_t<R>>;

template <class T> constexpr value_kind stored_kind() noexcept {
  if constexpr (PlainNumber<T> || std::convertible_to<T const&, std::string_view>)
    return kind_of<T>();
  else
    return value_kind::array;
}

constexpr void append_string(std::vector<std::byte>& out, std::string_view text) {
  append_little(out, std::uint64_t{text.size()});
  append_text(out, text);
}
constexpr void append_kind(std::vector<std::byte>& out, value_kind kind) {
  append_little(out, static_cast<std::uint32_t>(kind));
}

template <class T> constexpr void append_value(std::vector<std::byte>& out, T const& value) {
  if constexpr (PlainNumber<T>) {
    append_little(out, value);
  } else if constexpr (std::convertible_to<T const&, std::string_view>) {
    append_string(out, value);
  } else {
    using element = std::ranges::range_value_t<T>;
    append_kind(out, stored_kind<element>());
    append_little(out, static_cast<std::uint64_t>(std::ranges::distance(value)));
    for (element const& e : value) append_value<element>(out, e);
  }
}

} // namespace detail

/// What the writer can store under a key: numbers, `bool`, text, and ranges of these, also nested.
template <class T>
concept Storable = detail::storable<T>;

/// Collects metadata and tensors, then writes them in the order in which they were added.
///
/// Names and data of tensors are not copied: they must live until the file is written. Mistakes (a key twice, a tensor
/// whose data does not fit its shape, an alignment that is no power of two …) come back from `bytes` and `write`.
class writer {
 public:
  constexpr writer() = default; ///< nothing yet
  /// Everything that `from` holds, which must outlive the writer; not the keys that say how it was split.
  constexpr explicit writer(file const& from) {
    for (auto const& [key, value] : from.metadata())
      if (!key.starts_with("split.")) add(key, value);
    for (auto const& tensor : from.tensors()) add(tensor);
  }

  /// Adds metadata. The kind is that of the C++ type: `std::uint32_t` is stored as u32, a range as an array. The key
  /// "general.alignment" (u32) sets the alignment of the tensors, which is 32 bytes without it.
  template <Storable T> constexpr void add(std::string_view key, T const& value) {
    begin(key, detail::stored_kind<T>());
    detail::append_value<T>(metadata_, value);
  }
  /// Adds metadata from another file, bit by bit.
  constexpr void add(std::string_view key, value const& value) {
    begin(key, value.kind());
    if (value.kind() == value_kind::array) detail::append_kind(metadata_, value.element_kind());
    if (value.kind() == value_kind::array) append_little(metadata_, value.size());
    if (value.kind() == value_kind::string) append_little(metadata_, std::uint64_t{value.payload().size()});
    append_text(metadata_, value.payload());
  }
  /// Adds a tensor.
  constexpr void add(tensor_view const& tensor) { tensors_.push_back(tensor); }

  /// The file, in memory.
  constexpr result<std::vector<std::byte>> bytes() const;

  /// What stands before the tensors' data, which need not be there: for `file::assemble`.
  constexpr result<std::vector<std::byte>> header() const {
    auto const aligned = alignment();
    if (!aligned) return aligned.error();
    std::vector<std::uint64_t> sizes;
    return header_for(*aligned, sizes);
  }

  /// Writes the file to `path` (UTF-8), which gets it whole or stays as it was. Errors: the writer's own, `errc::io`.
  result<void> write(std::string const& path) const { return write(path, own_data()); }

  /// The same, but the tensors' data need not be there yet: `data_of(tensor)` is asked for those of each tensor when
  /// its turn comes, and returns a `result<std::span<std::byte const>>` that must be valid until the next call. So a
  /// file can be made that does not fit into memory. Errors: also those of `data_of`.
  template <class DataOf> result<void> write(std::string const& path, DataOf data_of) const {
    auto file = open_for(path, data_of);
    return file ? file->commit() : result<void>(file.error());
  }

  /// Writes `prefix-00001-of-0000N.gguf` and so on, with at most `max_part_bytes` of tensor data in a part (but at
  /// least one tensor), and returns N. No part appears before all of them are written.
  result<std::uint16_t> write_split(std::string const& prefix, std::uint64_t max_part_bytes) const {
    auto const aligned = alignment();
    if (!aligned) return aligned.error();
    std::vector<writer> parts{*this};
    parts[0].tensors_.clear();
    std::uint64_t filled = 0;
    for (auto const& tensor : tensors_) {
      if (!parts.back().tensors_.empty() && tensor.data.size() > max_part_bytes - std::min(max_part_bytes, filled)) {
        parts.emplace_back();
        parts.back().add(detail::alignment_key, *aligned);
        filled = 0;
      }
      parts.back().add(tensor);
      filled += tensor.data.size();
    }
    if (parts.size() > std::numeric_limits<std::uint16_t>::max())
      return fail(errc::capacity, prefix, ": ", parts.size(), " parts, but at most 65535 can be told apart");
    auto const count = static_cast<std::uint16_t>(parts.size());
    std::vector<atomic_file> files;
    for (std::uint16_t i = 0; i < count; ++i) {
      parts[i].add(split_number_key, i);
      parts[i].add(split_count_key, count);
      parts[i].add(split_tensors_key, static_cast<std::int32_t>(tensors_.size()));
      own_data data_of;
      auto file = parts[i].open_for(split_path(prefix, i, count), data_of);
      if (!file) return file.error();
      files.push_back(std::move(*file));
    }
    for (auto& file : files)
      if (auto put = file.commit(); !put) return put.error();
    return count;
  }

 private:
  constexpr void begin(std::string_view key, value_kind kind) {
    ++keys_;
    detail::append_string(metadata_, key);
    detail::append_kind(metadata_, kind);
  }

  /// Magic, version, counts and metadata.
  constexpr std::vector<std::byte> start(std::size_t tensors) const {
    std::vector<std::byte> out;
    append_text(out, "GGUF");
    append_little(out, std::uint32_t{3});
    append_little(out, std::uint64_t{tensors});
    append_little(out, std::uint64_t{keys_});
    out.insert(out.end(), metadata_.begin(), metadata_.end());
    return out;
  }

  /// What the metadata say about it; on the way they are checked.
  constexpr result<std::uint32_t> alignment() const {
    auto const alone = start(0);
    std::vector<char> copy;
    auto const layout = detail::read_layout(as_text(alone, copy), alone.size());
    if (!layout) return layout.error();
    return layout->alignment;
  }

  // What the tensors were added with.
  struct own_data {
    constexpr result<std::span<std::byte const>> operator()(tensor_view const& tensor) const { return tensor.data; }
  };

  /// The header with its padding, checked, and the sizes of the tensors.
  constexpr result<std::vector<std::byte>> header_for(std::uint32_t aligned, std::vector<std::uint64_t>& sizes) const {
    auto header = start(tensors_.size());
    std::uint64_t offset = 0;
    for (auto const& tensor : tensors_) {
      detail::append_string(header, tensor.name);
      append_little(header, tensor.rank);
      tensor_shape stored{1, 1, 1, 1};
      for (std::size_t i = 0; i < std::min<std::size_t>(tensor.rank, max_rank); ++i)
        append_little(header, stored[i] = tensor.shape[i]);
      append_little(header, static_cast<std::uint32_t>(tensor.type));
      append_little(header, offset);
      sizes.push_back(byte_size(tensor.type, stored).value_or(0)); // 0: the reader is going to say what is wrong
      offset = detail::align_up(offset + sizes.back(), aligned);
    }
    header.resize(static_cast<std::size_t>(detail::align_up(header.size(), aligned)), std::byte{0});
    std::vector<char> copy;
    if (auto const whole = detail::read_layout(as_text(header, copy), header.size() + offset); !whole)
      return whole.error();
    return header;
  }

  /// Gives the file to `sink(bytes)`, which returns a `result<void>`, piece by piece.
  template <class Sink, class DataOf> constexpr result<void> emit(Sink sink, DataOf& data_of) const {
    auto const aligned = alignment();
    if (!aligned) return aligned.error();
    std::vector<std::uint64_t> sizes;
    auto const header = header_for(*aligned, sizes);
    if (!header) return header.error();
    if (auto sunk = sink(std::span<std::byte const>(*header)); !sunk) return sunk;
    std::vector<std::byte> const zeros(*aligned, std::byte{0});
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      auto const data = data_of(tensors_[i]);
      if (!data) return data.error();
      if (data->size() != sizes[i])
        return fail(errc::argument, "tensor ", tensors_[i].name, ": expected ", sizes[i], " bytes of data, found ",
                    data->size());
      if (auto sunk = sink(*data); !sunk) return sunk;
      auto const padding = static_cast<std::size_t>(detail::align_up(sizes[i], *aligned) - sizes[i]);
      if (auto sunk = sink(std::span(zeros).first(padding)); !sunk) return sunk;
    }
    return {};
  }

  /// The file at `path`, written but not yet put in place.
  template <class DataOf> result<atomic_file> open_for(std::string const& path, DataOf& data_of) const {
    auto file = atomic_file::create(path);
    if (!file) return file;
    auto written = emit([&](std::span<std::byte const> piece) { return file->write(piece); }, data_of);
    if (!written) return written.error();
    return file;
  }

  std::vector<std::byte> metadata_; // encoded
  std::uint64_t keys_ = 0;
  std::vector<tensor_view> tensors_;
};

// Not in the class, because Clang evaluates no template in a constant that stands further down in it.
constexpr result<std::vector<std::byte>> writer::bytes() const {
  std::vector<std::byte> out;
  own_data data_of;
  auto written = emit(
      [&](std::span<std::byte const> piece) {
        out.insert(out.end(), piece.begin(), piece.end());
        return result<void>();
      },
      data_of);
  if (!written) return written.error();
  return out;
}

} // namespace loquat::gguf
