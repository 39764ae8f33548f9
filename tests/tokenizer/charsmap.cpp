#include "tokenizer/charsmap_builder.hpp"

#include <loquat/tokenizer/normalize/precompiled.hpp>
#include <loquat/tokenizer/normalize/sentencepiece.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_charsmap_test {

using loquat::aligned_text;
using loquat::byte_range;
using loquat::errc;
using loquat::normalize::charsmap;
using loquat::normalize::mapper;
using loquat::normalize::sentencepiece_normalizer;

namespace {

constexpr test::mapping strings[]{{"ﬁ", "fi"},  {"½", "1⁄2"},          {"\t", " "},       {"e\xCC\x81", "é"},
                                  {"\x7F", ""}, {"\xE3\x80\x80", " "}, {"か゛", "が"},    {"abc", "X"},
                                  {"ab", "Y"},  {"\r\n", "\n"},        {"ﬁ\xCC\x81", "Z"}};

constexpr aligned_text mapped(std::string_view text, std::span<test::mapping const> all = strings) {
  auto const made = mapper::make(test::charsmap_builder(all).bytes()).value();
  aligned_text out, spare;
  out.assign(text, true);
  made.apply(out, spare);
  return out;
}
bool by_clusters(std::string_view text, std::string_view expected) { return mapped(text).bytes() == expected; }
constexpr test::mapping few[]{{"ﬁ", "fi"}, {"\t", " "}, {"ab", "Y"}};
static_assert(mapped("aﬁ\tz", few).bytes() == "afi z");

std::string origins(aligned_text const& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    out += (i == 0 ? "" : " ") + std::to_string(text.origin(i).begin) + '-' + std::to_string(text.origin(i).end);
  return out;
}

TEST_CASE("strings are replaced by clusters") {
  CHECK(by_clusters("xabc", "xabc")); // each letter is one
  CHECK(by_clusters("", ""));
  CHECK(by_clusters("cafe\xCC\x81.", "café."));
  CHECK(by_clusters("e\xCC\x81\xCC\x81", "é")); // the shortest string is for the whole cluster
  CHECK(by_clusters("e\xCC\x81\xCC\x81\xCC\x81", "e\xCC\x81\xCC\x81\xCC\x81")); // seven bytes: characters alone
  CHECK(by_clusters("e\xCC\x81\xE2\x83\x90", "e\xCC\x81\xE2\x83\x90"));         // six bytes, too
  CHECK(by_clusters("ﬁ\xCC\x81", "fi"));                                        // loses the accent
  CHECK(by_clusters("ﬁ\xCC\x81\xCC\x81", "fi\xCC\x81\xCC\x81"));
  CHECK(by_clusters("\r\n\r", "\n\r"));
  CHECK(by_clusters("か゛", "か゛")); // two clusters
  CHECK(by_clusters("語ﬁ語", "語fi語"));
  CHECK(by_clusters("語\xCC\x81ﬁ", "語\xCC\x81"
                                   "fi"));
}

TEST_CASE("origins by clusters are those of the reference") {
  CHECK(origins(mapped("aﬁz")) == "0-1 1-4 1-4 4-5");
  CHECK(origins(mapped("e\xCC\x81z")) == "0-1 0-1 3-4");
  CHECK(origins(mapped("a\x7Fz")) == "0-1 2-3");
  CHECK(origins(mapped("ﬁ\x7Fz")) == "0-3 3-4 4-5"); // the i takes the place of what is removed
  CHECK(origins(mapped("\x7Fzy")) == "0-1 1-2");     // nothing before it: all are one too early
  CHECK(origins(mapped("\x7Fé語")) == "0-1 0-1 1-3 1-3 1-3");
}

TEST_CASE("texts without strings are left, whatever stands around") {
  auto const made = mapper::make(test::charsmap_builder(strings).bytes()).value();
  for (std::string_view const text : {"", "plain text", "語 я 😀 한", "e", "a", "\xFF\xC3", "e\xCC"}) {
    CAPTURE(text);
    CHECK(made.leaves(text));
  }
  for (std::string_view const text : {"a\tb", "語\t", "xﬁ", "e\xCC\x81", "語e\xCC\x81", "\x7F"}) {
    CAPTURE(text);
    CHECK_FALSE(made.leaves(text));
  }
}

TEST_CASE("an empty map leaves everything") {
  auto const made = mapper::make({});
  REQUIRE(made);
  CHECK(made->leaves("ﬁ e\xCC\x81\t\x7F"));
}

TEST_CASE("maps that are none are errors that say why") {
  auto const error = [](std::string_view bytes) {
    auto const made = charsmap::make(std::span<char const>(bytes));
    REQUIRE_FALSE(made);
    CHECK(made.error().code() == errc::malformed);
    return std::string(made.error().message());
  };
  using namespace std::string_view_literals;
  CHECK(error("abc"sv) == "charsmap: 3 bytes, expected 4 or more");
  CHECK(error("\x08\0\0\0abcd"sv) == "charsmap: an array of 8 bytes in a map of 8");
  CHECK(error("\xFF\xFF\xFF\xFF____"sv) == "charsmap: an array of 4294967295 bytes in a map of 8");
  CHECK(error("\0\0\0\0____"sv) == "charsmap: an array of 0 bytes, expected a multiple of 4");
  CHECK(error("\x03\0\0\0____"sv) == "charsmap: an array of 3 bytes, expected a multiple of 4");
  CHECK(error("\x04\0\0\0____ab\xFF"sv) == "charsmap: byte 10 is no UTF-8");
}

TEST_CASE("a replacement that is too long is an error") {
  std::string const text(257, 'x');
  test::mapping const one[]{{"a", "b"}, {"c", text}}, fits[]{{"c", std::string_view(text).substr(1)}};
  auto const made = charsmap::make(test::charsmap_builder(one).bytes());
  REQUIRE_FALSE(made);
  CHECK(made.error().message() == "charsmap: byte 2054: a replacement of 257 bytes, expected at most 256");
  CHECK(charsmap::make(test::charsmap_builder(fits).bytes()));
}

TEST_CASE("damaged maps stay inside") { // for the sanitizers
  auto const good = test::charsmap_builder(strings).bytes();
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    auto bytes = good;
    for (auto n = 1 + random() % 2000; n > 0; --n) {
      auto const at = 4 + random() % (bytes.size() - 4 - 60);
      bytes[at] = static_cast<char>(random());
    }
    std::string text;
    for (int n = 0; n < 200; ++n) text += static_cast<char>(random());
    text += "aﬁ\t½e\xCC\x81か゛abc\r\n";
    auto const apply = [&](auto const& made) {
      if (!made) return;
      aligned_text out, spare;
      out.assign(text, true);
      made->apply(out, spare);
      CHECK(out.size() < 1000000);
    };
    apply(mapper::make(bytes));
    apply(sentencepiece_normalizer::make({.charsmap = bytes}, {}));
  }
}

} // namespace

} // namespace tokenizer_charsmap_test
