#pragma once
/// \file
/// Vectors as one bit an element: whether it is above zero. For hamming and jaccard the bits are all there is; for l2, inner
/// product and cosine they are signs around the mean, as of `rabitq<1>` but not rotated.

#include <loquat/index/codec.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/kernel/bits.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace loquat {

namespace detail {

/// The coder of sets of elements above zero.
template <class M> class bit_coder {
 public:
  using element = std::uint64_t;
  struct factors {};
  struct query {
    std::vector<std::uint64_t> bits; ///< [elements]
  };

  constexpr explicit bit_coder(std::size_t dimensions) noexcept : dimensions_(dimensions) {}
  constexpr std::size_t elements() const noexcept { return (dimensions_ + 63) / 64; }

  constexpr void encode(float const* x, element* code, factors&) const noexcept {
    std::fill_n(code, elements(), element{});
    for (std::size_t d = 0; d < dimensions_; ++d) code[d / 64] |= element{x[d] > 0} << d % 64;
  }
  constexpr void decode(element const* code, factors const&, float* x) const noexcept {
    for (std::size_t d = 0; d < dimensions_; ++d) x[d] = static_cast<float>(code[d / 64] >> d % 64 & 1);
  }
  constexpr void prepare(float const* x, query& q) const {
    factors none;
    q.bits.resize(elements(), {});
    encode(x, q.bits.data(), none);
  }
  constexpr void prepare_code(element const* code, factors const&, query& q) const {
    q.bits.assign(code, code + elements());
  }
  constexpr void distances(query const& q, element const* codes, factors const*, std::uint32_t const* numbers,
                           std::size_t n, float* out) const {
    constexpr std::size_t most = 64;
    constexpr bool counts_two = std::same_as<M, jaccard>;
    for (std::size_t first = 0; first < n; first += most) {
      std::size_t const count = std::min(most, n - first);
      std::int32_t counts[2 * most]{};
      if (!std::is_constant_evaluated()) {
        kernel::row_list const list{codes + (numbers == nullptr ? first * elements() : 0), elements() * sizeof(element),
                                    numbers == nullptr ? nullptr : numbers + first, count};
        kernel::count_bits([&](auto kernels) {
          if constexpr (counts_two)
            kernels.commons(list, q.bits.data(), elements(), counts);
          else
            kernels.differences(list, q.bits.data(), elements(), counts);
        });
      } else {
        for (std::size_t i = 0; i < count; ++i) {
          element const* const code = codes + (numbers == nullptr ? first + i : numbers[first + i]) * elements();
          for (std::size_t w = 0; w < elements(); ++w)
            if constexpr (counts_two)
              counts[2 * i] += std::popcount(code[w] & q.bits[w]), counts[2 * i + 1] += std::popcount(code[w] | q.bits[w]);
            else
              counts[i] += std::popcount(code[w] ^ q.bits[w]);
        }
      }
      for (std::size_t i = 0; i < count; ++i)
        if constexpr (counts_two)
          out[first + i] = jaccard::of(static_cast<std::size_t>(counts[2 * i]), static_cast<std::size_t>(counts[2 * i + 1]));
        else
          out[first + i] = static_cast<float>(counts[i]);
    }
  }

 private:
  std::size_t dimensions_;
};

template <Metric M> struct binary_coder;
template <LinearMetric M> struct binary_coder<M> : std::type_identity<scalar_coder<M, 1, false>> {};
template <Metric M>
requires std::same_as<M, hamming> || std::same_as<M, jaccard> struct binary_coder<M> : std::type_identity<bit_coder<M>> {};

} // namespace detail

/// A bit an element: 1/32 of the memory.
struct binary {
  static constexpr std::string_view name = "binary"; ///< in files and messages
  template <Metric M> using coder = typename detail::binary_coder<M>::type; ///< see `Coder`
};

} // namespace loquat
