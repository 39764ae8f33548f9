#include <loquat/io/huge_pages.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace io_huge_pages_test {

using loquat::detail::huge_page_allocator;

namespace {

constexpr std::size_t sum(std::size_t n) {
  std::vector<std::size_t, huge_page_allocator<std::size_t>> numbers(n, 1);
  numbers.push_back(2);
  auto const copy = numbers;
  return std::accumulate(copy.begin(), copy.end(), std::size_t{0});
}
static_assert(sum(3) == 5);

} // namespace

TEST_CASE("huge_page_allocator: large blocks begin where a huge page may, small ones are ordinary") {
  CHECK(sum(10) == 12);
  CHECK(sum(1'000'000) == 1'000'002);
  std::vector<char, huge_page_allocator<char>> large((std::size_t{2} << 20) + 1, 'x');
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % static_cast<std::size_t>(loquat::detail::huge_page) == 0);
  CHECK(loquat::detail::whole_pages(large.size()) == std::size_t{4} << 20);
}

} // namespace io_huge_pages_test
