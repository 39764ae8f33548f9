/// WordPiece, unigram, word-level and longest-match models, and the tries under them.

#include <loquat/tokenizer/models/longest_match.hpp>
#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/models/word_level.hpp>
#include <loquat/tokenizer/models/wordpiece.hpp>

#include "support/allocations.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_models_test {

using namespace loquat;

namespace {

constexpr vocabulary words(std::initializer_list<std::string_view> pieces) {
  vocabulary out;
  for (auto const piece : pieces) (void)out.add(piece, token_kind::normal);
  return out;
}
template <class Model> constexpr std::vector<token> encode(Model const& model, std::string_view word) {
  std::vector<token> ids;
  typename Model::workspace room;
  model.encode(word, room, [&](token id, std::size_t, std::size_t) { ids.push_back(id); });
  return ids;
}
/// Tokens with the ends of their ranges; a range that does not begin where the last one ended shows as -2.
template <class Model> constexpr std::vector<token> places(Model const& model, std::string_view word) {
  std::vector<token> out;
  typename Model::workspace room;
  std::size_t covered = 0;
  model.encode(word, room, [&](token id, std::size_t begin, std::size_t end) {
    out.push_back(begin == covered ? id : -2);
    out.push_back(static_cast<token>(end));
    covered = end;
  });
  return out;
}
template <class T> constexpr bool names(result<T> const& made, errc code, std::string_view what) {
  return !made && made.error().code() == code && made.error().message().find(what) != std::string_view::npos;
}
using ids = std::vector<token>;

constexpr bool wordpieces() {
  token_model::wordpiece definition;
  definition.pieces = words({"[UNK]", "a", "abcdx", "##b", "##c", "##cdy", "##dz", "\xC3\xA4", "##\xC3\xB6"});
  definition.unknown = 0;
  definition.longest_word = 6;
  auto const made = wordpiece::make(definition);
  if (!made) return false;
  auto const& m = *made;
  return encode(m, "abcdz") == ids{1, 3, 4, 6} && // back from abcdx and cdy
         encode(m, "abcd") == ids{0} && encode(m, "abcdx") == ids{2} && encode(m, "b") == ids{0} &&
         encode(m, "##b") == ids{3} && // as Hugging Face has it
         places(m, "\xC3\xA4\xC3\xB6\xC3\xB6") == ids{7, 2, 8, 4, 8, 6} && places(m, "ab\xC3") == ids{0, 3} &&
         encode(m, "abbbbb") == ids{1, 3, 3, 3, 3, 3} && places(m, "abbbbbb") == ids{0, 7} && encode(m, "").empty() &&
         encode(m, "\xC3\xA4\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6").size() == 6; // characters, not bytes
}
static_assert(wordpieces());

constexpr bool unigrams() {
  token_model::unigram definition;
  definition.pieces = words({"<unk>", "a", "b", "c", "d", "cd", "ab", "abc", "abcd", "<0x78>", "<0x79>"});
  definition.scores = {0, 0, 0, 0, 0, 1, 2, 5, 10, 0, 0};
  definition.unknown = 0;
  auto made = unigram::make(definition);
  if (!made) return false;
  bool good =
      places(*made, "abcdacdxxa") == ids{8, 4, 1, 5, 5, 7, 0, 9, 1, 10} && encode(*made, "xy<unk>a") == ids{0, 1};
  definition.byte_fallback = true;
  made = unigram::make(definition);
  good = good && encode(*made, "axyb") == ids{1, 9, 10, 2} && encode(*made, "axzb") == ids{1, 0, 2};
  auto const best = made->n_best("abc", 9);
  return good && best.size() == 3 && best[0].score == 5 && best[1].score == 2 && best[2].score == 0 &&
         best[1].pieces == std::vector<word_piece>{{6, 0, 2}, {3, 2, 3}};
}
static_assert(unigrams());

constexpr bool the_first_of_equal_ways_wins() {
  token_model::unigram definition;
  definition.pieces = words({"<unk>", "a", "aa"});
  definition.scores = {0, -1, -2};
  definition.unknown = 0;
  auto const made = unigram::make(definition);
  return encode(*made, "aa") == ids{2} && encode(*made, "aaa") == ids{1, 2};
}
static_assert(the_first_of_equal_ways_wins());

constexpr bool word_levels() {
  token_model::word_level definition{words({"<unk>", "the", "word", "word"}), 0};
  auto const made = word_level::make(definition);
  definition.unknown = no_token;
  auto const without = word_level::make(definition);
  return places(*made, "word") == ids{3, 4} && places(*made, "wor") == ids{0, 3} && encode(*made, "").empty() &&
         encode(*without, "wor").empty() && encode(*without, "the") == ids{1};
}
static_assert(word_levels());

/// Every byte, in order, then `pieces`.
constexpr token_model::longest_match all_bytes(std::initializer_list<std::string_view> pieces) {
  token_model::longest_match out;
  for (unsigned b = 0; b < 256; ++b) {
    char const byte = static_cast<char>(b);
    (void)out.pieces.add({&byte, 1}, token_kind::normal);
  }
  for (auto const piece : pieces) (void)out.pieces.add(piece, token_kind::normal);
  return out;
}
constexpr bool longest_matches() {
  auto const made = longest_match::make(all_bytes({"ab", "abcde", "cd", "\xFF\xFE"}));
  return made && places(*made, "abcd\xFF\xFE\xFF") == ids{256, 2, 258, 4, 259, 6, 255, 7};
}
static_assert(longest_matches());

constexpr bool wrong_definitions_are_errors() {
  bool good = names(wordpiece::make({words({"a"}), 1, owned_text("##"), 100}), errc::malformed, "unknown token is 1") &&
              names(word_level::make({words({"a"}), -7}), errc::malformed, "unknown token is -7") &&
              names(longest_match::make({words({"a"})}), errc::missing, "byte 0");
  token_model::unigram definition;
  definition.pieces = words({"a", "b"});
  definition.scores = {0};
  good = good && names(unigram::make(definition), errc::mismatch, "2 pieces and 1 scores");
  definition.scores = {0, std::numeric_limits<double>::infinity()};
  good = good && names(unigram::make(definition), errc::malformed, "score of token 1");
  definition.scores = {0, std::numeric_limits<double>::quiet_NaN()};
  good = good && names(unigram::make(definition), errc::malformed, "score of token 1");
  definition.scores = {0, 0};
  definition.unknown = 2;
  return good && names(unigram::make(definition), errc::malformed, "unknown token is 2");
}
static_assert(wrong_definitions_are_errors());

std::string random_text(std::mt19937& random, std::size_t size, std::size_t letters) {
  std::string out;
  while (out.size() < size) out += static_cast<char>('a' + random() % letters);
  return out;
}

} // namespace

TEST_CASE("wordpiece: random vocabularies cut random words as trying every length does") {
  std::mt19937 random(5);
  std::size_t known = 0, unknown = 0;
  for (int round = 0; round < 2000; ++round) {
    token_model::wordpiece definition;
    std::string const prefix = round % 3 == 0 ? "" : "#";
    definition.continuing_prefix = owned_text(prefix);
    (void)definition.pieces.add("[UNK]", token_kind::normal);
    definition.unknown = 0;
    std::map<std::string, token> ids_of{{"[UNK]", 0}};
    for (auto n = random() % 40; n > 0; --n) {
      auto const piece = (random() % 2 == 0 ? prefix : "") + random_text(random, 1 + random() % 7, 2);
      ids_of[piece] = static_cast<token>(definition.pieces.size());
      (void)definition.pieces.add(piece, token_kind::normal);
    }
    auto const model = wordpiece::make(definition).value();
    for (int n = 0; n < 20; ++n) {
      auto const word = (n == 0 ? "#" : "") + random_text(random, random() % 20, 2);
      ids want;
      for (std::size_t begin = 0; begin < word.size();) {
        std::size_t size = word.size() - begin;
        while (size > 0 && !ids_of.contains((begin > 0 ? prefix : "") + word.substr(begin, size))) --size;
        if (size == 0) {
          want = {0, static_cast<token>(word.size())};
          break;
        }
        want.push_back(ids_of[(begin > 0 ? prefix : "") + word.substr(begin, size)]);
        want.push_back(static_cast<token>(begin += size));
      }
      (want.size() > 2 ? known : unknown) += 1;
      if (places(model, word) != want) FAIL("round ", round, ": ", word);
    }
  }
  CHECK(known > 5000);
  CHECK(unknown > 5000);
}

TEST_CASE("longest match: time is linear where a long piece almost fits everywhere") {
  auto definition = all_bytes({});
  (void)definition.pieces.add(std::string(20'000, 'a') + "b", token_kind::normal);
  auto const model = longest_match::make(std::move(definition)).value();
  longest_match::workspace room;
  std::string const text(1'000'000, 'a');
  std::size_t count = 0;
  auto const start = std::chrono::steady_clock::now();
  model.encode(text, room, [&](token id, std::size_t, std::size_t) { count += id == 'a'; });
  CHECK(count == text.size());
  CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < 2); // 20 minutes if naive
}

TEST_CASE("unigram: the best way is the best of all ways, and n_best has them in order") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    token_model::unigram definition;
    definition.pieces = words({"<unk>", "a", "b"});
    definition.scores = {0, -3, -4};
    definition.unknown = 0;
    std::map<std::string, double> scores{{"a", -3}, {"b", -4}};
    for (auto n = random() % 12; n > 0; --n) {
      auto const piece = random_text(random, 2 + random() % 3, 2);
      if (scores.contains(piece)) continue;
      scores[piece] = -static_cast<double>(random() % 1000) / 64; // sums are exact
      (void)definition.pieces.add(piece, token_kind::normal);
      definition.scores.push_back(scores[piece]);
    }
    auto const model = unigram::make(definition).value();
    auto const word = random_text(random, 1 + random() % 9, 2);
    std::vector<double> sums;
    for (unsigned cuts = 0; cuts < 1u << (word.size() - 1); ++cuts) {
      double sum = 0;
      bool good = true;
      for (std::size_t begin = 0, end = 1; end <= word.size(); ++end) {
        if (end < word.size() && (cuts >> (end - 1) & 1) == 0) continue;
        auto const found = scores.find(word.substr(begin, end - begin));
        good = good && found != scores.end();
        if (good) sum += found->second;
        begin = end;
      }
      if (good) sums.push_back(sum);
    }
    std::sort(sums.rbegin(), sums.rend());
    auto const best = model.n_best(word, 1000);
    REQUIRE(best.size() == sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) CHECK(best[i].score == sums[i]);
    double sum = 0;
    for (token const id : encode(model, word)) sum += definition.scores[static_cast<std::size_t>(id)];
    CHECK(sum == sums[0]);
    CHECK(model.n_best(word, 2).size() == std::min<std::size_t>(2, sums.size()));
  }
}

/// The pieces of the best way to cut a word, and their ends, by one long table.
std::vector<token> best_way(token_model::unigram const& model, std::string_view word, double unknown_score) {
  struct end {
    double score = 0;
    std::size_t begin = 0;
    token id = -2;
  };
  std::vector<end> ends(word.size() + 1);
  auto const rounded = [&](double sum) {
    return model.sentencepiece ? static_cast<double>(static_cast<float>(sum)) : sum;
  };
  for (std::size_t at = 0, length = 0; at < word.size(); at += length) {
    length = utf8::decode(word.substr(at)).length;
    auto const offer = [&](token id, std::size_t size, double sum) {
      auto& e = ends[at + size];
      if (e.id == -2 || sum > e.score) e = {rounded(sum), at, id};
    };
    bool known = false;
    for (std::size_t i = 0; i < model.pieces.size(); ++i) {
      auto const id = static_cast<token>(i);
      auto const piece = model.pieces.piece(id);
      if (id == model.unknown || !word.substr(at).starts_with(piece)) continue;
      offer(id, piece.size(), ends[at].score + model.scores[i]);
      known = known || piece.size() == length;
    }
    if (!known) offer(model.unknown, length, rounded(ends[at].score + unknown_score));
  }
  std::vector<token> out;
  for (auto at = word.size(); at > 0; at = ends[at].begin) {
    bool const joins = !out.empty() && ends[at].id == model.unknown && out.back() == model.unknown;
    if (joins) continue;
    out.push_back(static_cast<token>(at));
    out.push_back(ends[at].id);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

TEST_CASE("unigram: a long word is cut like a short one") {
  std::mt19937 random(12);
  for (int round = 0; round < 24; ++round) {
    token_model::unigram definition;
    definition.pieces = words({"<unk>", "a"});
    definition.scores = {0, -3};
    definition.unknown = 0;
    double worst = -3;
    for (auto n = 3 + random() % 6; n > 0; --n) { // of the shortest first, so that pieces of any length compete
      auto const piece = random_text(random, 2 + random() % (round % 3 == 0 ? 4 : 40), 2);
      if (definition.pieces.find(piece) != no_token) continue;
      (void)definition.pieces.add(piece, token_kind::normal);
      definition.scores.push_back(-static_cast<double>(random() % 1000) / 64);
      worst = std::min(worst, definition.scores.back());
    }
    definition.sentencepiece = round % 2 != 0;
    std::string word = random_text(random, 40'000, 2);
    for (auto& c : word) // characters of three bytes, none of which is known, across the borders of windows
      if (auto const i = static_cast<std::size_t>(&c - word.data()); round % 5 == 1 && i % 7 < 3)
        c = "\xE2\x82\xAC"[i % 7];
    word += std::string(random() % 60'000, 'a') + std::string(round % 4 == 0 ? 40'000 : random() % 9, '?');
    word += random_text(random, random() % 40'000, 3);
    auto const model = unigram::make(definition).value();
    auto const want = best_way(definition, word, worst - 10);
    CHECK(places(model, word) == want);
  }
}

TEST_CASE("unigram: a long word takes no more memory than its undecided part") {
  token_model::unigram definition{.pieces = words({"a", "b", "ab", "ba", "aba"}), .scores = {-3, -3, -5, -5, -6}};
  auto const model = unigram::make(std::move(definition)).value();
  std::mt19937 random(13);
  unigram::workspace room;
  std::size_t count = 0;
  model.encode(random_text(random, 1'000'000, 2), room, [&](token, std::size_t, std::size_t) { ++count; });
  CHECK(room.ends.capacity() < 100'000);
  CHECK(room.path.capacity() < 100'000);
  CHECK(count > 300'000);
}

TEST_CASE("unigram: samples come as often as their probabilities say") {
  token_model::unigram definition;
  definition.pieces = words({"<unk>", "a", "b", "ab", "ba"});
  definition.scores = {0, -1, -2, -2.5, -1.5};
  definition.unknown = 0;
  auto const model = unigram::make(definition).value();
  unigram::workspace room;
  std::mt19937 random(1);
  for (double const alpha : {0.0, 0.5, 2.0}) {
    std::map<ids, double> probabilities;
    double total = 0;
    for (auto const& way : model.n_best("abab", 100)) {
      ids key;
      for (auto const& piece : way.pieces) key.push_back(piece.id);
      total += probabilities[key] = std::exp(alpha * way.score);
    }
    CHECK(probabilities.size() == 5);
    std::map<ids, int> counts;
    constexpr int draws = 20'000;
    for (int i = 0; i < draws; ++i) {
      ids key;
      model.sample("abab", alpha, random, room, [&](token id, std::size_t, std::size_t) { key.push_back(id); });
      ++counts[key];
    }
    for (auto const& [key, p] : probabilities) CHECK(std::abs(counts[key] / double{draws} - p / total) < 0.015);
  }
}

TEST_CASE("unigram: sums are rounded as in the reference") {
  token_model::unigram definition;
  definition.pieces = words({"<unk>", "x", "a", "b", "ab"});
  definition.scores = {0, -16'777'216, -0.75, -0.75, -1.25}; // beyond 2^24 a float has no odd numbers
  definition.unknown = 0;
  CHECK(encode(unigram::make(definition).value(), "xab") == ids{1, 4});
  definition.sentencepiece = true;
  CHECK(encode(unigram::make(definition).value(), "xab") == ids{1, 2, 3});
}

TEST_CASE("unigram: sums with unknown characters are rounded before they are compared, as in SentencePiece") {
  token_model::unigram definition;
  (void)definition.pieces.add("<unk>", token_kind::unknown);
  (void)definition.pieces.add("x", token_kind::normal);
  (void)definition.pieces.add("xu", token_kind::normal);
  definition.scores = {0, 9, -33'554'432}; // unknown: -33'554'440 in single precision; 9 more is no float
  definition.unknown = 0;
  definition.sentencepiece = true;
  CHECK(encode(unigram::make(definition).value(), "xu") == ids{2});
}

TEST_CASE("unigram: SentencePiece's rules") {
  token_model::unigram definition;
  definition.sentencepiece = true;
  for (auto const& [piece, kind] :
       std::initializer_list<std::pair<std::string_view, token_kind>>{{"<unk>", token_kind::unknown},
                                                                      {"a", token_kind::normal},
                                                                      {"aa", token_kind::user_defined},
                                                                      {"aaa", token_kind::normal},
                                                                      {"b", token_kind::unused},
                                                                      {"<0xC3>", token_kind::byte},
                                                                      {"<0xA4>", token_kind::byte}})
    (void)definition.pieces.add(piece, kind);
  definition.scores = {0, -5, -99, -1, 0, 0, 0};
  definition.unknown = 0;
  auto model = unigram::make(definition).value();
  CHECK(encode(model, "aa") == ids{2}); // whatever its score
  CHECK(encode(model, "aaa") == ids{3});
  CHECK(encode(model, "aab\xC3\xA4") == ids{2, 0}); // unused: unknown, in a row with what follows
  definition.byte_fallback = true;
  model = unigram::make(definition).value();
  CHECK(places(model, "\xC3\xA4") == ids{5, 0, 6, 2}); // the last byte stands for the character
  CHECK(encode(model, "aab\xC3\xA4") == ids{2, 0, 5, 6});
}

TEST_CASE("models: nothing is allocated once the workspace has grown") {
  std::mt19937 random(2);
  auto const text = random_text(random, 5000, 26);
  auto const check = [&](auto const& model) {
    typename std::remove_cvref_t<decltype(model)>::workspace room;
    std::size_t count = 0;
    auto const run = [&] { model.encode(text, room, [&](token, std::size_t, std::size_t) { ++count; }); };
    run();
    auto const before = test::allocations();
    run();
    CHECK(test::allocations() == before);
    CHECK(count > 2000);
  };
  auto letters = all_bytes({"ab", "cde", "fghi"});
  check(longest_match::make(letters).value());
  check(wordpiece::make({letters.pieces, no_token, {}, 10'000}).value());
  token_model::unigram definition{.pieces = letters.pieces, .scores = std::vector<double>(letters.pieces.size(), -1)};
  check(unigram::make(std::move(definition)).value());
}

} // namespace tokenizer_models_test
