#pragma once
/// \file
/// An architecture is a value: what distinguishes one decoder-only transformer from another, as a structural type that
/// serves as template argument. `transformer<arch::llama>` reads it with `if constexpr`.

#include <loquat/kernel/choices.hpp>

#include <string_view>

namespace loquat {

/// What a transformer is made of. The defaults are llama's; sizes are not here, they come from the file.
struct architecture {
  char name[24] = "llama";                    ///< `general.architecture` of its files and prefix of their keys
  normalisation norm = normalisation::rms;    ///< of the input of attention, feed-forward and output
  rope_style rope = rope_style::adjacent;     ///< which elements of a head are a pair
  activation feed_forward = activation::silu; ///< non-linear function
  bool gated = true;                          ///< down(f(gate(x)) · up(x)) rather than down(f(up(x)))

  friend constexpr bool operator==(architecture const&, architecture const&) = default;
};

/// The architecture's name as text.
constexpr std::string_view name(architecture const& a) noexcept { return a.name; }

} // namespace loquat
