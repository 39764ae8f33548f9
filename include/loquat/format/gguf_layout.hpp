#pragma once
/// \file
/// The header of a GGUF file, read and checked: metadata, and where each tensor lies. Layout: the GGUF specification in
/// ggml's `docs/gguf.md`, versions 2 and 3, little-endian. Time and memory are proportional to the header (times the
/// logarithm of its entries, for the sorting); counts and lengths are compared with the bytes there are before use.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf_value.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/io/bytes.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace loquat::gguf {

/// A piece of metadata: `general.architecture`, "llama".
struct entry {
  std::string_view key;
  gguf::value value;
};

namespace detail {

/// The positions of named items in the order of their names: finds an item, and duplicates, in logarithmic time
/// whatever the names are (an attacker cannot make them collide, as with a hash).
template <class Item, std::string_view Item::*Name> class name_index {
 public:
  /// Indexes `items`; returns one whose name is there twice, or null.
  constexpr Item const* build(std::span<Item const> items) {
    auto const name_of = [items](std::size_t i) { return items[i].*Name; };
    order_.assign(items.size(), 0);
    for (std::size_t i = 0; i < items.size(); ++i) order_[i] = i;
    std::ranges::sort(order_, {}, name_of);
    auto const twice = std::ranges::adjacent_find(order_, {}, name_of);
    return twice == order_.end() ? nullptr : &items[*twice];
  }
  /// The item named `name` of the items that were indexed, or null.
  constexpr Item const* find(std::span<Item const> items, std::string_view name) const noexcept {
    auto const name_of = [items](std::size_t i) { return items[i].*Name; };
    auto const at = std::ranges::lower_bound(order_, name, {}, name_of);
    return at != order_.end() && name_of(*at) == name ? &items[*at] : nullptr;
  }

 private:
  std::vector<std::size_t> order_;
};

/// Where a tensor's bytes are, from the start of the file.
struct extent {
  std::uint64_t offset, size;
};

/// What a header says.
struct layout {
  std::uint32_t version = 3;
  std::uint32_t alignment = 32;     // bytes; every tensor begins at a multiple of it
  std::vector<entry> metadata;      // in the order of the file
  std::vector<tensor_view> tensors; // the same; their data is empty
  std::vector<extent> extents;      // of the tensors
  name_index<entry, &entry::key> keys;
  name_index<tensor_view, &tensor_view::name> names;
};

inline constexpr std::string_view alignment_key = "general.alignment";
inline constexpr std::uint32_t max_alignment = 1U << 24; // far above any page size

constexpr std::uint64_t align_up(std::uint64_t offset, std::uint64_t alignment) noexcept {
  return (offset + alignment - 1) / alignment * alignment;
}

/// Magic, version and counts.
constexpr result<void> read_start(byte_reader<char>& reader, layout& out, std::uint64_t& tensors, std::uint64_t& keys) {
  auto const magic = reader.text(4);
  if (!reader) return reader.failure();
  for (std::string_view const old : {"lmgg", "fmgg", "tjgg", "algg", "ggml", "ggmf", "ggjt", "ggla"})
    if (magic == old)
      return fail(errc::unsupported, "a ggml file from before GGUF (", magic, "); convert the original model with ",
                  "`loquat convert`, or this file with llama.cpp's convert_llama_ggml_to_gguf.py");
  if (magic != "GGUF") return fail(errc::malformed, "not a GGUF file: does not begin with \"GGUF\"");
  out.version = reader.read<std::uint32_t>();
  if (reader && (out.version & 0xffff) == 0 && out.version != 0)
    return fail(errc::unsupported, "a big-endian GGUF file; only little-endian ones can be read");
  if (reader && out.version != 2 && out.version != 3)
    return fail(errc::unsupported, "GGUF version ", out.version, "; versions 2 and 3 can be read");
  tensors = reader.read<std::uint64_t>();
  keys = reader.read<std::uint64_t>();
  if (!reader) return reader.failure();
  constexpr std::size_t least_key = 8 + 4 + 1, least_tensor = 8 + 4 + 4 + 8; // bytes of an entry with an empty name
  if (keys > reader.remaining() / least_key)
    return fail(errc::malformed, "at byte 16: ", keys, " keys do not fit the ", reader.remaining(), " bytes left");
  if (tensors > reader.remaining() / least_tensor)
    return fail(errc::malformed, "at byte 8: ", tensors, " tensors do not fit the ", reader.remaining(), " bytes left");
  return {};
}

constexpr result<void> read_metadata(byte_reader<char>& reader, layout& out, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const key = reader.text<std::uint64_t>();
    auto const kind = value_kind{reader.read<std::uint32_t>()};
    if (!reader) return reader.failure().within("metadata");
    auto const value = gguf::value::read(reader, kind);
    if (!value) return fail(value.error().code(), "key ", key, ": ", value.error().message());
    out.metadata.push_back({key, *value});
  }
  if (auto const* twice = out.keys.build(out.metadata))
    return fail(errc::malformed, "key ", twice->key, " is there twice");
  if (auto const* alignment = out.keys.find(out.metadata, alignment_key)) {
    auto const& value = alignment->value;
    if (value.kind() != value_kind::u32)
      return fail(errc::malformed, "key ", alignment_key, ": expected u32, found ", gguf::name(value.kind()));
    out.alignment = *value.get<std::uint32_t>();
    if (!std::has_single_bit(out.alignment) || out.alignment < 8 || out.alignment > max_alignment)
      return fail(errc::malformed, "key ", alignment_key, ": expected a power of two from 8 to ", max_alignment,
                  ", found ", out.alignment);
  }
  return {};
}

/// Name, shape, type and offset of one tensor; the offset is from the start of the tensor data.
constexpr result<void> read_tensor(byte_reader<char>& reader, layout& out) {
  tensor_view tensor;
  tensor.name = reader.text<std::uint64_t>();
  tensor.rank = reader.read<std::uint32_t>();
  if (!reader) return reader.failure().within("tensors");
  if (tensor.rank > max_rank)
    return fail(errc::malformed, "tensor ", tensor.name, ": expected at most ", max_rank, " dimensions, found ",
                tensor.rank);
  for (std::uint32_t i = 0; i < tensor.rank; ++i) tensor.shape[i] = reader.read<std::uint64_t>();
  tensor.type = tensor_type{reader.read<std::uint32_t>()};
  auto const offset = reader.read<std::uint64_t>();
  if (!reader) return fail(errc::malformed, "tensor ", tensor.name, ": ", reader.failure().message());
  auto const size = byte_size(tensor.type, tensor.shape);
  if (!size) return fail(size.error().code(), "tensor ", tensor.name, ": ", size.error().message());
  if (offset > std::uint64_t(std::numeric_limits<std::int64_t>::max())) // and so offset + size does not wrap
    return fail(errc::malformed, "tensor ", tensor.name, ": offset ", offset, " is beyond 2^63 - 1");
  if (offset % out.alignment != 0)
    return fail(errc::malformed, "tensor ", tensor.name, ": offset ", offset, " is not a multiple of the alignment ",
                out.alignment);
  out.tensors.push_back(tensor);
  out.extents.push_back({offset, *size});
  return {};
}

/// Moves the extents behind the header, which ends at `start`, and checks that they lie apart and inside of the file.
constexpr result<void> place_tensors(layout& out, std::uint64_t start, std::uint64_t file_size) {
  for (std::size_t i = 0; i < out.extents.size(); ++i) {
    auto& [offset, size] = out.extents[i];
    std::uint64_t const room = file_size - std::min(file_size, start);
    if (offset + size > room)
      return fail(errc::malformed, "tensor ", out.tensors[i].name, ": the file ends ", offset + size - room,
                  " bytes before the tensor does");
    offset += start;
  }
  std::vector<std::size_t> order(out.extents.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return out.extents[i].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    auto const before = order[i - 1], after = order[i];
    if (out.extents[after].offset - out.extents[before].offset < out.extents[before].size)
      return fail(errc::malformed, "tensors ", out.tensors[before].name, " and ", out.tensors[after].name,
                  " overlap at byte ", out.extents[after].offset);
  }
  return {};
}

/// Reads the header of a file of `file_size` bytes from `text`, which is all of the file or at least the header.
constexpr result<layout> read_layout(std::string_view text, std::uint64_t file_size) {
  byte_reader reader(text);
  layout out;
  std::uint64_t tensors = 0, keys = 0;
  if (auto read = read_start(reader, out, tensors, keys); !read) return read.error();
  if (auto read = read_metadata(reader, out, keys); !read) return read.error();
  for (std::uint64_t i = 0; i < tensors; ++i)
    if (auto read = read_tensor(reader, out); !read) return read.error();
  if (auto const* twice = out.names.build(out.tensors))
    return fail(errc::malformed, "tensor ", twice->name, " is there twice");
  if (auto placed = place_tensors(out, align_up(reader.offset(), out.alignment), file_size); !placed)
    return placed.error();
  return out;
}

} // namespace detail

} // namespace loquat::gguf
