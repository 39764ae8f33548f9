#pragma once
/// \file
/// Product quantization: a vector is cut into parts, and each part is kept as the number of the nearest of 256 vectors
/// of a code book, learned by k-means (H. Jégou, M. Douze, C. Schmid, 2011). A distance is a sum of one number from a
/// table for each part; the tables are made once for a query.

#include <loquat/index/codec.hpp>
#include <loquat/index/codecs/floats.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/kernel/code_books.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// The vectors of one part of all training vectors, and 256 that are near to them: k-means (S. Lloyd, 1957). Always the
/// same for the same vectors. A centroid that is nearest to none becomes the vector that is farthest from its own.
class k_means {
 public:
  static constexpr std::size_t centroids = 256;

  /// Of `rows` [n × dimensions], n ≥ 1.
  constexpr k_means(std::span<float const> rows, std::size_t dimensions)
      : rows_(rows), d_(dimensions), n_(rows.size() / dimensions), books_(centroids * dimensions, 0.0f),
        members_(n_, std::uint8_t{}), distances_(n_, 0.0f) {
    std::vector<std::size_t> order(n_, std::size_t{}); // the first 256 of a shuffle
    for (std::size_t i = 0; i < n_; ++i) order[i] = i;
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    for (std::size_t c = 0; c < centroids; ++c) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      if (c < n_) std::swap(order[c], order[c + (state >> 32) % (n_ - c)]);
      put(c, rows_.subspan(order[c % n_] * d_, d_));
    }
  }

  /// The centroids, element by element [dimensions × 256], after so many rounds.
  constexpr std::vector<float> run(std::size_t rounds) {
    for (std::size_t round = 0; round < rounds; ++round) {
      float total = 0;
      for (std::size_t i = 0; i < n_; ++i) {
        members_[i] = static_cast<std::uint8_t>(nearest(books_.data(), rows_.data() + i * d_, d_, distances_[i]));
        total += distances_[i];
      }
      if (total == 0) break;
      move();
    }
    return books_;
  }

  /// Σ (x − c)² or Σ x·c for each centroid of a book [dimensions × 256], to `out` [256].
  template <kernel::row_measure Measure>
  static constexpr void measure(float const* book, float const* x, std::size_t dimensions, float* out) {
    if (!std::is_constant_evaluated())
      return simd::dispatch<kernel::code_books>(
          simd::preferred(), [&](auto kernels) { kernels.template measure<Measure>(book, x, dimensions, out); });
    std::fill_n(out, centroids, 0.0f);
    for (std::size_t d = 0; d < dimensions; ++d)
      for (std::size_t c = 0; c < centroids; ++c) out[c] = add<Measure>(x[d], book[d * centroids + c], out[c]);
  }
  /// One element's share of that.
  template <kernel::row_measure Measure> static constexpr float add(float x, float c, float sum) noexcept {
    if constexpr (Measure == kernel::row_measure::dot)
      return math::fma(x, c, sum);
    else
      return math::fma(x - c, x - c, sum);
  }
  /// The centroid of a book that is nearest to x, the first of equals, and the squared distance.
  static constexpr std::size_t nearest(float const* book, float const* x, std::size_t dimensions, float& distance) {
    float distances[centroids];
    if (std::is_constant_evaluated()) std::fill_n(distances, centroids, 0.0f);
    measure<kernel::row_measure::squares>(book, x, dimensions, distances);
    std::size_t best = 0;
    for (std::size_t c = 1; c < centroids; ++c)
      if (distances[c] < distances[best]) best = c;
    distance = distances[best];
    return best;
  }

 private:
  constexpr void put(std::size_t c, std::span<float const> x) noexcept {
    for (std::size_t d = 0; d < d_; ++d) books_[d * centroids + c] = x[d];
  }
  // every centroid to the mean of its members
  constexpr void move() {
    std::vector<double> sums(centroids * d_, double{});
    std::vector<std::size_t> counts(centroids, std::size_t{});
    for (std::size_t i = 0; i < n_; ++i) {
      ++counts[members_[i]];
      for (std::size_t d = 0; d < d_; ++d) sums[members_[i] * d_ + d] += static_cast<double>(rows_[i * d_ + d]);
    }
    for (std::size_t c = 0; c < centroids; ++c) {
      if (counts[c] == 0) {
        auto const farthest = std::max_element(distances_.begin(), distances_.end());
        if (*farthest == 0) continue;
        put(c, rows_.subspan(static_cast<std::size_t>(farthest - distances_.begin()) * d_, d_));
        *farthest = 0;
        continue;
      }
      for (std::size_t d = 0; d < d_; ++d)
        books_[d * centroids + c] = static_cast<float>(sums[c * d_ + d] / static_cast<double>(counts[c]));
    }
  }

  std::span<float const> rows_;
  std::size_t d_, n_;
  std::vector<float> books_; // [dimensions × 256]
  std::vector<std::uint8_t> members_;
  std::vector<float> distances_; // of vectors from their centroids, squared
};

/// The coder of parts. Part p is the elements from p · dimensions / parts on.
template <LinearMetric M, std::size_t Bytes> class pq_coder {
  static constexpr std::size_t centroids = k_means::centroids;
  static constexpr auto kind = std::same_as<M, l2> ? kernel::row_measure::squares : kernel::row_measure::dot;

 public:
  using element = std::uint8_t;
  struct factors {};
  struct query {
    std::vector<float> vector; ///< [dimensions]
    std::vector<float> tables; ///< distances of its parts from all centroids [parts × 256]; empty: of a stored vector
  };

  constexpr explicit pq_coder(std::size_t dimensions) : dimensions_(dimensions), parts_(std::min(Bytes, dimensions)) {}
  constexpr std::size_t elements() const noexcept { return parts_; }

  /// Learns code books from `rows` [n × dimensions], of which it looks at 16,384 at most.
  constexpr void train(std::span<float const> rows) {
    constexpr std::size_t most = 64 * centroids, rounds = 12;
    std::size_t const all = rows.size() / dimensions_, n = std::min(all, most);
    if (n == 0) return;
    std::vector<float> x(dimensions_, float{}), part, books;
    for (std::size_t p = 0; p < parts_; ++p) {
      part.clear();
      for (std::size_t i = 0; i < n; ++i) {
        copy_scaled<M>(dimensions_, rows.data() + i * all / n * dimensions_, x.data());
        for (std::size_t d = begin(p); d < begin(p + 1); ++d) part.push_back(x[d]);
      }
      auto const book = k_means(part, begin(p + 1) - begin(p)).run(rounds);
      books.insert(books.end(), book.begin(), book.end());
    }
    take(std::move(books));
  }
  constexpr bool ready() const noexcept { return !books_.empty(); }
  constexpr std::span<float const> learned() const noexcept { return books_; }
  constexpr bool relearn(std::span<float const> books) {
    if (!books.empty() && books.size() != dimensions_ * centroids) return false;
    for (float const v : books)
      if (!(v - v == 0)) return false;
    take({books.begin(), books.end()});
    return true;
  }

  constexpr void encode(float const* vector, element* code, factors&) const {
    std::vector<float> x(dimensions_, float{});
    copy_scaled<M>(dimensions_, vector, x.data());
    float distance = 0;
    for (std::size_t p = 0; p < parts_; ++p)
      code[p] = static_cast<element>(k_means::nearest(book(p), x.data() + begin(p), begin(p + 1) - begin(p), distance));
  }
  constexpr void decode(element const* code, factors const&, float* x) const noexcept {
    for (std::size_t p = 0; p < parts_; ++p) std::copy_n(centroid(p, code[p]), begin(p + 1) - begin(p), x + begin(p));
  }

  constexpr void prepare(float const* vector, query& q) const {
    q.vector.resize(dimensions_, {}), q.tables.resize(parts_ * centroids, {});
    copy_scaled<M>(dimensions_, vector, q.vector.data());
    for (std::size_t p = 0; p < parts_; ++p)
      k_means::measure<kind>(book(p), q.vector.data() + begin(p), begin(p + 1) - begin(p),
                             q.tables.data() + p * centroids);
  }
  // A stored vector is measured with a few others only: tables do not pay. The sums are the same.
  constexpr void prepare_code(element const* code, factors const& f, query& q) const {
    q.vector.resize(dimensions_, {}), q.tables.clear();
    decode(code, f, q.vector.data());
  }
  constexpr void distances(query const& q, element const* codes, factors const*, std::uint32_t const* numbers,
                           std::size_t n, float* out) const {
    auto const row = [&](std::size_t i) { return codes + (numbers == nullptr ? i : numbers[i]) * parts_; };
    if (q.tables.empty()) {
      for (std::size_t i = 0; i < n; ++i) out[i] = distance_of<M>(directly(q.vector.data(), row(i)));
      return;
    }
    constexpr std::size_t at_once = 4; // sums that do not wait for each other
    for (std::size_t i = 0; i < n; i += at_once) {
      element const* rows[at_once]{};
      float sums[at_once]{};
      for (std::size_t j = 0; j < at_once; ++j) {
        rows[j] = row(std::min(i + j, n - 1));
        if (!std::is_constant_evaluated() && i + at_once + j < n) __builtin_prefetch(row(i + at_once + j));
      }
      float const* table = q.tables.data();
      for (std::size_t p = 0; p < parts_; ++p, table += centroids)
        for (std::size_t j = 0; j < at_once; ++j) sums[j] += table[rows[j][p]];
      for (std::size_t j = 0; j < at_once && i + j < n; ++j) out[i + j] = distance_of<M>(sums[j]);
    }
  }

 private:
  constexpr std::size_t begin(std::size_t part) const noexcept { return part * dimensions_ / parts_; }
  constexpr float const* book(std::size_t part) const noexcept { return books_.data() + begin(part) * centroids; }
  constexpr float const* centroid(std::size_t part, std::size_t c) const noexcept {
    return rows_.data() + begin(part) * centroids + c * (begin(part + 1) - begin(part));
  }

  // what tables would say, without them
  constexpr float directly(float const* x, element const* code) const noexcept {
    float total = 0;
    for (std::size_t p = 0; p < parts_; ++p) {
      float const* const c = centroid(p, code[p]);
      float sum = 0;
      for (std::size_t d = begin(p), i = 0; d < begin(p + 1); ++d, ++i) sum = k_means::add<kind>(x[d], c[i], sum);
      total += sum;
    }
    return total;
  }

  constexpr void take(std::vector<float> books) {
    books_ = std::move(books);
    rows_.resize(books_.size(), {});
    for (std::size_t p = 0; p < parts_ && ready(); ++p)
      for (std::size_t d = begin(p), size = begin(p + 1) - d, i = 0; i < size; ++i)
        for (std::size_t c = 0; c < centroids; ++c)
          rows_[d * centroids + c * size + i] = books_[(d + i) * centroids + c];
  }

  std::size_t dimensions_, parts_;
  std::vector<float> books_; // of every part, element by element [dimensions × 256]
  std::vector<float> rows_;  // the same, centroid by centroid
};

template <Metric M, std::size_t Bytes>
struct pq_coder_for : std::type_identity<decoding_coder<M, pq_coder<l2, Bytes>>> {};
template <LinearMetric M, std::size_t Bytes> struct pq_coder_for<M, Bytes> : std::type_identity<pq_coder<M, Bytes>> {};

/// "pq" and a number.
template <std::size_t Bytes>
inline constexpr auto pq_name = [] {
  std::size_t digits = 1;
  for (std::size_t rest = Bytes; rest >= 10; rest /= 10) ++digits;
  std::array<char, 22> name{'p', 'q'};
  for (std::size_t i = digits, rest = Bytes; i-- > 0; rest /= 10) name[2 + i] = static_cast<char>('0' + rest % 10);
  return std::pair(name, digits + 2);
}();

} // namespace detail

/// `Bytes` bytes a vector, whatever its length: the smallest codes, with the largest errors; best with `rerank`. An
/// index must `train` with some thousands of vectors before the first insertion, unless that is one of many vectors.
template <std::size_t Bytes> struct pq {
  static_assert(Bytes > 0);
  static constexpr std::string_view name{detail::pq_name<Bytes>.first.data(),
                                         detail::pq_name<Bytes>.second};           ///< in files
  template <Metric M> using coder = typename detail::pq_coder_for<M, Bytes>::type; ///< see `Coder`
};

} // namespace loquat
