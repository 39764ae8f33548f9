#include "support/data.hpp"

#include <loquat/tokenizer/normalize/forms.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_normal_forms_test {

namespace unicode = loquat::unicode;
using loquat::aligned_text;
using loquat::byte_range;
using loquat::normalize::form_normalizer;
using loquat::normalize::form_workspace;
using unicode::normal_form;
using unicode::version;

namespace {

template <normal_form Form, version Version = version::v9_0> constexpr aligned_text normalized(std::string_view text) {
  aligned_text out, spare;
  form_workspace work;
  out.assign(text, true);
  form_normalizer<Form, Version>::apply(out, spare, work);
  return out;
}
template <normal_form Form, version Version = version::v9_0>
constexpr bool gives(std::string_view text, std::string_view expected) {
  return normalized<Form, Version>(text).bytes() == expected;
}
/// The origins in a row, as "0-1 1-3 1-3".
std::string origins(aligned_text const& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i != 0) out += ' ';
    out += std::to_string(text.origin(i).begin) + '-' + std::to_string(text.origin(i).end);
  }
  return out;
}

static_assert(unicode::combining_class(0x301) == 230 && unicode::combining_class(U'a') == 0);
static_assert(unicode::combining_class(0x1DF9) == 220 && unicode::combining_class(0x1DF9, version::v9_0) == 0 &&
              unicode::combining_class(0x1DFB, version::v9_0) == 230);
static_assert(unicode::combining_class(0x1DF9) == 220 && unicode::combining_class(0x1DF9, version::v9_0) == 0); // 10.0
static_assert(unicode::compose(U'e', 0x301) == U'é' && unicode::compose(U'x', 0x301) == 0);
static_assert(unicode::compose(0x1100, 0x1161) == U'가' && unicode::compose(U'가', 0x11A8) == U'각');
static_assert(unicode::compose(U'가', 0x11A7) == 0 && unicode::compose(U'각', 0x11A8) == 0);
static_assert(unicode::compose(0x11099, 0x110BA) == 0x1109A && unicode::compose(0x11935, 0x11930) == 0x11938);
static_assert(unicode::compose(0x11935, 0x11930, version::v9_0) == 0); // of 13.0

static_assert(gives<normal_form::nfc>("e\xCC\x81", "é") && gives<normal_form::nfd>("é", "e\xCC\x81"));
static_assert(gives<normal_form::nfc>("", "") && gives<normal_form::nfd>("plain", "plain"));
static_assert(gives<normal_form::nfkc>("ﬁ½Ⅷ\xC2\xA0", "fi1⁄2VIII ") && gives<normal_form::nfc>("ﬁ½", "ﬁ½"));
static_assert(gives<normal_form::nfkd>("ẛ", "s\xCC\x87") && gives<normal_form::nfkc>("ẛ", "ṡ"));
static_assert(gives<normal_form::nfc>("\xE2\x84\xAA", "K") && gives<normal_form::nfd>("\xE2\x84\xAB", "A\xCC\x8A"));
static_assert(gives<normal_form::nfd>("한", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"));
static_assert(gives<normal_form::nfc>("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "한"));
static_assert(gives<normal_form::nfc>("q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87"));   // sorted
static_assert(gives<normal_form::nfc>("\xCC\x87\xCC\xA3", "\xCC\xA3\xCC\x87"));     // also first in the text
static_assert(gives<normal_form::nfc>("e\xCC\xA1\xCC\x81", "é\xCC\xA1"));           // composes over another class
static_assert(gives<normal_form::nfc>("e\xCC\x85\xCC\x81", "e\xCC\x85\xCC\x81"));   // but not over its own
static_assert(gives<normal_form::nfc>("a\xCC\xA3\xCC\x82", "ậ"));                   // twice
static_assert(gives<normal_form::nfc>("\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC")); // excluded from composition
static_assert(gives<normal_form::nfkc>("ｶﾞ", "ガ") && gives<normal_form::nfc>("ｶﾞ", "ｶﾞ"));
static_assert(gives<normal_form::nfkc, version::newest>("\xE3\x8B\xBF", "令和"));
static_assert(gives<normal_form::nfkc>("\xE3\x8B\xBF", "\xE3\x8B\xBF"));                        // of 12.1
static_assert(gives<normal_form::nfd>("\xFF\xCC\xA3\xCC\x81\xFE", "\xFF\xCC\xA3\xCC\x81\xFE")); // bad bytes stay
static_assert(gives<normal_form::nfd>("\xFF\xCC\x81\xCC\xA3\xC3", "\xFF\xCC\xA3\xCC\x81\xC3"));
static_assert(gives<normal_form::nfc>("\xE0\x80", "\xE0\x80"));

static_assert(form_normalizer<normal_form::nfkc>::leaves("\xE3\x8B\xBF"));
static_assert(!form_normalizer<normal_form::nfkc, version::newest>::leaves("\xE3\x8B\xBF"));
static_assert(form_normalizer<normal_form::nfc>::leaves("é 한 語 я ｶﾞ 😀"));
static_assert(!form_normalizer<normal_form::nfc>::leaves("e\xCC\x81") &&
              !form_normalizer<normal_form::nfd>::leaves("é"));
static_assert(form_normalizer<normal_form::nfd>::leaves("q\xCC\xA3\xCC\x87 語 я"));
static_assert(!form_normalizer<normal_form::nfd>::leaves("q\xCC\x87\xCC\xA3") &&
              !form_normalizer<normal_form::nfd>::leaves("한"));
static_assert(!form_normalizer<normal_form::nfkc>::leaves("ﬁ") && form_normalizer<normal_form::nfkc>::leaves("é"));

TEST_CASE("origins of forms are those of the reference") { // recorded from it
  CHECK(origins(normalized<normal_form::nfd>("aé한")) == "0-1 1-3 1-3 1-3 3-6 3-6 3-6 3-6 3-6 3-6 3-6 3-6 3-6");
  CHECK(origins(normalized<normal_form::nfc>("e\xCC\x81x")) == "0-1 0-1 3-4");
  CHECK(origins(normalized<normal_form::nfkc>("x½")) == "0-1 1-3 1-3 1-3 1-3 1-3");
  // sorted: the marks change places, and each takes that of the other
  CHECK(origins(normalized<normal_form::nfd>("q\xCC\x87\xCC\xA3")) == "0-1 1-3 1-3 3-5 3-5");
  // what a decomposition added comes behind a mark that was there, and has its range
  CHECK(origins(normalized<normal_form::nfd>("é\xCC\xA3")) == "0-2 2-4 2-4 2-4 2-4");
}

/// A row of NormalizationTest.txt: source, NFC, NFD, NFKC, NFKD.
template <version Version> void check_row(std::vector<std::string> const& row) {
  auto const check = []<normal_form Form>(std::string const& from, std::string const& to,
                                          std::integral_constant<normal_form, Form>) {
    if (!gives<Form, Version>(from, to) || (form_normalizer<Form, Version>::leaves(from) && from != to))
      FAIL_CHECK("form " << static_cast<int>(Form) << " of " << from << " is not " << to);
  };
  for (std::size_t i = 0; i < 5; ++i) {
    check(row[i], row[i < 3 ? 1 : 3], std::integral_constant<normal_form, normal_form::nfc>());
    check(row[i], row[i < 3 ? 2 : 4], std::integral_constant<normal_form, normal_form::nfd>());
    check(row[i], row[3], std::integral_constant<normal_form, normal_form::nfkc>());
    check(row[i], row[4], std::integral_constant<normal_form, normal_form::nfkd>());
  }
}

TEST_CASE("rows of Unicode's test") {
  std::vector<std::vector<std::string>> const rows{
      {"Ḋ", "Ḋ", "D\xCC\x87", "Ḋ", "D\xCC\x87"},
      {"Ḋ\xCC\xA3", "Ḍ\xCC\x87", "D\xCC\xA3\xCC\x87", "Ḍ\xCC\x87", "D\xCC\xA3\xCC\x87"},
      {"\xCD\x84", "\xCC\x88\xCC\x81", "\xCC\x88\xCC\x81", "\xCC\x88\xCC\x81", "\xCC\x88\xCC\x81"},
      {"\xE0\xBD\xB7", "\xE0\xBD\xB7", "\xE0\xBD\xB7", "\xE0\xBE\xB2\xE0\xBD\xB1\xE0\xBE\x80",
       "\xE0\xBE\xB2\xE0\xBD\xB1\xE0\xBE\x80"},
      {"\xEF\xA4\x80", "豈", "豈", "豈", "豈"},
      {"𝐀", "𝐀", "𝐀", "A", "A"},
      {"ﷺ", "ﷺ", "ﷺ", "صلى الله عليه وسلم", "صلى الله عليه وسلم"},
  };
  for (auto const& row : rows) check_row<version::v9_0>(row);
}

#if defined(__unix__) && !defined(__wasi__) && !defined(__EMSCRIPTEN__)
TEST_CASE("all of Unicode's test of normalization") {
  std::string const path = "/usr/share/unicode/NormalizationTest.txt.bz2";
  if (std::FILE* const there = std::fopen(path.c_str(), "r"); there != nullptr)
    std::fclose(there);
  else
    return test::skip("the Unicode Character Database is not installed");
  std::FILE* const file = popen(("bzcat " + path).c_str(), "r");
  REQUIRE(file != nullptr);
  std::vector<char> line(4096);
  int rows = 0;
  while (std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) {
    if (line[0] == '#' || line[0] == '@') continue;
    std::vector<std::string> row(1);
    for (char const* at = line.data(); row.size() < 6;) {
      char* end = nullptr;
      row.back() += loquat::utf8::encode(static_cast<char32_t>(std::strtoul(at, &end, 16))).view();
      if (*end == ';') row.emplace_back();
      at = end + 1;
    }
    check_row<version::newest>(row);
    ++rows;
  }
  pclose(file);
  if (rows == 0) return test::skip("there is no bzcat");
  CHECK(rows > 18000);
}
#endif

TEST_CASE("a text of nothing but marks is sorted, and stays in order within a class") {
  std::string text = "a", expected = "a";
  for (int i = 0; i < 1000; ++i) text += i % 2 == 0 ? "\xCC\x85" : i % 4 == 1 ? "\xCC\xA4" : "\xCC\xAC";
  for (int i = 0; i < 500; ++i) expected += i % 2 == 0 ? "\xCC\xA4" : "\xCC\xAC"; // class 220
  for (int i = 0; i < 500; ++i) expected += "\xCC\x85";                           // class 230
  CHECK(normalized<normal_form::nfd>(text).bytes() == expected);
  CHECK(normalized<normal_form::nfc>(text).bytes() == expected);
}

TEST_CASE("time is linear in a text without a place to stop") {
  for (std::string_view const unit : {"\xCC\x81\xCC\xA3", "한", "\xE1\x85\xA1", "é"}) {
    std::string text;
    while (text.size() < 1000000) text += unit;
    auto const begin = std::chrono::steady_clock::now();
    auto const composed = normalized<normal_form::nfc>(text).size(), split = normalized<normal_form::nfd>(text).size();
    CHECK(composed + split > text.size());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10)); // milliseconds, unless it is quadratic
  }
}

} // namespace

} // namespace tokenizer_normal_forms_test
