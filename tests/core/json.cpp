#include <loquat/core/json.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

namespace core_json_test {

namespace json = loquat::json;
using namespace std::string_view_literals;

namespace {

bool is_error(std::string_view text, std::string_view part) {
  auto const parsed = json::parse(text);
  if (parsed) return false;
  INFO(std::string(parsed.error().message()));
  return parsed.error().message().find(part) != std::string_view::npos;
}

constexpr bool reads_at_compile_time() {
  auto const doc = json::parse(R"({"a": [1, -2.5e1, true, null], "b": {"c": "\u00e9\ud83d\ude00\n"}})");
  if (!doc || doc->root().kind() != json::kind::object || doc->root().size() != 2) return false;
  auto const list = (*doc)["a"];
  return *list[0].as_int64() == 1 && *list[1].as_double() == -25 && *list[2].as_bool() &&
         list[3].kind() == json::kind::null && !list[4] && *(*doc)["b"]["c"].as_string() == "é😀\n";
}
static_assert(reads_at_compile_time());
static_assert(loquat::decimal_to_double("0.1") == 0.1);
static_assert(loquat::decimal_to_double("123456789012345678901234567890") == 123456789012345678901234567890.0);

} // namespace

TEST_CASE("json: values keep their order, size and offsets") {
  auto const doc = json::parse(" {\"x\" : [ ] , \"y\":{},\"x\":[[1],[2,{\"k\":3}]] } \r\n\t").value();
  auto const root = doc.root();
  CHECK(root.offset() == 1);
  CHECK(root.size() == 3);
  CHECK(doc["x"].size() == 0); // the first of two
  CHECK(doc["y"].kind() == json::kind::object);
  std::string keys;
  for (auto const [key, value] : root.members()) keys += std::string(key) + std::to_string(value.size()) + ' ';
  CHECK(keys == "x0 y0 x2 ");
  json::value last;
  for (auto const [key, value] : root.members()) last = value;
  CHECK(last[1][1]["k"].as_int64().value() == 3);
  CHECK(last[1][1]["k"].offset() == 38);
  int sum = 0;
  for (auto const element : last.elements()) sum += static_cast<int>(element.size());
  CHECK(sum == 3);
}

TEST_CASE("json: looking up what is not there gives an absent value, and reading it an error") {
  auto const doc = json::parse(R"([1, "two"])").value();
  auto const nothing = doc.root()[7]["x"]["y"][0];
  CHECK_FALSE(nothing);
  CHECK(nothing.kind() == json::kind::absent);
  CHECK(nothing.as_string().error().code() == loquat::errc::missing);
  CHECK(doc["a"].as_bool().error().code() == loquat::errc::missing);
  CHECK(doc.root()[1].as_double().error().code() == loquat::errc::mismatch);
  CHECK(doc.root()[1].as_double().error().message() == "JSON: expected a number, found string at byte 4");
  CHECK(doc.root()[0].as_string().error().code() == loquat::errc::mismatch);
  CHECK(doc.root()[0].as_bool().error().code() == loquat::errc::mismatch);
  CHECK(doc.root()[0].elements().begin() == doc.root()[0].elements().end());
  CHECK(doc.root()[0].size() == 0);
}

TEST_CASE("json: strings are unescaped") {
  auto const text = [](std::string_view source) {
    return std::string(json::parse(source).value().root().as_string().value());
  };
  CHECK(text(R"("")") == "");
  CHECK(text("\"plain é\x7f\"") == "plain é\x7f");
  CHECK(text(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(text(R"("a\u0041b\u00Df\u4e2dc")") == "aAbß中c");
  CHECK(text(R"("\u0000")") == "\0"sv);
  CHECK(text(R"("x\uD83D\uDE00y")") == "x😀y");
  CHECK(text(R"("\uFFFF")") == "\uFFFF");
}

TEST_CASE("json: integers of 64 bits are exact") {
  auto const integer = [](std::string_view source) { return json::parse(source).value().root().as_int64(); };
  CHECK(integer("9223372036854775807").value() == INT64_MAX);
  CHECK(integer("-9223372036854775808").value() == INT64_MIN);
  CHECK(integer("-0").value() == 0);
  for (auto const text : {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "1.0", "1e2", "true"})
    CHECK(integer(text).error().code() == loquat::errc::mismatch);
}

TEST_CASE("json: doubles are the nearest ones") {
  auto const same = [](std::string const& text) {
    auto const have = json::parse(text).value().root().as_double().value();
    auto const want = std::strtod(text.c_str(), nullptr);
    CHECK_MESSAGE(std::bit_cast<std::uint64_t>(have) == std::bit_cast<std::uint64_t>(want), text);
  };
  for (auto const text : {"0",
                          "-0",
                          "0.0",
                          "-0.0e5",
                          "1",
                          "-1.5",
                          "0.1",
                          "1e22",
                          "1e23",
                          "9007199254740993",
                          "9007199254740992.5",
                          "9007199254740993.0000000000000000000000000000001",
                          "1.7976931348623157e308",
                          "1.7976931348623158e308",
                          "1.7976931348623159e308",
                          "1e309",
                          "-1e999999999999999999",
                          "4.9e-324",
                          "2.4703282292062327e-324",
                          "2.4703282292062328e-324",
                          "2.2250738585072011e-308",
                          "2.2250738585072014e-308",
                          "1e-400",
                          "0e999999999999",
                          "2.2250738585072012e-308",
                          "123456789012345678",
                          "0.000000000000000000000000000001e30",
                          "6.02214076E+23",
                          "8.988465674311580e307",
                          "7.2057594037927933e16",
                          "18446744073709551616"})
    same(text);
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    double const number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*e", static_cast<int>(random() % 25), number);
    same(text.data());
  }
  for (int i = 0; i < 2000; ++i) { // halfway between two neighbours, and a hair beside
    double const number = std::bit_cast<double>(random() % (0x7FEULL << 52));
    auto const between =
        static_cast<long double>(number) / 2 + static_cast<long double>(std::nextafter(number, 1e308)) / 2;
    std::array<char, 1400> text{};
    std::snprintf(text.data(), text.size(), "%.1200Lg", between);
    std::string exact = text.data();
    same(exact);
    if (exact.find('e') == std::string::npos && exact.find('.') != std::string::npos) same(exact + "0000001");
  }
  same("0." + std::string(400, '0') + "1e390");
  same("1" + std::string(5000, '0') + "e-5000");
  same("1." + std::string(5000, '0') + "1");
  same("9007199254740993" + std::string(900, '0') + "1e-901");
  same("9007199254740993" + std::string(900, '0') + "0e-901");
}

TEST_CASE("json: errors say what was expected and where") {
  CHECK(is_error("", "a value at byte 0"));
  CHECK(is_error("  ", "a value at byte 2"));
  CHECK(is_error("[1 2]", "',' or ']' at byte 3"));
  CHECK(is_error("[1,]", "a value at byte 3"));
  CHECK(is_error("[,1]", "a value at byte 1"));
  CHECK(is_error("[", "a value at byte 1"));
  CHECK(is_error("[1", "',' or ']' at byte 2"));
  CHECK(is_error("[1}", "',' or ']' at byte 2"));
  CHECK(is_error("]", "a value at byte 0"));
  CHECK(is_error("{", "a key in quotes or '}' at byte 1"));
  CHECK(is_error("{]", "a key in quotes or '}' at byte 1"));
  CHECK(is_error("{1:2}", "a key in quotes or '}' at byte 1"));
  CHECK(is_error("{\"a\":1,}", "a key in quotes at byte 7"));
  CHECK(is_error("{\"a\" 1}", "':' at byte 5"));
  CHECK(is_error("{\"a\":}", "a value at byte 5"));
  CHECK(is_error("{\"a\":1]", "',' or '}' at byte 6"));
  CHECK(is_error("1 2", "the end of the text at byte 2"));
  CHECK(is_error("[] ]", "the end of the text at byte 3"));
  CHECK(is_error("nul", "a value at byte 0"));
  CHECK(is_error("truE", "a value at byte 0"));
  CHECK(is_error("NaN", "a value at byte 0"));
  CHECK(is_error("'a'", "a value at byte 0"));
  CHECK(is_error("\"abc", "'\"' at byte 4"));
  CHECK(is_error("\"a\nb\"", "control character to be escaped at byte 2"));
  CHECK(is_error("\"a\0b\""sv, "control character to be escaped at byte 2"));
  CHECK(is_error("\0"sv, "a value at byte 0"));
  CHECK(is_error("1\0"sv, "the end of the text at byte 1"));
  CHECK(is_error("\xEF\xBB\xBF 1", "a value at byte 0"));
  CHECK(is_error("\"ab\xC3\"", "UTF-8 at byte 3"));
  for (auto const escape : {"\\x", "\\u12", "\\u12G4", "\\ud800", "\\udc00", "\\ud800\\n", "\\ud800\\u0041", "\\",
                            "\\ud800\\ud800", "\\U0041"})
    CHECK(is_error("\"ab" + std::string(escape) + "\"", "at byte "));
  CHECK(is_error("\"ab\\ud800x\"", "at byte 3"));
  for (auto const number : {"-", "+1", ".5", "01", "1.", "1.e3", "1e", "1e+", "-a", "0x10", "1_0", "--1"})
    CHECK_FALSE(json::parse(number));
}

TEST_CASE("json: nesting is limited, not by the stack") {
  auto const nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(json::parse(nested(256)));
  CHECK(is_error(nested(257), "at most 256 nested values at byte 256"));
  CHECK(json::parse(nested(1'000'000), {.max_depth = 1'000'000}));
  CHECK(is_error(std::string(10'000'000, '['), "nested"));
  std::string objects;
  for (int i = 0; i < 300; ++i) objects += "{\"a\":";
  CHECK(is_error(objects, "nested"));
}

TEST_CASE("json: a written string reads back as itself") {
  std::string every;
  for (char32_t c = 0; c < 0x250; ++c) every += loquat::utf8::encode(c).view();
  every += "中😀\uFFFD";
  std::string written;
  json::append_string(written, every);
  CHECK(std::string(json::parse(written).value().root().as_string().value()) == every);
  CHECK(written.find('\n') == std::string::npos);
  std::string small;
  json::append_string(small, "a\"\\\x01\x1F\n\xFF");
  CHECK(small == "\"a\\\"\\\\\\u0001\\u001f\\n\uFFFD\"");
}

} // namespace core_json_test
