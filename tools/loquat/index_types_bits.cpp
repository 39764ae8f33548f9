/// \file
/// Indices of metrics of bits.
#include "index_types.inl.hpp"

std::span<tool::index_type const> tool::bit_indices() {
  static constexpr index_type types[]{plain<loquat::hamming, loquat::binary>, plain<loquat::jaccard, loquat::binary>};
  return types;
}
