#pragma once
/// \file
/// A session with a model of one of several kinds: the session type itself where they all have the same one, else a
/// `one_of` that is visited once per call.

#include <loquat/core/one_of.hpp>
#include <loquat/core/token.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace loquat {

/// A session of one of the types `Ss`, which are all different. Move-only, like they are.
template <class... Ss> class any_session {
 public:
  /// Holds a session.
  template <class S>
  requires(std::same_as<S, Ss> || ...) constexpr any_session(S session) : any_(std::move(session)) {}

  constexpr std::span<token const> tokens() const noexcept {
    return visit([](auto const& s) { return s.tokens(); });
  }                                                ///< everything so far
  constexpr std::size_t context() const noexcept { ///< most tokens it can hold
    return visit([](auto const& s) { return s.context(); });
  }
  constexpr std::size_t batch() const noexcept { ///< most tokens of one pass
    return visit([](auto const& s) { return s.batch(); });
  }
  constexpr std::uint64_t bytes() const noexcept { ///< of memory, all in all
    return visit([](auto const& s) { return s.bytes(); });
  }
  constexpr std::uint64_t state_bytes() const noexcept { ///< of it, what tokens leave behind
    return visit([](auto const& s) { return s.state_bytes(); });
  }
  /// Forgets all but the first n tokens, as if the others had never been.
  constexpr void truncate(std::size_t n) noexcept {
    any_.visit([n](auto& s) { s.truncate(n); });
  }

  /// The session if it is an `S`, else null.
  template <class S> constexpr S* get_if() noexcept { return any_.template get_if<S>(); }
  template <class S> constexpr S const* get_if() const noexcept { return any_.template get_if<S>(); } ///< \overload
  /// What `f` returns for the session; the same type for each of the types.
  template <class F> constexpr decltype(auto) visit(F&& f) { return any_.visit(f); }
  template <class F> constexpr decltype(auto) visit(F&& f) const { return any_.visit(f); } ///< \overload

 private:
  one_of<Ss...> any_;
};

namespace detail {

/// `Session<Ss...>` of the types without repetition; one type alone stays itself.
template <class Seen, class... Rest> struct distinct_sessions;
template <class S> struct distinct_sessions<any_session<S>> { using type = S; };
template <class... Seen> struct distinct_sessions<any_session<Seen...>> { using type = any_session<Seen...>; };
template <class... Seen, class S, class... Rest>
struct distinct_sessions<any_session<Seen...>, S, Rest...>
    : distinct_sessions<
          std::conditional_t<(std::same_as<S, Seen> || ...), any_session<Seen...>, any_session<Seen..., S>>, Rest...> {
};

/// The `S` that a session is or holds, else null.
template <class S> constexpr S* session_as(S& s) noexcept { return &s; }
template <class S, class... Ss> constexpr S* session_as(any_session<Ss...>& s) noexcept {
  return s.template get_if<S>();
}

} // namespace detail

} // namespace loquat
