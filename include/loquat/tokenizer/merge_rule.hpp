#pragma once
/// \file
/// A merge of a byte-pair encoding.

#include <loquat/core/token.hpp>

namespace loquat {

/// Two neighbours and what they merge into.
struct merge_rule {
  token left = no_token, right = no_token, merged = no_token;

  friend constexpr bool operator==(merge_rule const&, merge_rule const&) = default;
};

} // namespace loquat
