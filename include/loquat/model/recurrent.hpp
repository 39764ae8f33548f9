#pragma once
/// \file
/// What recurrent language models share: a session that keeps a state of fixed size instead of a cache of keys and
/// values, and a model that feeds it. A network brings the rest; `model/rnn.hpp` is the shortest one.

#include <loquat/backend/backend.hpp>
#include <loquat/core/arena.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/model/model.hpp>
#include <loquat/model/session.hpp>
#include <loquat/model/weights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace loquat {

/// What a recurrent network needs of a session.
struct recurrent_sizes {
  std::uint64_t state_floats; ///< of its state, in all layers; zeros to begin with
  std::uint64_t row_floats;   ///< of buffers for each token of a pass
  std::size_t columns;        ///< of the widest matrix
};

/// The state of one conversation with a recurrent model on backend `B`: the tokens so far, what the network remembers
/// of them, and the buffers of a forward pass. The context costs no more than its token ids. Move-only; made by
/// `make_session`, used by one thread at a time.
template <Backend B> class recurrent_session {
 public:
  /// A session for a network of these sizes, whose `context` stands in for the option's 0. `errc::capacity` if its
  /// memory exceeds the cap or the machine.
  static constexpr result<recurrent_session> make(B const& backend, recurrent_sizes const& sizes,
                                                  std::size_t vocabulary, std::size_t context,
                                                  session_options const& options) {
    recurrent_session s;
    context = options.context != 0 ? options.context : std::min<std::size_t>(context, 4096);
    s.batch_ = std::clamp<std::size_t>(options.batch, 1, std::min<std::size_t>(context, 1 << 16));
    if (context > std::numeric_limits<std::uint32_t>::max() || sizes.row_floats > std::uint64_t{1} << 40)
      return fail(errc::capacity, "session: a context of ", context, " tokens is beyond any memory");
    workspace_limits const limits{s.batch_, sizes.columns, 1, 1, 1};
    arena_size size;
    size.add<token>(context).template add<float>(sizes.state_floats).template add<float>(sizes.state_floats);
    size.add<float>(s.batch_ * sizes.row_floats).template add<float>(vocabulary);
    backend.reserve(limits, size);
    auto memory = arena::make(size.bytes(), options.max_bytes);
    if (!memory) return memory.error().within("session");
    s.memory_ = std::move(*memory);
    s.bytes_ = size.bytes();
    s.history_ = s.memory_.template take<token>(context);
    s.state = s.memory_.template take<float>(static_cast<std::size_t>(sizes.state_floats));
    s.saved_ = s.memory_.template take<float>(s.state.size());
    s.rows_ = s.memory_.template take<float>(static_cast<std::size_t>(s.batch_ * sizes.row_floats));
    s.logits = s.memory_.template take<float>(vocabulary);
    s.work = backend.make_workspace(limits, s.memory_);
    std::ranges::fill(s.state, 0.0f);
    std::ranges::fill(s.saved_, 0.0f);
    return s;
  }

  constexpr std::span<token const> tokens() const noexcept { return history_.first(length_); } ///< everything so far
  constexpr std::size_t context() const noexcept { return history_.size(); } ///< most tokens it can hold
  constexpr std::size_t batch() const noexcept { return batch_; }            ///< most tokens of one pass
  constexpr std::uint64_t bytes() const noexcept { return bytes_; }          ///< of memory, all in all
  constexpr std::uint64_t state_bytes() const noexcept {
    return state.size_bytes();
  } ///< of it, what tokens leave behind

  /// Forgets all but the first n tokens, as if the others had never been. A state cannot be run backwards: it becomes
  /// the one that was kept for a beginning of these tokens, and the rest of them is run again by the next forward pass,
  /// with the same results. What is kept is the state where the last `truncate` cut, so that several continuations of
  /// one text, or drafts that are mostly accepted, cost little; cutting further back costs a pass over all tokens.
  constexpr void truncate(std::size_t n) noexcept {
    if (n >= length_) return;
    length_ = n;
    if (n >= run_) return;
    if (saved_length_ > n) {
      saved_length_ = 0;
      std::ranges::fill(saved_, 0.0f);
    }
    std::ranges::copy(saved_, state.begin());
    run_ = saved_length_;
  }

  /// Appends tokens, for which there must be room.
  constexpr void append(std::span<token const> ids) noexcept {
    std::ranges::copy(ids, history_.begin() + static_cast<std::ptrdiff_t>(length_));
    length_ += ids.size();
  }
  /// The tokens that the state has not seen yet.
  constexpr std::span<token const> unseen() const noexcept { return tokens().subspan(run_); }
  /// How many it has seen: the position of the next one.
  constexpr std::size_t position() const noexcept { return run_; }
  /// Says that it has seen the next n of them.
  constexpr void advance(std::size_t n) noexcept { run_ += n; }
  /// Keeps the state as it is, for `truncate`.
  constexpr void keep() noexcept {
    std::ranges::copy(state, saved_.begin());
    saved_length_ = run_;
  }
  /// Buffers [n, width] for each of the widths, which are `row_floats` in all.
  template <std::size_t N>
  constexpr std::array<std::span<float>, N> buffers(std::size_t n, std::array<std::size_t, N> widths) const noexcept {
    std::array<std::span<float>, N> out;
    std::size_t at = 0;
    for (std::size_t i = 0; i < N; at += n * widths[i++]) out[i] = rows_.subspan(at, n * widths[i]);
    return out;
  }

  typename B::workspace work{}; ///< the backend's own
  std::span<float> state;       ///< the network's, which knows its form
  std::span<float> logits;      ///< [vocabulary]

 private:
  arena memory_;
  std::span<token> history_; // [context]
  std::span<float> saved_;   // a state that was
  std::span<float> rows_;    // [batch, row_floats]
  std::size_t length_ = 0, run_ = 0, saved_length_ = 0, batch_ = 0;
  std::uint64_t bytes_ = 0;
};

/// The weights of a recurrent network on backend `B` and how they are run.
///
/// `run` takes the tokens through all layers, brings the session's state up to date and returns the last token's
/// vector, from which `predict` makes the session's logits. On its way it calls the hooks that there are, see
/// `hooks.hpp`: of embeddings, and of each layer's input and output. Called by `recurrent_model`. Smallest type: see
/// `model/rnn.hpp`.
template <class N, class B>
concept RecurrentNetwork = Backend<B> &&
    requires(N const& network, B const& backend, recurrent_session<B>& s, std::span<token const> ids,
             std::span<float const> last, no_hooks& hooks) {
  { network.sizes() } -> std::same_as<hyperparameters const&>;
  { network.vocabulary() } -> std::same_as<std::size_t>;
  { network.needs() } -> std::same_as<recurrent_sizes>;
  { network.run(backend, s, ids, hooks) } -> std::convertible_to<std::span<float const>>;
  network.predict(backend, s, last);
};

/// A recurrent language model. Const after construction and shared by any number of sessions and threads; the file its
/// weights lie in, and the backend, must outlive it.
template <class Network, Backend B>
requires RecurrentNetwork<Network, B>
class recurrent_model {
 public:
  using session = recurrent_session<B>; ///< the state of one conversation

  /// Runs a network on a backend.
  constexpr recurrent_model(B const& backend, Network network) : backend_(&backend), network_(std::move(network)) {}

  constexpr hyperparameters const& sizes() const noexcept { return network_.sizes(); } ///< what the model measures
  constexpr std::size_t vocabulary() const noexcept { return network_.vocabulary(); }  ///< number of tokens
  constexpr B const& backend() const noexcept { return *backend_; }                    ///< what it runs on

  /// True for the tokens after which the model has no more to say.
  constexpr bool ends(token id) const noexcept {
    return std::ranges::find(sizes().end_tokens, id) != sizes().end_tokens.end();
  }

  /// A new, empty session: the last allocation. `errc::capacity` if its memory exceeds the cap or the machine. There is
  /// no cache, so `session_options::kv` says nothing.
  constexpr result<session> make_session(session_options options = {}) const {
    return session::make(*backend_, network_.needs(), vocabulary(), sizes().context, options);
  }

  /// Appends tokens to the session and returns the logits after the last one: [vocabulary], valid until the next call.
  /// Errors leave the session as it was: `errc::argument` for no tokens or an id out of range, `errc::capacity` where
  /// the context has no room.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    no_hooks none;
    return forward(s, ids, none);
  }
  /// The same with hooks, see `hooks.hpp`. Tokens that are run again after `truncate` come by once more.
  template <Hooks H>
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids, H& hooks) const {
    if (auto const fits = check_tokens(s, ids, vocabulary()); !fits) return fits.error();
    if (!s.unseen().empty()) { // after a truncation
      catch_up(s, hooks);
      s.keep();
    }
    s.append(ids);
    network_.predict(*backend_, s, catch_up(s, hooks));
    [[maybe_unused]] hook_site const at{sizes().layers, s.tokens().size() - 1, 1};
    if constexpr (requires { hooks.logits(at, s.logits); }) hooks.logits(at, s.logits);
    return s.logits;
  }

 private:
  template <class H> constexpr std::span<float const> catch_up(session& s, H& hooks) const {
    std::span<float const> last;
    while (!s.unseen().empty()) {
      auto const batch = s.unseen().first(std::min(s.unseen().size(), s.batch()));
      last = network_.run(*backend_, s, batch, hooks);
      s.advance(batch.size());
    }
    return last;
  }

  B const* backend_;
  Network network_;
};

namespace detail {

/// Products of the same x[n, columns] with several matrices.
template <Backend B, class... P>
constexpr void multiply(B const& backend, recurrent_session<B>& s, std::span<float const> x, std::size_t n,
                        P const&... outputs) {
  std::array<projection<typename B::matrix>, sizeof...(P)> const all{outputs...};
  backend.matmul(s.work, x, n, all);
}

} // namespace detail

} // namespace loquat
