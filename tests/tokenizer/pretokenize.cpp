#include "../support/allocations.hpp"

#include <loquat/tokenizer/pretokenize.hpp>

#include <doctest/doctest.h>

#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_pretokenize_test {

namespace pt = loquat::pretokenize;
using loquat::aligned_text;
using loquat::byte_range;
using loquat::pretokenizer;

namespace {

constexpr pt::split split(std::string_view text, pt::behavior how, bool invert = false, bool is_regex = false) {
  pt::split s;
  s.pattern.text = loquat::owned_text(text);
  s.pattern.is_regex = is_regex;
  s.behavior = how;
  s.invert = invert;
  return s;
}
constexpr pt::split split_regex(std::string_view text, pt::behavior how, bool invert = false) {
  return split(text, how, invert, true);
}

constexpr void assign(aligned_text& text, std::string_view bytes, bool aligned, std::uint32_t offset = 0) {
  text.clear(aligned);
  for (std::uint32_t at = 0; at < bytes.size();) {
    auto const c = loquat::utf8::decode(bytes.substr(at));
    text.append(bytes.substr(at, c.length), {offset + at, offset + at + c.length});
    at += c.length;
  }
}

/// The words with bars between them, as constant expressions have them.
template <class... Steps>
constexpr bool gives(std::string_view text, std::string_view expected, pretokenizer::options how, Steps... steps) {
  std::vector<pt::step> list;
  (list.push_back(steps), ...);
  auto const made = pretokenizer::make(list, how);
  if (!made) return false;
  aligned_text current;
  assign(current, text, false);
  pretokenizer::workspace work;
  std::vector<byte_range> words;
  made->cut(current, words, work);
  for (auto const& w : words) {
    auto const word = current.bytes().substr(w.begin, w.size());
    if (!expected.starts_with(word)) return false;
    expected.remove_prefix(word.size());
    if (&w != &words.back() && !expected.starts_with('|')) return false;
    if (&w != &words.back()) expected.remove_prefix(1);
  }
  return expected.empty();
}
static_assert(gives("a b", "a b", {}));
static_assert(gives("Hi, you", "Hi|,|you", {}, pt::bert{}));
static_assert(gives("a bc", "\u2581a|\u2581bc", {}, pt::metaspace{}));
static_assert(gives("\u2581a b", "\u2581a|\u2581b", {}, pt::metaspace{}));
static_assert(gives("It's a", "It|'s|\u0120a", {}, pt::byte_level{.add_prefix_space = false}));
static_assert(gives("It's a", " It|'s| a", {.raw_bytes = true}, pt::byte_level{.add_prefix_space = true}));
static_assert(gives("a123", "a|12|3", {}, split_regex("[0-9]{2}", pt::behavior::isolated)));

struct row {
  std::vector<pt::step> steps;
  std::string_view text, words, origins;
};

/// What Hugging Face tokenizers 0.23.2 give: words with bars between them, and where in the text they come from.
std::vector<row> const& rows() {
  static std::vector<row> const all{
      {{pt::bert{}},
       "Hey  man! $5 = x^2, é—a⹄b",
       "Hey|man|!|$|5|=|x|^|2|,|é|—|a⹄b",
       "0-3 5-8 8-9 10-11 11-12 13-14 15-16 16-17 17-18 18-19 20-22 22-25 25-30"},
      {{pt::whitespace{}}, "Hey_man, ½ a\u200Db!? ⓐ", "Hey_man|,|½|a\u200Db|!?|ⓐ", "0-7 7-8 9-11 12-17 17-19 20-23"},
      {{pt::whitespace_split{}}, " a\u00A0b\u3000c  d!", "a|b|c|d!", "1-2 4-5 8-9 11-13"},
      {{pt::digits{false}}, "a12½Ⅷb3", "a|12½Ⅷ|b|3", "0-1 1-8 8-9 9-10"},
      {{pt::digits{true}}, "a12½Ⅷb3", "a|1|2|½|Ⅷ|b|3", "0-1 1-2 2-3 3-5 5-8 8-9 9-10"},
      {{pt::punctuation{pt::behavior::removed}}, "!a,, b. c..d", "a| b| c|d", "1-2 4-6 7-9 11-12"},
      {{split(".", pt::behavior::removed)}, ".a..b.c", "a|b|c", "1-2 4-5 6-7"},
      {{split_regex("\\d", pt::behavior::removed)}, "1a22b3c4", "a|b|c", "1-2 4-5 6-7"},
      {{split_regex("\\d+", pt::behavior::removed, true)}, "1a22b3c4", "1|22|3|4", "0-1 2-4 5-6 7-8"},
      {{split_regex("x*", pt::behavior::removed)}, "axxbc", "a|b|c", "0-1 3-4 4-5"},
      {{pt::punctuation{pt::behavior::isolated}},
       "!a,, b. c..d",
       "!|a|,|,| b|.| c|.|.|d",
       "0-1 1-2 2-3 3-4 4-6 6-7 7-9 9-10 10-11 11-12"},
      {{split(".", pt::behavior::isolated)}, ".a..b.c", ".|a|.|.|b|.|c", "0-1 1-2 2-3 3-4 4-5 5-6 6-7"},
      {{split_regex("\\d", pt::behavior::isolated)}, "1a22b3c4", "1|a|2|2|b|3|c|4", "0-1 1-2 2-3 3-4 4-5 5-6 6-7 7-8"},
      {{split_regex("\\d+", pt::behavior::isolated, true)},
       "1a22b3c4",
       "1|a|22|b|3|c|4",
       "0-1 1-2 2-4 4-5 5-6 6-7 7-8"},
      {{split_regex("x*", pt::behavior::isolated)}, "axxbc", "a|xx|b|c", "0-1 1-3 3-4 4-5"},
      {{pt::punctuation{pt::behavior::merged_with_previous}},
       "!a,, b. c..d",
       "!|a,|,| b.| c.|.|d",
       "0-1 1-3 3-4 4-7 7-10 10-11 11-12"},
      {{split(".", pt::behavior::merged_with_previous)}, ".a..b.c", ".|a.|.|b.|c", "0-1 1-3 3-4 4-6 6-7"},
      {{split_regex("\\d", pt::behavior::merged_with_previous)}, "1a22b3c4", "1|a2|2|b3|c4", "0-1 1-3 3-4 4-6 6-8"},
      {{split_regex("\\d+", pt::behavior::merged_with_previous, true)}, "1a22b3c4", "1a|22b|3c|4", "0-2 2-5 5-7 7-8"},
      {{split_regex("x*", pt::behavior::merged_with_previous)}, "axxbc", "axx|b|c", "0-3 3-4 4-5"},
      {{pt::punctuation{pt::behavior::merged_with_next}},
       "!a,, b. c..d",
       "!a|,|, b|. c|.|.d",
       "0-2 2-3 3-6 6-9 9-10 10-12"},
      {{split(".", pt::behavior::merged_with_next)}, ".a..b.c", ".a|.|.b|.c", "0-2 2-3 3-5 5-7"},
      {{split_regex("\\d", pt::behavior::merged_with_next)}, "1a22b3c4", "1a|2|2b|3c|4", "0-2 2-3 3-5 5-7 7-8"},
      {{split_regex("\\d+", pt::behavior::merged_with_next, true)}, "1a22b3c4", "1|a22|b3|c4", "0-1 1-4 4-6 6-8"},
      {{split_regex("x*", pt::behavior::merged_with_next)}, "axxbc", "a|xxb|c", "0-1 1-4 4-5"},
      {{pt::punctuation{pt::behavior::contiguous}},
       "!a,, b. c..d",
       "!|a|,,| b|.| c|..|d",
       "0-1 1-2 2-4 4-6 6-7 7-9 9-11 11-12"},
      {{split(".", pt::behavior::contiguous)}, ".a..b.c", ".|a|..|b|.|c", "0-1 1-2 2-4 4-5 5-6 6-7"},
      {{split_regex("\\d", pt::behavior::contiguous)}, "1a22b3c4", "1|a|22|b|3|c|4", "0-1 1-2 2-4 4-5 5-6 6-7 7-8"},
      {{split_regex("\\d+", pt::behavior::contiguous, true)},
       "1a22b3c4",
       "1|a|22|b|3|c|4",
       "0-1 1-2 2-4 4-5 5-6 6-7 7-8"},
      {{split_regex("x*", pt::behavior::contiguous)}, "axxbc", "a|xx|b|c", "0-1 1-3 3-4 4-5"},
      {{split("", pt::behavior::isolated)}, "aéb", "a|é|b", "0-1 1-3 3-4"},
      {{split_regex("\\s+(?!\\S)|\\S+", pt::behavior::removed, true)},
       "a   b c  ",
       "a|  |b|c|  ",
       "0-1 1-3 4-5 6-7 7-9"},
      {{pt::unicode_scripts{}},
       " Hello, yоu  日本カナー한 ½",
       "Hello|, |y|о|u  |日本カナー|한 |½",
       "1-6 6-8 8-9 9-11 11-14 14-29 29-33 33-35"},
      {{pt::char_delimiter{U'é'}}, "éaébécéé", "a|b|c", "2-3 5-6 8-9"},
      {{pt::fixed_length{2}}, "aébc漢", "aé|bc|漢", "0-3 3-5 5-8"},
      {{pt::byte_level{false, true, true}}, "Hello  wörld's\n", "Hello|Ġ|ĠwÃ¶rld|'s|Ċ", "0-5 5-6 6-13 13-15 15-16"},
      {{pt::byte_level{true, true, true}}, "éa b", "ĠÃ©a|Ġb", "0-3 3-5"},
      {{pt::byte_level{true, false, true}}, "a b", "ĠaĠb", "0-3"},
      {{pt::byte_level{false, false, true}}, " \x01\u00A0\u00AD", "ĠāÂłÂŃ", "0-6"},
      {{pt::metaspace{}}, "Hey  you ▁x", "▁Hey|▁|▁you|▁|▁x", "0-3 3-4 4-8 8-9 9-13"},
      {{(pt::metaspace{.prepend = pt::prepend_scheme::never})}, "Hey you", "Hey|▁you", "0-3 3-7"},
      {{(pt::metaspace{.prepend = pt::prepend_scheme::always, .split = false})}, " Hey you", "▁Hey▁you", "0-8"},
      {{pt::whitespace_split{}, pt::metaspace{}}, "Hey  éou", "▁Hey|▁éou", "0-3 5-9"},
      {{pt::whitespace_split{}, (pt::metaspace{.prepend = pt::prepend_scheme::first})},
       "Hey  éou",
       "▁Hey|éou",
       "0-3 5-9"},
      {{pt::whitespace_split{}, (pt::metaspace{.prepend = pt::prepend_scheme::first})},
       " Hey you",
       "Hey|you",
       "1-4 5-8"},
      {{pt::digits{true}, pt::byte_level{true, false, true}}, "a1 2b", "Ġa|Ġ1|Ġ|Ġ2|Ġb", "0-1 1-2 2-3 3-4 4-5"},
      {{pt::punctuation{pt::behavior::contiguous}, pt::byte_level{false, true, true}, pt::digits{false},
        split_regex("[0-9][0-9][0-9]", pt::behavior::isolated)},
       "it's!! 12345 ½é",
       "it|'|s|!!|Ġ|123|45|ĠÂ|½|Ã©",
       "0-2 2-3 3-4 4-6 6-7 7-10 10-12 12-15 13-15 15-17"},
  };
  return all;
}

std::string joined(aligned_text const& text, std::vector<byte_range> const& words) {
  std::string all;
  for (auto const& w : words) (all += all.empty() ? "" : "|") += text.bytes().substr(w.begin, w.size());
  return all;
}

} // namespace

TEST_CASE("pretokenize: words and origins are those of Hugging Face tokenizers") {
  pretokenizer::workspace work; // one for all
  aligned_text text;
  std::vector<byte_range> words;
  for (auto const& row : rows()) {
    CAPTURE(row.text);
    CAPTURE(row.words);
    auto const made = pretokenizer::make(row.steps);
    REQUIRE(made);
    assign(text, row.text, true);
    made->cut(text, words, work);
    CHECK(joined(text, words) == row.words);
    std::string origins;
    for (auto const& w : words)
      origins += (origins.empty() ? "" : " ") + std::to_string(text.origin(w.begin).begin) + "-" +
                 std::to_string(text.origin(w.end - 1).end);
    CHECK(origins == row.origins);

    assign(text, row.text, false); // the same without origins, but for what needs them
    made->cut(text, words, work);
    if (!made->needs_origins()) CHECK(joined(text, words) == row.words);
  }
}

TEST_CASE("pretokenize: the first word of a later part of a text is not the first of the text") {
  pt::step const step = pt::metaspace{.prepend = pt::prepend_scheme::first};
  auto const made = pretokenizer::make({&step, 1}).value();
  CHECK_FALSE(made.needs_origins());
  pretokenizer::workspace work;
  aligned_text text;
  std::vector<byte_range> words;
  for (bool const starts : {true, false}) {
    assign(text, "a b", true, starts ? 0 : 5);
    made.cut(text, words, work, starts);
    CHECK(joined(text, words) == (starts ? "\u2581a|\u2581b" : "a|\u2581b"));
  }
}

TEST_CASE("pretokenize: raw bytes come out of ByteLevel wherever it stands") {
  auto const words_of = [](std::vector<pt::step> const& steps, std::string_view bytes) {
    auto const made = pretokenizer::make(steps, {.raw_bytes = true}).value();
    pretokenizer::workspace work;
    aligned_text text;
    std::vector<byte_range> words;
    assign(text, bytes, false);
    made.cut(text, words, work);
    return joined(text, words);
  };
  pt::byte_level const plain{.add_prefix_space = false};
  CHECK(words_of({plain}, "a é\xFF") == "a| é|\xFF");
  CHECK(words_of({plain, pt::digits{}}, "1 ½é") == "1| \xC2|\xBD|é"); // a letter of the alphabet is a digit
  CHECK(words_of({pt::digits{}, plain}, "a1") == "a|1");
}

TEST_CASE("pretokenize: errors name the step") {
  auto const error_of = [](pt::step const& step) {
    auto const made = pretokenizer::make({&step, 1});
    return made ? std::string() : std::string(made.error().message());
  };
  CHECK(error_of(pt::fixed_length{0}) == "pre-tokenizer: words of 0 characters");
  CHECK(error_of(split_regex("a(", pt::behavior::removed)) ==
        "pre-tokenizer: split: regex, offset 1: ( without ) in 'a('");
}

TEST_CASE("pretokenize: any bytes, any steps: words are in order and inside the text") {
  constexpr std::string_view parts[]{" ",      "\n", "a",  "B",    "1",        "é",        "漢",    "\u2581", "!",
                                     "\u0301", "½",  "'s", "\xff", "\xe2\x96", "\xf0\x9f", "Hello", "\u3000"};
  std::vector<pt::step> const steps{pt::byte_level{true, true, true},
                                    pt::byte_level{false, false, true},
                                    pt::bert{},
                                    pt::metaspace{},
                                    pt::metaspace{.prepend = pt::prepend_scheme::first, .split = false},
                                    pt::whitespace{},
                                    pt::whitespace_split{},
                                    pt::digits{},
                                    pt::punctuation{pt::behavior::merged_with_next},
                                    split("a", pt::behavior::contiguous),
                                    split("", pt::behavior::merged_with_previous),
                                    split_regex("\\s+|B", pt::behavior::merged_with_next, true),
                                    pt::unicode_scripts{},
                                    pt::char_delimiter{U'é'},
                                    pt::fixed_length{2}};
  std::mt19937 random(11);
  pretokenizer::workspace work;
  aligned_text text;
  std::vector<byte_range> words;
  for (int i = 0; i < 5000; ++i) {
    std::vector<pt::step> some;
    for (auto n = 1 + random() % 3; n > 0; --n) some.push_back(steps[random() % steps.size()]);
    auto const made = pretokenizer::make(some, {.raw_bytes = i % 2 == 0}).value();
    std::string bytes;
    for (auto n = random() % 20; n > 0; --n) bytes += parts[random() % std::size(parts)];
    assign(text, bytes, i % 3 != 0);
    made.cut(text, words, work);
    std::uint32_t behind = 0;
    for (auto const& w : words) {
      REQUIRE(w.begin >= behind);
      REQUIRE(w.end > w.begin);
      behind = w.end;
    }
    REQUIRE(behind <= text.size());
  }
}

TEST_CASE("pretokenize: BERT's words are what its kinds of characters say, one by one") {
  constexpr std::string_view parts[]{
      "ab", "Z",  "0",    "9",    "/",      ":",      "@",      "[",      "`",    "{",        "~",
      " ",  "\t", "\x01", "\x7F", "\u00E9", "\u2014", "\u3000", "\u2E44", "\xFF", "\xE2\x80", "seventeenletters"};
  auto const bert = pretokenizer::make(std::vector<pt::step>{pt::bert{}}).value();
  std::mt19937 random(4);
  pretokenizer::workspace work;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes;
    for (auto n = random() % 60; n > 0; --n) bytes += parts[random() % std::size(parts)];
    pt::words expected, words;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < bytes.size();) {
      auto const c = loquat::utf8::decode(std::string_view(bytes).substr(at));
      auto const kind = pt::detail::bert_kind(c.code_point);
      if (kind != pt::detail::kind::word) {
        pt::detail::add(expected, begin, at);
        begin = at + c.length;
        if (kind == pt::detail::kind::punctuation) pt::detail::add(expected, at, begin);
      }
      at += c.length;
    }
    pt::detail::add(expected, begin, bytes.size());
    aligned_text text;
    assign(text, bytes, false);
    bert.cut(text, words, work);
    INFO(bytes);
    CHECK(words == expected);
  }
}

TEST_CASE("pretokenize: WhitespaceSplit and Metaspace in one are the steps one after another") {
  std::vector<pt::step> const both{pt::whitespace_split{}, pt::metaspace{}};
  std::vector<pt::step> const each{pt::fixed_length{1000}, pt::whitespace_split{}, pt::metaspace{}};
  auto const quick = pretokenizer::make(both).value(), slow = pretokenizer::make(each).value();
  constexpr std::string_view parts[]{" ",      "\t",     "\n",       "\x01",   "\x1F",    "\x7F",
                                     "\u0085", "\u00A0", "\u3000",   "\u2028", "a",       "bc",
                                     "\u00E9", "\u65E5", "\xE2\x96", "\xFF",   "e\u0301", "seventeen letters"};
  std::mt19937 random(3);
  pretokenizer::workspace work;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes;
    for (auto n = random() % 20; n > 0; --n) bytes += parts[random() % std::size(parts)];
    if (round % 4 == 0) bytes += "\u2581x";
    aligned_text a, b;
    assign(a, bytes, round % 2 == 0);
    assign(b, bytes, round % 2 == 0);
    std::vector<byte_range> words, expected;
    quick.cut(a, words, work);
    slow.cut(b, expected, work);
    INFO(bytes);
    CHECK(words == expected);
    CHECK(a.bytes() == b.bytes());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a.origin(i) == b.origin(i));
  }
}

TEST_CASE("pretokenize: cutting allocates nothing once the buffers have grown") {
  std::vector<pt::step> const steps{split_regex("\\d|x+", pt::behavior::isolated), pt::whitespace_split{},
                                    pt::metaspace{}, pt::byte_level{}, pt::digits{}};
  auto const made = pretokenizer::make(steps, {.raw_bytes = true}).value();
  pretokenizer::workspace work;
  aligned_text text;
  std::vector<byte_range> words;
  std::size_t allocations = 0;
  for (int i = 0; i < 4; ++i) { // buffers are exchanged: it takes a few turns until each has its length
    auto const before = test::allocations();
    assign(text, "Hello 12 wörld, 漢字 once more", true);
    made.cut(text, words, work);
    allocations = test::allocations() - before;
  }
  CHECK(allocations == 0);
}

} // namespace tokenizer_pretokenize_test
