#pragma once
/// \file
/// Vectors as small integers: each minus the mean of those learned from, perhaps rotated, times a factor of its own,
/// rounded to 8, 4, 2 or 1 bits. The product of a code with a query is exact in integers; two floats beside each
/// code make it the distance. With the factor |x|² / ⟨x, code⟩ the estimate of a product is without bias (J. Gao,
/// C. Long, "RaBitQ", 2024; J. Gao et al., "Practical and asymptotically optimal quantization …", 2025).

#include <loquat/core/math.hpp>
#include <loquat/index/codec.hpp>
#include <loquat/index/codecs/floats.hpp>
#include <loquat/index/codecs/rotation.hpp>
#include <loquat/kernel/bits.hpp>
#include <loquat/kernel/distance.hpp>
#include <loquat/kernel/encode.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {

/// The coder of small integers. A code c stands for (c + offset) · scale, in rotated space, around the mean.
template <LinearMetric M, unsigned Bits, bool Rotated> class scalar_coder {
  static_assert(Bits == 8 || Bits == 4 || Bits == 2 || Bits == 1);

 public:
  using element = std::conditional_t<Bits == 1, std::uint64_t, std::uint8_t>;
  struct factors {
    float scale, sum; ///< distance = sum + the query's sum − (product of codes) · scale · the query's scale
  };
  struct query {
    std::vector<std::conditional_t<Bits == 8, std::int16_t, std::int8_t>> vector; ///< [padded]
    std::vector<std::uint64_t> planes; ///< of one bit, what is used instead of `vector`: [query_bits × words]
    std::vector<float> work;           ///< [dimensions]
    float scale, sum, offset;          ///< `offset`: what the codes' offset adds to every product
  };

  constexpr explicit scalar_coder(std::size_t dimensions)
      : dimensions_(dimensions), rotation_(Rotated ? dimensions : 1) {}
  constexpr std::size_t elements() const noexcept { return Bits == 1 ? words() : padded() * Bits / 8; }

  /// Learns the mean of `rows` [n × dimensions]; without it, 0.
  constexpr void train(std::span<float const> rows) {
    std::vector<double> sums(dimensions_, double{});
    std::vector<float> x(dimensions_, float{});
    std::size_t const n = rows.size() / dimensions_;
    for (std::size_t i = 0; i < n; ++i) {
      copy_scaled<M>(dimensions_, rows.data() + i * dimensions_, x.data());
      for (std::size_t d = 0; d < dimensions_; ++d) sums[d] += static_cast<double>(x[d]);
    }
    mean_.resize(dimensions_, {});
    for (std::size_t d = 0; d < dimensions_; ++d) mean_[d] = static_cast<float>(sums[d] / static_cast<double>(n));
    square_ = dot(mean_, mean_);
  }
  constexpr std::span<float const> learned() const noexcept { return mean_; }
  constexpr bool relearn(std::span<float const> mean) {
    if (!mean.empty() && mean.size() != dimensions_) return false;
    mean_.assign(mean.begin(), mean.end());
    square_ = dot(mean_, mean_);
    return true;
  }

  constexpr void encode(float const* vector, element* code, factors& f) const {
    std::vector<float> x(dimensions_, float{});
    float const towards_mean = centred(vector, x.data());
    float const square = dot(x, x), most = largest(x);
    float step = most / top;
    if constexpr (packed) { // cutting a few large elements makes the steps of all others finer
      float best_match = -1;
      for (int cut = 0; cut < 10 && most >= least; ++cut) {
        float const finer = most / top * (1.0f - 0.06f * static_cast<float>(cut));
        auto const [product, length] = fit(x, 1.0f / finer);
        if (float const match = product / math::sqrt(length); match > best_match) best_match = match, step = finer;
      }
    }
    float const inverse = most >= least ? 1.0f / step : 0.0f;
    std::vector<std::int8_t> c(padded(), std::int8_t{});
    to_steps(x, inverse, c.data());
    std::fill_n(code, elements(), element{});
    for (std::size_t d = 0; d < dimensions_; ++d) put(code, d, c[d]);
    float const product = fit(x, inverse).product, scale = product > 0 ? square / product : 0.0f;
    if constexpr (std::same_as<M, l2>)
      f = {2 * scale, square};
    else if constexpr (std::same_as<M, cosine>)
      f = {scale, 0.5f * square};
    else
      f = {scale, -towards_mean - square_};
  }

  /// What the code stands for, turned back to where vectors came from.
  constexpr void decode(element const* code, factors const& f, float* x) const noexcept {
    float scale = std::same_as<M, l2> ? 0.5f * f.scale : f.scale;
    std::span const out(x, dimensions_);
    for (std::size_t d = 0; d < dimensions_; ++d) x[d] = (static_cast<float>(get(code, d)) + offset) * scale;
    if constexpr (Rotated) rotation_.undo(out);
    if (!mean_.empty())
      for (std::size_t d = 0; d < dimensions_; ++d) x[d] += mean_[d];
  }

  constexpr void prepare(float const* vector, query& q) const {
    q.work.resize(dimensions_, {});
    float const towards_mean = centred(vector, q.work.data());
    float const square = dot(q.work, q.work), most = largest(q.work);
    // of one bit, 8 bits; of 2 and 4, bytes; of 8 as fine as sums of 32 bits allow
    std::size_t const widest = Bits == 8 ? std::min<std::size_t>(32767, (1u << 31) / (padded() << 7) - 1) : 127;
    q.scale = most >= least ? most / static_cast<float>(widest) : 0.0f;
    q.vector.resize(padded(), {});
    q.offset = offset * static_cast<float>(rounded(q.work, most >= least ? 1.0f / q.scale : 0.0f, q.vector.data()));
    if constexpr (Bits == 1) make_planes(q);
    if constexpr (std::same_as<M, l2>)
      q.sum = square;
    else if constexpr (std::same_as<M, cosine>)
      q.sum = 0.5f * square;
    else
      q.sum = -towards_mean;
  }

  constexpr void prepare_code(element const* code, factors const& f, query& q) const {
    using number = typename decltype(q.vector)::value_type;
    q.vector.assign(padded(), 0);
    std::int32_t total = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) { // twice the code and its offset: a small integer
      int const c = 2 * get(code, d) + static_cast<int>(2 * offset);
      q.vector[d] = static_cast<number>(c), total += c;
    }
    q.offset = offset * static_cast<float>(total);
    if constexpr (Bits == 1) make_planes(q);
    q.scale = 0.5f * (std::same_as<M, l2> ? 0.5f * f.scale : f.scale);
    q.sum = f.sum;
    if constexpr (std::same_as<M, inner_product>) q.sum += square_; // which counts once
  }
  constexpr void distances(query const& q, element const* codes, factors const* all, std::uint32_t const* numbers,
                           std::size_t n, float* out) const {
    constexpr std::size_t most = 64;
    for (std::size_t first = 0; first < n; first += most) {
      std::size_t const count = std::min(most, n - first);
      std::int32_t products[most];
      if (!std::is_constant_evaluated()) {
        for (std::size_t i = first; i < first + count; ++i)
          __builtin_prefetch(all + (numbers == nullptr ? i : numbers[i]));
        std::size_t const stride = elements() * sizeof(element);
        kernel::row_list const list{codes + (numbers == nullptr ? first * elements() : 0), stride,
                                    numbers == nullptr ? nullptr : numbers + first, count};
        if constexpr (Bits == 1)
          kernel::count_bits([&](auto k) { k.planes(list, q.planes.data(), query_bits, words(), products); });
        else
          simd::dispatch<kernel::distances>(simd::preferred(), [&](auto k) {
            if constexpr (Bits == 8)
              k.byte_products(list, q.vector.data(), padded(), products);
            else
              k.template packed_products<Bits>(list, q.vector.data(), padded(), products);
          });
      } else {
        for (std::size_t i = 0; i < count; ++i)
          products[i] = product(q, codes + (numbers == nullptr ? first + i : numbers[first + i]) * elements());
      }
      for (std::size_t i = 0; i < count; ++i) {
        factors const& f = all[numbers == nullptr ? first + i : numbers[first + i]];
        out[first + i] = math::fma(-f.scale * q.scale, static_cast<float>(products[i]) + q.offset, f.sum + q.sum);
      }
    }
  }

  /// The product of a code with a prepared query, in plain C++: what the kernels compute.
  constexpr std::int32_t product(query const& q, element const* code) const noexcept {
    std::int32_t total = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) total += q.vector[d] * get(code, d);
    return total;
  }

 private:
  static constexpr std::size_t query_bits = 8;
  static constexpr bool packed = Bits == 4 || Bits == 2; // several numbers in a byte
  static constexpr std::size_t block = Bits == 8 ? 32 : Bits == 1 ? 64 : 32 * 8 / Bits; // numbers together
  // An integer of a code, which stands for itself plus the offset.
  static constexpr float offset = Bits == 8 ? 0.0f : 0.5f - static_cast<float>(1 << (Bits - 1));
  static constexpr float least = 1e-30f; // less is 0: steps of it have no inverse
  static constexpr float top = Bits == 8 ? 127.0f : -offset;
  static constexpr kernel::integer_steps steps{offset, Bits == 8 ? -127.0f : 0.0f, top - offset};

  static constexpr void put(element* code, std::size_t d, int c) noexcept {
    if constexpr (Bits == 8)
      code[d] = static_cast<element>(c);
    else if constexpr (packed)
      code[d / block * 32 + d % 32] |= static_cast<element>(c << (d % block / 32 * Bits));
    else
      code[d / 64] |= static_cast<element>(c) << d % 64;
  }
  static constexpr int get(element const* code, std::size_t d) noexcept {
    if constexpr (Bits == 8)
      return static_cast<std::int8_t>(code[d]);
    else if constexpr (packed)
      return code[d / block * 32 + d % 32] >> d % block / 32 * Bits & ((1 << Bits) - 1);
    else
      return static_cast<int>(code[d / 64] >> d % 64 & 1);
  }

  // Bit b of all numbers to plane b, eight by eight of them.
  constexpr void make_planes(query& q) const {
    q.planes.assign(query_bits * words(), 0);
    for (std::size_t d = 0; d < padded(); d += 8) {
      std::uint64_t x = 0; // the bits of eight numbers, to be transposed
      for (std::size_t i = 0; i < 8; ++i) x |= std::uint64_t{static_cast<std::uint8_t>(q.vector[d + i])} << 8 * i;
      auto const swap = [&](unsigned by, std::uint64_t mask) {
        std::uint64_t const differ = (x ^ x >> by) & mask;
        x ^= differ ^ differ << by;
      };
      swap(7, 0x00aa00aa00aa00aa), swap(14, 0x0000cccc0000cccc), swap(28, 0x00000000f0f0f0f0);
      for (std::size_t b = 0; b < query_bits; ++b) q.planes[b * words() + d / 64] |= (x >> 8 * b & 255) << d % 64;
    }
  }

  static constexpr float largest(std::span<float const> x) noexcept {
    if (std::is_constant_evaluated()) return kernel::reference::largest(x);
    return simd::dispatch<kernel::encoders>(simd::preferred(), [&](auto k) { return k.largest(x.data(), x.size()); });
  }
  static constexpr kernel::integer_fit fit(std::span<float const> x, float inverse) noexcept {
    if (std::is_constant_evaluated()) return kernel::reference::fit(x, inverse, steps);
    return simd::dispatch<kernel::encoders>(simd::preferred(),
                                            [&](auto k) { return k.fit(x.data(), x.size(), inverse, steps); });
  }
  static constexpr void to_steps(std::span<float const> x, float inverse, std::int8_t* out) noexcept {
    if (!std::is_constant_evaluated())
      return simd::dispatch<kernel::encoders>(simd::preferred(),
                                              [&](auto k) { k.to_steps(x.data(), x.size(), inverse, steps, out); });
    for (std::size_t d = 0; d < x.size(); ++d)
      out[d] = static_cast<std::int8_t>(kernel::reference::step_of(x[d], inverse, steps));
  }
  // x · inverse to the nearest integers; their sum
  template <class T> static constexpr std::int32_t rounded(std::span<float const> x, float inverse, T* out) noexcept {
    if (!std::is_constant_evaluated())
      return simd::dispatch<kernel::encoders>(simd::preferred(),
                                              [&](auto k) { return k.round(x.data(), x.size(), inverse, out); });
    std::int32_t total = 0;
    for (std::size_t d = 0; d < x.size(); ++d) {
      int const c = math::nearest(x[d] * inverse);
      out[d] = static_cast<T>(c), total += c;
    }
    return total;
  }

  // numbers of a code
  constexpr std::size_t padded() const noexcept { return (dimensions_ + block - 1) / block * block; }
  constexpr std::size_t words() const noexcept { return (dimensions_ + 63) / 64; }

  // x around the mean, rotated; returns ⟨x, mean⟩ of that (before the rotation)
  constexpr float centred(float const* vector, float* x) const noexcept {
    std::span const out(x, dimensions_);
    copy_scaled<M>(dimensions_, vector, x);
    float towards_mean = 0;
    if (!mean_.empty()) {
      for (std::size_t d = 0; d < dimensions_; ++d) x[d] -= mean_[d];
      towards_mean = dot(out, mean_);
    }
    if constexpr (Rotated) rotation_.apply(out);
    return towards_mean;
  }

  std::size_t dimensions_;
  rotation rotation_;
  std::vector<float> mean_; // [dimensions], or empty
  float square_ = 0;        // |mean|²
};

/// Any metric on decoded vectors of another coder, one after another.
template <CallableMetric M, class C> class decoding_coder {
 public:
  using element = typename C::element;
  using factors = typename C::factors;
  struct query {
    std::vector<float> vector, other; ///< [dimensions]; `other`: a decoded code
  };

  constexpr explicit decoding_coder(std::size_t dimensions) : dimensions_(dimensions), coder_(dimensions) {}
  constexpr std::size_t elements() const noexcept { return coder_.elements(); }
  constexpr void train(std::span<float const> rows) { coder_.train(rows); }
  constexpr std::span<float const> learned() const noexcept { return coder_.learned(); }
  constexpr bool relearn(std::span<float const> learned) { return coder_.relearn(learned); }
  constexpr bool ready() const noexcept requires UntaughtCoder<C> { return coder_.ready(); }
  constexpr void encode(float const* x, element* code, factors& f) const { coder_.encode(x, code, f); }
  constexpr void decode(element const* code, factors const& f, float* x) const { coder_.decode(code, f, x); }
  constexpr void prepare(float const* x, query& q) const { q.vector.assign(x, x + dimensions_); }
  constexpr void prepare_code(element const* code, factors const& f, query& q) const {
    q.vector.resize(dimensions_, {});
    decode(code, f, q.vector.data());
  }
  constexpr void distances(query& q, element const* codes, factors const* all, std::uint32_t const* numbers,
                           std::size_t n, float* out) const {
    q.other.resize(dimensions_, {});
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t const row = numbers == nullptr ? i : numbers[i];
      if constexpr (std::is_empty_v<factors>)
        decode(codes + row * elements(), {}, q.other.data());
      else
        decode(codes + row * elements(), all[row], q.other.data());
      out[i] = M{}(q.vector, q.other);
    }
  }

 private:
  std::size_t dimensions_;
  C coder_;
};

template <Metric M, unsigned Bits, bool Rotated>
struct scalar_coder_for : std::type_identity<decoding_coder<M, scalar_coder<l2, Bits, Rotated>>> {};
template <LinearMetric M, unsigned Bits, bool Rotated>
struct scalar_coder_for<M, Bits, Rotated> : std::type_identity<scalar_coder<M, Bits, Rotated>> {};

} // namespace detail

/// Eight bits an element, with a scale for each vector: a quarter of the memory, an error of half a percent.
struct sq8 {
  static constexpr std::string_view name = "sq8";                                         ///< in files and messages
  template <Metric M> using coder = typename detail::scalar_coder_for<M, 8, false>::type; ///< see `Coder`
};
/// `Bits` bits an element of the rotated vector, 1, 2, 4 or 8: the best codes for their size. Best with exact vectors
/// beside them (`rerank`).
template <unsigned Bits> struct rabitq {
  static constexpr std::string_view name = Bits == 1   ? "rabitq1" ///< in files
                                           : Bits == 2 ? "rabitq2"
                                           : Bits == 4 ? "rabitq4"
                                                       : "rabitq8";
  template <Metric M> using coder = typename detail::scalar_coder_for<M, Bits, true>::type; ///< see `Coder`
};

} // namespace loquat
