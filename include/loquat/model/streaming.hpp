#pragma once
/// \file
/// `streaming`: a model whose sessions are never full. When another token comes to a full context, an eviction policy
/// says what is forgotten.

#include <loquat/model/eviction.hpp>
#include <loquat/model/model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace loquat {

/// A `Model` that goes on without end:
/// `streaming endless(model, sink_window{}); auto talk = endless.make_session({.context = 2048}).value();`
///
/// `M` is a model with `evict`. Room is made exactly when a token comes and the context is full, never earlier, so that
/// logits are the same bits however a text is cut up. The model must outlive it.
template <Model M, EvictionPolicy P> class streaming {
 public:
  /// What goes on without end. Its positions are those among the tokens that it still knows.
  class session {
   public:
    /// Goes on with a model's session.
    constexpr explicit session(typename M::session s) : inner_(std::move(s)) {}

    constexpr std::span<token const> tokens() const noexcept { return inner_.tokens(); } ///< those not forgotten
    constexpr std::size_t context() const noexcept {                                     ///< there is no limit
      return std::numeric_limits<std::size_t>::max();
    }
    constexpr std::size_t capacity() const noexcept { return inner_.context(); }   ///< tokens it can remember
    constexpr std::uint64_t forgotten() const noexcept { return forgotten_; }      ///< tokens so far
    constexpr std::uint64_t bytes() const noexcept { return inner_.bytes(); }      ///< of memory, all in all
    constexpr void truncate(std::size_t n) noexcept { inner_.truncate(n); }        ///< forgets all but the first n
    constexpr typename M::session const& inner() const noexcept { return inner_; } ///< what it is made of
    constexpr typename M::session& inner() noexcept { return inner_; }             ///< \overload

   private:
    friend streaming;
    typename M::session inner_;
    std::uint64_t forgotten_ = 0;
  };

  /// Goes on with `model`, whose full contexts `policy` makes room in.
  constexpr streaming(M const& model, P policy, cache_shift how = cache_shift::rotate)
      : model_(&model), policy_(std::move(policy)), how_(how) {}
  streaming(M const&&, P, cache_shift = cache_shift::rotate) = delete; // gone before it is used

  constexpr std::size_t vocabulary() const { return model_->vocabulary(); } ///< tokens
  constexpr bool ends(token id) const { return model_->ends(id); }          ///< true where there is no more to say

  /// A new, empty session: the last allocation. Errors as of the model; `errc::argument` for a policy that has nothing
  /// to forget in such a context, `errc::unsupported` for a model whose keys cannot move, if they should.
  constexpr result<session> make_session(session_options options = {}) const {
    options.whole_windows = options.whole_windows || how_ == cache_shift::rotate;
    auto made = model_->make_session(options);
    if (!made) return made.error();
    if constexpr (requires { policy_.check(std::size_t{}); })
      if (auto sensible = policy_.check(made->context()); !sensible) return sensible.error();
    auto const none = [](std::span<token const>, std::span<bool>) {};
    if (auto able = model_->evict(*made, none, how_); !able) return able.error();
    return session(*std::move(made));
  }

  /// As the model's `forward`, but there is always room. `errc::capacity` if the policy forgets nothing of a full
  /// context; what fitted is then in the session.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    for (std::size_t i = 0; i < ids.size(); ++i) // before any of them goes in
      if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= vocabulary())
        return fail(errc::argument, "forward: token ", i, " is ", ids[i], ", expected 0 to ", vocabulary() - 1);
    while (true) {
      std::size_t const used = s.tokens().size();
      if (used == s.capacity() && !ids.empty()) {
        auto const gone = model_->evict(s.inner_, policy_, how_);
        if (!gone) return gone.error();
        if (*gone == 0)
          return fail(errc::capacity, "forward: the eviction policy keeps all ", used, " tokens of a full context");
        s.forgotten_ += *gone;
      }
      auto const part = ids.first(std::min(ids.size(), s.capacity() - s.tokens().size()));
      ids = ids.subspan(part.size());
      auto logits = model_->forward(s.inner_, part);
      if (!logits || ids.empty()) return logits;
    }
  }

 private:
  M const* model_;
  P policy_;
  cache_shift how_;
};

} // namespace loquat
