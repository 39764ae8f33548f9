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
///
/// Recurrent models call those of embeddings, of a layer's input and output, and of logits.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <array>
#include <concepts>
#include <cstddef>
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

/// Whether a type has a hook that can be called, and whether it has a member of that name, which need not be the same.
struct hook_use {
  bool called, named;
};

/// That of each of the hooks.
template <class H> constexpr auto hook_uses() {
  using at = hook_site const&;
  using span = std::span<float>;
  return std::array{
      hook_use{requires(H& h, at a, span x) { h.embeddings(a, x); }, requires { &H::embeddings; }},
      hook_use{requires(H& h, at a, span x) { h.block_input(a, x); }, requires { &H::block_input; }},
      hook_use{requires(H& h, at a, span x) { h.attention_weights(a, x); }, requires { &H::attention_weights; }},
      hook_use{requires(H& h, at a, span x) { h.attention_output(a, x); }, requires { &H::attention_output; }},
      hook_use{requires(H& h, at a, span x) { h.activations(a, x); }, requires { &H::activations; }},
      hook_use{requires(H& h, at a, span x) { h.feed_forward_output(a, x); }, requires { &H::feed_forward_output; }},
      hook_use{requires(H& h, at a, span x) { h.block_output(a, x); }, requires { &H::block_output; }},
      hook_use{requires(H& h, at a, span x) { h.logits(a, x); }, requires { &H::logits; }},
  };
}
/// Whether there is one, and none that would never be called.
template <class H> constexpr bool has_hooks() {
  bool any = false, fits = true;
  for (auto const [called, named] : hook_uses<H>()) any = any || called, fits = fits && (called || !named);
  return any && fits;
}
template <class H> constexpr bool takes_weights = requires(H& h, hook_site const& at, std::span<float> x) {
  h.attention_weights(at, x);
};
template <class H> constexpr bool has_room = requires(H& h, hook_site const& at, std::size_t count) {
  { h.attention_room(at, count) } -> std::convertible_to<std::span<float>>;
};

} // namespace detail

/// A type with hooks: at least one member of the table above, and none of these names with other parameters, which
/// would never be called. `attention_weights` needs `attention_room(at, count)`, which returns where to write them.
template <class H>
concept Hooks = std::same_as<H, no_hooks> ||
    (detail::has_hooks<H>() && (!detail::takes_weights<H> || detail::has_room<H>));

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
