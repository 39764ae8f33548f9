#include <loquat/tokenizer/pipeline/word_cache.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_word_cache_test {

using namespace loquat;

namespace {

struct row {
  std::vector<token> ids;
  std::vector<std::uint8_t> ends;
  friend bool operator==(row const&, row const&) = default;
};

/// What the cache knows of a word, which is all of `text`; false if nothing.
constexpr bool look_up(word_cache const& cache, std::string_view text, row& out) {
  auto const take = [&](auto const& known) {
    std::array<token, 64> ids{};
    known.write(ids.data());
    out.ids.assign(ids.begin(), ids.begin() + known.count);
    out.ends.clear();
    for (std::size_t i = 0; i < known.count; ++i) out.ends.push_back(static_cast<std::uint8_t>(known.end(i)));
  };
  if (text.size() <= cache.small.longest) {
    word_cache::small_table::key word;
    word.assign(text, 0, text.size());
    if (auto const* const known = cache.small.find(word, cache.small.set_of(word))) return take(*known), true;
  }
  return cache.find_other(text, 0, text.size(), take);
}

/// Remembers words of each number of tokens and finds them again.
constexpr bool remembers_every_number_of_tokens() {
  word_cache cache;
  std::string_view const letters = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";
  std::vector<token> ids;
  std::vector<std::uint8_t> ends;
  for (std::size_t size = 1; size <= letters.size(); ++size) {
    ids.push_back(static_cast<token>((1u << 21) - size));
    ends.push_back(static_cast<std::uint8_t>(size));
    cache.insert(letters, 0, size, ids, ends);
    row found;
    bool const known = look_up(cache, letters.substr(0, size), found);
    if (known != (size <= 38) || (known && (found.ids != ids || found.ends != ends))) return false;
  }
  return true;
}
static_assert(remembers_every_number_of_tokens());

} // namespace

TEST_CASE("word_cache: what is found is what was put there, in tables that grow") {
  std::mt19937 random(11);
  word_cache cache;
  std::map<std::string, row> all;
  row found;
  for (int i = 0; i < 60'000; ++i) {
    std::string word;
    std::size_t const size = 1 + (random() % 8 == 0 ? random() % 63 : random() % 15);
    for (std::size_t n = 0; n < size; ++n) word += static_cast<char>("abc\xFF\0xyz"[random() % 8]);
    row tokens; // always the same of a word
    std::minstd_rand of_word(static_cast<unsigned>(std::hash<std::string>()(word)));
    std::size_t end = 0;
    while (end < size) {
      end = std::min<std::size_t>(size, end + 1 + of_word() % (word[0] == 'a' ? 2 : 9));
      tokens.ids.push_back(static_cast<token>(of_word()));
      tokens.ends.push_back(static_cast<std::uint8_t>(end));
    }
    if (look_up(cache, word, found)) {
      CHECK(found == all.at(word));
      continue;
    }
    cache.insert(word, 0, size, tokens.ids, tokens.ends);
    all[word] = tokens;
    bool const fits = tokens.ids.size() <= 38;
    CHECK(look_up(cache, word, found) == fits);
    if (fits) CHECK(found == tokens);
  }
  std::size_t known = 0;
  for (auto const& [word, tokens] : all)
    if (look_up(cache, word, found)) {
      ++known;
      CHECK(found == tokens);
    }
  CHECK(known > all.size() / 4 * 3);
  cache.clear();
  CHECK_FALSE(look_up(cache, all.begin()->first, found));
}

TEST_CASE("word_cache: words of another tokenizer are forgotten") {
  word_cache cache;
  cache.use_for(1);
  cache.insert("word", 0, 4, std::vector<token>{7}, std::vector<std::uint8_t>{4});
  row found;
  cache.use_for(1);
  CHECK(look_up(cache, "word", found));
  CHECK_FALSE(look_up(cache, "wor", found));
  cache.use_for(2);
  CHECK_FALSE(look_up(cache, "word", found));
}

} // namespace tokenizer_word_cache_test
