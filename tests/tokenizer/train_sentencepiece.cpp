#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/train/scored_bpe.hpp>
#include <loquat/tokenizer/train/unigram.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_train_sentencepiece_test {

using namespace loquat;

namespace {

constexpr char sign[] = "\xE2\x96\x81";

constexpr word_counts counted(std::initializer_list<word_counts::entry> words) {
  word_counts out;
  for (auto const& [word, count] : words) out.add_word(word, count);
  return out;
}
constexpr bool has_pieces(vocabulary const& pieces, std::initializer_list<std::string_view> want) {
  bool good = pieces.size() == want.size();
  for (std::size_t i = 0; i < want.size() && good; ++i) good = pieces.piece(static_cast<token>(i)) == want.begin()[i];
  return good;
}
std::vector<std::string> pieces_of(vocabulary const& v) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < v.size(); ++i) out.emplace_back(v.piece(static_cast<token>(i)));
  return out;
}
token_model::scored_bpe const& bpe_of(tokenizer_definition const& d) { return d.model.get<token_model::scored_bpe>(); }
token_model::unigram const& unigram_of(tokenizer_definition const& d) { return d.model.get<token_model::unigram>(); }

constexpr bool allows(std::u32string_view piece, piece_rule rule = {}) { return rule.allows(std::span(piece)); }
static_assert(allows(U"abc") && allows(U"\u2581abc") && allows(U"\u2581") && !allows(U"") && !allows(U"a\u2581"));
static_assert(!allows(U"\u2581\u2581") && allows(U"aaaaaaaaaaaaaaaa") && !allows(U"aaaaaaaaaaaaaaaaa"));
static_assert(!allows(U"a1") && allows(U"a1", {.split_numbers = false}) && allows(U"a1", {.split_scripts = false}));
static_assert(allows(U"1,000") && !allows(U"12", {.split_digits = true}) && allows(U"1", {.split_digits = true}));
static_assert(!allows(U"a\u0431") && allows(U"a\u0301") && allows(U"\u6F22\u3072\u30AB\u30FC")); // Han, kana
static_assert(allows(U"a1\u0431", {.split_numbers = false})); // as SentencePiece has it: a digit is any script

constexpr bool trains_scored_bpe_in_a_constant_expression() {
  auto const trained =
      train_scored_bpe_model(counted({{"aab", 3}, {"ab", 2}, {"c", 1}}), {.vocabulary = 8, .coverage = 1});
  if (!trained) return false;
  auto const& model = *trained;
  return has_pieces(model.pieces, {"<unk>", "<s>", "</s>", "ab", "aab", "a", "b", "c"}) && model.scores[4] == -1 &&
         model.scores[7] == -4 && model.unknown == 0 && model.pieces.kind(0) == token_kind::unknown &&
         model.pieces.kind(1) == token_kind::control && model.pieces.kind(3) == token_kind::normal;
}
static_assert(trains_scored_bpe_in_a_constant_expression());

constexpr bool trains_unigram_in_a_constant_expression() {
  auto const trained =
      train_unigram_model(counted({{"abab", 8}, {"abc", 4}, {"c", 5}}), {.vocabulary = 7, .coverage = 1});
  if (!trained) return false;
  auto const& model = *trained;
  bool sorted = true;
  for (std::size_t i = 4; i < model.scores.size(); ++i) sorted = sorted && model.scores[i] <= model.scores[i - 1];
  return model.pieces.size() == 7 && model.pieces.find("ab") == 3 && model.pieces.find("a") != no_token && sorted;
}
static_assert(trains_unigram_in_a_constant_expression());

// SentencePiece's BPE written the obvious way, for words of ASCII letters and digits.
struct reference_symbol {
  std::string text;
  bool is_new = true;
  bool overlaps = false; // its pair with the next began as the second half of an "aaa": it never counts
};
void find_overlaps(std::vector<reference_symbol>& word) {
  for (std::size_t i = 0; i + 1 < word.size(); ++i)
    if (word[i].is_new || word[i + 1].is_new)
      word[i].overlaps =
          i > 0 && word[i - 1].text == word[i].text && word[i].text == word[i + 1].text && !word[i - 1].overlaps;
  for (auto& s : word) s.is_new = false;
}
std::vector<std::string> reference_scored_bpe(word_counts const& counts, std::size_t merges, piece_rule rule) {
  std::vector<std::vector<reference_symbol>> words(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    for (char const c : counts[i].word) words[i].push_back({std::string(1, c)});
    find_overlaps(words[i]);
  }
  auto const allowed = [&](std::string const& piece) {
    std::u32string const wide(piece.begin(), piece.end());
    return rule.allows(std::span(wide));
  };
  std::vector<std::string> out;
  while (out.size() < merges) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> pairs;
    for (std::size_t i = 0; i < words.size(); ++i)
      for (std::size_t at = 0; at + 1 < words[i].size(); ++at)
        if (!words[i][at].overlaps) pairs[{words[i][at].text, words[i][at + 1].text}] += counts[i].count;
    std::pair<std::string, std::string> best;
    std::uint64_t most = 0;
    for (auto const& [pair, count] : pairs) {
      auto const whole = pair.first + pair.second, other = best.first + best.second;
      if (!allowed(whole) || std::find(out.begin(), out.end(), whole) != out.end()) continue;
      bool const shorter = std::pair(whole.size(), whole) < std::pair(other.size(), other);
      if (count > most || (count == most && shorter)) most = count, best = pair;
    }
    if (most == 0) break;
    out.push_back(best.first + best.second);
    for (auto& word : words) {
      for (std::size_t at = 0; at + 1 < word.size(); ++at)
        if (word[at].text == best.first && word[at + 1].text == best.second && !word[at].overlaps) {
          word[at] = {word[at].text + word[at + 1].text};
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
      find_overlaps(word);
    }
  }
  return out;
}

std::string utf8_of(std::span<char32_t const> text) {
  std::vector<char> out;
  loquat::detail::spell(text, out);
  return {out.begin(), out.end()};
}

// All strings that are followed by different things, or end words more than once, counted the obvious way.
std::map<std::string, std::uint64_t> reference_seeds(loquat::detail::sentences const& text,
                                                     sentencepiece_training const& how) {
  std::map<std::u32string, std::pair<std::uint64_t, std::set<char32_t>>> found;
  for (auto const& word : text.words)
    for (auto begin = word.begin; begin < word.end; ++begin)
      for (auto end = begin + 2; end <= word.end; ++end) {
        auto& [count, next] = found[std::u32string(text.text.begin() + begin, text.text.begin() + end)];
        count += word.count;
        next.insert(text.text[end]);
      }
  std::map<std::string, std::uint64_t> out;
  for (auto const& [string, facts] : found) {
    auto const& [count, next] = facts;
    bool const ends = next.contains(0) || next.contains(space_sign);
    if (count < 2 || (next.size() < 2 && !(how.word_ends && ends))) continue;
    if (string.find(loquat::detail::rare_character) != string.npos || !how.pieces.allows(std::span(string))) continue;
    out[utf8_of(string)] = count * string.size();
  }
  return out;
}

} // namespace

TEST_CASE("random words are trained on as the obvious SentencePiece BPE does") {
  std::mt19937 random(17);
  auto const below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    word_counts counts;
    auto const letters = 1 + below(4);
    for (auto words = 1 + below(25); words > 0; --words) {
      std::string word;
      for (auto n = 1 + below(10); n > 0; --n) {
        word += static_cast<char>(below(8) == 0 ? '0' + below(2) : 'a' + below(letters));
      }
      counts.add_word(word, 1 + below(round % 2 == 0 ? 1 : 5));
    }
    sentencepiece_training how{.vocabulary = 40, .coverage = 1};
    if (below(3) == 0) how.pieces.longest = 1 + below(5);
    if (below(3) == 0) how.pieces.split_numbers = false;
    if (below(3) == 0) how.pieces.split_digits = true;
    auto const trained = train_scored_bpe(counts, how);
    REQUIRE(trained);
    auto const pieces = pieces_of(bpe_of(*trained).pieces);
    auto const characters = loquat::detail::count_characters(counts).size();
    auto const want = reference_scored_bpe(counts, 40 - 3 - characters, how.pieces);
    CAPTURE(round);
    CHECK(std::vector(pieces.begin() + 3, pieces.end() - static_cast<std::ptrdiff_t>(characters)) == want);
  }
}

TEST_CASE("lines are cut before spaces, and nothing grows across") {
  std::string const line = std::string(sign) + "to" + sign + "to" + sign + "to" + sign + "do";
  auto const trained = train_scored_bpe(counted({{line, 2}}), {.vocabulary = 30, .coverage = 1});
  REQUIRE(trained);
  auto const pieces = pieces_of(bpe_of(*trained).pieces);
  std::string const to = std::string(sign) + "to", d = std::string(sign) + "d";
  CHECK(pieces == std::vector<std::string>{"<unk>", "<s>", "</s>", "to", to, "do", std::string(sign) + "do", "o", sign,
                                           "t", "d"});
}

TEST_CASE("rare characters get no token, and no piece has them") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "ab";
  text += "zab";
  for (double const coverage : {1.0, 0.99}) {
    auto const trained = train_scored_bpe(counted({{text, 1}}), {.vocabulary = 20, .coverage = coverage});
    auto const also = train_unigram(counted({{text, 1}}), {.vocabulary = 20, .coverage = coverage});
    REQUIRE((trained && also));
    for (auto const& pieces : {pieces_of(bpe_of(*trained).pieces), pieces_of(unigram_of(*also).pieces)})
      CHECK(std::any_of(pieces.begin(), pieces.end(), [](auto const& p) { return p.find('z') != p.npos; }) ==
            (coverage == 1.0));
  }
}

TEST_CASE("byte fallback puts 256 tokens of bytes behind the special ones") {
  sentencepiece_training how{.vocabulary = 300, .byte_fallback = true, .coverage = 1};
  auto const trained = train_scored_bpe(counted({{"abc", 2}}), how);
  auto const also = train_unigram(counted({{"abc", 2}}), how);
  REQUIRE((trained && also));
  for (auto const* const pieces : {&bpe_of(*trained).pieces, &unigram_of(*also).pieces}) {
    CHECK(pieces->piece(3) == "<0x00>");
    CHECK(pieces->piece(258) == "<0xFF>");
    CHECK(pieces->kind(258) == token_kind::byte);
  }
  CHECK(bpe_of(*trained).scores.size() == bpe_of(*trained).pieces.size());
  CHECK(unigram_of(*also).byte_fallback);
}

TEST_CASE("what cannot be trained is an error that says why") {
  auto const words = counted({{"abc", 2}});
  auto const wrong = [&](sentencepiece_training const& how, std::string_view part) {
    auto const a = train_scored_bpe(words, how), b = train_unigram(words, how);
    return !a && !b && a.error().code() == errc::argument && a.error().message().find(part) != std::string_view::npos &&
           b.error() == a.error();
  };
  CHECK(wrong({.vocabulary = 5}, "no room for 3 special tokens and bytes and 3 characters"));
  CHECK(wrong({.coverage = 0.5}, "coverage"));
  CHECK(wrong({.shrinking = 1}, "0.95"));
  CHECK(wrong({.rounds = 0}, "round"));
  CHECK(wrong({.pieces = {.longest = 100}}, "64"));
  CHECK(wrong({.special = {"<s>"}}, "<unk>"));
  CHECK(!train_unigram(word_counts(), {}));
  auto const stop = [](train_progress) { return false; };
  CHECK(train_unigram(words, {}, stop).error().code() == errc::cancelled);
  CHECK(train_scored_bpe(words, {}, stop).error().code() == errc::cancelled);
}

TEST_CASE("seeds are the strings in different company, with all their places") {
  std::mt19937 random(23);
  auto const below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    word_counts counts;
    auto const letters = 1 + below(4);
    for (auto texts = 1 + below(12); texts > 0; --texts) {
      std::string text;
      for (auto n = 1 + below(30); n > 0; --n)
        if (below(6) == 0)
          text += sign;
        else
          text += static_cast<char>(below(30) == 0 ? 'z' : 'a' + below(letters));
      counts.add_word(text, 1 + below(3));
    }
    sentencepiece_training how{.coverage = round % 2 == 0 ? 1.0 : 0.98, .word_ends = below(2) == 0};
    if (below(2) == 0) how.pieces.longest = 1 + below(6);
    auto const text = loquat::detail::sentences::make(counts, how.coverage);
    REQUIRE(text);
    auto const seeds = loquat::detail::seeds::collect(*text, how);
    auto const spelled = [&](auto const& s) { return utf8_of(std::span(text->text.data() + s.begin, s.length)); };
    std::map<std::string, std::uint64_t> found;
    std::size_t const characters = text->characters.size();
    for (std::size_t i = characters; i < seeds.all.size(); ++i) found[spelled(seeds.all[i])] = seeds.all[i].score;
    CAPTURE(round);
    CHECK(found == reference_seeds(*text, how));
    CHECK(found.size() + characters == seeds.all.size());
    CHECK(std::is_sorted(seeds.all.begin() + static_cast<std::ptrdiff_t>(characters), seeds.all.end(),
                         [](auto const& a, auto const& b) { return a.score > b.score; }));
    for (auto const& word : text->words) // every piece is found where it is
      for (auto at = word.begin; at < word.end; ++at) {
        std::multiset<std::string> here, want;
        for (auto m = seeds.ends[at]; m < seeds.ends[at + 1]; ++m) here.insert(spelled(seeds.all[seeds.matches[m]]));
        if (text->text[at] != loquat::detail::rare_character)
          want.insert(utf8_of(std::span(text->text.data() + at, 1)));
        for (auto end = at + 2; end <= word.end; ++end)
          if (auto s = utf8_of(std::span(text->text.data() + at, end - at)); found.contains(s)) want.insert(s);
        REQUIRE(here == want);
      }
  }
}

TEST_CASE("digamma is the derivative of the logarithm of the gamma function") {
  for (double const x : {0.1, 0.5, 1.0, 3.7, 6.999, 7.0, 100.0, 1e9}) {
    double const h = x * 1e-5;
    CHECK(loquat::detail::digamma(x) ==
          doctest::Approx((std::lgamma(x + h) - std::lgamma(x - h)) / (2 * h)).epsilon(1e-5));
  }
  CHECK(loquat::detail::digamma(1) == doctest::Approx(-0.5772156649).epsilon(1e-9));
}

TEST_CASE("one round of EM is what sums over all ways to cut the words give") {
  auto const counts = counted({{"abab", 3}, {"abc", 4}, {"cab", 2}});
  sentencepiece_training const how{.coverage = 1};
  auto const text = loquat::detail::sentences::make(counts, 1);
  REQUIRE(text);
  auto const seeds = loquat::detail::seeds::collect(*text, how);
  std::map<std::string, double> scores, expected;
  double all = 0;
  for (auto const& s : seeds.all) all += static_cast<double>(s.score);
  for (auto const& s : seeds.all)
    scores[utf8_of(std::span(text->text.data() + s.begin, s.length))] = static_cast<double>(s.score) / all;
  REQUIRE(scores.size() > 3); // more than the letters
  for (std::size_t i = 0; i < counts.size(); ++i) {
    auto const word = counts[i].word;
    std::vector<std::pair<double, std::vector<std::string>>> ways;
    double sum = 0;
    for (unsigned cuts = 0; cuts < 1u << (word.size() - 1); ++cuts) {
      std::vector<std::string> way{std::string(1, word[0])};
      for (std::size_t at = 1; at < word.size(); ++at)
        if ((cuts >> (at - 1) & 1) != 0)
          way.emplace_back(1, word[at]);
        else
          way.back() += word[at];
      double p = 1;
      for (auto const& piece : way) p *= scores.contains(piece) ? scores[piece] : 0;
      ways.emplace_back(p, way);
      sum += p;
    }
    for (auto const& [p, way] : ways)
      for (auto const& piece : way) expected[piece] += p / sum * static_cast<double>(counts[i].count);
  }
  double total = 0;
  for (auto const& [piece, n] : expected)
    if (n >= 0.5) total += n;
  loquat::detail::unigram_trainer trainer(*text, how);
  trainer.improve();
  auto const pieces = trainer.finish(1000);
  CHECK(pieces.size() >= 4);
  for (auto const& p : pieces) {
    std::string const name(p.text.begin(), p.text.end());
    if (expected[name] >= 0.5)
      CHECK(static_cast<double>(p.score) ==
            doctest::Approx(loquat::detail::digamma(expected[name]) - loquat::detail::digamma(total)).epsilon(1e-6));
  }
}

TEST_CASE("a word of many thousand characters keeps its sums finite") {
  std::mt19937 random(4);
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += static_cast<char>('a' + random() % 20);
  auto const trained = train_unigram(counted({{text, 1}}), {.vocabulary = 300, .coverage = 1});
  REQUIRE(trained);
  auto const& model = unigram_of(*trained);
  CHECK(model.pieces.size() == 300);
  CHECK(std::all_of(model.scores.begin(), model.scores.end(), [](double s) { return s > -30 && s <= 0; }));
}

TEST_CASE("counts of single words can make pieces of whole words") {
  word_counts counts;
  for (auto const& [word, n] : {std::pair{"water", 50}, {"melon", 30}, {"fall", 20}, {"far", 3}})
    counts.add_word(std::string(sign) + word, static_cast<std::uint64_t>(n));
  auto const has = [&](bool ends) {
    auto const trained = train_unigram(counts, {.vocabulary = 40, .coverage = 1, .word_ends = ends});
    REQUIRE(trained);
    return unigram_of(*trained).pieces.find(std::string(sign) + "water") != no_token;
  };
  CHECK(has(true));
  CHECK(!has(false));
}

TEST_CASE("a trained unigram model encodes its text in few tokens, and training it again gives the same") {
  std::vector<std::string> const words{"cat", "dog", "bird", "house", "home", "runs", "running", "sleeps", "sleeping"};
  std::mt19937 random(6);
  word_counts counts, reversed;
  std::vector<std::string> lines;
  for (int i = 0; i < 500; ++i) {
    std::string line;
    for (int w = 0; w < 6; ++w) line += sign + words[random() % words.size()];
    lines.push_back(line);
  }
  for (auto const& line : lines) counts.add_word(line);
  std::reverse(lines.begin(), lines.end());
  for (auto const& line : lines) reversed.add_word(line);
  sentencepiece_training const how{.vocabulary = 60, .coverage = 1};
  std::vector<train_progress> heard;
  auto const trained = train_unigram(counts, how, [&](train_progress p) { heard.push_back(p); });
  auto const again = train_unigram(reversed, how);
  REQUIRE((trained && again));
  CHECK(pieces_of(unigram_of(*trained).pieces) == pieces_of(unigram_of(*again).pieces));
  CHECK(heard.front().stage == train_stage::seed);
  CHECK(heard.back().stage == train_stage::expect);
  CHECK(heard.back().total == 66);
  CHECK(heard.back().done <= 66);
  auto const model = unigram::make(unigram_of(*trained));
  REQUIRE(model);
  unigram::workspace room;
  std::size_t tokens = 0;
  for (auto const& word : words) model->encode(sign + word, room, [&](token, std::size_t, std::size_t) { ++tokens; });
  CHECK(tokens <= 12);
}

} // namespace tokenizer_train_sentencepiece_test
