#include "scanner_fuzz.hpp"

#include <doctest/doctest.h>

#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace tokenizer_scanners_test {

using loquat::scanner;
namespace {

/// The words of a scanner with a bar behind each.
template <class S> constexpr bool words_are(std::string_view expected) {
  char text[200]{};
  std::size_t n = 0;
  for (char const c : expected)
    if (c != '|') text[n++] = c;
  std::string_view const all(text, n);
  std::size_t at = 0;
  while (at < n) {
    auto const bar = expected.find('|');
    std::size_t const end = at + bar;
    if (S::next(all, at) != end) return false;
    expected.remove_prefix(bar + 1);
    at = end;
  }
  return expected.empty();
}

using namespace loquat::scanners;
static_assert(words_are<gpt2>("Hello| world|!| It|'s| 2024|  | ok|\n|...|"));
static_assert(words_are<gpt2>("It|'|S| I|'ll| '|s|"));
static_assert(words_are<cl100k<>>("It|'S| |202|4|a| (|x|).\n| \n| | y|"));
static_assert(words_are<cl100k<cl100k_options{.digits = 1}>>("a|2|0|!!\n\n|b|"));
static_assert(words_are<o200k<>>("Hello|World| IT's| ok|HTTPServers|/\n|(x|)|"));
static_assert(words_are<o200k<o200k_options{.digits = 1, .contractions = false}>>("It|'s|2|0|"));
// long words and short ones
static_assert(
    words_are<gpt2>("The| quick| brown| fox| jumps| over| the| lazy| dog| and| then| it| runs| away|,| far| away|.|"));
static_assert(words_are<o200k<>>(
    "The| quick| brown| Fox| jumps| Over|The| lazy| dog's| and| then| it| runs| away|,| far| away|.|"));

} // namespace

TEST_CASE("scanners: patterns are recognised by their text and dialect") {
  constexpr scanner expected[]{scanner::gpt2,   scanner::gpt2,        scanner::gpt2,  scanner::cl100k,
                               scanner::cl100k, scanner::cl100k_tail, scanner::qwen2, scanner::qwen3_5,
                               scanner::o200k,  scanner::tekken};
  static_assert(std::size(expected) == std::size(test::scanner_patterns));
  for (std::size_t i = 0; i < std::size(expected); ++i)
    CHECK(loquat::scanner_of(test::scanner_patterns[i].text, test::scanner_patterns[i].syntax) == expected[i]);
  // with Oniguruma {1,3}+ is another pattern
  CHECK(loquat::scanner_of(test::scanner_patterns[5].text, test::oniguruma) == scanner::none);
  CHECK(loquat::scanner_of("\\w+") == scanner::none);
}

TEST_CASE("scanners: words are the matches of the regular expressions, in random text of any bytes") {
  constexpr std::string_view parts[]{" ",           " ",        " ",
                                     "  ",          "\n",       "\r\n",
                                     "\t",          "a",        "b",
                                     "S",           "s",        "ll",
                                     "T",           "re",       "VE",
                                     "'",           "'",        "'s",
                                     "'S",          "1",        "23",
                                     "½",           "é",        "É",
                                     "ǅ",           "ʰ",        "漢",
                                     "字",          "́",         "ा",
                                     "。",          "!",        "/",
                                     "//",          "¡",        "\u00a0",
                                     "\u3000",      "\u0085",   "\u2028",
                                     "ſ",           "K",        "\xff",
                                     "\xe2",        "\xe2\x82", "\xf0\x9f",
                                     "\x80",        "😀",        "_",
                                     "\x01",        "Hello",    "WORLD",
                                     "worlds",      "        ", "abcdefgh",
                                     "abcdefghijk", "ABCDEFGH", "xyzwvut\xc3\xa9"};
  std::mt19937 random(7);
  for (auto const& p : test::scanner_patterns) {
    auto const regex = loquat::regex::compile(p.text, p.syntax);
    REQUIRE(regex);
    loquat::regex_cache cache;
    auto const which = loquat::scanner_of(p.text, p.syntax);
    for (int i = 0; i < 4000; ++i) {
      std::string text;
      for (auto n = random() % (i % 4 == 0 ? 60 : 12); n > 0; --n) text += parts[random() % std::size(parts)];
      if (!test::scanner_finds(which, text, test::regex_ends(*regex, text, cache))) FAIL(p.text, " in '", text, "'");
    }
  }
}

TEST_CASE("scanners: a megabyte without a break is one word") {
  std::string const letters(1'000'000, 'a'), signs(1'000'000, '!'), spaces(1'000'000, ' ');
  CHECK(gpt2::next(letters, 0) == letters.size());
  CHECK(o200k<>::next(letters, 0) == letters.size());
  CHECK(cl100k<>::next(signs, 0) == signs.size());
  CHECK(cl100k<>::next(spaces, 0) == spaces.size());
  CHECK(cl100k<>::next(spaces + "a", 0) == spaces.size() - 1);
}

} // namespace tokenizer_scanners_test
