/// \file
/// Finds and reads the reference data of the tests.

#include "data.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace test {
namespace {

std::string reasons;

} // namespace

std::optional<std::string> data(std::string_view relative) {
  char const* const folder = std::getenv("LOQUAT_TEST_DATA");
  std::filesystem::path path = folder ? folder : LOQUAT_SOURCE_DIR "/../shared/data";
  path = (path / relative).lexically_normal();
  if (std::filesystem::exists(path)) return path.string();
  skip(path.string() + " is not there");
  return std::nullopt;
}

std::string read(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void skip(std::string_view reason) {
  if (reasons.find(reason) != std::string::npos) return; // said already, in another subcase
  if (!reasons.empty()) reasons += "; ";
  reasons += reason;
}

std::string take_skip() { return std::exchange(reasons, {}); }

} // namespace test
