/// \file
/// Indices of one metric.
#include "index_types.inl.hpp"

std::span<tool::index_type const> tool::l2_indices() { return linear_indices<loquat::l2>(); }
