#pragma once
/// \file
/// The smallest program of a user, as a function. Each consumer test gets the library in another way and calls it.

#include <loquat/core/result.hpp>
#include <loquat/core/version.hpp>

#include <string>

namespace {

/// The beginning of the story that the model file tells.
std::string tell(std::string const& path) {
  auto const refused = loquat::fail(loquat::errc::missing, path, ", loquat ", loquat::version_text);
  return std::string(refused.message());
}

} // namespace
