#pragma once
/// \file
/// Encoded vectors in slots, which indices share; and what is checked before one gets there.

#include <loquat/core/result.hpp>
#include <loquat/index/codec.hpp>
#include <loquat/index/codecs/floats.hpp>
#include <loquat/index/pool.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace loquat::detail {

/// The error of a vector that cannot be stored or searched for: a wrong length, NaN or infinity, or none to normalise.
template <Metric M> constexpr result<void> check_vector(std::span<float const> x, std::size_t dimensions) {
  if (x.size() != dimensions)
    return fail(errc::argument, "a vector of ", x.size(), " elements, where the index has ", dimensions);
  float const length = dot(x, x);
  if (!(length - length == 0))
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!(x[i] - x[i] == 0)) return fail(errc::argument, "element ", i, " of a vector is not a finite number");
  if constexpr (std::same_as<M, cosine>) {
    if (!(length >= 1e-30f)) return fail(errc::argument, "a vector of length 0 has no direction (metric: cosine)");
  }
  if constexpr (LinearMetric<M>) {
    if (!(length <= 1e30f)) return fail(errc::argument, "a vector is too long: the sum of its squares exceeds 1e30");
  }
  return {};
}

/// Codes by slot.
template <Metric M, class C, class Allocator> class vectors {
 public:
  using coder = typename coder_for<C, M>::type;
  using query = typename coder::query;
  /// The code of one vector that is not stored.
  struct one {
    std::vector<typename coder::element> code; ///< [elements]
    typename coder::factors factors;
  };

  constexpr vectors(std::size_t dimensions, Allocator const& allocator)
      : coder_(dimensions), codes_(allocator), factors_(allocator) {}

  constexpr coder const& code() const noexcept { return coder_; } ///< the coder
  constexpr coder& code() noexcept { return coder_; }             ///< \overload
  /// The error of a coder that has to learn before it encodes.
  constexpr result<void> ready() const {
    if constexpr (UntaughtCoder<coder>)
      if (!coder_.ready())
        return fail(errc::argument, "codec ", C::name, " learns from vectors first: train the index, or begin it with "
                    "an insertion of several");
    return {};
  }
  /// Learns from `rows` [n × dimensions], where the coder does; `again` if it has done so before.
  constexpr void learn(std::span<float const> rows, bool again) {
    if constexpr (TrainableCoder<coder>)
      if (again || coder_.learned().empty()) coder_.train(rows);
  }
  constexpr std::size_t bytes() const noexcept { return codes_.bytes() + factors_.bytes(); }
  constexpr std::size_t code_bytes() const noexcept { return coder_.elements() * sizeof(typename coder::element); }
  constexpr void grow(std::size_t slots) {
    codes_.grow(slots * coder_.elements());
    if constexpr (has_factors) factors_.grow(slots);
  }

  constexpr void write(std::size_t slot, float const* x) {
    typename coder::factors none{};
    coder_.encode(x, codes_.data() + slot * coder_.elements(), has_factors ? factors_[slot] : none);
  }
  /// Encodes a vector that is not stored.
  constexpr void write(one& to, float const* x) const {
    to.code.resize(coder_.elements(), {});
    to.factors = {};
    coder_.encode(x, to.code.data(), to.factors);
  }
  /// Whether the codes of two slots are equal.
  constexpr bool same(std::size_t a, std::size_t b) const noexcept { return same(code_at(a), factors_of(a), b); }
  constexpr bool same(one const& a, std::size_t b) const noexcept { return same(a.code.data(), a.factors, b); }
  /// A number that is the same for the same codes.
  constexpr std::uint64_t hash(std::size_t slot) const noexcept {
    std::uint64_t z = 0;
    for (auto const e : std::span(code_at(slot), coder_.elements())) {
      std::uint64_t bits = 0;
      if constexpr (std::is_floating_point_v<typename coder::element>)
        bits = std::bit_cast<std::uint32_t>(e + 0.0f);
      else
        bits = e;
      z = (z ^ z >> 29 ^ bits) * 0x9e3779b97f4a7c15u;
    }
    return z;
  }
  /// A stored vector to another slot.
  constexpr void copy(std::size_t from, std::size_t to) noexcept {
    std::copy_n(codes_.data() + from * coder_.elements(), coder_.elements(), codes_.data() + to * coder_.elements());
    if constexpr (has_factors) factors_[to] = factors_[from];
  }
  constexpr void read(std::size_t slot, float* x) const {
    coder_.decode(codes_.data() + slot * coder_.elements(), factors_of(slot), x);
  }
  /// A stored vector as a query.
  constexpr void prepare(std::size_t slot, query& q) const {
    coder_.prepare_code(codes_.data() + slot * coder_.elements(), factors_of(slot), q);
  }
  /// Calls f(number in files, array, elements for each slot) for the arrays, which are numbered from `first` on, and
  /// f.learned(number, coder).
  template <class Self, class F> static void arrays(Self& self, std::uint32_t first, F& f) {
    f(first, self.codes_, self.coder_.elements());
    if constexpr (has_factors) f(first + 1, self.factors_, 1);
    if constexpr (TrainableCoder<coder>) f.learned(first + 2, self.coder_);
  }
  constexpr void distances(query& q, std::uint32_t const* numbers, std::size_t n, float* out) const {
    coder_.distances(q, codes_.data(), factors_.data(), numbers, n, out);
  }

 private:
  constexpr typename coder::element const* code_at(std::size_t slot) const noexcept {
    return codes_.data() + slot * coder_.elements();
  }
  constexpr bool same(typename coder::element const* code, typename coder::factors const& f,
                      std::size_t b) const noexcept {
    if (!std::equal(code, code + coder_.elements(), code_at(b))) return false;
    if constexpr (has_factors) {
      using bytes = std::array<unsigned char, sizeof f>;
      return std::bit_cast<bytes>(f) == std::bit_cast<bytes>(factors_of(b));
    } else {
      return true;
    }
  }
  static constexpr bool has_factors = !std::is_empty_v<typename coder::factors>;
  constexpr typename coder::factors factors_of(std::size_t slot) const noexcept {
    if constexpr (has_factors)
      return factors_[slot];
    else
      return {};
  }

  coder coder_;
  pool_of<typename coder::element, Allocator> codes_;   // [slots × elements]
  pool_of<typename coder::factors, Allocator> factors_; // [slots], or none
};

} // namespace loquat::detail
