#pragma once
/// \file
/// The `Plugin` contract: a part that a program is composed of at compile time, under one name, with a beginning and an
/// end. `host` keeps plugins and calls them.

#include <loquat/core/result.hpp>
#include <loquat/core/version.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace loquat {

/// The name of a capability as a template argument: `find<"sampler">()`.
template <std::size_t N> struct capability {
  char text[N]{}; ///< with the zero of the literal

  consteval capability(char const (&literal)[N]) { std::ranges::copy(literal, text); } // NOLINT: implicit by intent
  constexpr std::string_view view() const noexcept { return {text, N - 1}; }           ///< without it
};

/// What a plugin is, apart from what it does: known at compile time, so that a host can answer questions about plugins
/// that it has not attached. `P::name` must not be empty, `P::offers` may be.
template <class P>
concept PluginIdentity = requires {
  requires !std::string_view(P::name).empty();                // "metrics": names it in messages
  { P::version } -> std::convertible_to<version_number>;      // {1, 0, 0}: the plugin's own
  requires std::ranges::forward_range<decltype((P::offers))>; // {"log", "trace"}: its capabilities
  requires std::convertible_to<std::ranges::range_reference_t<decltype((P::offers))>, std::string_view>;
  typename std::bool_constant<(std::ranges::begin(P::offers) == std::ranges::end(P::offers))>; // constants, all of them
};

/// Extends a program that hosts plugins: a sampler, a tool, a store, a log, whatever the program looks for by the name
/// of a capability. `Context` is what the program gives its plugins to attach to; the library does not look into it.
///
/// Called by `host`: `attach` once before anything else, in the order in which the plugins are listed; it may keep the
/// context's address, and on an error must leave nothing behind. `detach` once for every attach that succeeded, in the
/// opposite order; it cannot fail. In between, the program uses the plugin's own members, whose types it knows.
///
/// A minimal conforming type:
/// \code
/// struct hello {
///   static constexpr std::string_view name = "hello";
///   static constexpr version_number version{1, 0, 0};
///   static constexpr std::array<std::string_view, 1> offers{"greeting"};
///   result<void> attach(program&) { return {}; }
///   void detach() noexcept {}
/// };
/// static_assert(Plugin<hello, program>);
/// \endcode
/// Neighbours: the contracts that a plugin's members may fulfil, `Tokenizer`, `Model`, `Sampler`, `Backend`.
template <class P, class Context>
concept Plugin = PluginIdentity<P> && requires(P& plugin, Context& context) {
  { plugin.attach(context) } -> std::same_as<result<void>>;
  { plugin.detach() }
  noexcept->std::same_as<void>;
};

/// True if a plugin offers the capability `what`.
template <PluginIdentity P> constexpr bool offers(std::string_view what) noexcept {
  return std::ranges::any_of(P::offers, [what](std::string_view offered) { return offered == what; });
}

} // namespace loquat
