/// \file
/// Prints what the model file of the first argument tells.

#include "app.hpp"

#include <cstdio>

int main(int, char** arguments) { std::puts(tell(arguments[1]).c_str()); }
