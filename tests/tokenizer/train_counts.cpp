#include <loquat/tokenizer/train/counts.hpp>
#include <loquat/tokenizer/train/key_index.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <string_view>

namespace tokenizer_train_counts_test {

using namespace loquat;

namespace {

std::map<std::string, std::uint64_t> all(word_counts const& counts) {
  std::map<std::string, std::uint64_t> out;
  for (std::size_t i = 0; i < counts.size(); ++i) out[std::string(counts[i].word)] = counts[i].count;
  return out;
}
std::map<std::string, std::uint64_t> words_of(std::string_view text, tokenizer_definition const& how) {
  auto cutter = word_cutter::make(how);
  REQUIRE(cutter);
  word_counts counts;
  counts.add(text, *cutter);
  return all(counts);
}

constexpr bool counts_in_a_constant_expression() {
  word_counts counts;
  for (auto const word : {"a", "bc", "a", "", "d", "a"}) counts.add_word(word);
  counts.add_word("bc", 5);
  return counts.size() == 3 && counts[0].word == "a" && counts[0].count == 3 && counts[1].word == "bc" &&
         counts[1].count == 6 && counts[2].word == "d" && counts.bytes() == 3 + 12 + 1;
}
static_assert(counts_in_a_constant_expression());

} // namespace

TEST_CASE("words are counted as a map counts them") {
  std::mt19937 random(11);
  std::map<std::string, std::uint64_t> want;
  word_counts counts, more;
  for (int i = 0; i < 20'000; ++i) {
    std::string word;
    for (auto n = 1 + random() % 4; n > 0; --n) word += static_cast<char>(random() % 7 * 37);
    auto const n = random() % 3;
    if (n != 0) want[word] += n;
    (i % 2 == 0 ? counts : more).add_word(word, n);
  }
  counts.add(more);
  CHECK(counts.size() > 1000);
  CHECK(all(counts) == want);
}

TEST_CASE("counts stop at the largest number") {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  word_counts counts;
  counts.add_word("ab", most - 1);
  CHECK(counts.bytes() == most);
  counts.add_word("ab", 5);
  CHECK(counts[0].count == most);
}

TEST_CASE("words are those of the normalizers and pre-tokenizers") {
  tokenizer_definition how;
  CHECK(words_of("Low low", how) == std::map<std::string, std::uint64_t>{{"Low low", 1}});
  how.normalizers.push_back(normalize::lowercase{});
  how.pretokenizers.push_back(pretokenize::whitespace_split{});
  CHECK(words_of("Low low lower", how) == std::map<std::string, std::uint64_t>{{"low", 2}, {"lower", 1}});
  CHECK(words_of("", how).empty());
  how.pretokenizers = {pretokenize::byte_level{.add_prefix_space = false}};
  CHECK(words_of("a \xC3\xA4", how) == std::map<std::string, std::uint64_t>{{"a", 1}, {" \xC3\xA4", 1}}); // bytes
  how.pretokenizers = {pretokenize::metaspace{.prepend = pretokenize::prepend_scheme::first}};
  CHECK(words_of("a b", how) == std::map<std::string, std::uint64_t>{{"\xE2\x96\x81"
                                                                      "a",
                                                                      1},
                                                                     {"\xE2\x96\x81"
                                                                      "b",
                                                                      1}});
}

TEST_CASE("bytes that are no UTF-8 count as U+FFFD") {
  tokenizer_definition how;
  how.pretokenizers.push_back(pretokenize::whitespace_split{});
  CHECK(words_of("a\xFF b\xC3", how) ==
        std::map<std::string, std::uint64_t>{{"a\xEF\xBF\xBD", 1}, {"b\xEF\xBF\xBD", 1}});
  how.pretokenizers.push_back(pretokenize::metaspace{.prepend = pretokenize::prepend_scheme::first}); // needs origins
  CHECK(words_of("a\xFF", how).size() == 1);
}

TEST_CASE("a pre-tokenizer that cannot be made is an error") {
  tokenizer_definition how;
  how.pretokenizers.push_back(pretokenize::fixed_length{0});
  CHECK(!word_cutter::make(how));
  how.pretokenizers.clear();
  how.normalizers.push_back(normalize::replace{{owned_text("("), true}, {}});
  CHECK(!word_cutter::make(how));
}

TEST_CASE("keys are numbered in the order in which they come") {
  key_index index;
  std::map<std::uint64_t, std::uint32_t> want;
  std::mt19937_64 random(2);
  for (int i = 0; i < 10'000; ++i) {
    auto const key = random() % 2 == 0 ? random() % 3000 : (random() % 50) << 32;
    auto const at = want.emplace(key, static_cast<std::uint32_t>(want.size())).first->second;
    REQUIRE(index.find(key) == (at < index.size() ? at : key_index::none));
    REQUIRE(index.add(key) == at);
    REQUIRE(index[at] == key);
  }
  CHECK(index.size() == want.size());
}

} // namespace tokenizer_train_counts_test
