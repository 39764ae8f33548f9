#include "support/data.hpp"

#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/unicode/category.hpp>
#include <loquat/tokenizer/unicode/grapheme.hpp>
#include <loquat/tokenizer/unicode/lowercase.hpp>
#include <loquat/tokenizer/unicode/script.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_unicode_test {

namespace unicode = loquat::unicode;
using unicode::category;
using unicode::general_category;
using unicode::version;

namespace {

static_assert(category(U'a') == general_category::ll && category(U'A') == general_category::lu);
static_assert(category(U'ǅ') == general_category::lt && category(U'ʰ') == general_category::lm);
static_assert(category(U'語') == general_category::lo && category(U'한') == general_category::lo);
static_assert(category(0x301) == general_category::mn && category(0x903) == general_category::mc);
static_assert(category(U'٣') == general_category::nd && category(U'Ⅷ') == general_category::nl);
static_assert(category(U'½') == general_category::no && category(U'_') == general_category::pc);
static_assert(category(U'-') == general_category::pd && category(U'«') == general_category::pi);
static_assert(category(U'€') == general_category::sc && category(U'😀') == general_category::so);
static_assert(category(0xAD) == general_category::cf && category(0x7F) == general_category::cc);
static_assert(category(0xD800) == general_category::cs && category(0xE000) == general_category::co);
static_assert(category(0x378) == general_category::cn && category(0x40000) == general_category::cn);
static_assert(category(0xE0001) == general_category::cf && category(0xE01EF) == general_category::mn);
static_assert(category(0x10FFFD) == general_category::co && category(0x10FFFF) == general_category::cn);
static_assert(category(0xFFFFE) == general_category::cn && category(0x110000) == general_category::cn);
static_assert(category(0xFFFFFFFF) == general_category::cn);

// what is not assigned yet, or was something else
static_assert(category(0x2E44, version::v8_0) == general_category::cn); // 9.0
static_assert(category(0x2E44, version::v9_0) == general_category::po);
static_assert(category(0x2E4A, version::v9_0) == general_category::cn); // 11.0
static_assert(category(0x2E4A) == general_category::po);
static_assert(category(0x166D, version::v8_0) == general_category::po && category(0x166D) == general_category::so);
static_assert(category(0x1885, version::v8_0) == general_category::lo);
static_assert(category(0x1885, version::v9_0) == general_category::mn);
static_assert(category(0x1CF2, version::v9_0) == general_category::mc && category(0x1CF2) == general_category::lo);
static_assert(unicode::is_mark(0x301, version::v8_0) && !unicode::is_mark(0x1DFB, version::v8_0));
static_assert(unicode::is_assigned(0x20BF) && !unicode::is_assigned(0x20BF, version::v9_0)); // 10.0

static_assert(unicode::is_letter(U'ß') && !unicode::is_letter(U'5') && !unicode::is_letter(0x301));
static_assert(unicode::is_number(U'²') && unicode::is_number(U'Ⅷ') && !unicode::is_digit(U'²'));
static_assert(unicode::is_punctuation(U'、') && !unicode::is_punctuation(U'+'));
static_assert(unicode::is_word(U'_') && unicode::is_word(0x301) && unicode::is_word(U'Ⓐ'));
static_assert(!unicode::is_word(U'²') && !unicode::is_word(0x200D) && !unicode::is_word(U'☃'));
static_assert(unicode::is_whitespace(U' ') && unicode::is_whitespace(0x85) && unicode::is_whitespace(0x3000));
static_assert(!unicode::is_whitespace(0x200B) && !unicode::is_whitespace(0x1C) && !unicode::is_whitespace(0x180E));

static_assert(unicode::script_of(U'a') == unicode::script::latin &&
              unicode::script_of(U'я') == unicode::script::cyrillic);
static_assert(unicode::script_of(U'語') == unicode::script::han &&
              unicode::script_of(U'ー') == unicode::script::common);
static_assert(unicode::script_of(0x301) == unicode::script::inherited);
static_assert(unicode::script_of(0x378) == unicode::script::unknown);
static_assert(unicode::script_of(0x10FFFF) == unicode::script::unknown &&
              unicode::script_of(0) == unicode::script::common);
static_assert(unicode::script_of(0x61C, version::v9_0) == unicode::script::common);
static_assert(unicode::script_of(0x16FE4, version::v9_0) == unicode::script::unknown); // 13.0
static_assert(unicode::script_named("Han") == unicode::script::han &&
              unicode::script_named("hani") == unicode::script::han);
static_assert(unicode::script_named("Old_Italic") == unicode::script_named("old-italic"));
static_assert(!unicode::script_named("Ha") && !unicode::script_named("Hann") && !unicode::script_named(""));

static_assert(unicode::lowercase(U'A') == U'a' && unicode::lowercase(U'a') == U'a' && unicode::lowercase(U'Σ') == U'σ');
static_assert(unicode::lowercase(0x130) == U'i' && unicode::lowercase(0x1E9E) == U'ß' &&
              unicode::lowercase(0x212A) == U'k');
static_assert(unicode::lowercase(U'Ꭰ') == 0xAB70 && unicode::lowercase(0x1E900) == 0x1E922);
static_assert(unicode::lowercase(0x10FFFF) == 0x10FFFF);

static_assert(unicode::grapheme_length("") == 0 && unicode::grapheme_length("ab") == 1);
static_assert(unicode::grapheme_length("\r\nx") == 2 && unicode::grapheme_length("\n\r") == 1);
static_assert(unicode::grapheme_length("e\xCC\x81x") == 3);
static_assert(unicode::grapheme_length("\n\xCC\x81") == 1);
static_assert(unicode::grapheme_length("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80") == 9); // L V T, L
static_assert(unicode::grapheme_length("\xED\x95\x9C\xED\x95\x9C") == 3);                         // LVT, LVT
static_assert(unicode::grapheme_length("🇩🇪🇫🇷") == 8);
static_assert(unicode::grapheme_length("👩‍🚀👩") == 11);
static_assert(unicode::grapheme_length("a\xE2\x80\x8D🚀") == 4); // joined to what is no picture
static_assert(unicode::grapheme_length("क्त") == 9 && unicode::grapheme_length("कत") == 3);
static_assert(unicode::grapheme_length("क्\xE2\x80\x8Cत") == 9); // not with U+200C between
static_assert(unicode::grapheme_length("\xFF\xCC\x81") == 3 && unicode::grapheme_length("\xFF\xFF") == 1);

static_assert(loquat::byte_alphabet['A'].view() == "A" && loquat::byte_alphabet[' '].view() == "Ġ");
static_assert(loquat::byte_alphabet[0xAD].view() == "Ń" && loquat::byte_alphabet[0].view() == "Ā");
static_assert(loquat::byte_alphabet[0xFF].view() == "ÿ");

TEST_CASE("each byte has one character of the alphabet, and back") {
  std::set<std::string_view> seen;
  for (unsigned b = 0; b < 256; ++b) {
    auto const text = loquat::byte_alphabet[b].view();
    CHECK(seen.insert(text).second);
    CHECK(loquat::byte_of(loquat::utf8::decode(text).code_point) == static_cast<int>(b));
  }
  for (char32_t const c : {U' ', char32_t{0xAD}, char32_t{0x144}, char32_t{0x7F}, char32_t{0x110000}})
    CHECK(loquat::byte_of(c) == -1);
}

TEST_CASE("tables agree with sums over all code points") { // found by a program that reads the database another way
  auto const sum = [](auto of) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (char32_t c = 0; c < 0x110000; ++c) hash = (hash ^ static_cast<std::uint64_t>(of(c))) * 0x100000001b3u;
    return hash;
  };
  CHECK(sum([](char32_t c) { return category(c); }) == 0x4ff6c09136a2b137u);
  CHECK(sum([](char32_t c) { return unicode::script_of(c); }) == 0x462f89bdab55bdf4u);
  CHECK(sum([](char32_t c) { return unicode::lowercase(c); }) == 0xdf958c3cfd8b326du);
  CHECK(sum([](char32_t c) { return unicode::grapheme(c); }) == 0x8ed0202a641bcc2bu);
  CHECK(sum([](char32_t c) { return unicode::is_assigned(c, version::v9_0); }) == 0xa2b8d1896bbc96beu);
  CHECK(sum([](char32_t c) { return unicode::is_word(c); }) == 0x9b83c4016cef077u);
}

TEST_CASE("grapheme clusters break as Unicode's test says") {
  std::FILE* const file = std::fopen("/usr/share/unicode/auxiliary/GraphemeBreakTest.txt", "r");
  if (file == nullptr) return test::skip("the Unicode Character Database is not installed");
  std::vector<char> line(4096);
  int lines = 0;
  while (std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) {
    std::string text;
    std::vector<std::size_t> expected, found;
    std::string_view rest = line.data();
    rest = rest.substr(0, rest.find('#'));
    bool surrogate = false;
    while (!rest.empty()) { // "÷ 0020 × 0308 ÷"
      auto const word = rest.substr(0, rest.find_first_of(" \t\n"));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      if (word == "÷" && !text.empty()) expected.push_back(text.size());
      if (word.empty() || word == "÷" || word == "×") continue;
      auto const c = static_cast<char32_t>(std::strtoul(std::string(word).c_str(), nullptr, 16));
      surrogate = surrogate || (c >= 0xD800 && c < 0xE000);
      text += loquat::utf8::encode(c).view();
    }
    if (text.empty() || surrogate) continue;
    for (std::size_t at = 0; at < text.size();)
      found.push_back(at += unicode::grapheme_length(std::string_view(text).substr(at)));
    CAPTURE(line.data());
    CHECK(found == expected);
    ++lines;
  }
  std::fclose(file);
  CHECK(lines > 500);
}

} // namespace

} // namespace tokenizer_unicode_test
