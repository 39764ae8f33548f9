#pragma once
/// \file
/// Files of USearch 2 (`index_dense_gt::save`): a matrix of vectors behind its shape, a header of 64 bytes, and the
/// graph: a header, the level of each node, and each node's key, level and links. Keys are of 64 bits, slots of 32.

#include <loquat/core/result.hpp>
#include <loquat/index/codecs/floats.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/import.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {

/// A `ForeignGraph` of USearch.
class usearch_graph {
 public:
  /// `metric`: the letter of the one that is expected.
  static result<usearch_graph> parse(std::span<std::byte const> file, char metric) {
    usearch_graph g;
    byte_reader in = find_header(file, g.vectors_, g.rows_, g.row_bytes_);
    if (in.text(7) != "usearch")
      return fail(errc::malformed,
                  "no file of USearch with vectors: there is no header behind a matrix at the file's start");
    auto const major = in.read<std::uint16_t>(), minor = in.read<std::uint16_t>();
    in.skip(2);
    auto const kind = in.read<std::uint8_t>();
    std::uint8_t const element = in.read<std::uint8_t>(), key = in.read<std::uint8_t>(), slot = in.read<std::uint8_t>();
    in.skip(16); // how many are present and erased
    auto const dimensions = in.read<std::uint64_t>();
    bool const several = in.read<bool>();
    in.skip(64 - 42);
    if (!in) return in.failure();
    if (major != 2) return fail(errc::unsupported, "a file of USearch ", major, ", expected version 2");
    if (static_cast<char>(kind) != metric)
      return fail(errc::mismatch, "the file's metric is '", static_cast<char>(kind), "', expected '", metric,
                  "' for that of the program's type");
    g.element_ = name_of(element, minor);
    if (name_of(key, minor) != scalar::u64 || name_of(slot, minor) != scalar::u32)
      return fail(errc::unsupported, "keys of kind ", key, " and slots of kind ", slot, ", expected 64 and 32 bits");
    if (g.element_ == scalar::other || g.element_ == scalar::u64 || g.element_ == scalar::u32)
      return fail(errc::unsupported, "elements of kind ", element, ", expected f64, f32, f16, bf16, i8 or b1");
    if (dimensions == 0 || dimensions > most_dimensions)
      return fail(errc::malformed, "vectors of ", dimensions, " elements, expected 1 to ", most_dimensions);
    if (g.row_bytes_ != (dimensions * bits(g.element_) + 7) / 8)
      return fail(errc::malformed, "vectors of ", dimensions, " elements in ", g.row_bytes_, " bytes");

    auto const count = in.read<std::uint64_t>();
    g.upper_most_ = in.read<std::uint64_t>(), g.base_most_ = in.read<std::uint64_t>();
    in.skip(8); // the highest level
    auto const entry = in.read<std::uint64_t>();
    if (!in) return in.failure();
    if (count != g.rows_) return fail(errc::malformed, "a graph of ", count, " nodes for ", g.rows_, " vectors");
    if (count != 0 && entry >= count)
      return fail(errc::malformed, "searches begin at node ", entry, ", expected one below ", count);
    g.entry_ = static_cast<std::size_t>(entry);
    if (count != 0 && (g.upper_most_ < 1 || g.upper_most_ > 256 || g.base_most_ < g.upper_most_ || g.base_most_ > 512))
      return fail(errc::unsupported, "nodes with ", g.base_most_, " and ", g.upper_most_,
                  " links, expected up to 512 and 256");
    g.options_.dimensions = static_cast<std::size_t>(dimensions);
    g.options_.m = static_cast<std::size_t>(std::max<std::uint64_t>({2, g.upper_most_, (g.base_most_ + 1) / 2}));
    g.options_.several = several;
    byte_reader levels(in.take(count * 2));
    if (!in) return in.failure();
    if (auto room = check_memory(count * sizeof g.nodes_[0]); !room) return room.error();
    g.nodes_.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto const level = levels.read<std::uint16_t>();
      if (level > most_levels)
        return fail(errc::malformed, "node ", i, " is on level ", level, ", expected at most ", most_levels);
      g.nodes_.push_back(in.take(head + 4 + 4 * g.base_most_ + level * (4 + 4 * g.upper_most_)));
    }
    if (!in) return in.failure();
    if (in.remaining() != 0) return fail(errc::malformed, in.remaining(), " bytes behind the graph, expected none");
    return g;
  }

  hnsw_options options() const { return options_; }
  std::size_t size() const noexcept { return nodes_.size(); }
  std::size_t entry() const noexcept { return entry_; }
  std::size_t level(std::size_t i) const noexcept {
    return (nodes_[i].size() - static_cast<std::size_t>(head + 4 + 4 * base_most_)) /
           static_cast<std::size_t>(4 + 4 * upper_most_);
  }
  std::uint64_t key(std::size_t i) const noexcept { return load_little<std::uint64_t>(nodes_[i].data()); }
  bool erased(std::size_t i) const noexcept { return key(i) == std::numeric_limits<std::uint64_t>::max(); }
  void vector(std::size_t i, float* x) const noexcept {
    auto const* const row = vectors_.data() + i * row_bytes_;
    for (std::size_t d = 0; d < options_.dimensions; ++d) switch (element_) {
      case scalar::f64:
        x[d] = static_cast<float>(load_little<double>(row + 8 * d));
        break;
      case scalar::f32:
        x[d] = load_little<float>(row + 4 * d);
        break;
      case scalar::f16:
        x[d] = float_from_half(load_little<std::uint16_t>(row + 2 * d));
        break;
      case scalar::bf16:
        x[d] = float_from_bfloat(load_little<std::uint16_t>(row + 2 * d));
        break;
      case scalar::i8:
        x[d] = static_cast<float>(static_cast<std::int8_t>(row[d])) / 127.0f;
        break;
      default:
        x[d] = static_cast<float>(std::to_integer<unsigned>(row[d / 8]) >> (7 - d % 8) & 1u);
      }
  }
  bool links(std::size_t i, unsigned level, std::vector<std::uint32_t>& out) const {
    auto const* list = nodes_[i].data() + head;
    if (level != 0) list += 4 + 4 * base_most_ + (level - 1) * (4 + 4 * upper_most_);
    std::size_t const n = load_little<std::uint32_t>(list);
    if (n > (level == 0 ? base_most_ : upper_most_)) return false;
    for (std::size_t l = 0; l < n; ++l) out.push_back(load_little<std::uint32_t>(list + 4 + 4 * l));
    return true;
  }

 private:
  enum class scalar { other, b1, bf16, f64, f32, f16, u64, u32, i8 };
  static constexpr std::uint64_t head = 10; // of a node: its key and level

  // Version 2.10 gave them other numbers.
  static constexpr scalar name_of(std::uint8_t kind, std::uint16_t minor) noexcept {
    bool const old = minor < 10;
    if (kind == 1) return scalar::b1;
    if (kind == 4 && !old) return scalar::bf16;
    if (kind == (old ? 4 : 10)) return scalar::f64;
    if (kind == (old ? 5 : 11)) return scalar::f32;
    if (kind == (old ? 6 : 12)) return scalar::f16;
    if (kind == (old ? 8 : 14)) return scalar::u64;
    if (kind == (old ? 9 : 15)) return scalar::u32;
    if (kind == (old ? 14 : 23)) return scalar::i8;
    return scalar::other;
  }
  static constexpr std::uint64_t bits(scalar s) noexcept {
    return s == scalar::b1 ? 1 : s == scalar::i8 ? 8 : s == scalar::f64 ? 64 : s == scalar::f32 ? 32 : 16;
  }

  // The matrix has a shape of 32 or of 64 bits: the header is behind the one that is right.
  static byte_reader<std::byte> find_header(std::span<std::byte const> file, std::span<std::byte const>& vectors,
                                            std::uint64_t& rows, std::uint64_t& row_bytes) {
    for (bool const wide : {false, true}) {
      byte_reader in(file);
      rows = wide ? in.read<std::uint64_t>() : in.read<std::uint32_t>();
      row_bytes = wide ? in.read<std::uint64_t>() : in.read<std::uint32_t>();
      if (row_bytes != 0 && rows > in.remaining() / row_bytes) continue;
      vectors = in.take(rows * row_bytes);
      byte_reader after = in;
      if (after.text(7) == "usearch") return in;
    }
    return byte_reader(file.first(0));
  }

  hnsw_options options_;
  scalar element_ = scalar::other;
  std::span<std::byte const> vectors_;
  std::uint64_t rows_ = 0, row_bytes_ = 0, upper_most_ = 0, base_most_ = 0;
  std::size_t entry_ = 0;
  std::vector<std::span<std::byte const>> nodes_;
};

/// USearch's letter of a metric; 0 if it has none.
template <class M> constexpr char usearch_metric() noexcept {
  if (std::same_as<M, l2>) return 'e';
  if (std::same_as<M, inner_product>) return 'i';
  if (std::same_as<M, cosine>) return 'c';
  if (std::same_as<M, hamming>) return 'b';
  return std::same_as<M, jaccard> ? 't' : '\0'; // which there is Tanimoto's of bits
}
template <Metric M, class... Parts> constexpr char usearch_metric(std::type_identity<hnsw<M, Parts...>>) noexcept {
  return usearch_metric<M>();
}

} // namespace detail

/// Takes over an index of USearch from the bytes of its file: `import_usearch<hnsw<cosine, f16>>(bytes)`. Elements of 8
/// bits become 1/127 of their number, bits 0 and 1. Errors: `errc::malformed`, with the node and what was expected;
/// `errc::mismatch` for another metric or other dimensions; `errc::unsupported` for other versions, slots or elements;
/// `errc::argument` for vectors the metric cannot take.
template <class Index> result<Index> import_usearch(std::span<std::byte const> file) {
  auto const graph = detail::usearch_graph::parse(file, detail::usearch_metric(std::type_identity<Index>()));
  if (!graph) return graph.error();
  return detail::index_importer::take(std::type_identity<Index>(), *graph);
}
/// The same from a file at `path` (UTF-8).
template <class Index> result<Index> import_usearch(std::string const& path) {
  auto file = mapped_file::open(path);
  if (!file) return file.error();
  auto index = import_usearch<Index>(file->bytes());
  return index ? std::move(index) : index.error().within(path);
}

} // namespace loquat
