#include "support/allocations.hpp"
#include "support/data.hpp"
#include "tokenizer/pipeline_fuzz.hpp"
#include "tokenizer/toy_definitions.hpp"

#include <loquat/generate/decode.hpp>
#include <loquat/generate/encode.hpp>
#include <loquat/parallel/pool.hpp>
#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/text.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tokenizer_pipeline_test {

using namespace loquat;

using id_list = std::vector<token>;

static_assert(Tokenizer<tokenizer>);

namespace {

constexpr encode_options plain{.add_special = false};
constexpr encode_options parsed{.add_special = false, .special = special_text::parse};

/// Whether a text becomes these ids, and they become `back` again.
constexpr bool holds(tokenizer_definition definition, std::string_view text, id_list const& want, std::string_view back,
                     encode_options options = plain) {
  auto const made = tokenizer::make(std::move(definition));
  if (!made) return false;
  tokenizer::workspace room;
  auto const have = made->encode(text, room, options);
  if (!std::ranges::equal(have, want) || made->count(text, room, options) != want.size()) return false;
  std::vector<char> decoded;
  made->decode(want, decoded);
  return std::string_view(decoded.data(), decoded.size()) == back;
}
static_assert(holds(test::toy_bpe(), "hello world", {259, 264}, "hello world"));
static_assert(holds(test::toy_bpe(), "held", {256, 262}, "held"));
static_assert(holds(test::toy_ranked(), "hello world", {259, 264}, "hello world"));
static_assert(holds(test::toy_sentencepiece(), "hello world", {1, 265, 269}, "hello world", {}));
static_assert(holds(test::toy_characters(), "ab c", {1, 2, 3, 1, 0}, "ab  \u2047 "));
static_assert(holds(test::toy_wordpiece(), "Unaffable, Caf\u00E9", {1, 3, 4, 5, 7, 8, 2}, "unaffable, cafe", {}));
static_assert(holds(test::toy_unigram(), "aa b", {3, 2, 1, 5}, "aa b"));
static_assert(holds(test::toy_words(), "one two six", {1, 2, 0}, "one two <unk>"));
static_assert(holds(test::toy_longest(), "abcab\xFF", {257, 256, 255}, "abcab\uFFFD",
                    {.add_special = false, .invalid = invalid_utf8::bytes}));

tokenizer made(tokenizer_definition definition) { return tokenizer::make(std::move(definition)).value(); }

} // namespace

TEST_CASE("tokenizer: special tokens are text, tokens, or refused") {
  auto const tok = made(test::toy_bpe());
  CHECK(tok.find("<|end|>") == 265);
  CHECK(tok.is_special(265));
  CHECK(tok.size() == 266);
  std::string const text = "hello<|end|>";
  CHECK(encode(tok, text, parsed) == id_list{259, 265});
  CHECK(encode(tok, text, plain) == id_list{259, '<', '|', 'e', 'n', 'd', '|', '>'});
  encode_options const strict{.special = special_text::error};
  auto const found = tok.refuses(text, strict);
  REQUIRE(found);
  CHECK(found->begin == 5);
  CHECK_FALSE(tok.refuses("hello", strict));
  CHECK_FALSE(tok.refuses(text, plain));
  tokenizer::workspace room;
  auto const refused = tokenize(tok, text, room, {.text = strict});
  REQUIRE_FALSE(refused);
  CHECK(std::string(refused.error().message()) == "the text has a special token at byte 5: <|end|>");
  std::array<token, 20> span{};
  CHECK_FALSE(encode_into(tok, text, span, strict));
  CHECK(decode(tok, id_list{259, 265}) == "hello");
  CHECK(decode(tok, id_list{259, 265}, {.skip_special = false}) == text);
}

TEST_CASE("tokenizer: ids of added tokens are those of their pieces, or the next free ones") {
  auto d = test::toy_words();
  d.added.push_back({.content = std::string_view("two")});
  d.added.push_back({.content = std::string_view("six")});
  d.added.push_back({.content = std::string_view("six")});
  d.added.push_back({.content = std::string_view("ten"), .id = 9});
  auto const tok = made(std::move(d));
  CHECK(tok.find("two") == 2);
  CHECK(tok.find("six") == 3);
  CHECK(tok.find("ten") == 9);
  CHECK(tok.find("one") == 1);
  CHECK(tok.find("none") == no_token);
  CHECK(tok.size() == 10);
  CHECK(tok.name(3) == "six");
  CHECK(tok.name(1) == "one");
  CHECK(tok.piece(7).empty());
  CHECK(encode(tok, "one sixten two", plain) == id_list{1, 3, 9, 2});
  auto far = test::toy_words();
  far.added.push_back({.content = std::string_view("x"), .id = 1'000'000'000});
  auto const wrong = tokenizer::make(std::move(far));
  REQUIRE_FALSE(wrong);
  CHECK(std::string(wrong.error().message()) == "tokenizer: added token x: its id is 1000000000");
}

TEST_CASE("tokenizer: added tokens that overlap are all there") {
  for (bool const normalized : {false, true}) {
    CAPTURE(normalized);
    auto d = test::toy_words();
    d.added.push_back({.content = std::string_view(" "), .id = 8, .strip_right = true, .normalized = normalized});
    auto const tok = tokenizer::make(d).value();
    tokenizer::workspace room;
    auto const e = tokenize(tok, "one   two", room).value();
    CHECK(e.ids == id_list{tok.find("one"), 8, 8, 8, tok.find("two")});
    for (auto const [begin, end] : e.offsets) CHECK(begin <= end);
    CHECK(e.offsets[2].begin == 4);
    CHECK(e.offsets[3].end == 6);
  }
}

TEST_CASE("tokenizer: added tokens that are normalized are found in normalized text") {
  auto d = test::toy_wordpiece();
  d.added.push_back({.content = std::string_view("CAF\u00C9"), .normalized = true});
  d.added.push_back({.content = std::string_view("UN")});
  auto const tok = made(std::move(d));
  CHECK(encode(tok, "a cafe\u0301 UN un", plain) == id_list{6, 9, 10, 3});
  CHECK(decode(tok, id_list{9}) == "cafe");
}

TEST_CASE("tokenizer: a byte that is no UTF-8 becomes U+FFFD or stays") {
  auto const tok = made(test::toy_bpe());
  CHECK(encode(tok, "\xFFhello", plain) == id_list{0xEF, 0xBF, 0xBD, 259});
  encode_options const raw{.add_special = false, .invalid = invalid_utf8::bytes};
  CHECK(encode(tok, "\xFFhello", raw) == id_list{0xFF, 259});
  CHECK(decode(tok, id_list{0xFF, 259}, {.invalid = invalid_utf8::bytes}) == "\xFFhello");
  CHECK(decode(tok, id_list{0xE2, 0x82, 259}) == "\uFFFDhello"); // the start of a character is one
  tokenizer::workspace room;
  auto const e = tokenize(tok, "\xFFhello", room, {.text = plain}).value();
  CHECK(e.offsets == std::vector<byte_range>{{0, 1}, {0, 1}, {0, 1}, {1, 6}});
  auto const sp = made(test::toy_sentencepiece());
  CHECK(encode(sp, "a\xE6", raw) == id_list{259, 3 + 0xE6});
  CHECK(decode(sp, id_list{3 + 0xE2, 3 + 0x82}) == "\uFFFD\uFFFD"); // SentencePiece: every byte is one
}

TEST_CASE("tokenizer: offsets of parts of a character are all of it, or their bytes") {
  auto const tok = made(test::toy_bpe());
  tokenizer::workspace room;
  for (int round = 0; round < 2; ++round) { // the second time from the cache
    auto const whole = tokenize(tok, "h\u00E9", room, {.text = plain}).value();
    CHECK(whole.offsets == std::vector<byte_range>{{0, 1}, {1, 3}, {1, 3}});
    auto const parts = tokenize(tok, "h\u00E9", room, {.text = plain, .offsets = offset_rule::bytes}).value();
    CHECK(parts.offsets == std::vector<byte_range>{{0, 1}, {1, 2}, {2, 3}});
  }
}

TEST_CASE("tokenizer: decoding a text drops the space in front, a continuation keeps it") {
  auto const tok = made(test::toy_sentencepiece());
  CHECK(tok.adds_space());
  CHECK(decode(tok, id_list{265, 269}) == "hello world");
  CHECK(decode(tok, id_list{265, 269}, {.starts_text = false}) == " hello world");
  CHECK(tok.begin_token() == 1);
  CHECK(tok.end_token() == no_token);
  CHECK(tok.unknown_token() == 0);
}

TEST_CASE("tokenizer: pairs, templates and truncation") {
  auto const tok = made(test::toy_wordpiece());
  tokenizer::workspace room;
  auto const e = tokenize_pair(tok, "unaffable a", "a, a", room, {.truncation = truncation{.max_length = 8}}).value();
  CHECK(e.ids == id_list{1, 3, 4, 5, 2, 6, 7, 2});
  CHECK(e.type_ids == std::vector<std::uint32_t>{0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(e.special == std::vector<std::uint8_t>{1, 0, 0, 0, 1, 0, 0, 1});
  CHECK(e.offsets[2] == byte_range{2, 5});
  CHECK(e.overflow.size() > 0);
  auto const none = tokenize(tok, "a", room, {.truncation = truncation{.max_length = 1}});
  CHECK_FALSE(none);
  auto const padded = tokenize(tok, "a", room, {.padding = padding{.length = 5, .id = 7}}).value();
  CHECK(padded.ids == id_list{1, 6, 2, 7, 7});
}

TEST_CASE("tokenizer: stopping when truncation is full gives the same text") {
  auto const tok = made(test::toy_wordpiece());
  tokenizer::workspace room;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "unaffable, ";
  auto options = encoding_options{.truncation = truncation{.max_length = 16, .stride = 2}};
  auto const all = tokenize(tok, text, room, options).value();
  options.stop_when_full = true;
  auto const some = tokenize(tok, text, room, options).value();
  CHECK(all.ids == some.ids);
  CHECK(all.overflow.size() > 20);
  CHECK(some.overflow.size() <= 1);
}

TEST_CASE("tokenizer: a workspace serves one tokenizer after another") {
  auto const a = made(test::toy_bpe()), b = made(test::toy_longest());
  tokenizer::workspace room;
  for (int round = 0; round < 3; ++round) {
    CHECK(std::ranges::equal(a.encode("hello ab", room), id_list{259, ' ', 'a', 'b'}));
    CHECK(std::ranges::equal(b.encode("ab", room), id_list{256}));
    auto const copy = a;
    CHECK(std::ranges::equal(copy.encode("hello ab", room), id_list{259, ' ', 'a', 'b'}));
  }
}

TEST_CASE("tokenizer: a copied cursor goes on by itself") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "hello \xFF w\u00F6rld, Unaffable [SEP] one ";
  for (auto make : {test::toy_bpe, test::toy_sentencepiece, test::toy_wordpiece, test::toy_unigram, test::toy_words}) {
    auto const tok = made(make());
    auto const all = encode(tok, text, parsed);
    for (std::size_t const taken : {std::size_t{1}, all.size() / 2, all.size() - 1}) {
      id_list rest;
      auto const copied = [&] {
        auto cursor = tok.start(text, parsed);
        for (std::size_t i = 0; i < taken; ++i) cursor.next();
        auto copy = cursor;
        while (cursor.next() != no_token) {
        }
        return copy;
      };
      auto copy = copied();
      for (token id = copy.next(); id != no_token; id = copy.next()) rest.push_back(id);
      CHECK(std::ranges::equal(rest, std::span(all).subspan(taken)));
    }
  }
}

TEST_CASE("tokenizer: lazy ranges of ids and of text") {
  auto const tok = made(test::toy_sentencepiece());
  std::string back;
  for (auto const piece : "hello <tab>w\u00E9" | encode(tok) | decode(tok, {.starts_text = true})) back += piece;
  CHECK(back == "hello <tab>w\u00E9");
}

TEST_CASE("tokenizer: batches have the ids of single texts, on any number of threads") {
  auto const tok = made(test::toy_bpe());
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back(std::string(static_cast<std::size_t>(i % 17), 'h') + "ello world");
  auto const ends = made(test::toy_wordpiece());
  for (unsigned const threads : {1u, 3u}) {
    pool const workers(threads);
    auto const batch = encode_batch(tok, texts, workers);
    for (std::size_t i = 0; i < texts.size(); ++i) CHECK(batch[i] == encode(tok, texts[i]));
    auto const padded = tokenize_batch(ends, texts, workers, {.padding = padding{}}).value();
    CHECK(padded.front().size() == padded.back().size());
    auto const refused = tokenize_batch(ends, std::vector<std::string>{"a", "[SEP]"}, workers,
                                        {.text = {.special = special_text::error}});
    REQUIRE_FALSE(refused);
    CHECK(std::string(refused.error().message()).starts_with("text 1: the text has a special token"));
  }
}

TEST_CASE("tokenizer: nothing is allocated once the workspace has grown") {
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += "hello w\u00F6rld, unaffable " + std::to_string(i * 7919) + " \u65E5\u672C<tab> ";
  for (auto make : {test::toy_bpe, test::toy_ranked, test::toy_sentencepiece, test::toy_characters, test::toy_wordpiece,
                    test::toy_unigram, test::toy_words, test::toy_longest}) {
    auto const tok = made(make());
    tokenizer::workspace room;
    token_decoder::workspace decoding;
    std::string back;
    auto const run = [&] {
      auto const found = tok.encode(text, room, {}, offset_rule::characters);
      back.clear();
      tok.decode(found, back, decoding, {});
      return found.size() + tok.count(text, room);
    };
    auto const before = run();
    run();
    auto const allocated = test::allocations();
    bool const same = run() == before;
    CHECK(test::allocations() == allocated);
    CHECK(same);
  }
}

TEST_CASE("tokenizer: random texts keep the promises") {
  std::mt19937 random(4);
  for (int round = 0; round < 400; ++round) {
    auto const text = test::random_bytes(random, random() % 200, round % 3 == 0);
    INFO(text);
    CHECK(test::promises_hold(text));
  }
}

TEST_CASE("tokenizer: the promises hold for every text of the fuzzing corpus") {
  int files = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/tokenizer")) {
    INFO(input.path().string());
    CHECK(test::promises_hold(test::read(input.path().string())));
    ++files;
  }
  CHECK(files > 5);
}

TEST_CASE("tokenizer: definitions that contradict themselves are errors") {
  auto const message = [](tokenizer_definition d) {
    auto const made = tokenizer::make(std::move(d));
    return made ? std::string("none") : std::string(made.error().message());
  };
  auto d = test::toy_bpe();
  d.postprocessors.push_back(postprocess::bert(300, 2));
  CHECK(message(std::move(d)) == "tokenizer: token 300 is put before texts, but there are 266 tokens");
  d = test::toy_bpe();
  d.normalizers.push_back(normalize::replace{{std::string_view("(a"), true}, {}});
  CHECK(message(std::move(d)).starts_with("tokenizer: normalizer 0: "));
  d = test::toy_bpe();
  d.decoders.push_back(decode_step::replace{{std::string_view("(a"), true}, {}});
  CHECK(message(std::move(d)).starts_with("tokenizer: decoder: "));
  d = test::toy_bpe();
  d.pretokenizers.push_back(pretokenize::fixed_length{0});
  CHECK(message(std::move(d)) == "tokenizer: pre-tokenizer: words of 0 characters");
}

} // namespace tokenizer_pipeline_test
