/// \file
/// encode, generate, decode and until as ranges: in constant expressions, over every kind of text, composed in advance.

#include "toy.hpp"

#include <loquat/generate/adjust.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/generate/decode.hpp>
#include <loquat/generate/encode.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/generate/stop.hpp>
#include <loquat/generate/truncate.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <list>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace generate_pipeline_test {

using namespace loquat;
using namespace std::string_view_literals;

namespace {

constexpr toy::bytes tok;
constexpr toy::successor<> model;

/// Joins a range of pieces. A vector, because strings are no constant expressions in libstdc++ 12.
template <class R> constexpr std::vector<char> join(R&& pieces) {
  std::vector<char> all;
  for (std::string_view piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}
template <class R> constexpr bool reads(R&& pieces, std::string_view expected) {
  return std::ranges::equal(join(pieces), expected);
}
template <class R> constexpr std::vector<token> list(R&& ids) {
  std::vector<token> all;
  for (token id : ids) all.push_back(id);
  return all;
}

constexpr bool whole_pipeline() {
  toy::successor<>::session talk;
  auto sampler = repetition_penalty{.factor = 1.1f, .window = 8} | top_k{40} | top_p{0.95f} | min_p{0.05f} |
                 temperature{0} | draw{.seed = 42};
  generate_report report;
  return reads("abc" | encode(tok) | generate(model, talk, sampler, {.max_tokens = 4, .report = &report}) | decode(tok),
               "defg") &&
         report.why == finish::max_tokens && report.prompt_tokens == 4 && report.generated_tokens == 4;
}
static_assert(whole_pipeline());

constexpr bool greedy_until_the_end_token() {
  toy::successor<>::session talk;
  return reads("uvw" | encode(tok) | generate(model, talk) | decode(tok), "xyz");
}
static_assert(greedy_until_the_end_token());

constexpr bool composed_before_a_range_exists() {
  toy::successor<>::session talk;
  auto const chat = encode(tok, {.add_special = false}) | generate(model, talk, {.max_tokens = 3}) | decode(tok);
  auto const shorter = chat | until("f");
  return reads("ab"sv | chat, "cde") && reads("c"sv | shorter, "de") && talk.tokens().size() == 4 + 3;
}
static_assert(composed_before_a_range_exists());

// Views as the standard understands them; an array of chars is not one, but can be viewed.
using encoded = decltype(std::string_view() | encode(tok));
static_assert(std::ranges::view<encoded> && std::ranges::input_range<encoded> && std::copyable<encoded>);
static_assert(std::ranges::input_range<decltype(std::string_view() | encode(tok) | decode(tok) | until("x"))>);
static_assert(std::same_as<std::ranges::range_value_t<encoded>, token>);

// Misuse that must not compile: text as a prompt, tokens as text, a tokenizer that is gone.
template <class R, class S>
concept Pipes = requires(R r, S s) {
  r | s;
};
static_assert(!Pipes<std::string_view, decltype(decode(tok))>);
static_assert(!Pipes<char const*, decltype(decode(tok))>);
static_assert(!Pipes<std::vector<token>, decltype(encode(tok))>);
static_assert(!Pipes<std::vector<token>, decltype(until("x"))>);
static_assert(Pipes<std::vector<std::string>&, decltype(until("x"))>);
static_assert(!Pipes<decltype(std::views::iota(1, 2) | std::views::transform([](int) { return std::string(); })),
                     decltype(until("x"))>); // strings that are gone at once
template <class T>
concept Encodes = requires(T t) {
  loquat::encode(std::move(t));
};
static_assert(!Encodes<toy::bytes>);

} // namespace

TEST_CASE("encode reads every kind of contiguous text") {
  std::vector<token> const expected{toy::begin, 'h', 'i'};
  std::string text = "hi";
  std::string const constant = text;
  char const* pointer = "hi";
  char buffer[16] = "hi"; // the rest is zeros
  char const exact[2]{'h', 'i'};
  CHECK(list("hi" | encode(tok)) == expected);
  CHECK(list(text | encode(tok)) == expected);
  CHECK(list(constant | encode(tok)) == expected);
  CHECK(list(std::string("hi") | encode(tok)) == expected);
  CHECK(list("hi"sv | encode(tok)) == expected);
  CHECK(list(pointer | encode(tok)) == expected);
  CHECK(list(buffer | encode(tok)) == expected);
  CHECK(list(exact | encode(tok)) == expected);
  CHECK(list(std::vector<char>{'h', 'i'} | encode(tok)) == expected);
  CHECK(list(static_cast<char const*>(nullptr) | encode(tok)) == std::vector<token>{toy::begin});
  CHECK(list("a\0b"sv | encode(tok, {.add_special = false})) == std::vector<token>{'a', 0, 'b'});
  CHECK(list("" | encode(tok, {.add_special = false})).empty());
}

TEST_CASE("a text that was moved into the range stays alive, short or long") {
  for (std::size_t size : {3u, 300u}) {
    auto view = std::string(size, 'x') | encode(tok, {.add_special = false});
    auto moved = std::move(view);
    CHECK(list(moved) == std::vector<token>(size, 'x'));
  }
}

TEST_CASE("nothing runs ahead: a reader that stops has caused no more work than it saw") {
  toy::successor<>::session talk;
  for (auto piece : "abc" | encode(tok) | generate(model, talk) | decode(tok)) {
    CHECK(piece == "d");
    break;
  }
  CHECK(talk.calls == 1);
}

TEST_CASE("decode never splits a character, however the bytes fall into tokens") {
  static constexpr std::string_view text = "aß水🙂\u07ff\U0010ffff!";
  std::string together;
  std::vector<std::string> pieces;
  for (auto piece : text | encode(tok) | decode(tok)) pieces.emplace_back(piece), together += piece;
  CHECK(together == text);
  CHECK(pieces == std::vector<std::string>{"a", "ß", "水", "🙂", "\u07ff", "\U0010ffff", "!"});
}

namespace {

/// Ids are indices of whole strings.
struct words {
  std::span<std::string_view const> pieces;
  struct cursor {
    constexpr token next() { return no_token; }
  };
  constexpr std::size_t size() const { return pieces.size(); }
  constexpr cursor start(std::string_view, encode_options) const { return {}; }
  constexpr std::string_view piece(token id) const { return pieces[static_cast<std::size_t>(id)]; }
  constexpr bool is_special(token id) const { return piece(id) == "<s>"; }
};

constexpr bool decodes_to(std::initializer_list<std::string_view> pieces, std::string_view expected,
                          decode_options options = {}) {
  words const vocabulary{{pieces.begin(), pieces.size()}};
  std::vector<token> ids;
  for (std::size_t i = 0; i < pieces.size(); ++i) ids.push_back(static_cast<token>(i));
  return reads(ids | decode(vocabulary, options), expected);
}
static_assert(decodes_to({"Hello", ",", " world"}, "Hello, world"));
static_assert(decodes_to({" world"}, " world")); // a continuation
static_assert(decodes_to({"<s>", "", " Hi", " you"}, "Hi you", {.starts_text = true}));
static_assert(decodes_to({"<s>", "a", "<s>"}, "a"));
static_assert(decodes_to({"<s>", "a"}, "<s>a", {.skip_special = false}));
static_assert(decodes_to({"x\xe6", "<s>", "\xb0", "\xb4y\xe6\xb0"}, "x水y\ufffd")); // unfinished at the end
static_assert(decodes_to({"\xe6", "abc"}, "\ufffd"
                                          "abc")); // never finished
static_assert(decodes_to({"\xe6\xb0", "\xe6\xb0\xb4"}, "\ufffd水"));
static_assert(decodes_to({"a\x80"
                          "b\xff"},
                         "a\ufffd"
                         "b\ufffd"));
static_assert(decodes_to({"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"},
                         "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd")); // overlong, surrogate, too high
static_assert(decodes_to({"\xf0\x90", "\x80", "\x80"}, "\U00010000"));
static_assert(decodes_to({"\xe6\xb0"
                          "a\xf0\x90\x80"},
                         "\ufffd"
                         "a\ufffd"));
static_assert(decodes_to({"\xe6", "\xb0", "a\xf0", "\x90", "\x80"}, "\ufffd"
                                                                    "a\ufffd"));
static_assert(decodes_to({}, ""));

constexpr bool cuts(std::initializer_list<std::string_view> pieces, std::string_view expected, auto... stops) {
  return reads(std::span(pieces.begin(), pieces.size()) | until(stops...), expected);
}
static_assert(cuts({"one\n", "User", ": two"}, "one", "\nUser:", "###"));
static_assert(cuts({"one\n", "Use", "d: two"}, "one\nUsed: two", "\nUser:", "###"));
static_assert(cuts({"a#", "#", "b##", "#c"}, "a##b", "###"));
static_assert(cuts({"ab"}, "ab", "abc"));                  // held back, then let go at the end
static_assert(cuts({"ab"}, "a", "abc", "b"));              // what is let go may still hold a shorter one
static_assert(cuts({"a", "b", "c", "d"}, "", "abc", "b")); // the first in the text counts, not the first complete
static_assert(cuts({"aa", "ab", "x"}, "a", "aab"));
static_assert(cuts({"xy"}, "xy", "")); // empty strings stop nothing
static_assert(cuts({"", "x", ""}, "x", "q"));
static_assert(cuts({"stop"}, "", "stop"));
static_assert(cuts({}, "", "stop"));

} // namespace

TEST_CASE("until ends where the first stop string is found in the whole text") {
  std::mt19937 random(1);
  auto const below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  auto const letters = [&](std::size_t most) {
    std::string s(below(most + 1), 'a');
    for (char& c : s) c = static_cast<char>('a' + below(2));
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    std::string const text = letters(24);
    std::vector<std::string> storage(1 + below(3));
    for (auto& s : storage) s = letters(5);
    std::vector<std::string_view> const stops(storage.begin(), storage.end());
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i < text.size();) {
      auto const n = below(4);
      pieces.push_back(text.substr(i, n));
      i += pieces.back().size();
    }
    std::size_t cut = text.size();
    for (auto stop : stops)
      if (!stop.empty()) cut = std::min(cut, text.find(stop));
    std::string out;
    for (auto piece : pieces | until(std::span<std::string_view const>(stops))) {
      CHECK_FALSE(piece.empty());
      out += piece;
    }
    REQUIRE(out == text.substr(0, cut));
  }
}

TEST_CASE("until holds back no more than what may begin a stop string") {
  std::vector<std::string> seen;
  for (auto piece : std::vector<std::string_view>{"hello #", "# wor", "ld"} | until("###")) seen.emplace_back(piece);
  CHECK(seen == std::vector<std::string>{"hello ", "#", "# wor", "ld"});
}

TEST_CASE("a prompt may be any range of tokens") {
  std::list<token> const ids{'a', 'b'};
  toy::successor<>::session talk;
  CHECK(list(ids | generate(model, talk, {.max_tokens = 2})) == std::vector<token>{'c', 'd'});
  CHECK(list(std::array{token{'e'}} | generate(model, talk, {.max_tokens = 1})) == std::vector<token>{'f'});
}

TEST_CASE("an error ends the range and is in the report") {
  toy::successor<>::session talk;
  generate_report report;
  CHECK(list(std::vector<token>{'a', 999} | generate(model, talk, {.report = &report})).empty());
  CHECK(report.why == finish::error);
  CHECK(report.error.code() == errc::argument);
  CHECK(report.error.message() == "generate: toy: token 999 is out of range");
}

TEST_CASE("an error without a report is thrown") {
  toy::successor<>::session talk;
  CHECK_THROWS_WITH_AS((void)list(std::vector<token>{'a', 999} | generate(model, talk)),
                       "generate: toy: token 999 is out of range", bad_result);
  generator keeps(model, talk); // whoever keeps the generator has its report
  CHECK(list(std::vector<token>{'a', 999} | generate(keeps)).empty());
  CHECK(keeps.report().why == finish::error);
}

} // namespace generate_pipeline_test
