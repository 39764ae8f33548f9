#pragma once
/// \file
/// Counts heap allocations of the test program, for the tests that allow none.

#include <cstddef>

namespace test {

/// Calls of `operator new` so far, in any thread.
std::size_t allocations() noexcept;

} // namespace test
