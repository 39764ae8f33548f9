/// SentencePiece's normalizer.

#include "support/allocations.hpp"
#include "tokenizer/charsmap_builder.hpp"
#include "tokenizer/reference_sentencepiece.hpp"

#include <loquat/tokenizer/normalize/sentencepiece.hpp>

#include <doctest/doctest.h>

#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_sentencepiece_normalizer_test {

using namespace loquat;
using normalize::sentencepiece_normalizer;

namespace {

constexpr test::mapping strings[]{{"ﬁ", "fi"},    {"½", "1⁄2"}, {"\t", " "},           {"e\xCC\x81", "é"},
                                  {"abc", "X"},   {"\x7F", ""}, {"\xE3\x80\x80", " "}, {"か゛", "が"},
                                  {"\r\n", "\n"}, {"ab", "Y"},  {"¨", " \xCC\x88"},    {"\uFFFD", " "}};

constexpr vocabulary pieces(std::initializer_list<std::string_view> user) {
  vocabulary out;
  (void)out.add("ab", token_kind::normal);
  for (auto const piece : user) (void)out.add(piece, token_kind::user_defined);
  return out;
}
std::string text_of(aligned_text const& text) { return std::string(text.bytes()); }

constexpr bool at_compile_time() {
  auto const made = sentencepiece_normalizer::make({}, pieces({"  "})).value();
  aligned_text out, spare;
  out.assign(" a   b  c\u2581", true);
  made.apply(out, spare); // a user-defined run of spaces stays, and what follows it is too many
  return out.bytes() == " a  b  c" && out.origin(0) == byte_range{1, 1} && out.origin(2) == byte_range{2, 2} &&
         out.origin(3) == byte_range{2, 5};
}
static_assert(at_compile_time());

aligned_text normalized(normalize::sentencepiece const& how, std::string_view text, vocabulary const& user = {}) {
  auto const made = sentencepiece_normalizer::make(how, user).value();
  aligned_text out, spare;
  out.assign(text, true);
  made.apply(out, spare);
  return out;
}
std::string origins(aligned_text const& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    out += (i == 0 ? "" : " ") + std::to_string(text.origin(i).begin) + '-' + std::to_string(text.origin(i).end);
  return out;
}

} // namespace

TEST_CASE("sentencepiece normalizer: spaces") {
  CHECK(text_of(normalized({}, "  a \u2581  b ")) == " a   b"); // U+2581 is no space that is too many, but at the end
  CHECK(text_of(normalized({}, "\u2581 a\u2581")) == "   a");
  CHECK(text_of(normalized({}, "   ")).empty());
  CHECK(text_of(normalized({}, "")).empty());
  CHECK(text_of(normalized({.suffix = true}, " a ")) == "a ");
  CHECK(text_of(normalized({.suffix = true}, "\u2581")) == " ");
  CHECK(text_of(normalized({.remove_extra = false}, " a  ")) == "  a  ");
  CHECK(text_of(normalized({.add_prefix = false}, " a  b")) == "a b");
  CHECK(text_of(normalized({.add_prefix = false, .remove_extra = false, .suffix = true}, " a ")) == " a ");
  CHECK(origins(normalized({}, " a  b ")) == "1-1 1-2 2-4 4-5");
  CHECK(origins(normalized({.suffix = true}, "é  ")) == "0-2 0-2 2-2");
}

TEST_CASE("sentencepiece normalizer: offsets of what is replaced and removed") {
  auto const map = test::charsmap_builder(strings).bytes();
  normalize::sentencepiece const how{.charsmap = map, .add_prefix = false, .remove_extra = false};
  CHECK(text_of(normalized(how, "xabcab\tﬁ")) == "xXY fi");
  CHECK(origins(normalized(how, "xabcyﬁ")) == "0-1 1-4 4-5 5-5 5-8");
  CHECK(origins(normalized(how, "a\x7F\x7Fy")) == "0-3 3-4");
  CHECK(origins(normalized(how, "\x7Fy")) == "1-2"); // nothing before it
  CHECK(text_of(normalized(how, "xbcab\tﬁ", pieces({"bc", "\t"}))) == "xbcY\tfi");
  CHECK(text_of(normalized(how, "\u2581a", pieces({"\u2581a"}))) == " a");
  CHECK(text_of(normalized(how, "\xFF\uFFFD\xE2")) == "\xFF \xE2"); // the map has one of these
}

TEST_CASE("sentencepiece normalizer: random texts are normalized as the obvious algorithm does") {
  auto const map = test::charsmap_builder(strings).bytes();
  std::string_view const parts[]{"a",  "b",  "c",  "e",    "\xCC\x81", "ﬁ",    "か", "゛",     " ", "  ", "\u2581",
                                 "\r", "\n", "語", "\x7F", "\xFF",     "\xC2", "½",  "\u3000", "¨", "\t", "\uFFFD"};
  std::string_view const user[]{"bc", " ", "\n\n", "e", "\u2581\u2581", "a b", "ﬁc", "語語", "  "};
  std::mt19937 random(1);
  int left = 0, padded = 0;
  for (int i = 0; i < 1500; ++i) {
    normalize::sentencepiece how{
        .add_prefix = random() % 2 == 0, .remove_extra = random() % 2 == 0, .suffix = random() % 4 == 0};
    bool const mapped = random() % 2 == 0;
    if (mapped) how.charsmap = map;
    vocabulary own;
    for (auto n = random() % 2 * (random() % 4); n > 0; --n)
      (void)own.add(user[random() % std::size(user)], token_kind::user_defined);
    auto const made = sentencepiece_normalizer::make(how, own).value();
    for (int k = 0; k < 60; ++k) {
      std::string text;
      std::size_t const used = 1 + random() % std::size(parts);
      for (auto n = random() % 12; n > 0; --n) text += parts[random() % used];
      auto const want = test::reference_normalize(
          how, mapped ? std::span<test::mapping const>(strings) : std::span<test::mapping const>(),
          test::user_defined(own), text);
      test::plain_text const plain(want.bytes);
      aligned_text out, spare;
      out.assign(text, k % 2 == 0);
      made.apply(out, spare);
      CAPTURE(text);
      bool good = out.bytes() == plain.bytes;
      for (std::size_t at = 0; good && out.aligned() && at < out.size();) { // offsets of single characters
        auto const size = normalize::character_length(out.bytes(), at);
        good = out.origin(at).begin == want.places[plain.places[at]] &&
               out.origin(at + size - 1).end == want.places[plain.places[at + size]];
        at += size;
      }
      if (!good) FAIL("round ", i);
      if (out.aligned() && !text.empty() && made.only_pads(text, true)) { // then offsets can be counted
        aligned_text counted, same;
        counted.clear(true);
        same.assign(text, true);
        if (made.pads_front()) counted.append(" ", {0, 0});
        counted.append(same, 0, same.size());
        auto const end = static_cast<std::uint32_t>(text.size());
        if (made.pads_back()) counted.append(" ", {end, end});
        CHECK(origins(counted) == origins(out));
      }
      if (made.leaves(text)) CHECK((++left, out.bytes() == text));
      CHECK((!made.only_pads(text, true) || made.only_pads(text, false)));
      if (made.only_pads(text, false) && !text.empty())
        CHECK((++padded, out.bytes() == (made.pads_front() ? " " : "") + text + (made.pads_back() ? " " : "")));
    }
  }
  CHECK(left > 5000);
  CHECK(padded > 5000);
}

TEST_CASE("sentencepiece normalizer: plain text is known to be left quickly, and nothing is allocated twice") {
  auto const map = test::charsmap_builder(strings).bytes();
  auto const made = sentencepiece_normalizer::make({.charsmap = map}, {}).value();
  CHECK(made.only_pads("a plain text, 語 я 😀 한 e", true));
  CHECK_FALSE(made.leaves("a plain text"));
  for (std::string_view const text : {" a", "a ", "a  b", "a\tb", "\u2581", "ﬁ", "e\xCC\x81"}) {
    CAPTURE(text);
    CHECK_FALSE(made.only_pads(text, false));
  }
  aligned_text out, spare;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "a  ﬁne ½\t";
  auto const run = [&] {
    out.assign(text, true);
    made.apply(out, spare);
  };
  run();
  run();
  auto const before = test::allocations();
  run();
  CHECK(test::allocations() == before);
}

} // namespace tokenizer_sentencepiece_normalizer_test
