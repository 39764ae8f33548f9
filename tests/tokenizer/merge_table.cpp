#include <loquat/tokenizer/models/merge_table.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace tokenizer_merge_table_test {

using namespace loquat;

namespace {

/// Merges the obvious way.
std::vector<merge_symbol> merge_simply(merge_table const& table, std::vector<merge_symbol> symbols) {
  while (true) {
    auto best = merge_table::none;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
      if (auto const rank = table.rank(symbols[i].id, symbols[i + 1].id); rank < best) best = rank, at = i;
    if (best == merge_table::none) return symbols;
    symbols[at].id = table[best].merged;
    symbols[at].size += symbols[at + 1].size;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

} // namespace

TEST_CASE("merge_table: a pair has the rule that came last") {
  merge_table table(3);
  table.insert(2, {1, 1, 7});
  table.insert(0, {1, 1, 8});
  table.insert(1, {1, 2, 9});
  CHECK(table.rank(1, 1) == 0);
  CHECK(table.rank(1, 2) == 1);
  CHECK(table.rank(2, 1) == merge_table::none);
  CHECK(table[0].merged == 8);
}

TEST_CASE("merge_table: long words merge as in the obvious implementation, in windows or in blocks") {
  std::mt19937 random(4);
  merge_table::workspace room;
  for (int round = 0; round < 120; ++round) {
    // Tokens 0 … 3 are letters. Rules make longer and longer tokens of few letters, which windows cannot hold, or join
    // tokens at random.
    auto const draw = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    std::size_t const rules = 4 + draw(60);
    merge_table table(rules);
    for (std::size_t rank = 0; rank < rules; ++rank) {
      auto const made = static_cast<token>(4 + rank);
      bool const doubles = rank > 0 && draw(3) != 0;
      auto const any = [&] { return static_cast<token>(draw(4 + rank)); };
      table.insert(static_cast<std::uint32_t>(rank), {doubles ? made - 1 : any(), doubles ? made - 1 : any(), made});
    }
    std::size_t const letters = 1 + draw(4), rare = 2 + draw(300);
    std::vector<merge_symbol> symbols;
    for (std::size_t n = 50 + draw(4000); n > 0; --n)
      symbols.push_back(
          {static_cast<token>(draw(rare) == 0 ? draw(4) : draw(letters)), 1 + static_cast<std::uint32_t>(draw(3))});
    auto const want = merge_simply(table, symbols);
    table.merge(symbols, room);
    bool const same = std::equal(want.begin(), want.end(), symbols.begin(), symbols.end(),
                                 [](auto const& a, auto const& b) { return a.id == b.id && a.size == b.size; });
    if (!same) FAIL("round ", round);
  }
}

TEST_CASE("live_set: neighbours are those of a std::set") {
  std::mt19937 random(5);
  for (std::size_t const size : {1u, 63u, 64u, 65u, 1000u}) {
    live_set live;
    live.assign(size);
    std::set<std::size_t> want;
    for (std::size_t i = 0; i < size; ++i) want.insert(i);
    for (int n = 0; n < 3000; ++n) {
      std::size_t const i = random() % size;
      auto const after = want.upper_bound(i), at = want.lower_bound(i);
      CHECK(live.after(i) == (after == want.end() ? size : *after));
      CHECK(live.before(i) == (at == want.begin() ? size : *std::prev(at)));
      if (n % 2 == 0) {
        live.erase(i);
        want.erase(i);
      }
    }
  }
}

TEST_CASE("min_tree: the least number, the leftmost of equals") {
  std::mt19937 random(6);
  min_tree tree;
  for (std::size_t const size : {1u, 2u, 8u, 9u, 64u, 65u, 700u}) {
    std::vector<std::uint32_t> numbers(size);
    auto const draw = [&] { return random() % 8 == 0 ? min_tree::none : static_cast<std::uint32_t>(random() % 50); };
    for (auto& number : numbers) number = draw();
    tree.assign(size, [&](std::size_t i) { return numbers[i]; });
    for (int n = 0; n < 2000; ++n) {
      auto const least = std::min_element(numbers.begin(), numbers.end());
      CHECK(tree.least().number == *least);
      if (*least != min_tree::none) CHECK(tree.least().at == static_cast<std::size_t>(least - numbers.begin()));
      std::size_t const i = random() % size;
      tree.set(i, numbers[i] = draw());
    }
  }
}

} // namespace tokenizer_merge_table_test
