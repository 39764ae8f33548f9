#pragma once
/// \file
/// A session: everything that changes while a transformer runs, in one piece of memory that is taken once.

#include <loquat/backend/backend.hpp>
#include <loquat/core/arena.hpp>
#include <loquat/model/alibi.hpp>
#include <loquat/model/hyperparameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace loquat {

/// What a session can hold.
struct session_options {
  std::size_t context = 0;    ///< tokens; 0: what the model was trained for, at most 4096
  std::size_t batch = 256;    ///< tokens of one pass; longer inputs are cut up, with the same results
  kv_type kv = kv_type::f16;  ///< element type of the key-value cache
  bool whole_windows = false; ///< layers with a window keep all positions, not only those that it can touch: more
                              ///< memory, but `truncate` never costs anything and `evict` can move what is kept
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(); ///< cap on its memory
};

/// Whether tokens can be appended to a session: `errc::argument` for none or an id out of range, `errc::capacity` where
/// the context has no room.
template <class Session>
constexpr result<void> check_tokens(Session const& s, std::span<token const> ids, std::size_t vocabulary) {
  if (ids.empty()) return fail(errc::argument, "forward: no tokens");
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= vocabulary)
      return fail(errc::argument, "forward: token ", i, " is ", ids[i], ", expected 0 to ", vocabulary - 1);
  if (std::size_t const room = s.context() - s.tokens().size(); ids.size() > room)
    return fail(errc::capacity, "forward: ", ids.size(), " tokens exceed the context of ", s.context(), ": room for ",
                room);
  return {};
}

namespace detail {

struct no_windows {
  constexpr std::size_t operator()(std::size_t) const noexcept { return 0; }
};

} // namespace detail

/// The state of one conversation with a transformer on backend `B`: the tokens so far, the key-value cache, and the
/// buffers of a forward pass. Move-only; made by `make_session`, used by one thread at a time.
template <Backend B> class session {
 public:
  /// A session for a model of these sizes, whose layers see the last `window_of(layer)` positions, or all where that is
  /// 0. `errc::capacity` if its memory exceeds the cap or the machine.
  template <class WindowOf = detail::no_windows>
  static constexpr result<session> make(B const& backend, hyperparameters const& h, std::size_t vocabulary,
                                        session_options const& options, WindowOf window_of = {}) {
    session s;
    std::size_t const context = options.context != 0 ? options.context : std::min<std::size_t>(h.context, 4096);
    std::size_t const batch = std::max<std::size_t>(1, std::min(options.batch, context));
    std::size_t const inner =
        std::max({h.experts != 0 ? h.expert_feed_forward : 0, h.shared_feed_forward, h.feed_forward});
    std::uint64_t const together = std::uint64_t{std::min(h.experts_used, experts_at_once)} * h.expert_feed_forward;
    std::size_t const latent_width = h.latent.rank == 0 ? 0 : h.heads * (h.latent.key + h.latent.value) + h.latent.rank;
    std::size_t const query_width = h.heads * std::max({h.head_dim, h.latent.key, h.latent.value});
    workspace_limits const limits{batch, std::max({h.embedding, inner, query_width, h.latent.queries, latent_width}),
                                  context, h.head_dim, h.heads};
    s.cache = {options.kv, h.layers, h.kv_heads, h.head_dim, context};
    // the spans of a pass and their lengths, written once to count and once to take; 64 bits, whatever size_t has
    auto const each = [&, rows = std::uint64_t{batch}](auto use) {
      use(s.x, rows * h.embedding);
      use(s.normed, rows * h.embedding);
      use(s.queries, rows * query_width);
      use(s.keys, rows * (h.kv_heads * h.head_dim));
      use(s.values, rows * (h.kv_heads * h.head_dim));
      use(s.mixed, rows * query_width);
      use(s.low_queries, rows * h.latent.queries);
      use(s.latents, rows * h.latent.rank);
      use(s.turned_keys, h.latent.rank != 0 ? rows * h.rope_dims : 0);
      use(s.expanded, rows * latent_width);
      use(s.head_output, h.latent.absorbed ? rows * std::max(h.latent.rank, h.latent.value) : 0);
      use(s.branch, h.parallel ? rows * h.embedding : 0);
      use(s.gate, std::max(rows * inner, together));
      use(s.up, std::max(rows * inner, together));
      use(s.router, rows * h.experts);
      use(s.gathered, h.experts != 0 ? rows * h.embedding : 0);
      use(s.expert, h.experts != 0 ? rows * h.embedding : 0);
      use(s.mixture, h.experts != 0 ? rows * h.embedding : 0);
      use(s.cosines, rows * h.rope_dims);
      use(s.sines, rows * h.rope_dims);
      use(s.window_cosines, h.window_rope_base != 0 ? rows * h.rope_dims : 0);
      use(s.window_sines, h.window_rope_base != 0 ? rows * h.rope_dims : 0);
      use(s.bias, h.alibi != 0 ? (2 * std::uint64_t{context} - 1) * h.heads : 0);
      use(s.logits, std::uint64_t{vocabulary});
    };
    if (context > std::numeric_limits<std::uint32_t>::max() ||
        h.layers * h.kv_heads > (1u << 30) / s.cache.layout().padded())
      return fail(errc::capacity, "session: a context of ", context, " tokens is beyond any memory");
    if (!options.whole_windows) {
      std::size_t count = 0;
      for (std::size_t l = 0; l < h.layers; ++l) count += window_of(l) != 0;
      s.cache.keep_windows(h.window, count, batch);
    }
    arena_size size;
    size.add<token>(context).template add<token>(batch).template add<bool>(context);
    each([&size](std::span<float>&, std::uint64_t n) { size.add<float>(n); });
    s.cache.reserve(size);
    backend.reserve(limits, size);
    auto memory = arena::make(size.bytes(), options.max_bytes);
    if (!memory) return memory.error().within("session");
    s.memory_ = std::move(*memory);
    s.bytes_ = size.bytes();
    s.history_ = s.memory_.template take<token>(context);
    s.rows = s.memory_.template take<token>(batch);
    s.kept = s.memory_.template take<bool>(context);
    each([&s](std::span<float>& span, std::uint64_t n) {
      span = s.memory_.template take<float>(static_cast<std::size_t>(n));
    });
    s.cache.take(s.memory_);
    s.cache.lay_out([&](std::size_t l) { return window_of(l) != 0; });
    s.work = backend.make_workspace(limits, s.memory_);
    s.batch_ = batch;
    if (h.alibi != 0) detail::fill_alibi(h.heads, h.alibi, context, s.bias);
    return s;
  }

  constexpr std::span<token const> tokens() const noexcept { return history_.first(length_); } ///< everything so far
  constexpr std::size_t context() const noexcept { return history_.size(); } ///< most tokens it can hold
  constexpr std::size_t batch() const noexcept { return batch_; }            ///< most tokens of one pass
  constexpr std::uint64_t bytes() const noexcept { return bytes_; }          ///< of memory, all in all

  constexpr std::uint64_t state_bytes() const noexcept { return cache.bytes(); } ///< of it, what tokens leave behind

  /// Forgets all but the first n tokens, as if the others had never been. Where layers keep only a window, what it saw
  /// before the last `batch()` tokens is gone: going back further, but not to 0, costs that all tokens are computed
  /// again, by the next forward pass.
  constexpr void truncate(std::size_t n) noexcept {
    length_ = std::min(n, length_);
    go_back(length_);
  }

  /// Appends tokens, for which there must be room, whose keys and values are in the cache.
  constexpr void append(std::span<token const> ids) noexcept {
    std::copy(ids.begin(), ids.end(), history_.begin() + static_cast<std::ptrdiff_t>(length_));
    length_ += ids.size();
    advance(ids.size());
  }

  /// Leading tokens whose keys and values are in the cache.
  constexpr std::size_t cached() const noexcept { return cached_; }
  /// The tokens to compute again before others come, at most a batch: those behind the cached ones.
  constexpr std::span<token const> to_compute() const noexcept {
    return history_.subspan(cached_, std::min(batch_, length_ - cached_));
  }
  /// The keys and values of n more tokens are in the cache.
  constexpr void advance(std::size_t n) noexcept {
    cached_ += n;
    stored_ = std::max(stored_, cached_);
  }
  /// Only the keys and values of the first n tokens count, or of none if a window is gone.
  constexpr void go_back(std::size_t n) noexcept {
    if (n >= cached_) return;
    cached_ = cache.holds(n, stored_) ? n : 0;
    if (cached_ == 0) stored_ = 0;
  }
  /// Forgets the tokens that `kept` does not mark; says nothing of the cache.
  constexpr void drop_unmarked() noexcept {
    std::size_t to = 0;
    for (std::size_t i = 0; i < length_; ++i)
      if (kept[i]) history_[to++] = history_[i];
    length_ = to;
  }

  kv_cache cache;                        ///< keys and values of every layer
  typename B::workspace work{};          ///< the backend's own
  std::span<float> x, normed;            ///< [batch, embedding]
  std::span<float> queries, mixed;       ///< [batch, heads, head_dim], or more where attention is latent
  std::span<float> keys, values;         ///< [batch, kv_heads, head_dim]
  std::span<float> low_queries, latents; ///< [batch, latent.queries], [batch, latent.rank]: the short vectors
  std::span<float> turned_keys;          ///< [batch, rope_dims]: the part of their keys that rotates
  std::span<float> expanded;             ///< [batch, …]: what is made of them, and parts of queries
  std::span<float> head_output;          ///< [batch, …]: of one head
  std::span<float> branch;         ///< [batch, embedding]: what attention gives, where both parts are added together
  std::span<float> gate, up;       ///< [batch, feed_forward]
  std::span<float> router;         ///< [batch, experts]
  std::span<float> gathered;       ///< [batch, embedding]: the inputs of an expert,
  std::span<float> expert;         ///< [batch, embedding]: its outputs,
  std::span<float> mixture;        ///< [batch, embedding]: and the sum of all
  std::span<float> cosines, sines; ///< [batch, rope_dims]
  std::span<float> window_cosines, window_sines; ///< the same of layers with a window, if they differ
  std::span<float> bias;                         ///< [heads, 2 · context − 1], see `attention_task`, or empty
  std::span<token> rows;                         ///< [batch]: numbers of rows
  std::span<float> logits;                       ///< [vocabulary]
  std::span<bool> kept;                          ///< [context]: marks the tokens that an eviction leaves

 private:
  arena memory_;
  std::span<token> history_; // [context]
  std::size_t length_ = 0, batch_ = 0;
  std::size_t cached_ = 0; // leading tokens that need not be computed again
  std::size_t stored_ = 0; // positions that were ever stored since position 0 was
  std::uint64_t bytes_ = 0;
};

} // namespace loquat
