#include "support/allocations.hpp"
#include "tokenizer/reference.hpp"
#include "tokenizer/toy.hpp"

#include <loquat/tokenizer/sentencepiece_bpe.hpp>
#include <loquat/tokenizer/text.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

using loquat::token, loquat::token_kind, loquat::sentencepiece_bpe;
using ids = std::vector<token>;

static_assert(loquat::Tokenizer<sentencepiece_bpe>);

namespace {

constexpr loquat::encode_options plain{.add_special = false};

sentencepiece_bpe made(test::toy_vocabulary const& v) { return sentencepiece_bpe::make(v.spec()).value(); }

constexpr bool encodes_at_compile_time() {
  auto const v = test::toy();
  auto const made = sentencepiece_bpe::make(v.spec());
  if (!made) return false;
  auto const tokenizer = *made;
  constexpr std::string_view text = "hello world  <tab>aaaaé日本x";
  auto const encoded = loquat::encode(tokenizer, text);
  std::vector<char> decoded;
  loquat::decode_into(tokenizer, encoded, decoded);
  return std::string_view(decoded.data(), decoded.size()) == text && encoded.size() == 9 && encoded[0] == 1 &&
         tokenizer.piece(encoded[1]) == " hello" && tokenizer.piece(encoded[2]) == " world" &&
         tokenizer.piece(encoded[3]) == "  " && tokenizer.piece(encoded[4]) == "<tab>" &&
         tokenizer.piece(encoded[5]) == "aaaa" && tokenizer.piece(encoded[7]) == "日本" &&
         tokenizer.kind(encoded[8]) == token_kind::byte;
}
static_assert(encodes_at_compile_time());

constexpr bool fits_a_span_at_compile_time() {
  auto const v = test::toy();
  auto const tokenizer = sentencepiece_bpe::make(v.spec());
  std::array<token, 3> room{};
  auto const fits = loquat::encode_into(*tokenizer, "hello world", room);
  auto const does_not = loquat::encode_into(*tokenizer, "hello world", std::span(room).first(2));
  return *fits == 3 && room[2] == 269 && does_not.error().code() == loquat::errc::capacity;
}
static_assert(fits_a_span_at_compile_time());

/// A vocabulary of random pieces over few letters, so that merges overlap and compete.
struct random_vocabulary {
  std::vector<std::string> names;
  test::toy_vocabulary v;
};
random_vocabulary make_random(std::mt19937& random) {
  random_vocabulary out;
  std::vector<std::string> const letters{"a", "b", "c", "\u2581", "é", "日"};
  std::size_t const n = 5 + random() % 60;
  for (std::size_t i = 0; i < n; ++i) {
    std::string name;
    for (std::size_t k = 1 + random() % (1 + random() % 6); k > 0; --k) name += letters[random() % (2 + random() % 5)];
    out.names.push_back(name);
  }
  out.v.add_marks();
  if (random() % 2) out.v.add_bytes();
  bool const with_unused = random() % 4 == 0, with_user_defined = random() % 3 == 0;
  for (auto const& name : out.names) {
    auto kind = token_kind::normal;
    if (with_unused && random() % 8 == 0) kind = token_kind::unused;
    if (with_user_defined && random() % 10 == 0) kind = token_kind::user_defined;
    out.v.add(name, -static_cast<float>(random() % (1 + random() % 50)), kind);
  }
  return out;
}
std::string random_text(std::mt19937& random, std::size_t length) {
  std::vector<std::string> const letters{"a", "b", "c", " ", "é", "日", "\u2581", "x", "\xFF", "ü"};
  std::size_t const used = 1 + random() % letters.size();
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += letters[random() % used];
  return text;
}

} // namespace

TEST_CASE("sentencepiece: random vocabularies encode as the obvious algorithm does") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    auto const vocabulary = make_random(random);
    auto spec = vocabulary.v.spec();
    spec.add_space_prefix = random() % 2;
    spec.remove_extra_whitespaces = random() % 3 == 0;
    auto const tokenizer = sentencepiece_bpe::make(spec).value();
    for (int i = 0; i < 6; ++i) {
      auto const text = random_text(random, i == 5 && round % 20 == 0 ? 300 + random() % 300 : random() % 30);
      if (loquat::encode(tokenizer, text, plain) == test::reference_encode(spec, text)) continue;
      FAIL("round ", round, ", text ", text);
    }
  }
}

TEST_CASE("sentencepiece: stretches longer than the buffer encode alike") {
  test::toy_vocabulary v;
  v.add_marks();
  for (auto const piece : {"a", "aa", "aaaa", "aaaaaaaa", "é", "éé", "ééé"})
    v.add(piece, -static_cast<float>(v.pieces.size()));
  auto const tokenizer = made(v);
  for (std::string const letter : {"a", "é"})
    for (std::size_t n : {255u, 256u, 257u, 258u, 511u, 1023u, 1024u, 1025u, 1500u}) {
      std::string text;
      for (std::size_t i = 0; i < n; ++i) text += letter;
      CHECK(loquat::encode(tokenizer, text, plain) == test::reference_encode(v.spec(), text));
    }
}

TEST_CASE("sentencepiece: the time for a text without a cut is near linear") {
  auto const tokenizer = made(test::toy());
  CHECK(loquat::encode(tokenizer, std::string(1'000'000, 'a'), plain).size() == 250'002); // quadratic: minutes
}

TEST_CASE("sentencepiece: encoding into a span allocates nothing while stretches are short") {
  auto const tokenizer = made(test::toy());
  std::string text = "<s>hello \xFF worlds 日本x<tab><tab>";
  text += std::string(255, 'a') + " hello" + std::string(100, 'x');
  std::vector<token> room(1000);
  auto const before = test::allocations();
  auto const n = loquat::encode_into(tokenizer, text, room, {.parse_special = true});
  auto const used = test::allocations() - before;
  CHECK(n.value() > 100);
  CHECK(used == 0);
}

TEST_CASE("sentencepiece: begin and end tokens are added when asked for") {
  auto const v = test::toy();
  auto spec = v.spec();
  auto const encode = [&](std::string_view text, loquat::encode_options options = {}) {
    return loquat::encode(sentencepiece_bpe::make(spec).value(), text, options);
  };
  CHECK(encode("") == ids{1});
  CHECK(encode("hello") == ids{1, 265});
  CHECK(encode("hello", plain) == ids{265});
  CHECK(encode("", plain).empty());
  spec.add_end = true;
  CHECK(encode("hello") == ids{1, 265, 2});
  spec.add_begin = false;
  CHECK(encode("") == ids{2});
  spec.end = loquat::no_token;
  CHECK(encode("hello") == ids{265});
}

TEST_CASE("sentencepiece: a finished cursor stays finished, and a copy goes on by itself") {
  auto const tokenizer = made(test::toy());
  auto cursor = tokenizer.start("hello é日x world");
  ids first, second;
  for (int i = 0; i < 4; ++i) first.push_back(cursor.next());
  second = first;
  auto copy = cursor;
  for (token id = cursor.next(); id != loquat::no_token; id = cursor.next()) first.push_back(id);
  for (token id = copy.next(); id != loquat::no_token; id = copy.next()) second.push_back(id);
  CHECK(first == second);
  CHECK(first == loquat::encode(tokenizer, "hello é日x world"));
  CHECK(cursor.next() == loquat::no_token);
  CHECK(cursor.next() == loquat::no_token);
}

TEST_CASE("sentencepiece: control tokens are text unless they are parsed") {
  auto const tokenizer = made(test::toy());
  auto const text = loquat::encode(tokenizer, "<s>hello</s>", plain);
  CHECK(std::count(text.begin(), text.end(), 1) == 0);
  CHECK(loquat::decode(tokenizer, text) == "<s>hello</s>");
  loquat::encode_options const parse{.add_special = false, .parse_special = true};
  CHECK(loquat::encode(tokenizer, "<s>hello</s>", parse) == ids{1, 265, 2}); // each stretch has its space in front
  CHECK(loquat::encode(tokenizer, "<s><s></s>", parse) == ids{1, 1, 2});
  CHECK(loquat::encode(tokenizer, "<unk>", parse) == ids{0});
  CHECK(loquat::encode(tokenizer, "hello<s", parse) == loquat::encode(tokenizer, "hello<s", plain));
}

TEST_CASE("sentencepiece: the longest of control tokens wins") {
  test::toy_vocabulary v;
  v.add_marks();
  v.add("<s>", 0, token_kind::control); // the first of two equal ones is used
  v.add("<s>x", 0, token_kind::control);
  auto const tokenizer = made(v);
  loquat::encode_options const parse{.add_special = false, .parse_special = true};
  CHECK(loquat::encode(tokenizer, "<s><s>x", parse) == ids{1, 4});
}

TEST_CASE("sentencepiece: characters without a piece become bytes, or one unknown token in a row") {
  auto v = test::toy();
  CHECK(loquat::encode(made(v), "x", plain) == ids{277, 3 + 'x'});
  test::toy_vocabulary few;
  few.add_marks();
  few.add("a");
  few.add("\u2581");
  CHECK(loquat::encode(made(few), "xyaz é", plain) == ids{4, 0, 3, 0, 4, 0});
  CHECK(loquat::decode(made(few), ids{4, 3, 0}) == "a \u2047 ");
}

TEST_CASE("sentencepiece: a byte that is no UTF-8 becomes U+FFFD, or stays") {
  auto const tokenizer = made(test::toy());
  loquat::encode_options const keep{.add_special = false, .invalid = loquat::invalid_utf8::bytes};
  CHECK(loquat::decode(tokenizer, loquat::encode(tokenizer, "h\xFF\xE4\xB8h", plain)) == "h\uFFFD\uFFFD\uFFFDh");
  auto const bytes = loquat::encode(tokenizer, "h\xFF\xE4\xB8h", keep);
  CHECK(loquat::decode(tokenizer, bytes, {.invalid = loquat::invalid_utf8::bytes}) == "h\xFF\xE4\xB8h");
  CHECK(loquat::decode(tokenizer, bytes) == "h\uFFFD\uFFFD\uFFFDh");
}

TEST_CASE("sentencepiece: pieces, kinds and roles") {
  auto const tokenizer = made(test::toy());
  CHECK(tokenizer.piece(1) == "<s>");
  CHECK(tokenizer.is_special(1));
  CHECK(tokenizer.is_special(2));
  CHECK(tokenizer.piece(0) == " \u2047 ");
  CHECK_FALSE(tokenizer.is_special(0));
  CHECK(tokenizer.kind(0) == token_kind::unknown);
  CHECK(tokenizer.piece(3 + 10) == "\n");
  CHECK(tokenizer.piece(3) == std::string_view("\0", 1));
  CHECK(tokenizer.kind(3) == token_kind::byte);
  CHECK(tokenizer.piece(265) == " hello");
  CHECK(tokenizer.find(" hello") == 265);
  CHECK(tokenizer.find("</s>") == 2);
  CHECK(tokenizer.find("nowhere") == loquat::no_token);
  for (token const id : {-1, 289, std::numeric_limits<token>::max(), std::numeric_limits<token>::min()}) {
    CHECK(tokenizer.piece(id).empty());
    CHECK_FALSE(tokenizer.is_special(id));
    CHECK(tokenizer.kind(id) == token_kind::undefined);
  }
  CHECK(tokenizer.size() == 289);
}

TEST_CASE("sentencepiece: decoding a text drops the space in front, a continuation keeps it") {
  auto const v = test::toy();
  auto const tokenizer = made(v);
  CHECK(loquat::decode(tokenizer, ids{1, 265, 269, 2}) == "hello world");
  CHECK(loquat::decode(tokenizer, ids{1, 265, 2}, {.skip_special = false}) == "<s> hello</s>");
  CHECK(loquat::decode(tokenizer, ids{265}, {.starts_text = false}) == " hello");
  CHECK(loquat::decode(tokenizer, ids{-5, 1'000'000, 265}) == "hello");
  CHECK(loquat::decode(tokenizer, ids{}).empty());
  auto spec = v.spec();
  spec.add_space_prefix = false;
  CHECK(loquat::decode(sentencepiece_bpe::make(spec).value(), ids{265}) == " hello");
}

TEST_CASE("sentencepiece: of equal pieces the first is used, odd ones are never made") {
  test::toy_vocabulary v;
  v.add_marks();
  auto const a = v.add("a"), b = v.add("b"), ab = v.add("ab", -1);
  v.add("a");
  v.add("ab", 5);
  v.add("");
  v.add("a b", 9);   // normalised text has no 0x20
  v.add("a\xFF", 9); // no UTF-8
  v.add("zz", 9);    // made of what is no piece itself
  auto const tokenizer = made(v);
  CHECK(loquat::encode(tokenizer, "abba", plain) == ids{0, ab, b, a});
  CHECK(loquat::encode(tokenizer, "zz", plain).back() == 11);
  CHECK(loquat::encode(tokenizer, "a b", plain) == ids{0, a, 0, b});
  CHECK(tokenizer.piece(9) == "a b");
}

TEST_CASE("sentencepiece: vocabularies that contradict themselves are errors that name the token") {
  auto const refused = [](auto const& change, loquat::errc code, std::string_view part) {
    auto v = test::toy();
    auto spec = v.spec();
    change(v, spec);
    auto const tokenizer = sentencepiece_bpe::make(spec);
    REQUIRE_FALSE(tokenizer);
    INFO(std::string(tokenizer.error().message()));
    CHECK(tokenizer.error().code() == code);
    CHECK(tokenizer.error().message().find(part) != std::string_view::npos);
  };
  using loquat::errc;
  refused([](auto&, auto& s) { s.scores = s.scores.first(7); }, errc::mismatch, "289 pieces");
  refused([](auto&, auto& s) { s.kinds = s.kinds.first(0); }, errc::mismatch, "0 kinds");
  for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()})
    refused([&](auto& v, auto&) { v.scores[270] = bad; }, errc::malformed, "score of token 270");
  for (auto const name : {"<0x-1>", "<0xZZ>", "<0x100>", "<0x1>", "", "<0x0A", "0x0A", "<0X0A>", "<0x0A>>"})
    refused([&](auto& v, auto&) { v.pieces[13] = name; }, errc::malformed, "byte token 13");
  for (token const bad : {289, -2, std::numeric_limits<token>::max()}) {
    refused([&](auto&, auto& s) { s.begin = bad; }, errc::malformed, "begin token");
    refused([&](auto&, auto& s) { s.end = bad; }, errc::malformed, "end token");
    refused([&](auto&, auto& s) { s.unknown = bad; }, errc::malformed, "unknown token");
  }
  refused([](auto&, auto& s) { s = {}; }, errc::malformed, "found 0 byte tokens");
  test::toy_vocabulary v;
  v.add("a");
  auto spec = v.spec();
  spec.begin = spec.end = spec.unknown = loquat::no_token;
  CHECK_FALSE(sentencepiece_bpe::make(spec));
  v.add("<0x0a>", 0, token_kind::byte);
  spec = v.spec();
  spec.begin = spec.end = spec.unknown = loquat::no_token;
  CHECK_FALSE(sentencepiece_bpe::make(spec)); // one byte is not enough
}

TEST_CASE("sentencepiece: a space in a user-defined piece counts as one only in GGUF's writing") {
  test::toy_vocabulary v;
  v.add_marks();
  v.add("a");
  v.add("\u2581");
  v.add("  ", 0, token_kind::user_defined);
  auto spec = v.spec();
  spec.add_space_prefix = false;
  CHECK(loquat::encode(sentencepiece_bpe::make(spec).value(), "a   a", plain) == ids{3, 4, 4, 4, 3});
  spec.plain_spaces = true;
  CHECK(loquat::encode(sentencepiece_bpe::make(spec).value(), "a   a", plain) == ids{3, 5, 4, 3});
}
