#pragma once
/// \file
/// The `Model` contract: tokens in, logits out. Weights are const and shared; everything that changes is in a session
/// that the caller owns, whose construction is the last allocation.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace loquat {

/// Predicts the next token. Called by `generate` and by anything that scores text.
///
/// `forward` appends the tokens to the session and returns the logits after the last of them, one per vocabulary
/// entry; they stay valid, and may be overwritten by the caller, until the next call. Errors leave the session as it
/// was: `errc::argument` for no tokens or an id out of range, `errc::capacity` when the context is full. Smallest
/// conforming type: see `tests/generate/toy.hpp`. Neighbours: `Tokenizer`, `Sampler`, `ModelBuilder`.
template <class M>
concept Model = requires(M const& m, typename M::session& s, typename M::session const& cs, std::span<token const> in,
                         token id) {
  { m.forward(s, in) } -> std::same_as<result<std::span<float>>>;
  { m.ends(id) } -> std::same_as<bool>;                           // true for tokens after which there is no more
  { cs.tokens() } -> std::convertible_to<std::span<token const>>; // everything forwarded so far
  { cs.context() } -> std::convertible_to<std::size_t>;           // most tokens it can hold
};

} // namespace loquat
