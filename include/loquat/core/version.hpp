#pragma once
/// \file
/// The version of the library, one constant each for people and for the preprocessor-free world.

#include <string_view>

namespace loquat {

/// Semantic version of this copy of the library.
struct version_number {
  int major, minor, patch;
  friend constexpr auto operator<=>(version_number const&, version_number const&) = default;
};

inline constexpr version_number version{0, 1, 0};      ///< this copy's version
inline constexpr std::string_view version_text{"0.1.0"}; ///< the same, as text

} // namespace loquat
