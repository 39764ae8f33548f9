#include "../support/allocations.hpp"
#include "regex_fuzz.hpp"
#include "regex_rows.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace tokenizer_regex_test {

using loquat::errc;
using loquat::regex;
using loquat::regex_cache;
using loquat::regex_match;
using loquat::regex_syntax;

namespace {

constexpr regex_match find(std::string_view pattern, std::string_view text, std::size_t from = 0,
                           regex_syntax syntax = regex_syntax::oniguruma) {
  auto const r = regex::compile(pattern, syntax);
  return r ? r->find(text, from) : regex_match{};
}
static_assert(find("b+", "abbc") == regex_match{1, 3});
static_assert(find("a|ab", "xab") == regex_match{1, 2});
static_assert(find("\\s+(?!\\S)", "a   b") == regex_match{1, 3});
static_assert(find("\\p{L}+", "1é!") == regex_match{1, 3});
static_assert(find("(?<=a)b", "ab", 1) == regex_match{1, 2}); // what is before the begin of the search counts
static_assert(find("éxa|xa", "éxa", 1) == regex_match{2, 4}); // from inside a character: nothing before counts
static_assert(!find("^b", "ab", 1) && !find("c", "ab"));
static_assert(find("(?=(?:\\d\\d)+$)\\d", "12345") == regex_match{1, 2});
static_assert(find("", "ab", 2) == regex_match{2, 2} && !find("", "ab", 3));

std::string matches(regex const& r, std::string_view text, regex_cache& cache, std::string* cuts = nullptr) {
  std::string found;
  std::vector<std::size_t> ends;
  auto const cut = [&](std::size_t at) {
    if (at != 0 && (ends.empty() || ends.back() != at)) ends.push_back(at);
  };
  r.for_each(text, cache, [&](std::size_t begin, std::size_t end) {
    if (begin != end) found += (found.empty() ? "" : " ") + std::to_string(begin) + "-" + std::to_string(end);
    cut(begin);
    cut(end);
  });
  cut(text.size());
  if (cuts)
    for (std::size_t const at : ends) *cuts += (cuts->empty() ? "" : " ") + std::to_string(at);
  return found;
}
std::string matches(std::string_view pattern, std::string_view text, regex_syntax syntax = regex_syntax::oniguruma) {
  regex_cache cache;
  auto const r = regex::compile(pattern, syntax);
  return r ? matches(*r, text, cache) : std::string(r.error().message());
}

} // namespace

TEST_CASE("regex: finds what Oniguruma finds") {
  regex_cache cache; // one for all: it must notice that the pattern is another
  for (auto const& row : test::regex_rows) {
    auto const r = regex::compile(row.pattern);
    CAPTURE(row.pattern);
    if (!r) FAIL(r.error().message());
    std::string cuts;
    CHECK(matches(*r, row.text, cache, &cuts) == row.matches);
    CHECK(cuts == row.cuts);
  }
}

TEST_CASE("regex: what was read before is part of a state") {
  CHECK(matches("[ab](?<=a)c", "bcac") == "2-4");
  CHECK(matches("[ab](?<!a)c", "acbc") == "2-4");
}

TEST_CASE("regex: the dialect of fancy-regex differs in lines, intervals and dots") {
  constexpr auto rust = regex_syntax::rust;
  CHECK(matches("a$", "a\na") == "0-1 2-3");
  CHECK(matches("a$", "a\na", rust) == "2-3");
  CHECK(matches("(?m)^a", "a\na", rust) == "0-1 2-3");
  CHECK(matches("^a", "a\na", rust) == "0-1");
  CHECK(matches("a{1,3}+", "aaaaa") == "0-5");
  CHECK(matches("a{1,3}+", "aaaaa", rust) == "0-3 3-5");
  CHECK(matches("a{1,3}+a", "aaaaa", rust) == "0-4");
  CHECK(matches("(?s).", "\n", rust) == "0-1");
  CHECK(matches("x(?i)a|b", "xAB b", rust) == "0-2 2-3 4-5");
  CHECK(matches("(?i)\\p{Lu}", "a", rust) == "0-1");
  CHECK(matches("\\pL+\\PL", "ab1", rust) == "0-3");
  CHECK(matches("\\w+", "a\u200Db²", rust) == "0-5");
}

TEST_CASE("regex: a byte that is no UTF-8 is a character, U+FFFD") {
  CHECK(matches("[^\\s\\p{L}]+", "a\xFF\xE2\x82 b") == "1-4");
  CHECK(matches(".", "\xF0\x9F\x98") == "0-1 1-2 2-3");
  CHECK(matches("\\x{FFFD}", "\xFF\xEF\xBF\xBD") == "0-1 1-4");
  CHECK(matches("(?<=\\x{FFFD})a", "\xFF"
                                   "a") == "1-2");
}

TEST_CASE("regex: errors say where") {
  auto const error_of = [](std::string_view pattern) {
    auto const r = regex::compile(pattern);
    return r ? std::pair(errc{}, std::string("no error"))
             : std::pair(r.error().code(), std::string(r.error().message()));
  };
  using row = std::pair<std::string_view, std::string_view>;
  for (auto const& [pattern, place] :
       {row{"a(b", "offset 1: ( without )"}, row{"ab)", "offset 2: ) without ("}, row{"x[ab", "offset 2: [ without ]"},
        row{"*a", "offset 0: nothing to repeat"}, row{"a|+", "offset 2: nothing to repeat"},
        row{"[b-a]", "offset 2: an empty range"}, row{"a\xFF", "offset 1: no valid UTF-8"},
        row{"\\p{L", "offset 1: \\p{ without }"}, row{"\\x{110000}", "offset 3: no code point"}}) {
    CAPTURE(pattern);
    auto const [code, message] = error_of(pattern);
    CHECK(code == errc::malformed);
    CHECK_MESSAGE(message.find(place) != message.npos, message);
  }
  for (auto const& [pattern, place] :
       {row{"(a)\\1", "offset 4: cannot handle \\1"}, row{"a\\k<n>", "offset 2: cannot handle \\k"},
        row{"(?(1)a|b)", "offset 0: cannot handle this kind of group"},
        row{"\\p{Nonsense}", "unknown property Nonsense"}, row{"a\\pL", "offset 2: \\p without {"},
        row{"a\\Gb", "offset 2: cannot handle \\G"}, row{"a{1001}", "a count above 1000"},
        row{"a{3,2}", "an interval whose end"}, row{"b(?>a*b)", "offset 1: cannot handle this atomic group"}}) {
    CAPTURE(pattern);
    auto const [code, message] = error_of(pattern);
    CHECK(code == errc::unsupported);
    CHECK_MESSAGE(message.find(place) != message.npos, message);
  }
}

TEST_CASE("regex: patterns that would take too much memory or stack are errors") {
  auto const code_of = [](std::string const& pattern) {
    auto const r = regex::compile(pattern);
    return r ? errc{} : r.error().code();
  };
  CHECK(code_of("((a{1000}){1000}){1000}") == errc::unsupported);
  CHECK(code_of("(((){1000}){1000}){1000}") == errc::unsupported);
  CHECK(code_of(std::string(10000, '(')) == errc::unsupported);
  CHECK(code_of(std::string(10000, '[')) == errc::unsupported);
  CHECK(code_of("a" + std::string(10000, '+')) == errc::unsupported);
  CHECK(code_of(std::string(1 << 15, 'a') + "b") == errc::unsupported);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "\\x{" + std::to_string(1000 + i) + "}";
  CHECK(code_of(many) == errc::unsupported);
}

TEST_CASE("regex: time is linear where backtracking is not") {
  auto const seconds = [](std::string_view pattern, std::size_t size) {
    std::string const text(size, 'a');
    auto const r = regex::compile(pattern);
    REQUIRE(r);
    regex_cache cache;
    auto const begin = std::chrono::steady_clock::now();
    r->for_each(text, cache, [](std::size_t, std::size_t) {});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (auto const pattern : {"(?:a*)*b", "(?:a|a)*c", "a*a*a*a*d", "\\p{L}+(?=x)", "(?=a*b)a|a", "a{1,500}b|aa"}) {
    CAPTURE(pattern);
    CHECK(seconds(pattern, 300'000) < 20 * seconds(pattern, 30'000) + 0.1);
  }
}

TEST_CASE("regex: a table that is full is begun anew") {
  auto const r = regex::compile("(?:a|b)*a(?:a|b){15}c|(?:a|b)"); // 2^16 states
  REQUIRE(r);
  std::mt19937 random(3);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ab"[random() % 2];
  text += "c";
  text[text.size() - 17] = 'a';
  CHECK(r->find(text) == regex_match{0, text.size()});
}

TEST_CASE("regex: searching allocates nothing once the cache has grown") {
  for (auto const pattern : {"\\s*[a-y]+|\\d", "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))"}) {
    auto const r = regex::compile(pattern);
    REQUIRE(r);
    regex_cache cache;
    std::string const text = "Hello 1234567 wörld, 漢字 once more";
    std::size_t count = 0;
    auto const all = [&] { r->for_each(text, cache, [&](std::size_t, std::size_t) { ++count; }); };
    all();
    auto const before = test::allocations();
    all();
    CHECK(test::allocations() == before);
    CHECK(count > 0);
  }
}

TEST_CASE("regex: random patterns and texts of any bytes") {
  constexpr std::string_view parts[]{
      "a", "b", "é", ".", "\\s", "\\p{L}", "[ab]",  "[^a]", "(?:", "(", "(?=", "(?!",       "(?<=", "(?>",  ")",  ")",
      ")", "|", "*", "+", "?",   "{2}",    "{1,2}", "+",    "^",   "$", "\\b", "[a&&[^b]]", "(?i:", "\xFF", "\\", "["};
  constexpr std::string_view bits[]{"a", "b", "é", " ", "\n", "\xFF", "\xE2\x82", "漢", "A"};
  std::mt19937 random(5);
  int compiled = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string pattern, text;
    for (auto n = random() % 10; n > 0; --n) pattern += parts[random() % std::size(parts)];
    for (auto n = random() % 20; n > 0; --n) text += bits[random() % std::size(bits)];
    auto const syntax = i % 2 == 0 ? regex_syntax::oniguruma : regex_syntax::rust;
    if (regex::compile(pattern, syntax)) ++compiled;
    if (!test::regex_holds(pattern, text, syntax)) FAIL(pattern, " in ", text);
  }
  CHECK(compiled > 1000);
}

} // namespace tokenizer_regex_test
