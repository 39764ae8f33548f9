#include "support/allocations.hpp"
#include "support/data.hpp"
#include "tokenizer/charsmap_builder.hpp"
#include "tokenizer/goldens.hpp"

#include <loquat/tokenizer/normalize.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_normalize_test {

namespace normalize = loquat::normalize;
using loquat::aligned_text;
using loquat::errc;
using loquat::normalizer;
using loquat::owned_text;

namespace {

template <class... Steps> constexpr normalizer make(Steps... steps) { // an initializer list cannot be moved from
  std::vector<normalize::step> all;
  (all.push_back(normalize::step(std::move(steps))), ...);
  return normalizer::make(all).value();
}
constexpr aligned_text run(normalizer const& n, std::string_view text, bool aligned = true) {
  aligned_text out;
  normalizer::workspace work;
  out.assign(text, aligned);
  n.apply(out, work);
  return out;
}
bool gives(normalize::step const& step, std::string_view text, std::string_view expected) {
  auto const n = make(step);
  return run(n, text).bytes() == expected && run(n, text, false).bytes() == expected &&
         (text == expected || !n.leaves(text));
}
constexpr normalize::replace replaces(std::string_view what, std::string_view content) {
  return {{owned_text(what), false}, owned_text(content)};
}
constexpr normalize::replace matches(std::string_view what, std::string_view content) {
  return {{owned_text(what), true}, owned_text(content)};
}
std::string origins(aligned_text const& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    out += (i == 0 ? "" : " ") + std::to_string(text.origin(i).begin) + '-' + std::to_string(text.origin(i).end);
  return out;
}
std::string origins(normalize::step const& step, std::string_view text) { return origins(run(make(step), text)); }

/// What a step that needs no compilation makes of a text.
template <class Step> constexpr bool makes(Step const& step, std::string_view text, std::string_view expected) {
  aligned_text out, spare;
  loquat::normalize::form_workspace work;
  out.assign(text, true);
  if constexpr (requires { apply(step, out, spare, work); })
    apply(step, out, spare, work);
  else
    apply(step, out, spare);
  return out.bytes() == expected;
}
static_assert(makes(normalize::lowercase{}, "ÀB", "àb") && makes(normalize::strip_accents{}, "e\xCC\x81", "e"));
static_assert(makes(normalize::nmt{}, "a\tb\x01", "a b") && makes(normalize::byte_level{}, "é ", "Ã©Ġ"));
static_assert(makes(normalize::strip{}, " é ", "é") && makes(normalize::prepend{owned_text("▁")}, "é", "▁é"));
static_assert(makes(normalize::bert{}, "À\t語", "a  語 ") && leaves(normalize::bert{}, "plain text"));

// in constant expressions: all together, since each costs the compiler a second
static_assert(run(make(normalize::nfkd{}, normalize::bert{}, normalize::nmt{}, normalize::strip{}, matches("\\s+", " "),
                       replaces(" ", "▁"), normalize::prepend{owned_text("_")}),
                  "\tﬁ\xCC\x81 \n 語É ")
                  .bytes() == "_fi▁語▁e");
static_assert(make(normalize::nfc{}, normalize::lowercase{}, normalize::bert{}).leaves("just plain text."));

TEST_CASE("each step does what it does in the reference") {
  CHECK(gives(normalize::lowercase{}, "HeLLo İΣÀ WORLD [Z@`]", "hello i\xCC\x87σà world [z@`]"));
  CHECK(gives(normalize::nfc{}, "e\xCC\x81", "é"));
  CHECK(gives(normalize::nfkd{}, "ﬁé", "fie\xCC\x81"));
  CHECK(gives(normalize::strip_accents{}, "e\xCC\x81\xE0\xA4\x83x", "ex")); // all marks, but nothing composed
  CHECK(gives(normalize::strip_accents{}, "é", "é"));
  CHECK(gives(normalize::nmt{},
              "a\tb\x01"
              "c\xE2\x80\x8B"
              "d\xC2\x85\x7F",
              "a bc d\xC2\x85"));
  CHECK(gives(normalize::byte_level{}, "a é\n", "aĠÃ©Ċ"));
  CHECK(gives(normalize::strip{},
              " \n\xE3\x80\x80"
              "a b\xC2\xA0 ",
              "a b"));
  CHECK(gives(normalize::strip{true, false}, " a ", "a "));
  CHECK(gives(normalize::strip{false, true}, " a ", " a"));
  CHECK(gives(normalize::strip{}, " \xC2\x85", ""));
  CHECK(gives(normalize::strip{}, "\xE2\x80\x8B ", "\xE2\x80\x8B"));
  CHECK(gives(normalize::strip{}, " a \x80", "a \x80"));
  CHECK(gives(normalize::prepend{owned_text("▁")}, "x", "▁x"));
  CHECK(gives(normalize::prepend{owned_text("_")}, "", ""));
  CHECK(gives(replaces(" ", "▁"), "a  b ", "a▁▁b▁"));
  CHECK(gives(replaces("aa", ""), "aaab", "ab"));
  CHECK(gives(matches("\\s+", " "), "a \n\xE3\x80\x80 b c", "a b c"));
  CHECK(gives(matches(" {2,}", "▁"), "a b  c   d", "a b▁c▁d"));
  CHECK(gives(normalize::bert{}, "\tÀ 語B\x01\xC2\xAD\xEF\xBF\xBD\xC2\xA0Ж.", " a  語 b ж."));
  CHECK(gives(normalize::bert{true, true, false, {}}, "À 語B\x01", "À  語 B"));
  CHECK(gives(normalize::bert{false, false, true, false}, "À\t語", "à\t語"));
  CHECK(gives(normalize::bert{true, false, false, true}, "À\x0B\x0C\xC2\x85\n語",
              "A 語")); // U+000B goes, U+000A not
}

TEST_CASE("a text that needs nothing is left by all steps, and everything by none") {
  CHECK_FALSE(make(normalize::nfc{}, normalize::lowercase{}).leaves("Just"));
  CHECK(make().empty());
  CHECK(make().leaves("Ä"));
}

TEST_CASE("a lone surrogate, a cut character and other bad bytes stay, whatever the step") {
  std::string_view const bad = "\xED\xA0\x80z\xC3\xFFz\xF0\x9F\x98";
  for (normalize::step const& step : std::initializer_list<normalize::step>{
           normalize::nfc{}, normalize::nfd{}, normalize::nfkc{}, normalize::nfkd{}, normalize::lowercase{},
           normalize::strip_accents{}, normalize::nmt{}, normalize::strip{}, normalize::bert{}, replaces("x", "y")}) {
    CAPTURE(step.index());
    CHECK(run(make(step), bad).bytes() == bad);
    CHECK(run(make(step), std::string(bad) + "É").bytes().starts_with(bad));
  }
}

TEST_CASE("characters of Unicode 9.0 are stripped as such, of later versions are not") {
  CHECK(gives(normalize::strip_accents{}, "a\xE1\xB7\xBB", "a"));             // U+1DFB, 9.0
  CHECK(gives(normalize::strip_accents{}, "a\xE1\xB7\xB9", "a\xE1\xB7\xB9")); // U+1DF9, 10.0
  CHECK(gives(normalize::bert{}, "a\xE1\xB7\xBB", "a\xE1\xB7\xBB"));          // BERT's are of 8.0
  CHECK(gives(normalize::bert{}, "a\xE0\xA2\xE2", "a\xE0\xA2\xE2"));          // so U+08E2 is no format character
  CHECK(gives(normalize::bert{}, "a\xEE\x80\x80", "a"));                      // private use goes
  CHECK(gives(normalize::bert{}, "a\xEF\xBF\xBF", "a\xEF\xBF\xBF"));          // U+FFFF does not
}

TEST_CASE("origins are those of the reference") { // recorded from it
  CHECK(origins(normalize::lowercase{}, "AİB") == "0-1 1-3 1-3 1-3 3-4");
  CHECK(origins(normalize::lowercase{}, "Ⱥ\xE2\x84\xAA") == "0-2 0-2 0-2 2-5");
  CHECK(origins(normalize::prepend{owned_text("▁")}, "éx") == "0-2 0-2 0-2 0-2 0-2 2-3");
  CHECK(origins(normalize::strip{}, " é ") == "1-3 1-3");
  CHECK(origins(replaces("bc", "X"), "abcd") == "0-1 2-3 3-4"); // the last character that is replaced
  CHECK(origins(matches("[0-9]+", "<n>"), "a12b") == "0-1 2-3 2-3 2-3 3-4");
  CHECK(origins(normalize::byte_level{}, "é ") == "0-2 0-2 0-2 0-2 2-3 2-3");
  CHECK(origins(normalize::bert{}, "x語\x01É") == "0-1 1-4 1-4 1-4 1-4 1-4 5-7");
  CHECK(origins(normalize::nmt{}, "\x01\xE2\x80\x8Bx") == "1-4 4-5");
  CHECK(origins(run(make(normalize::nfd{}, normalize::strip_accents{}, normalize::lowercase{}, matches("[0-9]+", "<n>"),
                         normalize::prepend{owned_text("_")}),
                    "É7")) == "0-2 0-2 2-3 2-3 2-3");
}

TEST_CASE("the empty text is found between all characters") {
  CHECK(run(make(replaces("", "-")), "aé").bytes() == "-a-é-");
}

TEST_CASE("runs are replaced as by the regular expression") {
  std::mt19937 random(3);
  std::string_view const parts[]{" ", " ", "\t",   "\n",      "\xC2\xA0", "\xE3\x80\x80", "\xE2\x80\x8B",
                                 "a", "é", "\xFF", "\xE3\x80"};
  for (auto const& [quick, slow] : {std::pair("\\s+", "(?:\\s+)"), std::pair(" {2,}", "(?: {2,})"),
                                    std::pair("a+", "(?:a+)"), std::pair("\\s{3,}", "(?:\\s{3,})")}) {
    for (std::string_view const content : {" ", "", "▁"}) {
      auto const a = make(matches(quick, content)), b = make(matches(slow, content));
      for (int i = 0; i < 500; ++i) {
        std::string text;
        for (auto n = random() % 20; n > 0; --n) text += parts[random() % std::size(parts)];
        auto const x = run(a, text), y = run(b, text);
        CAPTURE(quick);
        CAPTURE(text);
        CHECK(x.bytes() == y.bytes());
        CHECK(origins(x) == origins(y));
      }
    }
  }
}

TEST_CASE("a text that is said to stay stays, and origins change no bytes") {
  constexpr test::mapping strings[]{{"ﬁ", "fi"}, {"\t", " "}, {"e\xCC\x81", "é"}};
  auto const map = test::charsmap_builder(strings).bytes();
  std::vector<normalize::step> const steps{normalize::nfc{},           normalize::nfd{},
                                           normalize::nfkc{},          normalize::nfkd{},
                                           normalize::lowercase{},     normalize::strip_accents{},
                                           normalize::nmt{},           normalize::byte_level{},
                                           normalize::strip{},         normalize::prepend{owned_text("_")},
                                           normalize::bert{},          normalize::bert{true, true, false, {}},
                                           replaces(" ", "▁"),         matches("[a-c]+", "<>"),
                                           normalize::precompiled{map}};
  std::vector<normalizer> made;
  for (auto const& s : steps) made.push_back(make(s));
  std::mt19937 random(4);
  std::string_view const parts[]{"a",
                                 "Z",
                                 " ",
                                 "\t",
                                 "é",
                                 "e\xCC\x81",
                                 "\xCC\xA3",
                                 "語",
                                 "Ж",
                                 "ж",
                                 "ﬁ",
                                 "한",
                                 "\xE1\x85\xA1",
                                 "\xFF",
                                 "\xE2\x80",
                                 "İ",
                                 "\xC2\xAD",
                                 "plain ASCII of more than thirty-two bytes",
                                 "\r\n"};
  normalizer::workspace work;
  aligned_text x, y;
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (auto n = random() % 8; n > 0; --n) text += parts[random() % std::size(parts)];
    for (auto const& n : made) {
      x.assign(text, true, 7);
      y.assign(text, false);
      n.apply(x, work);
      n.apply(y, work);
      CAPTURE(text);
      CHECK(x.bytes() == y.bytes());
      if (n.leaves(text)) CHECK(x.bytes() == text);
      for (std::size_t b = 0; b < x.size(); ++b) {
        CHECK(x.origin(b).begin >= 7);
        CHECK(x.origin(b).end <= 7 + text.size());
        CHECK(x.origin(b).begin < x.origin(b).end);
      }
    }
  }
}

TEST_CASE("buffers that have grown are not allocated again") {
  auto const n = make(normalize::nfd{}, normalize::bert{}, normalize::nfkc{}, matches("\\s+", " "), replaces("a", "bb"),
                      normalize::prepend{owned_text("_")}, normalize::strip{});
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Été 語\xCC\xA3\xCC\x81 ﬁn ";
  normalizer::workspace work;
  aligned_text out;
  for (int i = 0; i < 4; ++i) {
    out.assign(text, true);
    n.apply(out, work);
  }
  auto const before = test::allocations();
  out.assign(text, true);
  n.apply(out, work);
  CHECK(test::allocations() == before);
}

TEST_CASE("what cannot be compiled is an error that names the step") {
  auto const error = [](normalize::step step) {
    std::vector<normalize::step> const steps{normalize::nfc{}, std::move(step)};
    auto const made = normalizer::make(steps);
    REQUIRE_FALSE(made);
    return made.error();
  };
  CHECK(std::string(error(matches("(", "")).message()).starts_with("normalizer 1: replace: "));
  auto const map = error(normalize::precompiled{{'a'}});
  CHECK(map.message() == "normalizer 1: charsmap: 1 bytes, expected 4 or more");
  CHECK(map.code() == errc::malformed);
  CHECK(error(normalize::sentencepiece{{'a'}}).message() == "normalizer 1: charsmap: 1 bytes, expected 4 or more");
}

/// Byte-level tokenizers decode to the normalized text.
void check_decoded(std::string const& name, normalizer const& n) {
  auto const cases = test::data("tokenizers/" + name + "/cases.jsonl"), inputs = test::data("tokenizers/corpus.jsonl");
  if (!cases || !inputs) return;
  auto const corpus = test::read_corpus(*inputs);
  int rows = 0;
  test::for_each_line(test::read(*cases), [&](loquat::json::value row) {
    if (row["mode"] || row["ref"]) return;
    std::string const id(row["case"].as_string().value());
    auto const known = corpus.texts.find(id);
    if (known == corpus.texts.end() || corpus.categories.at(id) == "newuni") return; // lower case of Unicode 16
    auto const out = run(n, known->second);
    auto const decoded = row["decoded"];
    CAPTURE(id);
    if (!decoded)
      CHECK(out.bytes() == known->second);
    else if (auto const text = decoded.as_string())
      CHECK(out.bytes() == *text);
    else if (auto const hash = decoded["fnv1a64"])
      CHECK(test::fnv1a64(out.bytes()) == std::strtoull(std::string(hash.as_string().value()).c_str(), nullptr, 16));
    else
      return;
    ++rows;
  });
  CHECK(rows > 400);
}

TEST_CASE("texts are normalized as gpt-neox-20b and a chain of five steps want it") {
  check_decoded("gpt-neox-20b", make(normalize::nfc{}));
  check_decoded("syn-norm-chain", make(normalize::nfd{}, normalize::strip_accents{}, normalize::lowercase{},
                                       matches("[0-9]+", "<n>"), normalize::prepend{owned_text("_")}));
}

} // namespace

TEST_CASE("texts whose bytes are in their places have the origins of texts with a list of them") {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    aligned_text quick, listed, other;
    other.assign(round % 2 == 0 ? "other" : "\u00F6ther", true, 100);
    std::string const bytes("plain ASCII of a length", random() % 24);
    quick.assign(bytes, true, 7);
    listed.clear(true);
    for (std::uint32_t i = 0; i < bytes.size(); ++i) listed.append(bytes.substr(i, 1), {7 + i, 8 + i});
    for (auto n = random() % 4; n > 0; --n) {
      auto const size = quick.size(), begin = random() % (size + 1), end = begin + random() % (size - begin + 1);
      auto const what = random() % 5;
      for (auto* const text : {&quick, &listed}) {
        if (what == 0) text->append("x", {1, 2});
        if (what == 1) text->append(other, 1, 4);
        if (what == 2) text->keep(begin, end);
        if (what == 3 && begin < size) text->set_origin(begin, {3, 9});
        if (what == 4) {
          aligned_text part;
          part.clear(true);
          part.append(*text, begin, end);
          text->swap(part);
        }
      }
    }
    CHECK(quick.bytes() == listed.bytes());
    for (std::size_t i = 0; i < quick.size(); ++i) CHECK(quick.origin(i) == listed.origin(i));
  }
}

TEST_CASE("kinds of bytes are found among eight at a time as one by one") {
  auto const check = []<class Kind>(Kind, auto const& holds) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string text(20, 'a');
      text[13] = static_cast<char>(byte);
      CHECK(normalize::find_near_byte<Kind>(text, 0) == (byte >= 0x80 || holds(byte) ? 13u : 20u));
    }
  };
  check(normalize::bytes::blank{}, [](unsigned c) { return c <= ' ' || c == 0x7F; });
  check(normalize::bytes::no_letter{},
        [](unsigned c) { return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')); });
}

} // namespace tokenizer_normalize_test
