#pragma once
/// \file
/// Opens any bytes as files of indices, in every way, and uses what opens.

#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/filter.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <vector>

namespace test {

enum class index_outcome { refused, mapped, loaded, wrong };

/// A copy of bytes at a multiple of 64, with nothing behind it.
class aligned_bytes {
 public:
  explicit aligned_bytes(std::span<std::byte const> bytes)
      : start_(static_cast<std::byte*>(::operator new (bytes.size(), std::align_val_t{64}))), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), start_);
  }
  aligned_bytes(aligned_bytes const&) = delete;
  aligned_bytes& operator=(aligned_bytes const&) = delete;
  ~aligned_bytes() { ::operator delete (start_, std::align_val_t{64}); }

  std::span<std::byte> get() noexcept { return {start_, size_}; }

 private:
  std::byte* start_;
  std::size_t size_;
};

/// Makes the checksums of a changed file right again, as somebody would who wants it to be believed.
inline void seal_index(std::span<std::byte> file) {
  using namespace loquat;
  auto const head = detail::header_length(file.first(std::min<std::size_t>(file.size(), detail::fixed_header)));
  if (!head || *head > file.size()) return;
  for (std::size_t at = detail::fixed_header; at < *head; at += detail::section_entry) {
    auto const offset = load_little<std::uint64_t>(file.data() + at + 8),
               bytes = load_little<std::uint64_t>(file.data() + at + 16);
    if (offset > file.size() || bytes > file.size() - offset) continue;
    auto const sum = checksum(file.subspan(offset, bytes), load_little<std::uint32_t>(file.data() + at));
    std::memcpy(file.data() + at + 24, &sum, 8);
  }
  auto const sum = checksum(file.first(*head).subspan(16));
  std::memcpy(file.data() + 8, &sum, 8);
}

template <class Index> bool use_index(Index& index) {
  using namespace loquat;
  std::size_t const d = index.dimensions();
  if (d > 4096) return true;
  std::vector<float> x(d, 0.5f);
  bool good = true;
  for (std::size_t round = 0; round < 3; ++round) {
    hit found[8];
    x[round % d] += 1;
    auto const n = index.search(x, found, {.ef = 16});
    good = good && n && *n <= 8 && *n <= index.size() + 1;
    std::uint64_t const some[]{0, 3, 7, 8, 20, 500};
    for (auto strategy : {filter_strategy::walk, filter_strategy::hop, filter_strategy::scan}) {
      search_options const options{.ef = 16, .rerank = 0, .strategy = strategy};
      auto const filtered = index.search(x, found, options, [](std::uint64_t key) { return key % 3 == 0; });
      auto const listed = index.search(x, found, options, sorted_keys(some));
      good = good && filtered && *filtered <= 8 && listed && *listed <= 8;
    }
    std::vector<hit> inside;
    if constexpr (requires { index.search_within(x, 3, inside); })
      good = good && index.search_within(x, 3, inside, {.ef = 4}).has_value();
  }
  if constexpr (requires { index.contains(3); }) {
    for (std::uint64_t key = 0; key < 4; ++key) (void)index.contains(key), (void)index.read(key, x);
    std::size_t keys = 0;
    index.for_each_key([&](std::uint64_t) { ++keys; });
    good = good && (index.mapped() || keys == index.size());
    std::fill(x.begin(), x.end(), 0.25f);
  }
  if (index.mapped()) return good && !index.insert(77, x) && !index.erase(3);
  for (std::uint64_t key = 1000; key < 1004; ++key) (void)index.insert(key, x);
  for (std::uint64_t key = 0; key < 12; ++key) index.erase(key);
  for (std::uint64_t key = 1004; key < 1010; ++key) (void)index.insert(key, x);
  hit found[4];
  return good && index.search(x, found).has_value();
}

template <class Index> index_outcome fuzz_index_as(std::span<std::byte const> bytes) {
  using namespace loquat;
  auto outcome = index_outcome::refused;
  bool const sound = verify_index(bytes).has_value();
  if (auto mapped = map_index<Index>(bytes)) {
    if (!use_index(*mapped)) return index_outcome::wrong;
    outcome = index_outcome::mapped;
  }
  if (auto loaded = load_index<Index>(bytes)) {
    if (!sound || outcome != index_outcome::mapped || !use_index(*loaded)) return index_outcome::wrong;
    outcome = index_outcome::loaded;
    auto const again = index_bytes(*loaded);
    if (!again || !load_index<Index>(std::span<std::byte const>(*again))) return index_outcome::wrong;
  }
  return outcome;
}

/// Some types of indices.
using fuzzed_graph = loquat::hnsw<loquat::l2, loquat::sq8, loquat::rerank<loquat::f32>>;
using fuzzed_bits = loquat::hnsw<loquat::hamming, loquat::binary>;
using fuzzed_books = loquat::hnsw<loquat::inner_product, loquat::pq<2>, loquat::rerank<loquat::f16>>;
using fuzzed_flat = loquat::flat<loquat::cosine>;

inline index_outcome fuzz_index(std::span<std::byte const> bytes) {
  auto best = index_outcome::refused;
  aligned_bytes raw(bytes), sealed(bytes);
  seal_index(sealed.get());
  for (auto const file : {raw.get(), sealed.get()})
    for (auto const outcome :
         {fuzz_index_as<fuzzed_graph>(file), fuzz_index_as<fuzzed_bits>(file), fuzz_index_as<fuzzed_flat>(file)})
      best = std::max(best, outcome);
  return best;
}

} // namespace test
