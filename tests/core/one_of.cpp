#include <doctest/doctest.h>
#include <loquat/core/one_of.hpp>

#include <array>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace core_one_of_test {

using loquat::one_of;

namespace {

using number_or_list = one_of<int, std::vector<int>, char>;

static_assert(number_or_list().holds<int>() && number_or_list().get<int>() == 0);
static_assert(number_or_list::index_of<std::vector<int>> == 1 && number_or_list::index_of<bool> == 3);
static_assert(std::is_same_v<number_or_list::type<2>, char>);
static_assert(!std::is_convertible_v<bool, number_or_list>); // no conversions but to the types themselves
static_assert(!std::is_copy_constructible_v<one_of<int, std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<one_of<int, std::unique_ptr<int>>>);

constexpr std::size_t size(number_or_list const& x) {
  return x.visit([](auto const& value) -> std::size_t {
    if constexpr (requires { value.size(); })
      return value.size();
    else
      return sizeof value;
  });
}
static_assert(size(number_or_list('x')) == 1 && size(number_or_list(1)) == sizeof(int));
static_assert(size(std::vector{1, 2, 3}) == 3);

static_assert([] { // copies, moves, assigns; values of one kind make way for those of another
  number_or_list a = std::vector{1, 2, 3};
  number_or_list b = a;
  a.get<std::vector<int>>().push_back(4);
  number_or_list const c = std::exchange(a, 'x');
  b = std::as_const(b);
  a.visit([]<class T>(T& value) {
    if constexpr (std::is_same_v<T, char>) value = 'y';
  });
  return size(b) == 3 && size(c) == 4 && a.index() == 2 && *a.get_if<char>() == 'y' && a.get_if<int>() == nullptr &&
         size(a = std::move(b)) == 3;
}());

} // namespace

TEST_CASE("one_of: a value is destroyed once, by whoever has it last") {
  auto const counted = std::make_shared<int>(7);
  {
    std::vector<one_of<int, std::shared_ptr<int>>> many;
    for (int i = 0; i < 10; ++i) many.emplace_back(counted);
    CHECK(counted.use_count() == 11);
    many[0] = 5;
    auto const taken = std::exchange(many[1], 6);
    CHECK(counted.use_count() == 10);
    many.resize(4);
    CHECK(counted.use_count() == 4);
    auto const copies = many;
    CHECK(counted.use_count() == 6);
  }
  CHECK(counted.use_count() == 1);
}

} // namespace core_one_of_test
