/// \file
/// Indices in pipelines: filled from ranges, asked by vectors and ranges of them.
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/pipe.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/allocations.hpp>

#include <array>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

namespace index_pipe_test {

using namespace loquat;
using point = std::array<float, 2>;

constexpr bool works_in_constants() {
  point const points[]{{0, 0}, {3, 4}, {1, 1}, {-2, 0}};
  hnsw<l2, dims<2>> index{{.m = 2, .ef_construction = 8}};
  auto const n = points | index_into(index, 10);
  point const x{1, 0};
  auto const found = x | search<3>(index);
  return n && *n == 4 && found && found->size() == 3 && (*found)[1] == hit{12, 1} && found->back() == hit{13, 9};
}
static_assert(works_in_constants());
static_assert(std::ranges::view<hits<4>> && std::ranges::contiguous_range<hits<4>>);

std::vector<std::vector<float>> grid() {
  std::vector<std::vector<float>> points;
  for (int i = 0; i < 100; ++i) points.push_back({static_cast<float>(i % 10), static_cast<float>(i / 10)});
  return points;
}

TEST_CASE("vectors get keys in order, or bring them") {
  flat<l2> plain{{.dimensions = 2}};
  CHECK((grid() | index_into(plain)).value() == 100);
  std::vector<std::pair<int, std::vector<float>>> keyed;
  for (int i = 0; auto const& x : grid()) keyed.emplace_back(1000 + i++, x);
  CHECK((keyed | std::views::drop(50) | index_into(plain)).value() == 50);
  CHECK(plain.size() == 150);
  std::vector<float> const x{9.1f, 9.2f};
  auto const found = (x | search<2>(plain)).value();
  CHECK(found[0].key == 99);
  CHECK(found[1].key == 1099);
}

TEST_CASE("an error is a value that names the vector") {
  flat<l2> index{{.dimensions = 2}};
  std::vector<std::vector<float>> const points{{1, 2}, {3, 4}, {5}};
  auto const done = points | index_into(index);
  REQUIRE(!done);
  CHECK(done.error().message().starts_with("vector 2: "));
  CHECK(index.size() == 2);
  CHECK(!(points[2] | search<3>(index)));
  hnsw<l2> graph{{.dimensions = 2}};
  CHECK((points | index_into(graph, pool(1))).error().message().starts_with("vector 2: "));
}

TEST_CASE("threads insert by the batch, and codecs that must learn do so first") {
  hnsw<l2, pq<2>> index{{.dimensions = 2}};
  CHECK(!(grid() | index_into(index)));
  pool const threads(2);
  CHECK((grid() | index_into(index, threads)).value() == 100);
  std::vector<float> const x{4, 7};
  CHECK((x | search<1>(index)).value().front() == hit{74, 0});
}

TEST_CASE("every kind of search finds the same") {
  hnsw<l2> index{{.dimensions = 2}};
  REQUIRE((grid() | index_into(index)));
  std::vector<float> const x{3.2f, 4.4f};
  auto const fixed = (x | search<5>(index, {.ef = 50})).value();
  auto const sized = (x | search(index, 5, {.ef = 50})).value();
  hit out[5];
  auto const given = (x | search(index, out, {.ef = 50})).value();
  hnsw<l2>::workspace w;
  auto const spared = (x | search<5>(index, w, {.ef = 50})).value();
  REQUIRE(fixed.size() == 5);
  CHECK(fixed[0].key == 43);
  CHECK(std::ranges::equal(fixed, sized));
  CHECK(std::ranges::equal(fixed, given));
  CHECK(std::ranges::equal(fixed, spared));
  CHECK((x | search(index, 1000, {.ef = 200})).value().size() == 100);

  std::size_t n = 0;
  for (auto const& found : grid() | search<1>(index)) CHECK(found.value().front() == hit{n++, 0});
  CHECK(n == 100);
  CHECK((std::span(x).first(1) | search<1>(index)).error().message().find("1 elements") != std::string_view::npos);
}

TEST_CASE("a search in a pipeline allocates nothing once the workspace has grown") {
  hnsw<l2> index{{.dimensions = 2}};
  REQUIRE((grid() | index_into(index)));
  hnsw<l2>::workspace w;
  std::vector<float> const x{3.2f, 4.4f};
  (void)(x | search<5>(index, w)).value();
  (void)(x | search<5>(index)).value();
  auto const before = test::allocations();
  CHECK((x | search<5>(index, w)).value().size() == 5);
  CHECK((x | search<5>(index)).value().size() == 5);
  CHECK(test::allocations() == before);
}

} // namespace index_pipe_test
