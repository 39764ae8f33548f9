#pragma once
/// \file
/// Time, and the middle of several measurements of it.

#include <algorithm>
#include <chrono>
#include <vector>

namespace bench {

/// Seconds that f() takes.
template <class F> double seconds(F&& f) {
  auto const begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

} // namespace bench
