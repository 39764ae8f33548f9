/// \file
/// One half of a program whose halves are compiled for different CPUs. TELL is its name.

#include "app.hpp"

std::string TELL(std::string const& path) {
  auto told = tell(path);
  return told ? *told : std::string();
}
