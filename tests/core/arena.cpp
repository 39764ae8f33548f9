/// \file
/// The arena that sessions live in.
#include <loquat/core/arena.hpp>

#include <doctest/doctest.h>

#include <cstdint>

namespace core_arena_test {

using loquat::arena;
using loquat::arena_size;

namespace {

constexpr bool works_at_compile_time() {
  auto memory = arena::make(1000).value();
  auto floats = memory.take<float>(3);
  floats[2] = 4;
  auto const moved = std::move(memory);
  return floats[2] == 4 && moved.left() == 1000 - 64;
}
static_assert(works_at_compile_time());
static_assert(arena_size{}.add<char>(1).add<double>(9).bytes() == 64 + 128);
static_assert(arena_size{}.add<double>(UINT64_MAX / 4).add<char>(1).bytes() > UINT64_MAX / 2); // no wrap-around

TEST_CASE("arrays are aligned and do not overlap") {
  auto memory = arena::make(arena_size{}.add<char>(3).add<float>(5).bytes()).value();
  auto a = memory.take<char>(3);
  auto b = memory.take<float>(5);
  REQUIRE(a.size() == 3);
  REQUIRE(b.size() == 5);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % arena::alignment == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % arena::alignment == 0);
  CHECK(static_cast<void*>(a.data() + 3) <= static_cast<void*>(b.data()));
  CHECK(memory.left() == 0);
}

TEST_CASE("an exhausted arena hands out nothing") {
  auto memory = arena::make(64).value();
  CHECK(memory.take<float>(17).empty());
  CHECK(memory.take<float>(16).size() == 16);
  CHECK(memory.take<char>(1).empty());
}

TEST_CASE("the cap and the machine's limits are errors") {
  CHECK(arena::make(1001, 1000).error().message() == "needs 1001 bytes, more than the cap of 1000");
  auto const absurd = arena::make(UINT64_MAX - 64);
  REQUIRE(!absurd);
  CHECK(absurd.error().code() == loquat::errc::capacity);
}

TEST_CASE("an arena can be moved from and assigned to") {
  auto memory = arena::make(128).value();
  auto const a = memory.take<int>(4);
  a[0] = 7;
  arena other;
  other = std::move(memory);
  CHECK(a[0] == 7);
  CHECK(other.left() == 64);
}

} // namespace

} // namespace core_arena_test
