/// \file
/// Errors and results.
#include <loquat/core/result.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

namespace core_result_test {

using loquat::errc;
using loquat::fail;
using loquat::result;

namespace {

constexpr result<int> half(int x) {
  if (x % 2 != 0) return fail(errc::argument, "half: ", x, " is odd");
  return x / 2;
}
constexpr result<void> check(bool good) {
  if (!good) return fail(errc::io, "bad");
  return {};
}

static_assert(*half(4) == 2 && half(4).has_value());
static_assert(half(3).error().message() == "half: 3 is odd" && half(3).error().code() == errc::argument);
static_assert(half(8).and_then(half).value() == 2);
static_assert(half(6).and_then(half).error().message() == "half: 3 is odd");
static_assert(half(6).transform([](int x) { return x + 0.5; }).value() == 3.5);
static_assert(half(3).value_or(7) == 7 && half(4).value_or(7) == 2);
static_assert(check(true) && !check(false) && check(false).error().message() == "bad");
static_assert(check(true).and_then([] { return half(2); }).value() == 1);
static_assert(fail(errc::io, "x").within("file").message() == "file: x");
static_assert(fail(errc::io, "x").within("file").code() == errc::io);
static_assert(name(errc::cancelled) == "cancelled" && name(errc::argument) == "argument");
static_assert(loquat::error().message().empty() && *loquat::error().c_str() == '\0');

constexpr bool assigns_across_states() {
  auto r = half(3);
  r = half(4);
  auto copy = r;
  r = half(5);
  return *copy == 2 && r.error().message() == "half: 5 is odd";
}
static_assert(assigns_across_states());

static_assert(fail(errc::io, -128, ' ', std::numeric_limits<std::uint64_t>::max(), ' ', true, std::string_view(" s"))
                  .message() == "-128 18446744073709551615 true s");
static_assert(fail(errc::io, std::numeric_limits<std::int64_t>::min()).message() == "-9223372036854775808");

TEST_CASE("a result holds values that own memory") {
  result<std::vector<std::string>> r = std::vector<std::string>{"a", std::string(100, 'b')};
  auto copy = r;
  auto moved = std::move(r);
  CHECK(copy->at(1) == moved->at(1));
  moved = fail(errc::missing, "gone");
  CHECK(!moved);
  CHECK(copy.value().size() == 2);
}

TEST_CASE("value() on an error throws it") {
  CHECK_THROWS_WITH_AS((void)half(1).value(), "half: 1 is odd", loquat::bad_result);
  CHECK_THROWS_AS(check(false).value(), loquat::bad_result);
  try {
    (void)half(1).value();
  } catch (loquat::bad_result const& e) {
    CHECK(e.why().code() == errc::argument);
  }
}

} // namespace

} // namespace core_result_test
