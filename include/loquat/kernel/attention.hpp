#pragma once
/// \file
/// Causal attention over a key-value cache (A. Vaswani et al., 2017), with query heads that share a key-value head
/// (grouped-query attention, J. Ainslie et al., 2023), tile by tile with a running softmax (FlashAttention, T. Dao et
/// al., 2022).

#include <loquat/kernel/elementwise.hpp>
#include <loquat/kernel/kv_layout.hpp>
#include <loquat/simd/targets.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

/// What holds an element of a cache: bits of binary16, bytes, two nibbles.
template <kv_type T>
using kv_element =
    std::conditional_t<T == kv_type::f32, float, std::conditional_t<T == kv_type::f16, std::uint16_t, std::uint8_t>>;

/// One tile of a key-value head, arranged as `kv_layout` says.
template <kv_type T> struct attention_tile {
  kv_element<T> const *keys, *values;
  std::uint16_t const *key_scales, *value_scales; ///< of q8_0 and q4_0
};

/// What rows of elements are multiplied with: floats, or 16 bits where the elements are integers.
template <kv_type T> using kv_factor = std::conditional_t<has_scales(T), std::int16_t, float>;

/// Some queries that share a key-value head, and which positions of a tile each of them sees.
template <kv_type T> struct attention_rows {
  static constexpr std::size_t most = 16; ///< rows

  kv_factor<T> const* queries; ///< [rows, padded], as `prepare` leaves them
  float const* query_scales;   ///< [rows, blocks], of q8_0 and q4_0
  std::size_t rows, head_dim;
  float cap;                 ///< scores s become cap · tanh(s / cap); 0: they stay
  std::size_t starts[most];  ///< the first position; ascending
  std::size_t counts[most];  ///< behind the last; ascending, up to kv_layout::positions; 0, or above the first
  float const* biases[most]; ///< what is added to the scores, by position in the tile; or null
};

/// A query's attention so far: the mix of values under weights exp(score − maximum), the maximum, the weights' sum.
constexpr std::size_t attention_state_floats(std::size_t head_dim) noexcept {
  return kv_layout{{}, head_dim}.padded() + kv_layout::lanes;
}
/// The functions of `attentions` for one type of cache.
template <kv_type T> struct attention_functions {
  void (*prepare)(float const* query, std::size_t head_dim, float scale, kv_factor<T>* to, float* to_scales) noexcept;
  void (*attend)(attention_rows<T> const& rows, attention_tile<T> const& tile, float* states) noexcept;
  void (*merge)(float* state, float const* next, std::size_t head_dim) noexcept;
  void (*add_sink)(float* state, float score, std::size_t head_dim) noexcept;
  void (*finish)(float const* state, std::size_t head_dim, float* output) noexcept;
};
/// `prepare(query, head_dim, scale, to, to_scales)`: a row of queries; `to` [padded], `to_scales` [blocks].
/// `attend(rows, tile, states)`: the attention of each row to the positions that it sees in one tile;
/// `states` [rows, state floats]; rows that see nothing are left alone. `merge(state, next, head_dim)`: adds the
/// attention to the next tile. `add_sink(state, score, head_dim)`: that to a key whose value is zero. `finish(state,
/// head_dim, output)`: the mean value.
///
/// Float sums run over positions, elements of the head and tiles in ascending order; only the sum of a tile's weights
/// runs over sixteen lanes and one tree. Where elements are integers, queries and weights are rounded to 16 bits per
/// block of 32 elements, so that the sums within a block and a tile are exact.
template <simd::target> struct attentions;

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI

#define LOQUAT_KERNEL_FILE <loquat/kernel/body/attention.inl.hpp>
#include <loquat/simd/foreach_target.hpp>
