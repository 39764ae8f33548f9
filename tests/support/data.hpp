#pragma once
/// \file
/// The reference data of the tests. It is no part of the repository: where a file is missing, the test case that wants
/// it counts as skipped and says so. The folder is $LOQUAT_TEST_DATA, or else `../shared/data` beside the source root.

#include <optional>
#include <string>
#include <string_view>

namespace test {

/// The full path of a file of the data folder, or nothing after marking the running case as skipped:
/// `auto const path = test::data("models/x.gguf"); if (!path) return;`
std::optional<std::string> data(std::string_view relative);

/// All bytes of a file. Throws, which fails the running case, if it cannot be read.
std::string read(std::string const& path);

/// Marks the running case as skipped, for a `reason` that is printed. The case must return by itself.
void skip(std::string_view reason);

/// Why the case that just ran was skipped, empty if it was not. Forgets it: for main.cpp only.
std::string take_skip();

} // namespace test
