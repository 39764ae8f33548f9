#include <loquat/core/utf8.hpp>

#include <doctest/doctest.h>

#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace core_utf8_test {

namespace utf8 = loquat::utf8;
using namespace std::string_view_literals;

static_assert(utf8::decode("") == utf8::character{});
static_assert(utf8::decode("\0x"sv) == utf8::character{0, 1, true});
static_assert(utf8::decode("é!") == utf8::character{0xE9, 2, true});
static_assert(utf8::decode("中") == utf8::character{0x4E2D, 3, true});
static_assert(utf8::decode("😀") == utf8::character{0x1F600, 4, true});
static_assert(utf8::encode(0x1F600).view() == "😀");
static_assert(utf8::encode(0xD800).view() == utf8::replacement_bytes);
static_assert(utf8::complete_prefix("a\xE4\xB8") == 1);
static_assert(utf8::valid_prefix("aé中😀, and more\xFF") == 20);

TEST_CASE("utf8: every code point survives encode and decode, surrogates excepted") {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    auto const bytes = utf8::encode(c);
    auto const back = utf8::decode(bytes.view());
    bool const surrogate = c >= 0xD800 && c < 0xE000;
    if (back != utf8::character{surrogate ? utf8::replacement : c, bytes.length, true}) FAIL("code point ", c);
  }
  CHECK(utf8::encode(0x110000).view() == utf8::replacement_bytes);
}

TEST_CASE("utf8: bytes that begin no character are bad one at a time") {
  for (auto const text :
       {"\x80"sv, "\xBF\x80"sv, "\xC0\xAF"sv, "\xC1\xBF"sv, "\xC3"sv, "\xC3("sv, "\xE0\x9F\xBF"sv, "\xED\xA0\x80"sv,
        "\xE2\x82"sv, "\xE2\x28\xA1"sv, "\xE2\x82\x28"sv, "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF0\x9F\x98"sv,
        "\xF0\x9F\x98\x28"sv, "\xF5\x80\x80\x80"sv, "\xFE"sv, "\xFF"sv}) {
    CHECK(utf8::decode(text) == utf8::character{utf8::replacement, 1, false});
    CHECK(utf8::valid_prefix(text) == 0);
    CHECK_FALSE(utf8::is_valid(text));
  }
}

TEST_CASE("utf8: valid_prefix stops at the first bad byte") {
  CHECK(utf8::valid_prefix("aé中😀") == 10);
  CHECK(utf8::is_valid(""));
  CHECK(utf8::valid_prefix("aé中\xF0\x9F") == 6);
}

TEST_CASE("utf8: the valid prefix of a long text is that of its characters one by one") {
  constexpr std::string_view parts[]{"a",      "sixteen letters.", "\u00E9",     "\u4E2D",     "\uD7FF",
                                     "\uE000", "\u0800",           "\U0001F600", "\U00010000", "\U0010FFFF"};
  constexpr std::string_view bad[]{"\x80",
                                   "\xC1\xBF",
                                   "\xE0\x9F\xBF",
                                   "\xED\xA0\x80",
                                   "\xF0\x8F\xBF\xBF",
                                   "\xF4\x90\x80\x80",
                                   "\xF5\x80\x80\x80",
                                   "\xE4\xB8",
                                   "\xF0\x9F\x98",
                                   "\xFF"};
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    std::size_t const kinds = 1 + random() % std::size(parts), first = random() % std::size(parts);
    auto const extend = [&](std::size_t n) {
      for (; n > 0; --n) text += parts[(first + random() % kinds) % std::size(parts)];
    };
    extend(random() % 60);
    if (round % 2 == 0) text += bad[random() % std::size(bad)];
    extend(random() % 30);
    std::size_t good = 0;
    for (auto c = utf8::decode(text); c.valid; c = utf8::decode(std::string_view(text).substr(good))) good += c.length;
    INFO(text);
    CHECK(utf8::valid_prefix(text) == good);
  }
}

TEST_CASE("utf8: a character that lacks bytes is held back, bad bytes are not") {
  std::string const text = "aé中😀";
  std::size_t const starts[]{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10}; // by bytes given
  for (std::size_t n = 0; n <= text.size(); ++n) {
    std::size_t const complete = n == 1 ? 1 : n == 3 ? 3 : n == 6 ? 6 : starts[n];
    CHECK(utf8::complete_prefix(std::string_view(text).substr(0, n)) == complete);
  }
  CHECK(utf8::complete_prefix("a\xFF") == 2);
  CHECK(utf8::complete_prefix("a\x80\x80\x80\x80") == 5);
  CHECK(utf8::complete_prefix("\xC0") == 1);         // overlong: no byte can mend it
  CHECK(utf8::complete_prefix("\xED\xA0") == 2);     // a surrogate
  CHECK(utf8::complete_prefix("\xF4\x90\x80") == 3); // above U+10FFFF
  CHECK(utf8::complete_prefix("\xF4\x8F\xBF") == 0);
  CHECK(utf8::complete_prefix("\xC3\xA9\xA9") == 3);
}

} // namespace core_utf8_test
