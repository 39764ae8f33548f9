/// \file
/// One half of a program whose halves are compiled for different CPUs. TELL is its name.

#include "app.hpp"

std::string TELL(std::string const& path) { return tell(path); }
