#pragma once
/// \file
/// The one type that tokenizers, models and samplers exchange.

#include <cstdint>

namespace loquat {

/// Index into a vocabulary. Negative values never name a token; `no_token` stands for "there is none".
using token = std::int32_t;

inline constexpr token no_token = -1; ///< absent begin, end or unknown token

} // namespace loquat
