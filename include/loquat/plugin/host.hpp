#pragma once
/// \file
/// `host<Plugins...>` keeps plugins by value: attaches all or none of them, finds them by capability, detaches them in
/// the opposite order. No registry, no virtual call, no allocation: the set is known at compile time.

#include <loquat/plugin/plugin.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

namespace loquat {

/// Plugins of a program, in the order in which they attach. It stays where it is made, since plugins that are attached
/// may have told others their address. `host app{audit{}, cache{.bytes = 1 << 20}};`
template <PluginIdentity... Plugins> class host {
 public:
  constexpr host() = default;
  /// Keeps the plugins; does not attach them.
  constexpr explicit host(Plugins... plugins) requires(sizeof...(Plugins) > 0) : plugins_(std::move(plugins)...) {}
  host(host const&) = delete;
  host& operator=(host const&) = delete;
  constexpr ~host() { detach(); }

  /// Attaches every plugin to `context`. If one fails, those before it are detached again, last first, and the error is
  /// its own with the plugin's name in front. `errc::argument` if they are attached already.
  template <class Context>
  requires(Plugin<Plugins, Context>&&...) constexpr result<void> attach(Context& context) {
    if (attached_ > 0) return fail(errc::argument, "host: attached already; detach() first");
    result<void> outcome;
    auto const next = [&]<class P>(P& plugin) {
      outcome = plugin.attach(context);
      if (outcome)
        ++attached_;
      else
        outcome = outcome.error().within(P::name).within("plugin");
      return outcome.has_value();
    };
    if (!std::apply([&](auto&... plugin) { return (next(plugin) && ...); }, plugins_)) detach();
    return outcome;
  }

  /// Detaches what is attached, last first. Nothing happens if nothing is.
  constexpr void detach() noexcept { detach_from_last(std::index_sequence_for<Plugins...>()); }

  /// True between a successful `attach` and `detach`.
  constexpr bool attached() const noexcept { return sizeof...(Plugins) > 0 && attached_ == sizeof...(Plugins); }

  /// How many plugins there are.
  static constexpr std::size_t size() noexcept { return sizeof...(Plugins); }

  /// True if any plugin offers a capability.
  static constexpr bool offers([[maybe_unused]] std::string_view what) noexcept {
    return (loquat::offers<Plugins>(what) || ...);
  }

  /// The first plugin that offers a capability. Does not compile if there is none; ask `offers` under `if constexpr`.
  template <capability What>
  requires(offers(What.view())) constexpr auto& find() noexcept { return std::get<index(What.view())>(plugins_); }
  template <capability What>
  requires(offers(What.view())) constexpr auto const& find() const noexcept { ///< \overload
    return std::get<index(What.view())>(plugins_);
  }

  /// Calls `f(plugin)` for every plugin, in order.
  template <class F> constexpr void for_each(F&& f) {
    std::apply([&](auto&... plugin) { (static_cast<void>(f(plugin)), ...); }, plugins_);
  }
  template <class F> constexpr void for_each(F&& f) const { ///< \overload
    std::apply([&](auto const&... plugin) { (static_cast<void>(f(plugin)), ...); }, plugins_);
  }

 private:
  static constexpr std::size_t index(std::string_view what) noexcept {
    std::array<bool, sizeof...(Plugins)> const offering{loquat::offers<Plugins>(what)...};
    std::size_t i = 0;
    while (!offering[i]) ++i;
    return i;
  }

  template <std::size_t... I> constexpr void detach_from_last(std::index_sequence<I...>) noexcept {
    [[maybe_unused]] auto const step = [this](std::size_t place, auto& plugin) {
      if (place >= attached_) return; // never attached
      attached_ = place;
      plugin.detach();
    };
    (step(sizeof...(I) - 1 - I, std::get<sizeof...(I) - 1 - I>(plugins_)), ...);
  }

  std::tuple<Plugins...> plugins_;
  std::size_t attached_ = 0; // the first so many
};

} // namespace loquat
