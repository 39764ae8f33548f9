/// \file
/// Indices of one metric.
#include "index_types.inl.hpp"

std::span<tool::index_type const> tool::inner_product_indices() { return linear_indices<loquat::inner_product>(); }
