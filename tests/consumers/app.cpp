/// \file
/// Prints what the model file of the first argument tells.

#include "app.hpp"

#include <cstdio>

int main(int, char** arguments) {
  auto const told = tell(arguments[1]);
  std::puts(told ? told->c_str() : told.error().c_str());
  return told ? 0 : 1;
}
