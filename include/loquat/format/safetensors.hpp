#pragma once
/// \file
/// SafeTensors files: named tensors, used where they lie in the mapped file, and models that are split into several
/// files by an index (`model.safetensors.index.json`). Layout: github.com/huggingface/safetensors, whose rules are
/// checked: a header of at most 100 MB, and tensors that fill the rest of the file without gaps.
///
///     auto file = loquat::safetensors::open("model.safetensors");
///     auto const* weights = file->find("model.norm.weight");

#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf_layout.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::safetensors {

/// Types of elements, in the format's order: the wider ones behind.
enum class element : unsigned char {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

/// A type, its name in headers, and its size.
struct element_layout {
  element type;
  std::string_view name;
  unsigned bits;
};

/// Every type of the format, by its number.
inline constexpr std::array element_layouts{
    element_layout{element::boolean, "BOOL", 8},    element_layout{element::f4, "F4", 4},
    element_layout{element::f6_e2m3, "F6_E2M3", 6}, element_layout{element::f6_e3m2, "F6_E3M2", 6},
    element_layout{element::u8, "U8", 8},           element_layout{element::i8, "I8", 8},
    element_layout{element::f8_e5m2, "F8_E5M2", 8}, element_layout{element::f8_e4m3, "F8_E4M3", 8},
    element_layout{element::f8_e8m0, "F8_E8M0", 8}, element_layout{element::i16, "I16", 16},
    element_layout{element::u16, "U16", 16},        element_layout{element::f16, "F16", 16},
    element_layout{element::bf16, "BF16", 16},      element_layout{element::i32, "I32", 32},
    element_layout{element::u32, "U32", 32},        element_layout{element::f32, "F32", 32},
    element_layout{element::c64, "C64", 64},        element_layout{element::f64, "F64", 64},
    element_layout{element::i64, "I64", 64},        element_layout{element::u64, "U64", 64},
};

/// The name of a type in headers.
constexpr std::string_view name(element type) noexcept { return element_layouts[static_cast<std::size_t>(type)].name; }

/// The same type of tensors elsewhere, if there is one.
constexpr std::optional<tensor_type> common_type(element type) noexcept {
  switch (type) {
  case element::f32:
    return tensor_type::f32;
  case element::f16:
    return tensor_type::f16;
  case element::bf16:
    return tensor_type::bf16;
  case element::f64:
    return tensor_type::f64;
  case element::i8:
    return tensor_type::i8;
  case element::i16:
    return tensor_type::i16;
  case element::i32:
    return tensor_type::i32;
  case element::i64:
    return tensor_type::i64;
  default:
    return std::nullopt;
  }
}

/// A tensor where it lies in a file.
struct tensor {
  std::string_view name;
  element type{};
  std::vector<std::uint64_t> shape{}; ///< slowest-varying first: `{rows, columns}`; none for a single number
  std::span<std::byte const> data{};  ///< little-endian
};

/// Bytes of a tensor. Errors: `errc::malformed` for sizes beyond 2^63 - 1, and for elements that fill no whole bytes.
constexpr result<std::uint64_t> byte_size(element type, std::span<std::uint64_t const> shape) {
  std::uint64_t const bits = element_layouts[static_cast<std::size_t>(type)].bits;
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t size = bits;
  for (std::uint64_t const length : shape) {
    if (length != 0 && size > most / length) return fail(errc::malformed, "dimensions overflow 64 bits");
    size *= length;
  }
  if (size % 8 != 0) return fail(errc::malformed, size, " bits are no whole bytes");
  return size / 8;
}

/// A text that belongs to a name in the header's `__metadata__`.
struct note {
  std::string_view key, value;
};

/// A SafeTensors file, or several that are one model, open. Move-only; what it hands out stays valid while it lives.
class file {
 public:
  constexpr file() = default;                           ///< no tensors
  constexpr file(file&&) noexcept = default;            ///< takes everything over
  constexpr file& operator=(file&&) noexcept = default; ///< \overload

  static constexpr std::uint64_t max_header_bytes = 100'000'000; ///< a longer header is an error, as elsewhere

  /// Reads a file that is in memory; `bytes` must outlive the result. `name` is what messages call it. Errors:
  /// `errc::malformed`, `errc::unsupported` for a type of elements that the format does not know; they name the tensor
  /// or byte.
  static constexpr result<file> parse(std::span<std::byte const> bytes, std::string_view name = "safetensors") {
    file out;
    if (auto read = out.read(bytes); !read) return read.error().within(name);
    return out;
  }

  /// Maps and reads the file at `path` (UTF-8), or all files of an index, whose name ends in ".json". Errors: those of
  /// `parse` and `mapped_file::open`; `errc::missing` names a file that is not there, or a tensor that is not in it.
  static result<file> open(std::string const& path, file_access access = file_access::mapped) {
    if (path.ends_with(".json")) return open_index(path, access);
    auto mapped = mapped_file::open(path, access);
    if (!mapped) return std::move(mapped).error();
    auto out = parse(mapped->bytes(), path);
    if (out) out->parts_.push_back(std::move(*mapped));
    return out;
  }

  constexpr std::span<tensor const> tensors() const noexcept { return tensors_; } ///< in the order of headers
  constexpr std::span<note const> metadata() const noexcept { return notes_; }    ///< of all files
  /// The tensor named `name`, or null. Logarithmic time.
  constexpr tensor const* find(std::string_view name) const noexcept { return names_.find(tensors_, name); }
  /// Whether the mapped files still have all their bytes; see `mapped_file::intact`.
  result<void> intact() const {
    for (auto const& part : parts_)
      if (auto whole = part.intact(); !whole) return whole;
    return {};
  }
  /// Gives away the mapped files; tensors are valid as long as these live.
  std::vector<mapped_file> release() && { return std::move(parts_); }

 private:
  constexpr result<void> read(std::span<std::byte const> bytes) {
    if (bytes.size() < 8) return fail(errc::malformed, bytes.size(), " bytes, expected 8 for the header's length");
    auto const length = load_little<std::uint64_t>(bytes.data());
    if (length > max_header_bytes)
      return fail(errc::malformed, "no SafeTensors file: a header of ", length, " bytes, expected at most ",
                  max_header_bytes);
    if (length > bytes.size() - 8)
      return fail(errc::malformed, "a header of ", length, " bytes, found ", bytes.size() - 8);
    auto const text = as_text(bytes.subspan(8, static_cast<std::size_t>(length)), text_);
    auto parsed = json::parse(text, {.max_depth = 8});
    if (!parsed) return parsed.error().within("header");
    documents_.push_back(std::move(*parsed)); // which owns names that have escapes
    auto const root = documents_.back().root();
    if (root.kind() != json::kind::object) return fail(errc::malformed, "header: expected an object");
    auto const data = bytes.subspan(8 + static_cast<std::size_t>(length));
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
    for (auto const& [key, value] : root.members()) {
      auto const done = key == "__metadata__" ? read_notes(value) : read_tensor(key, value, data, places);
      if (!done) return fail(done.error().code(), "header: ", key, ": ", done.error().message());
    }
    if (auto const* twice = names_.build(tensors_))
      return fail(errc::malformed, "header: tensor ", twice->name, " is there twice");
    std::ranges::sort(places);
    std::uint64_t end = 0;
    for (auto const& [first, last] : places) {
      if (first != end)
        return fail(errc::malformed, "tensors ", first < end ? "overlap" : "leave a gap", " at byte ",
                    std::min(first, end), " of the data");
      end = last;
    }
    if (end != data.size()) return fail(errc::malformed, data.size(), " bytes of data, of which tensors take ", end);
    return {};
  }
  constexpr result<void> read_notes(json::value value) {
    if (value.kind() != json::kind::object) return fail(errc::malformed, "expected an object");
    for (auto const& [key, text] : value.members()) {
      auto const found = text.as_string();
      if (!found) return found.error();
      notes_.push_back({key, *found});
    }
    return {};
  }
  constexpr result<void> read_tensor(std::string_view name, json::value value, std::span<std::byte const> data,
                                     std::vector<std::pair<std::uint64_t, std::uint64_t>>& places) {
    auto const type = value["dtype"].as_string();
    if (!type) return type.error().within("dtype");
    auto const layout =
        std::find_if(element_layouts.begin(), element_layouts.end(), [&](auto const& l) { return l.name == *type; });
    if (layout == element_layouts.end()) return fail(errc::unsupported, "dtype ", *type, " is not known");
    tensor out{name, layout->type, {}, {}};
    auto const shape = value["shape"], offsets = value["data_offsets"];
    if (shape.kind() != json::kind::array) return fail(errc::malformed, "shape: expected an array");
    for (auto const length : shape.elements()) {
      auto const n = length.as_int64();
      if (!n || *n < 0) return fail(errc::malformed, "shape: expected sizes of at most 2^63 - 1");
      out.shape.push_back(static_cast<std::uint64_t>(*n));
    }
    auto const size = byte_size(out.type, out.shape);
    if (!size) return size.error();
    if (offsets.size() != 2) return fail(errc::malformed, "data_offsets: expected two numbers");
    auto const first = offsets[0].as_int64(), last = offsets[1].as_int64();
    if (!first || !last || *first < 0 || *last < *first || static_cast<std::uint64_t>(*last) > data.size())
      return fail(errc::malformed, "data_offsets: expected a part of the ", data.size(), " bytes of data");
    if (static_cast<std::uint64_t>(*last - *first) != *size)
      return fail(errc::malformed, "data_offsets: expected ", *size, " bytes for its shape, found ", *last - *first);
    out.data = data.subspan(static_cast<std::size_t>(*first), static_cast<std::size_t>(*size));
    if (*size != 0) places.emplace_back(*first, *last);
    tensors_.push_back(std::move(out));
    return {};
  }

  static result<file> open_index(std::string const& path, file_access access) {
    auto const mapped = mapped_file::open(path);
    if (!mapped) return mapped.error();
    std::vector<char> copy;
    auto const index = json::parse(as_text(mapped->bytes(), copy), {.max_depth = 8});
    if (!index) return index.error().within(path);
    auto const map = (*index)["weight_map"];
    if (map.kind() != json::kind::object || map.size() == 0)
      return fail(errc::malformed, path, ": weight_map: expected an object of tensors and their files");
    std::vector<std::pair<std::string_view, std::string_view>> places; // file, tensor
    for (auto const& [tensor, where] : map.members()) {
      auto const name = where.as_string();
      if (!name || !name->ends_with(".safetensors") || name->find_first_of("/\\:") != name->npos)
        return fail(errc::malformed, path, ": weight_map: ", tensor,
                    ": expected the name of a .safetensors file in the same folder");
      places.emplace_back(*name, tensor);
    }
    std::ranges::sort(places);
    auto const folder = path.substr(0, path.find_last_of("/\\") + 1); // all of it if there is none
    file all;
    for (std::size_t i = 0; i < places.size();) {
      auto const name = places[i].first;
      auto part = open(folder + std::string(name), access);
      if (!part) return part.error().within(path);
      for (; i < places.size() && places[i].first == name; ++i) {
        auto const* const found = part->find(places[i].second);
        if (!found) return fail(errc::missing, path, ": ", name, " has no tensor ", places[i].second);
        all.tensors_.push_back(*found);
      }
      all.notes_.insert(all.notes_.end(), part->notes_.begin(), part->notes_.end());
      all.documents_.push_back(std::move(part->documents_.front()));
      all.parts_.push_back(std::move(part->parts_.front()));
    }
    if (auto const* twice = all.names_.build(all.tensors_))
      return fail(errc::malformed, path, ": weight_map: tensor ", twice->name, " is there twice");
    return all;
  }

  std::vector<char> text_; // what `as_text` keeps in constant evaluation
  std::vector<json::document> documents_;
  std::vector<mapped_file> parts_;
  std::vector<tensor> tensors_;
  std::vector<note> notes_;
  gguf::detail::name_index<tensor, &tensor::name> names_;
};

/// Maps and reads a file, or those of an index: `file::open`.
inline result<file> open(std::string const& path, file_access access = file_access::mapped) {
  return file::open(path, access);
}

} // namespace loquat::safetensors
