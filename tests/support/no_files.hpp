#pragma once
/// \file
/// For doctest where the standard library has no files (WASI): the stream of its option `--out`, which does nothing.
/// The compiler is told to include this first.

#include <sstream>

template <> class std::basic_fstream<char> : public std::stringstream {
 public:
  void open(char const*, std::ios_base::openmode) {}
  bool is_open() const { return false; }
  void close() {}
};
