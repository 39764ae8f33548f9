#include "support/allocations.hpp"
#include "tokenizer/reference_bpe.hpp"

#include <loquat/tokenizer/models/bpe.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_bpe_test {

using namespace loquat;
using test::placed_token;

namespace {

constexpr vocabulary words(std::initializer_list<std::string_view> pieces) {
  vocabulary out;
  for (auto const piece : pieces) (void)out.add(piece, token_kind::normal);
  return out;
}

constexpr std::vector<token> encode(bpe const& model, std::string_view word) {
  std::vector<token> ids;
  bpe::workspace room;
  model.encode(word, room, [&](token id, std::size_t, std::size_t) { ids.push_back(id); });
  return ids;
}
constexpr bool encodes(token_model::bpe const& definition, std::string_view word, std::vector<token> const& want) {
  auto const model = bpe::make(definition);
  return model && encode(*model, word) == want;
}
std::vector<placed_token> places(bpe const& model, std::string_view word, bpe::workspace& room) {
  std::vector<placed_token> out;
  model.encode(word, room, [&](token id, std::size_t begin, std::size_t end) { out.push_back({id, begin, end}); });
  return out;
}

constexpr bool merges_by_rank() {
  token_model::bpe model;
  model.pieces = words({"a", "b", "c", "ab", "bc", "abc"});
  model.merges = {{1, 2}, {0, 1}, {0, 4}}; // bc before ab
  return encodes(model, "abc", {5}) && encodes(model, "ab", {3}) && encodes(model, "abcbab", {5, 1, 3}) &&
         encodes(model, "", {});
}
static_assert(merges_by_rank());

static_assert([] { // no piece is a byte
  token_model::bpe model{.bytes = true};
  model.pieces = words({"ab", "abc"});
  return encodes(model, "abx", {}) && encodes(model, "", {});
}());

constexpr bool the_leftmost_of_equals_comes_first() {
  token_model::bpe model;
  model.pieces = words({"a", "aa"});
  model.merges = {{0, 0}};
  return encodes(model, "aaa", {1, 0}) && encodes(model, "aaaaa", {1, 1, 0});
}
static_assert(the_leftmost_of_equals_comes_first());

constexpr bool ranks_are_ids() {
  token_model::bpe model;
  model.pieces = words({"a", "b", "c", "bc", "ab", "abc"});
  model.ranked = model.bytes = true;
  return encodes(model, "abc", {5}) && encodes(model, "abb", {4, 1}) && encodes(model, "abcab", {5, 4});
}
static_assert(ranks_are_ids());

constexpr bool pieces_out_of_reach_are_whole_words_only() {
  token_model::bpe model;
  model.pieces = words({"a", "b", "c", "bc", "ab", "abx", "x", "abcx"}); // nothing merges into abcx: a, bc, x
  model.ranked = model.bytes = true;
  bool const merged = encodes(model, "abcx", {0, 3, 6});
  model.whole_words = true;
  return merged && encodes(model, "abcx", {7}) && encodes(model, "aabcx", {0, 0, 3, 6});
}
static_assert(pieces_out_of_reach_are_whole_words_only());

constexpr bool a_whole_word_may_lack_symbols() {
  token_model::bpe model;
  model.pieces = words({"a", "xa"}); // x is no piece, so merging does not reach xa
  model.ranked = model.bytes = true;
  bool const left_out = encodes(model, "xa", {0});
  model.whole_words = true;
  return left_out && encodes(model, "xa", {1});
}
static_assert(a_whole_word_may_lack_symbols());

constexpr bool merges_into_characters_count() { // nonsense, which a file may hold all the same
  token_model::bpe model;
  model.pieces = words({"\xC3", "\xA4", "\xC3\xA4"});
  model.merges = {{0, 1}};
  return encodes(model, "\xC3\xA4", {2}) && encodes(model, "\xC3x\xA4", {2});
}
static_assert(merges_into_characters_count());

constexpr bool affixes() {
  token_model::bpe model;
  model.pieces = words({"a", "##a", "##b", "##b</w>", "a</w>", "a##", "aa", "##ab</w>", "aab</w>"});
  model.continuing_prefix = owned_text("##");
  model.word_suffix = owned_text("</w>");
  model.merges = {{1, 3}, {0, 7}};
  return encodes(model, "a", {4}) && encodes(model, "aab", {8}) && encodes(model, "aaab", {0, 1, 7});
}
static_assert(affixes());

constexpr bool unknown_characters() {
  token_model::bpe model;
  model.pieces = words({"?", "a", "<0xC3>", "<0xA4>"});
  model.unknown = 0;
  bool good = encodes(model, "xyaz", {0, 0, 1, 0});
  model.fuse_unknown = true;
  good = good && encodes(model, "xyaz", {0, 1, 0});
  model.byte_fallback = true;
  // bytes overtake an unknown token that waits, which takes in what follows them
  return good && encodes(model, "x\xC3\xA4ya", {2, 3, 0, 1}) && encodes(model, "\xC3\xA4\xC3\xB6", {2, 3, 0});
}
static_assert(unknown_characters());

constexpr bool names(result<bpe> const& made, errc code, std::string_view what) {
  return !made && made.error().code() == code && made.error().message().find(what) != std::string_view::npos;
}
constexpr bool wrong_definitions_are_errors() {
  token_model::bpe model;
  model.pieces = words({"a", "b", "c", "ab"});
  model.merges = {{0, 1}, {0, 9}};
  bool good = names(bpe::make(model), errc::malformed, "merge 1 is of tokens 0 and 9 of 4");
  model.merges = {{0, 2}};
  good = good && names(bpe::make(model), errc::malformed, "merge 0: expected a piece of the text of a and c");
  model.merges = {};
  model.unknown = 4;
  good = good && names(bpe::make(model), errc::malformed, "unknown token is 4");
  model.unknown = no_token;
  model.continuing_prefix = owned_text("abc");
  model.merges = {{0, 3}};
  good = good && names(bpe::make(model), errc::malformed, "merge 0: expected text in both");
  model.ranked = true;
  return good && names(bpe::make(model), errc::unsupported, "ranked");
}
static_assert(wrong_definitions_are_errors());

/// A vocabulary and merges drawn at random: pieces have random ids and may have many merges or none.
token_model::bpe random_model(std::mt19937& random, int kind) {
  auto const draw = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  token_model::bpe model;
  model.bytes = draw(2) == 0;
  model.whole_words = draw(3) == 0;
  model.ranked = kind == 0;
  std::vector<std::string> letters{"a", "b", "c"};
  if (draw(2) == 0) letters = {"a", "b", "\xC3\xA4", "\xE2\x96\x81"};
  if (model.bytes)
    for (auto& letter : letters) letter.resize(1);
  if (kind >= 2 && draw(2) == 0) model.continuing_prefix = owned_text("##");
  if (kind >= 2 && draw(2) == 0) model.word_suffix = owned_text("$");
  std::string const prefix(model.continuing_prefix.view()), suffix(model.word_suffix.view());
  std::vector<std::string> pieces;
  for (auto const& letter : letters)
    for (bool const later : {false, true})
      for (bool const last : {false, true})
        if (draw(8) != 0) pieces.push_back((later ? prefix : "") + letter + (last ? suffix : ""));
  if (pieces.empty()) pieces.push_back("a");
  if (draw(2) == 0) pieces.push_back("<unk>");
  if (draw(2) == 0)
    for (char const* byte : {"<0x61>", "<0x63>", "<0xC3>", "<0xA4>", "<0x23>", "<0x24>"})
      if (draw(4) != 0) pieces.push_back(byte);
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::size_t n = draw(40); n > 0; --n) {
    std::string const left = pieces[draw(pieces.size())];
    std::string const right = pieces[draw(pieces.size())];
    if (right.size() <= prefix.size()) continue;
    pieces.push_back(left + right.substr(prefix.size()));
    if (kind != 1 && draw(10) != 0) merges.emplace_back(left, right);
  }
  if (kind == 1 ||
      kind == 3) { // all ways to split, in the order of pieces, as those who convert vocabularies do; or some
    for (auto const& whole : pieces)
      for (std::size_t i = 1; i < whole.size(); ++i)
        if (draw(kind == 1 ? 1 : 3) == 0) merges.emplace_back(whole.substr(0, i), prefix + whole.substr(i));
  }
  if (model.bytes && draw(2) == 0) // words are put together, not merged
    for (int c = 0; c < 256; ++c)
      if (std::string const byte(1, static_cast<char>(c));
          std::find(pieces.begin(), pieces.end(), byte) == pieces.end())
        pieces.push_back(byte);
  if (draw(2) == 0) { // ids in any order, else in the order of making
    std::shuffle(pieces.begin(), pieces.end(), random);
    std::shuffle(merges.begin(), merges.end(), random);
  }
  std::map<std::string, token> ids;
  for (auto const& piece : pieces) {
    if (draw(30) != 0 && ids.contains(piece)) continue; // few are there twice
    ids[piece] = static_cast<token>(model.pieces.size());
    (void)model.pieces.add(piece, token_kind::normal);
  }
  for (auto const& [left, right] : merges)
    if (!model.ranked && ids.contains(left) && ids.contains(right) && ids.contains(left + right.substr(prefix.size())))
      model.merges.push_back({ids[left], ids[right]});
  if (!model.ranked && ids.contains("<unk>") && draw(4) != 0) model.unknown = ids["<unk>"];
  model.fuse_unknown = draw(2) == 0;
  model.byte_fallback = draw(2) == 0 && !model.ranked;
  return model;
}

} // namespace

TEST_CASE("bpe: random models encode random words as the obvious implementation does") {
  std::mt19937 random(7);
  auto const draw = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::size_t split = 0, wholes = 0;
  for (int round = 0; round < 4000; ++round) {
    auto const definition = random_model(random, round % 4);
    auto const model = bpe::make(definition);
    REQUIRE_MESSAGE(model, model.error().c_str());
    test::reference_bpe const reference(definition);
    bpe::workspace room;
    for (int n = 0; n < 12; ++n) {
      std::string word;
      std::size_t const letters = n == 11 ? 4 : 1 + draw(6); // how many different ones
      for (std::size_t size = n < 10 ? draw(12) : 60 + draw(300); size > 0; --size) {
        constexpr std::string_view from[] = {"a", "b", "c", "\xC3\xA4", "\xE2\x96\x81", "x", "#", "\xC3"};
        word += from[draw(letters + (draw(20) == 0 ? 2 : 0))];
      }
      auto const want = reference.encode(word), have = places(*model, word, room);
      (want.size() == 1 ? wholes : split) += want.size() > 0;
      if (want != have) {
        CAPTURE(round);
        CAPTURE(word);
        FAIL("different");
      }
    }
  }
  CHECK(split > 20000);
  CHECK(wholes > 4000);
}

TEST_CASE("bpe: pieces of the kinds that are no text are never found") {
  for (auto const kind : {token_kind::control, token_kind::unknown, token_kind::unused, token_kind::byte}) {
    token_model::bpe definition;
    for (auto const* piece : {"a", "b", "ab"})
      (void)definition.pieces.add(piece, piece[1] != '\0' ? kind : token_kind::normal);
    definition.ranked = definition.bytes = definition.whole_words = true;
    auto const model = bpe::make(definition).value();
    CHECK(encode(model, "ab") == std::vector<token>{0, 1});
    CHECK(model.find("ab") == 2);
  }
}

TEST_CASE("bpe: pieces that are made of later ones, and very long ones") {
  token_model::bpe definition;
  definition.ranked = definition.bytes = true;
  for (int c = 0; c < 256; ++c) (void)definition.pieces.add(std::string(1, static_cast<char>(c)), token_kind::normal);
  for (auto const* piece : {"abcd", "ab", "cd"}) (void)definition.pieces.add(piece, token_kind::normal); // 256 …
  CHECK(encode(bpe::make(definition).value(), "abcdab") == std::vector<token>{256, 257});
  for (std::size_t size = 2; size <= 512; size *= 2) // 259 …
    (void)definition.pieces.add(std::string(size, 'x'), token_kind::normal);
  CHECK(encode(bpe::make(definition).value(), "abcd" + std::string(771, 'x')) ==
        std::vector<token>{256, 267, 266, 259, 'x'});
}

TEST_CASE("longest prefix: what looking for every length finds") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    vocabulary pieces;
    auto const text = [&](std::size_t most) {
      std::string out;
      for (auto size = 1 + random() % most; size > 0; --size) out += static_cast<char>('a' + random() % 2);
      return out;
    };
    for (auto n = random() % 100; n > 0; --n) (void)pieces.add(text(random() % 4 == 0 ? 40 : 9), token_kind::normal);
    piece_index const index(pieces);
    longest_prefix prefixes(pieces.size());
    auto const wanted = [](token id) { return id % 5 != 0; };
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (wanted(static_cast<token>(i))) prefixes.add(pieces.piece(static_cast<token>(i)));
    for (int n = 0; n < 50; ++n) {
      auto const where = text(60);
      auto const most = 1 + random() % where.size();
      longest_prefix::match want;
      for (auto size = most; size > 0 && want.size == 0; --size)
        if (token const id = index.find(pieces, std::string_view(where).substr(0, size)); id != no_token && wanted(id))
          want = {id, size};
      auto const have = prefixes.find(where, most, pieces, index, wanted);
      REQUIRE(have.size == want.size);
      REQUIRE(have.id == want.id);
    }
  }
}

TEST_CASE("bpe: a megabyte without a break takes time in proportion, and no memory the second time") {
  std::mt19937 random(3);
  token_model::bpe definition;
  definition.ranked = definition.bytes = true;
  for (int c = 0; c < 256; ++c) (void)definition.pieces.add(std::string(1, static_cast<char>(c)), token_kind::normal);
  for (int n = 0; n < 3000; ++n) {
    std::string piece;
    for (auto size = 2 + random() % 3; size > 0; --size) piece += static_cast<char>('a' + random() % 26);
    (void)definition.pieces.add(piece, token_kind::normal);
  }
  for (std::size_t size = 2; size <= 128; size *= 2)
    (void)definition.pieces.add(std::string(size, 'a'), token_kind::normal);
  auto const model = bpe::make(definition).value();
  bpe::workspace room;
  for (int kind = 0; kind < 3; ++kind) {
    std::string text;
    while (text.size() < 1'000'000)
      text += static_cast<char>(kind == 0 ? 'a' : kind == 1 ? 'a' + random() % 26 : random());
    auto const run = [&](std::size_t size) {
      auto const start = std::chrono::steady_clock::now();
      std::size_t covered = 0;
      bool gaps = false;
      model.encode(std::string_view(text).substr(0, size), room, [&](token, std::size_t begin, std::size_t end) {
        gaps = gaps || begin != covered;
        covered = end;
      });
      CHECK((covered == size && !gaps));
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    run(text.size());
    auto const before = test::allocations();
    double const small = std::min(run(100'000), run(100'000)), large = run(1'000'000);
    CHECK(test::allocations() == before);
    CHECK(large < 40 * small + 0.05); // 10, and room for the noise of other programs
  }
}

} // namespace tokenizer_bpe_test
