#pragma once
/// \file
/// Writes SafeTensors files: to memory or to a file that appears whole or not at all. The header is laid out as other
/// writers do: metadata first, then tensors, those of wide types first and else by their names, and spaces up to a
/// multiple of eight bytes.

#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/io/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::safetensors {

/// Collects tensors and metadata, then writes them. Names, texts and data are not copied: they must live until the file
/// is written. Mistakes (a name twice, data that does not fit the shape) come back from `bytes` and `write`.
class writer {
 public:
  /// Adds a text to `__metadata__`; readers for PyTorch want `format`, "pt".
  constexpr void add(note const& n) { notes_.push_back(n); }
  /// Adds a tensor.
  constexpr void add(tensor t) { tensors_.push_back(std::move(t)); }

  /// The file, in memory.
  constexpr result<std::vector<std::byte>> bytes() const;

  /// Writes the file to `path` (UTF-8), which gets it whole or stays as it was. Errors: the writer's own, `errc::io`.
  result<void> write(std::string const& path) const { return write(path, own_data{}); }

  /// The same, but the data need not be there yet: `data_of(tensor)` is asked for those of each tensor when its turn
  /// comes, and returns a `result<std::span<std::byte const>>` that must be valid until the next call.
  template <class DataOf> result<void> write(std::string const& path, DataOf data_of) const {
    auto file = atomic_file::create(path);
    if (!file) return file.error();
    auto written = emit([&](std::span<std::byte const> piece) { return file->write(piece); }, data_of);
    if (!written) return written;
    return file->commit();
  }

 private:
  struct own_data {
    constexpr result<std::span<std::byte const>> operator()(tensor const& t) const { return t.data; }
  };

  /// Tensors in the order of the file.
  constexpr std::vector<tensor const*> ordered() const {
    std::vector<tensor const*> out;
    for (auto const& t : tensors_) out.push_back(&t);
    std::ranges::sort(out, [](tensor const* a, tensor const* b) {
      return a->type != b->type ? a->type > b->type : a->name < b->name;
    });
    return out;
  }

  template <class Sink, class DataOf> constexpr result<void> emit(Sink sink, DataOf& data_of) const {
    gguf::detail::name_index<tensor, &tensor::name> names;
    if (auto const* twice = names.build(tensors_))
      return fail(errc::argument, "tensor ", twice->name, " is there twice");
    std::vector<char> header;
    auto const put = [&](auto const&... parts) { (loquat::detail::append(header, parts), ...); };
    auto const separate = [&] {
      if (header.back() != '{') put(',');
    };
    put('{');
    if (!notes_.empty()) {
      put("\"__metadata__\":{");
      for (auto const& n : notes_) {
        separate();
        json::append_string(header, n.key);
        put(':');
        json::append_string(header, n.value);
      }
      put('}');
    }
    auto const tensors = ordered();
    std::vector<std::uint64_t> sizes;
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      auto const& t = *tensors[i];
      auto const size = byte_size(t.type, t.shape);
      if (!size) return fail(size.error().code(), "tensor ", t.name, ": ", size.error().message());
      sizes.push_back(*size);
      separate();
      json::append_string(header, t.name);
      put(":{\"dtype\":\"", name(t.type), "\",\"shape\":[");
      for (std::size_t d = 0; d < t.shape.size(); ++d) put(d == 0 ? "" : ",", t.shape[d]);
      put("],\"data_offsets\":[", offset, ',', offset + *size, "]}");
      offset += *size;
    }
    put('}');
    while (header.size() % 8 != 0) put(' ');
    if (header.size() > file::max_header_bytes)
      return fail(errc::capacity, "a header of ", header.size(), " bytes, expected at most ", file::max_header_bytes);
    std::vector<std::byte> start;
    append_little(start, std::uint64_t{header.size()});
    append_text(start, {header.data(), header.size()});
    if (auto sunk = sink(std::span<std::byte const>(start)); !sunk) return sunk;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      result<std::span<std::byte const>> const data = data_of(*tensors[i]);
      if (!data) return data.error();
      if (data->size() != sizes[i])
        return fail(errc::argument, "tensor ", tensors[i]->name, ": expected ", sizes[i], " bytes of data, found ",
                    data->size());
      if (auto sunk = sink(*data); !sunk) return sunk;
    }
    return {};
  }

  std::vector<note> notes_;
  std::vector<tensor> tensors_;
};

// Not in the class, because Clang evaluates no template in a constant that stands further down in it.
constexpr result<std::vector<std::byte>> writer::bytes() const {
  std::vector<std::byte> out;
  own_data data_of;
  auto written = emit(
      [&](std::span<std::byte const> piece) {
        for (std::byte const b : piece) out.push_back(b);
        return result<void>();
      },
      data_of);
  if (!written) return written.error();
  return out;
}

} // namespace loquat::safetensors
