/// \file
/// One test case for each thing that can become of it: what counts.sh counts.

#include <doctest/doctest.h>

#include "data.hpp"

#include <stdexcept>

TEST_CASE("passes") { CHECK(test::read(__FILE__).starts_with("/// \\file")); }
TEST_CASE("passes with subcases") {
  SUBCASE("one") {}
  SUBCASE("two") {}
}
TEST_CASE("fails") { CHECK(false); }
TEST_CASE("throws") { throw std::runtime_error("on purpose"); }
TEST_CASE("reads a file that is not there") { test::read(__FILE__ ".none"); }
TEST_CASE("lacks data in a subcase") {
  SUBCASE("there") {}
  SUBCASE("not there") { CHECK(!test::data("none/such.gguf")); }
}
TEST_CASE("fails and lacks data") {
  CHECK(!test::data("none/such.gguf"));
  CHECK(false);
}
TEST_CASE("marked" * doctest::skip()) {}
