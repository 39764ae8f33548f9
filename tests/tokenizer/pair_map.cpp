#include <loquat/tokenizer/adjacency.hpp>
#include <loquat/tokenizer/pair_map.hpp>
#include <loquat/tokenizer/prefix_trie.hpp>

#include <doctest/doctest.h>

#include <map>
#include <random>

namespace tokenizer_pair_map_test {

using loquat::pair_map;

namespace {

constexpr bool keeps_the_first() {
  pair_map map;
  map.insert(1, 2, 3);
  map.insert(1, 2, 4);
  map.insert(2, 1, 5);
  return map.find(1, 2) == 3 && map.find(2, 1) == 5 && map.find(1, 1) == pair_map::none &&
         map.find(pair_map::none, pair_map::none) == pair_map::none;
}
static_assert(keeps_the_first());

} // namespace

TEST_CASE("pair_map: finds what a std::map finds, while it grows") {
  std::mt19937 random(1);
  auto const draw = [&] { return static_cast<std::uint32_t>(random()); };
  for (std::uint32_t const range : {3u, 300u, pair_map::none}) {
    pair_map map;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> want;
    for (std::uint32_t i = 0; i < 20000; ++i) {
      auto const a = draw() % range, b = draw() % range;
      map.insert(a, b, i);
      want.try_emplace({a, b}, i);
      auto const c = draw() % range, d = draw() % range;
      auto const found = want.find({c, d});
      if (map.find(c, d) != (found == want.end() ? pair_map::none : found->second)) FAIL("pair ", c, ", ", d);
    }
    for (auto const& [key, value] : want)
      if (map.find(key.first, key.second) != value) FAIL("pair ", key.first, ", ", key.second);
  }
}

TEST_CASE("prefix_trie: the longest string wins, the first of equals stays") {
  loquat::prefix_trie trie;
  CHECK(trie.empty());
  CHECK(trie.longest("a").id == loquat::no_token);
  trie.insert("ab", 1);
  trie.insert("abcd", 2);
  trie.insert("ab", 3);
  trie.insert("", 4);
  CHECK_FALSE(trie.empty());
  CHECK(trie.begins('a'));
  CHECK_FALSE(trie.begins('b'));
  CHECK(trie.longest("abc").id == 1);
  CHECK(trie.longest("abc").length == 2);
  CHECK(trie.longest("abcdab").id == 2);
  CHECK(trie.longest("a").id == loquat::no_token);
  CHECK(trie.longest("").length == 0);
}

TEST_CASE("adjacency: what was put in is there, ASCII pairs exactly") {
  loquat::adjacency pairs(100);
  for (char32_t c = 0; c < 128; c += 3) pairs.insert(c, (c * 7) % 128);
  for (char32_t a = 0; a < 128; ++a)
    for (char32_t b = 0; b < 128; ++b) CHECK(pairs.contains(a, b) == (a % 3 == 0 && b == (a * 7) % 128));
  for (char32_t c = 200; c < 300; ++c) pairs.insert(c, 'a');
  int missing = 0, wrong = 0;
  for (char32_t c = 200; c < 300; ++c) {
    missing += !pairs.contains(c, 'a');
    wrong += pairs.contains('a', c);
  }
  CHECK(missing == 0);
  CHECK(wrong < 50); // collisions are allowed, a filter that says yes to everything is not
}

} // namespace tokenizer_pair_map_test
