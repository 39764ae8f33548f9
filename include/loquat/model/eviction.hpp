#pragma once
/// \file
/// What a full context forgets, and how the rest moves up: eviction policies, among them attention sinks with a window
/// (G. Xiao et al., "Efficient streaming language models with attention sinks", 2023).

#include <loquat/backend/backend.hpp>
#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/model/rope_table.hpp>
#include <loquat/model/session.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace loquat {

/// Chooses the tokens of a session that go. Called by `evict` with all tokens and a mark for each, true at first: it
/// clears the marks of those to forget. The choice must depend on nothing but tokens and positions if results are to be
/// the same for every way to cut up a text. A policy may also have `check(context)`, a `result<void>`, which
/// `streaming` asks before it begins. A lambda will do:
/// \code
/// auto forget_first_turn = [turn](std::span<token const>, std::span<bool> kept) {
///   std::fill(kept.begin() + turn.first, kept.begin() + turn.last, false);
/// };
/// \endcode
/// Neighbours: `streaming`, `Model`.
template <class P>
concept EvictionPolicy = requires(P const& policy, std::span<token const> tokens, std::span<bool> kept) {
  policy(tokens, kept);
};

/// Keeps the first tokens, on which attention rests whatever they say, and a window of the last ones.
struct sink_window {
  std::size_t sinks = 4;     ///< first tokens
  std::size_t window = 1024; ///< last tokens

  constexpr void operator()(std::span<token const>, std::span<bool> kept) const noexcept {
    if (sinks >= kept.size() || window >= kept.size() - sinks) return;
    std::ranges::fill(kept.subspan(sinks, kept.size() - sinks - window), false);
  }
  /// `errc::argument` if a full context has nothing to forget.
  constexpr result<void> check(std::size_t context) const {
    if (sinks < context && window < context - sinks) return {};
    return fail(errc::argument, "sink_window: ", sinks, " sinks and a window of ", window,
                " leave no room in a context of ", context);
  }
};

/// Keeps the first tokens, such as instructions, and the newer half of the others.
struct drop_oldest_half {
  std::size_t keep = 4; ///< first tokens

  constexpr void operator()(std::span<token const>, std::span<bool> kept) const noexcept {
    if (keep < kept.size()) std::ranges::fill(kept.subspan(keep, (kept.size() - keep + 1) / 2), false);
  }
  /// `errc::argument` if a full context has nothing to forget.
  constexpr result<void> check(std::size_t context) const {
    if (keep < context) return {};
    return fail(errc::argument, "drop_oldest_half: ", keep, " tokens to keep leave no room in a context of ", context);
  }
};

/// How the tokens that stay get their new positions, which are those among themselves.
enum class cache_shift : unsigned char {
  rotate,    ///< their keys are turned back by as many positions as they move, their values are moved. Cheap; what they
             ///< learned from forgotten tokens stays. Keys are rounded to the type of the cache once more
  recompute, ///< the next forward pass computes them again, from the first forgotten one on: the session is then, to
             ///< the bit, one that never saw the others
};

namespace detail {

/// Turns some elements of keys[n, kv_heads, head_dim], those from `first` on, by cosines and signed sines [n, dims].
template <Backend B>
constexpr void turn_keys(B const& backend, session<B>& s, std::span<float> keys, std::size_t n, std::size_t first,
                         rope_style style, std::span<float const> cosines, std::span<float const> sines) {
  std::size_t const dim = s.cache.head_dim, dims = cosines.size() / n, heads = keys.size() / dim;
  if (first == 0) return backend.rope(s.work, style, keys, n, dim, cosines, sines);
  auto const part = s.expanded.first(heads * dims); // latent attention's, which is where keys do not turn from 0 on
  auto const of = [first, dim](std::size_t head) { return static_cast<std::ptrdiff_t>(head * dim + first); };
  auto const at = [dims](std::size_t head) { return static_cast<std::ptrdiff_t>(head * dims); };
  for (std::size_t i = 0; i < heads; ++i) std::copy_n(keys.begin() + of(i), dims, part.begin() + at(i));
  backend.rope(s.work, style, part, n, dims, cosines, sines);
  for (std::size_t i = 0; i < heads; ++i) std::copy_n(part.begin() + at(i), dims, keys.begin() + of(i));
}

/// Moves n keys and values of every layer from position `from` to `to`, which is less. `rope_of(layer)` points to the
/// angles of a layer's keys, or to none; what turns begins with a head's element `first`.
template <Backend B, class RopeOf>
constexpr void move_cached(B const& backend, session<B>& s, std::size_t from, std::size_t to, std::size_t n,
                           std::size_t first, rope_style style, RopeOf rope_of) {
  std::size_t const width = s.keys.size() / s.batch(), dims = s.cosines.size() / s.batch(), dim = s.cache.head_dim;
  auto const keys = s.keys.first(n * width), values = s.values.first(n * width);
  auto const cosines = s.cosines.first(n * dims), sines = s.sines.first(n * dims);
  rope_frequencies const* turned = nullptr; // whose angles these are
  for (std::size_t l = 0; l < s.cache.layers; ++l) {
    for (std::size_t i = 0; i < keys.size(); i += dim)
      s.cache.load(l, i % width / dim, from + i / width, &keys[i], &values[i]);
    if (rope_frequencies const* const rope = rope_of(l)) {
      if (turned != rope)
        for (std::size_t i = 0; i < n; ++i)
          rope->fill_back(style, from - to, cosines.subspan(i * dims, dims), sines.subspan(i * dims, dims));
      turned = rope;
      turn_keys(backend, s, keys, n, first, style, cosines, sines);
    }
    backend.store_kv(s.work, s.cache, l, to, keys, values);
  }
}

/// `transformer_model::evict`.
template <Backend B, EvictionPolicy P, class RopeOf>
constexpr result<std::size_t> evict(B const& backend, session<B>& s, P const& policy, cache_shift how,
                                    std::size_t first, rope_style style, RopeOf rope_of) {
  if (how == cache_shift::rotate && s.cache.windows != 0)
    return fail(errc::unsupported, "evict: layers with a window have not kept all positions: make the session with "
                                   "whole_windows, or let tokens be computed again");
  auto const tokens = s.tokens();
  auto const kept = s.kept.first(tokens.size());
  std::ranges::fill(kept, true);
  policy(tokens, kept);
  auto const gone = static_cast<std::size_t>(std::ranges::count(kept, false));
  std::size_t to = 0;
  if (how == cache_shift::recompute)
    to = static_cast<std::size_t>(std::ranges::find(kept, false) - kept.begin());
  else
    for (std::size_t from = 0, n; from < s.cached(); from += std::max<std::size_t>(n, 1), to += n) {
      auto const rest = kept.subspan(from, std::min(s.batch(), s.cached() - from));
      n = static_cast<std::size_t>(std::ranges::find(rest, false) - rest.begin());
      if (n != 0 && to != from) move_cached(backend, s, from, to, n, first, style, rope_of);
    }
  s.go_back(to);
  s.drop_unmarked();
  return gone;
}

} // namespace detail

} // namespace loquat
