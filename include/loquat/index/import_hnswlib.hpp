#pragma once
/// \file
/// Files of hnswlib (`HierarchicalNSW::saveIndex`, version 0.8 and before): a header of 96 bytes, a record of fixed
/// size for each node with its links on level 0, its vector and its label, and then each node's links above that. They
/// say neither metric nor element type: vectors are taken as floats, and the index's metric must be the one they were
/// built with (a `cosine` index for inner products of vectors of length 1).

#include <loquat/core/result.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/import.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {

/// A `ForeignGraph` of hnswlib.
class hnswlib_graph {
 public:
  static result<hnswlib_graph> parse(std::span<std::byte const> file) {
    hnswlib_graph g;
    byte_reader in(file);
    auto const links_at = in.read<std::uint64_t>();
    in.skip(8); // the nodes it had room for
    auto const count = in.read<std::uint64_t>();
    g.record_ = in.read<std::uint64_t>(), g.label_ = in.read<std::uint64_t>(), g.vector_ = in.read<std::uint64_t>();
    in.skip(4); // the highest level
    g.entry_ = in.read<std::uint32_t>();
    g.upper_most_ = in.read<std::uint64_t>(), g.base_most_ = in.read<std::uint64_t>();
    in.skip(16); // m again, and the factor of levels
    auto const ef = in.read<std::uint64_t>();
    if (!in) return in.failure();
    auto const wrong = [](std::string_view what, std::uint64_t is, std::string_view expected) {
      return fail(errc::malformed, "no file of hnswlib: ", what, " ", is, ", expected ", expected);
    };
    if (links_at != 0) return wrong("links at", links_at, "0");
    if (g.upper_most_ < 1 || g.upper_most_ > 256) return wrong("links above level 0", g.upper_most_, "1 to 256");
    if (g.base_most_ < g.upper_most_ || g.base_most_ > 512)
      return wrong("links on level 0", g.base_most_, "as many, to 512");
    if (g.vector_ != 4 + 4 * g.base_most_) return wrong("vectors at", g.vector_, "the end of the links");
    if (g.label_ <= g.vector_ || (g.label_ - g.vector_) % 4 != 0 || g.label_ > 4 * most_dimensions + g.vector_)
      return wrong("labels at", g.label_, "the end of a vector of floats");
    if (g.record_ != g.label_ + 8) return wrong("bytes of a node", g.record_, "the end of its label");
    if (count > in.remaining() / g.record_) return wrong("nodes", count, "no more than the file has room for");
    g.options_.dimensions = static_cast<std::size_t>((g.label_ - g.vector_) / 4);
    g.options_.m = static_cast<std::size_t>(std::max<std::uint64_t>({2, g.upper_most_, (g.base_most_ + 1) / 2}));
    g.options_.ef_construction = static_cast<std::size_t>(std::clamp<std::uint64_t>(ef, 1, 1u << 16));
    g.nodes_ = in.take(count * g.record_);
    std::uint64_t const list = 4 + 4 * g.upper_most_;
    if (auto room = check_memory(count * sizeof g.upper_[0]); !room) return room.error();
    g.upper_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(count, in.remaining() / 4)));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto const bytes = in.read<std::uint32_t>();
      if (bytes % list != 0) return wrong("bytes of links above level 0", bytes, "whole lists");
      g.upper_.push_back(in.take(bytes));
    }
    if (!in) return in.failure();
    if (in.remaining() != 0) return wrong("bytes behind the links", in.remaining(), "0");
    return g;
  }

  hnsw_options options() const { return options_; }
  std::size_t size() const noexcept { return upper_.size(); }
  std::size_t entry() const noexcept { return entry_; }
  std::size_t level(std::size_t i) const noexcept {
    return upper_[i].size() / static_cast<std::size_t>(4 + 4 * upper_most_);
  }
  std::uint64_t key(std::size_t i) const noexcept { return load_little<std::uint64_t>(node(i) + label_); }
  bool erased(std::size_t i) const noexcept { return (std::to_integer<unsigned>(node(i)[2]) & 1) != 0; }
  void vector(std::size_t i, float* x) const noexcept {
    for (std::size_t d = 0; d < options_.dimensions; ++d) x[d] = load_little<float>(node(i) + vector_ + 4 * d);
  }
  bool links(std::size_t i, unsigned level, std::vector<std::uint32_t>& out) const {
    auto const* const list = level == 0 ? node(i) : upper_[i].data() + (level - 1) * (4 + 4 * upper_most_);
    std::size_t const n = load_little<std::uint16_t>(list);
    if (n > (level == 0 ? base_most_ : upper_most_)) return false;
    for (std::size_t l = 0; l < n; ++l) out.push_back(load_little<std::uint32_t>(list + 4 + 4 * l));
    return true;
  }

 private:
  std::byte const* node(std::size_t i) const noexcept { return nodes_.data() + i * record_; }

  hnsw_options options_;
  std::uint64_t record_ = 0, label_ = 0, vector_ = 0, upper_most_ = 0, base_most_ = 0;
  std::size_t entry_ = 0;
  std::span<std::byte const> nodes_;
  std::vector<std::span<std::byte const>> upper_;
};

} // namespace detail

/// Takes over an index of hnswlib from the bytes of its file: `import_hnswlib<hnsw<l2>>(bytes)`. Erased nodes stay
/// erased. Errors: `errc::malformed`, with the node and what was expected; `errc::argument` for vectors the metric
/// cannot take.
template <class Index> result<Index> import_hnswlib(std::span<std::byte const> file) {
  auto const graph = detail::hnswlib_graph::parse(file);
  if (!graph) return graph.error();
  return detail::index_importer::take(std::type_identity<Index>(), *graph);
}
/// The same from a file at `path` (UTF-8).
template <class Index> result<Index> import_hnswlib(std::string const& path) {
  auto file = mapped_file::open(path);
  if (!file) return file.error();
  auto index = import_hnswlib<Index>(file->bytes());
  return index ? std::move(index) : index.error().within(path);
}

} // namespace loquat
