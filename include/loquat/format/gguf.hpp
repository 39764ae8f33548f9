#pragma once
/// \file
/// GGUF model files: metadata and tensors, used where they lie in the mapped file. Layout: the GGUF specification in
/// ggml's `docs/gguf.md`, versions 2 and 3, little-endian; split files as llama.cpp names them
/// (`model-00001-of-00003.gguf`).
///
///     auto file = loquat::gguf::open("model.gguf");
///     if (!file) return print(file.error().message());
///     auto layers = file->get<std::uint32_t>("llama.block_count");
///     auto embedding = file->tensor("token_embd.weight");

#include <loquat/core/result.hpp>
#include <loquat/format/gguf_layout.hpp>
#include <loquat/format/gguf_split.hpp>
#include <loquat/format/gguf_value.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::gguf {

/// A GGUF file, open. Move-only; whatever it hands out (keys, texts, tensor data) stays valid while it lives, also
/// after it was moved. Every reference into the bytes was checked on opening.
class file {
 public:
  constexpr file() = default;                           ///< a file without metadata and tensors
  constexpr file(file&&) noexcept = default;            ///< takes everything over
  constexpr file& operator=(file&&) noexcept = default; ///< \overload

  /// Reads a file that is in memory; `bytes` must outlive the result. `name` is what messages call it. A part of a
  /// split file is read as if it were alone. Errors: `errc::malformed`, `errc::unsupported`; they name the key, tensor
  /// or byte.
  static constexpr result<file> parse(std::span<std::byte const> bytes, std::string_view name = "gguf") {
    file out;
    out.name_.assign(name.begin(), name.end());
    out.all_ = as_text(bytes, out.text_);
    auto layout = detail::read_layout(out.all_, bytes.size());
    if (!layout) return layout.error().within(name);
    out.layout_ = std::move(*layout);
    for (std::size_t i = 0; i < out.layout_.tensors.size(); ++i) {
      auto const [offset, size] = out.layout_.extents[i];
      out.layout_.tensors[i].data = bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
    }
    return out;
  }

  /// Maps and reads the file at `path` (UTF-8). Any part of a split file opens all of them; the metadata is that of the
  /// first. Errors: those of `parse` and `mapped_file::open`; `errc::missing` names a part that is not there.
  static result<file> open(std::string const& path, file_access access = file_access::mapped) {
    auto first = open_part(path, access);
    if (!first || !first->find(split_count_key)) return first;
    auto const count = first->get<std::uint16_t>(split_count_key);
    if (!count) return count.error();
    return *count < 2 ? std::move(first) : join(path, *count, access);
  }

  /// A file whose tensors lie anywhere: the header that `writer::header` makes, and the bytes of each tensor, in its
  /// order, all of which are in `parts` and `owned`. Errors: those of `parse`; `errc::mismatch` for data of another
  /// size.
  static result<file> assemble(std::string_view name, std::vector<std::byte> header,
                               std::span<std::span<std::byte const> const> data, std::vector<mapped_file> parts,
                               std::vector<std::vector<std::byte>> owned) {
    file out;
    out.name_.assign(name.begin(), name.end());
    out.owned_ = std::move(owned);
    out.owned_.push_back(std::move(header));
    out.parts_ = std::move(parts);
    out.all_ = as_text(out.owned_.back(), out.text_);
    auto layout = detail::read_layout(out.all_, std::uint64_t{1} << 63);
    if (!layout) return layout.error().within(name);
    out.layout_ = std::move(*layout);
    auto& tensors = out.layout_.tensors;
    if (data.size() != tensors.size())
      return fail(errc::mismatch, name, ": ", tensors.size(), " tensors, data of ", data.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (data[i].size() != out.layout_.extents[i].size)
        return fail(errc::mismatch, name, ": tensor ", tensors[i].name, ": expected ", out.layout_.extents[i].size,
                    " bytes, found ", data[i].size());
      tensors[i].data = data[i];
    }
    return out;
  }

  constexpr std::string_view name() const noexcept { return {name_.data(), name_.size()}; } ///< what messages call it
  /// All bytes of it, or of the first part of a split one.
  constexpr std::string_view text() const noexcept { return all_; }
  constexpr std::uint32_t version() const noexcept { return layout_.version; }            ///< of the format: 2 or 3
  constexpr std::uint32_t alignment() const noexcept { return layout_.alignment; }        ///< of tensor data, in bytes
  constexpr std::span<entry const> metadata() const noexcept { return layout_.metadata; } ///< in the order of the file
  constexpr std::span<tensor_view const> tensors() const noexcept { return layout_.tensors; } ///< the same

  /// The value of `key`, or null. Logarithmic time.
  constexpr gguf::value const* find(std::string_view key) const noexcept {
    auto const* found = layout_.keys.find(layout_.metadata, key);
    return found ? &found->value : nullptr;
  }

  /// The value of `key` as a `T`, converted as `value::get` says. Errors, which name the key, what was expected and
  /// what was found: `errc::missing`, `errc::mismatch`.
  template <class T> constexpr result<T> get(std::string_view key) const {
    auto const* found = find(key);
    if (!found) return fail(errc::missing, name(), ": no key ", key, " (expected ", gguf::name(kind_of<T>()), ")");
    auto value = found->get<T>();
    if (!value) return wrong(key, value.error());
    return value;
  }

  /// The same, but `fallback` if there is no such key. A value of another type is an error all the same.
  template <class T> constexpr result<T> get_or(std::string_view key, T fallback) const {
    return find(key) ? get<T>(key) : result<T>(std::move(fallback));
  }

  /// The array at `key` as a range of `T`, as `value::array` says. Errors: like `get`.
  template <class T> constexpr result<array_view<T>> array(std::string_view key) const {
    auto const* found = find(key);
    if (!found) return fail(errc::missing, name(), ": no key ", key, " (expected an array)");
    auto elements = found->array<T>();
    if (!elements) return wrong(key, elements.error());
    return elements;
  }

  /// The tensor named `name`, or null. Logarithmic time.
  constexpr tensor_view const* find_tensor(std::string_view name) const noexcept {
    return layout_.names.find(layout_.tensors, name);
  }

  /// The tensor named `tensor`, or `errc::missing`.
  constexpr result<tensor_view> tensor(std::string_view tensor) const {
    auto const* found = find_tensor(tensor);
    if (!found) return fail(errc::missing, name(), ": no tensor ", tensor);
    return *found;
  }

  /// Whether the mapped files still have all their bytes (`mapped_file::intact`); ask before tensor data is used.
  result<void> intact() const {
    for (auto const& part : parts_)
      if (auto whole = part.intact(); !whole) return whole;
    return {};
  }

  /// Asks the system to read all of it ahead. Returns at once.
  void prefetch() const noexcept {
    for (auto const& part : parts_) part.prefetch();
  }

 private:
  constexpr error wrong(std::string_view key, error const& why) const {
    return fail(why.code(), name(), ": key ", key, ": ", why.message());
  }

  static result<file> open_part(std::string const& path, file_access access) {
    auto mapped = mapped_file::open(path, access);
    if (!mapped) return std::move(mapped).error();
    auto out = parse(mapped->bytes(), path);
    if (out) out->parts_.push_back(std::move(*mapped));
    return out;
  }

  /// Opens the `count` parts of which `path` is one, and makes one file of them.
  static result<file> join(std::string const& path, std::uint16_t count, file_access access) {
    auto const prefix = split_prefix(path, count);
    if (!prefix) return prefix.error();
    file all;
    for (std::uint16_t i = 0; i < count; ++i) {
      auto const part_path = split_path(*prefix, i, count);
      auto part = open_part(part_path, access);
      if (!part) return fail(part.error().code(), "part ", i + 1, " of ", count, ": ", part.error().message());
      for (auto const& [key, expected] : {std::pair{split_number_key, i}, std::pair{split_count_key, count}}) {
        auto const found = part->get<std::uint16_t>(key);
        if (!found) return found.error();
        if (*found != expected)
          return fail(errc::mismatch, part_path, ": key ", key, ": expected ", expected, ", found ", *found);
      }
      if (i == 0) {
        all = std::move(*part);
        continue;
      }
      auto& tensors = all.layout_.tensors;
      tensors.insert(tensors.end(), part->tensors().begin(), part->tensors().end());
      all.parts_.push_back(std::move(part->parts_.front()));
    }
    if (auto const* twice = all.layout_.names.build(all.layout_.tensors))
      return fail(errc::malformed, path, ": tensor ", twice->name, " is in two parts");
    auto const total = all.get<std::uint64_t>(split_tensors_key);
    if (!total) return total.error();
    if (*total != all.tensors().size())
      return fail(errc::mismatch, all.name(), ": key ", split_tensors_key, ": expected ", all.tensors().size(),
                  " as in the ", count, " parts, found ", *total);
    return all;
  }

  std::vector<char> name_;
  std::vector<char> text_; // what `as_text` keeps in constant evaluation
  std::string_view all_;
  std::vector<mapped_file> parts_;
  std::vector<std::vector<std::byte>> owned_; // what lies in no mapped file
  detail::layout layout_;
};

/// Maps and reads a GGUF file: `file::open`.
inline result<file> open(std::string const& path, file_access access = file_access::mapped) {
  return file::open(path, access);
}

} // namespace loquat::gguf
