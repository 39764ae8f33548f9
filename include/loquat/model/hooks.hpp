#pragma once
/// \file
/// Hooks: a program's own code at named points of a forward pass, which reads what is computed there or puts something
/// else in its place. Which points it wants is known when it is compiled; the others cost nothing.
///
///     struct watcher {
///       void block_input(loquat::hook_site const& at, std::span<float> x) { … }   // x[n, embedding]
///     };
///     watcher mine;
///     model.forward(session, ids, mine);
///
/// A type of hooks has one or more of these members; x is theirs to change.
///
/// | member | when | x |
/// |---|---|---|
/// | `embeddings(at, x)` | before the first layer | [n, embedding] |
/// | `block_input(at, x)` | before a layer | [n, embedding]: the residual stream |
/// | `attention_weights(at, x)` | after attention, see `attention_weights.hpp` | [heads, n, length] |
/// | `attention_output(at, x)` | before it is added to the stream | [n, embedding] |
/// | `activations(at, x)` | before the last matrix of the feed-forward part | [n, feed_forward] |
/// | `feed_forward_output(at, x)` | before it is added to the stream | [n, embedding] |
/// | `block_output(at, x)` | after a layer | [n, embedding]: the residual stream |
/// | `logits(at, x)` | at the end of a call | [vocabulary], after its last token |

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <span>

namespace loquat {

/// Where in a forward pass a hook is called.
struct hook_site {
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max(); ///< no expert

  std::size_t layer;             ///< from 0; for logits the number of layers
  std::size_t position;          ///< of the first token of the pass; for logits of the last one
  std::size_t n;                 ///< tokens of the pass; an input beyond the session's batch has several passes
  std::size_t expert = none;     ///< whose activations these are; behind the last one: that of all tokens
  std::span<token const> rows{}; ///< of an expert's activations: which tokens of the pass they are of
};

/// No hooks at all.
struct no_hooks {};

namespace detail {

/// Which hooks a type has: members that can be called, and members of that name, which need not be the same thing.
template <class H> struct hook_members {
  static constexpr bool called[]{requires(H & h, hook_site const& at, std::span<float> x){h.embeddings(at, x);
}, requires(H& h, hook_site const& at, std::span<float> x) {
  h.block_input(at, x);
}
, requires(H& h, hook_site const& at, std::span<float> x) { h.attention_weights(at, x); }
, requires(H& h, hook_site const& at, std::span<float> x) { h.attention_output(at, x); }
, requires(H& h, hook_site const& at, std::span<float> x) { h.activations(at, x); }
, requires(H& h, hook_site const& at, std::span<float> x) { h.feed_forward_output(at, x); }
, requires(H& h, hook_site const& at, std::span<float> x) { h.block_output(at, x); }
, requires(H& h, hook_site const& at, std::span<float> x) { h.logits(at, x); }
,
}; // namespace detail
static constexpr bool named[]{requires {&H::embeddings;
} // namespace loquat
, requires { &H::block_input; }
, requires { &H::attention_weights; }
, requires { &H::attention_output; }
, requires { &H::activations; }
, requires { &H::feed_forward_output; }
, requires { &H::block_output; }
, requires { &H::logits; }
}
;

static constexpr bool any_called() noexcept { return std::ranges::find(called, true) != std::ranges::end(called); }
static constexpr bool all_fit() noexcept {
  for (std::size_t i = 0; i < std::size(called); ++i)
    if (named[i] && !called[i]) return false;
  return true;
}
}
;

} // namespace detail

/// A type with hooks: at least one member of the table above, and none of these names with other parameters, which
/// would never be called. `attention_weights` needs `attention_room(at, count)`, which returns where to write them.
template <class H>
concept Hooks = std::same_as<H, no_hooks> ||
    (detail::hook_members<H>::any_called() && detail::hook_members<H>::all_fit() &&
     (!detail::hook_members<H>::called[2] || requires(H & h, hook_site const& at, std::size_t count) {
       { h.attention_room(at, count) } -> std::convertible_to<std::span<float>>;
     }));

/// A model with hooks as a model of its own, for whatever runs models:
/// `hooked const steered(model, mine); prompt | encode(tok) | generate(steered, talk)`. Both must outlive it.
template <class M, Hooks H> class hooked {
 public:
  using session = typename M::session; ///< the model's

  constexpr hooked(M const& model, H& hooks) : model_(&model), hooks_(&hooks) {}

  /// The model's `forward` with the hooks.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    return model_->forward(s, ids, *hooks_);
  }
  constexpr bool ends(token id) const { return model_->ends(id); } ///< the model's

 private:
  M const* model_;
  H* hooks_;
};

} // namespace loquat
