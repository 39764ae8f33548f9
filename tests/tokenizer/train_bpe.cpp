#include <loquat/tokenizer/models/bpe.hpp>
#include <loquat/tokenizer/models/wordpiece.hpp>
#include <loquat/tokenizer/train/bpe.hpp>
#include <loquat/tokenizer/train/wordpiece.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_train_bpe_test {

using namespace loquat;

namespace {

constexpr word_counts counted(std::initializer_list<word_counts::entry> words) {
  word_counts out;
  for (auto const& [word, count] : words) out.add_word(word, count);
  return out;
}
// The words of the paper by Sennrich, Haddow and Birch.
constexpr word_counts papers_words() { return counted({{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}}); }

constexpr bool has_pieces(vocabulary const& pieces, std::size_t from, std::initializer_list<std::string_view> want) {
  bool good = pieces.size() == from + want.size();
  for (std::size_t i = 0; i < want.size() && good; ++i)
    good = pieces.piece(static_cast<token>(from + i)) == want.begin()[i];
  return good;
}
token_model::bpe const& bpe_of(tokenizer_definition const& d) { return d.model.get<token_model::bpe>(); }
std::vector<std::string> pieces_of(vocabulary const& v) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < v.size(); ++i) out.emplace_back(v.piece(static_cast<token>(i)));
  return out;
}

constexpr bool trains_in_a_constant_expression() {
  auto const model = train_bpe_model(papers_words(), {.vocabulary = 21, .special = {"<|end|>"}, .word_suffix = "</w>"});
  if (!model) return false;
  // es and st</w> stand 9 times each; e has the smaller id. So have ew, of ew and ne with 6.
  return has_pieces(model->pieces, 0,
                    {"<|end|>", "d",     "e",     "i",  "l",       "n",  "o",  "r",   "s",          "t",      "w",
                     "r</w>",   "t</w>", "w</w>", "es", "est</w>", "lo", "ew", "new", "newest</w>", "low</w>"}) &&
         model->merges.size() == 7 && model->merges[0].left == 2 && model->merges[0].right == 8;
}
static_assert(trains_in_a_constant_expression());

// Training written the obvious way: counts of pairs in a map, all words are gone through for each merge.
struct reference_training {
  std::vector<std::string> pieces;
  std::vector<std::pair<int, int>> merges;

  reference_training(word_counts const& counts, bpe_training const& how) {
    std::map<std::string, int> ids;
    auto const add = [&](std::string const& piece) {
      auto const [at, is_new] = ids.emplace(piece, static_cast<int>(pieces.size()));
      if (is_new) pieces.push_back(piece);
      return at->second;
    };
    for (auto const s : how.special) add(std::string(s));
    std::map<char, std::uint64_t> letters;
    for (std::size_t i = 0; i < counts.size(); ++i)
      for (char const c : counts[i].word) letters[c] += counts[i].count;
    std::vector<std::pair<char, std::uint64_t>> order(letters.begin(), letters.end());
    std::sort(order.begin(), order.end(), [](auto const& a, auto const& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    order.resize(std::min(order.size(), how.alphabet));
    std::set<char> kept;
    for (auto const& [c, n] : order) kept.insert(c);
    for (char const c : kept) add(std::string(1, c));
    for (auto const& [c, n] : letters)
      if (ids.contains(std::string(1, c))) kept.insert(c); // as a special token
    std::string const prefix(how.continuing_prefix), suffix(how.word_suffix);
    std::vector<std::vector<int>> words(counts.size());
    for (auto const& [c, n] : letters) // forms of a character, in the order of its code point
      for (int form = 0; form < 4; ++form)
        for (std::size_t i = 0; i < counts.size(); ++i) {
          auto const word = counts[i].word;
          for (std::size_t at = 0; at < word.size(); ++at) {
            bool const continues = at > 0 && !prefix.empty(), ends = at + 1 == word.size() && !suffix.empty();
            if (word[at] == c && kept.contains(c) && form == continues + 2 * ends)
              add((continues ? prefix : "") + c + (ends ? suffix : ""));
          }
        }
    std::vector<std::size_t> lengths(pieces.size(), 1);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      auto const word = counts[i].word;
      for (std::size_t at = 0; at < word.size(); ++at)
        if (kept.contains(word[at]))
          words[i].push_back(
              ids.at((at > 0 ? prefix : "") + word[at] + (at + 1 == word.size() ? suffix : std::string())));
    }
    std::map<std::pair<int, int>, long> pairs;
    for (std::size_t i = 0; i < counts.size(); ++i)
      for (std::size_t at = 1; at < words[i].size(); ++at)
        pairs[{words[i][at - 1], words[i][at]}] += static_cast<long>(counts[i].count);
    while (pieces.size() < how.vocabulary) {
      std::set<std::pair<int, int>> present;
      for (auto const& word : words)
        for (std::size_t at = 1; at < word.size(); ++at)
          if (lengths[static_cast<std::size_t>(word[at - 1])] + lengths[static_cast<std::size_t>(word[at])] <=
              how.longest_piece)
            present.insert({word[at - 1], word[at]});
      long most = 0;
      std::pair<int, int> best;
      for (auto const& p : present) // the smallest first
        if (pairs[p] > most) most = pairs[p], best = p;
      if (most == 0 || static_cast<std::uint64_t>(most) < how.min_count) break;
      auto tail = pieces[static_cast<std::size_t>(best.second)];
      if (tail.starts_with(prefix)) tail.erase(0, prefix.size());
      int const whole = add(pieces[static_cast<std::size_t>(best.first)] + tail);
      lengths.resize(pieces.size());
      lengths[static_cast<std::size_t>(whole)] =
          lengths[static_cast<std::size_t>(best.first)] + lengths[static_cast<std::size_t>(best.second)];
      std::erase(merges, best);
      merges.push_back(best);
      for (std::size_t i = 0; i < words.size(); ++i) {
        auto& word = words[i];
        auto const n = static_cast<long>(counts[i].count);
        for (std::size_t at = 0; at + 1 < word.size(); ++at) {
          if (word[at] != best.first || word[at + 1] != best.second) continue;
          if (at > 0) pairs[{word[at - 1], best.first}] -= n, pairs[{word[at - 1], whole}] += n;
          if (at + 2 < word.size()) pairs[{best.second, word[at + 2]}] -= n, pairs[{whole, word[at + 2]}] += n;
          word[at] = whole;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
      }
    }
  }
};

} // namespace

TEST_CASE("random words are trained on as the obvious trainer does") {
  std::mt19937 random(7);
  auto const below = [&](std::size_t n) { return random() % n; };
  std::size_t merged_again = 0;
  for (int round = 0; round < 600; ++round) {
    word_counts counts;
    auto const letters = 1 + below(5), words = 1 + below(30);
    for (unsigned w = 0; w < words; ++w) {
      std::string word;
      for (auto n = 1 + below(14); n > 0; --n) word += static_cast<char>('a' + below(letters));
      counts.add_word(word, 1 + below(round % 3 == 0 ? 1 : 6)); // many equal counts
    }
    bpe_training how{.vocabulary = below(60)};
    if (below(3) == 0) how.continuing_prefix = "##";
    if (below(3) == 0) how.word_suffix = "</w>";
    if (below(3) == 0) how.special = {"<s>", "a", "ab", "<s>"};
    if (below(4) == 0) how.min_count = below(4);
    if (below(4) == 0) how.alphabet = 1 + below(letters);
    if (below(4) == 0) how.longest_piece = 2 + below(4);
    auto const trained = train_bpe(counts, how);
    REQUIRE(trained);
    reference_training const want(counts, how);
    CAPTURE(round);
    CHECK(pieces_of(bpe_of(*trained).pieces) == want.pieces);
    std::vector<std::pair<int, int>> merges;
    for (auto const& [left, right, merged] : bpe_of(*trained).merges) merges.emplace_back(left, right);
    CHECK(merges == want.merges);
    merged_again += want.pieces.size() < merges.size() + 5;
  }
  CHECK(merged_again > 0);
}

TEST_CASE("of equal counts the pair with the smallest ids is merged first") {
  auto const trained = train_bpe(counted({{"cd", 2}, {"ab", 2}, {"ac", 2}}), {.vocabulary = 7});
  REQUIRE(trained);
  CHECK(has_pieces(bpe_of(*trained).pieces, 4, {"ab", "ac", "cd"}));
}

TEST_CASE("a run of one letter counts as all its pairs, and merges from the left") {
  auto const trained = train_bpe(counted({{"aaa", 2}, {"bc", 3}}), {.vocabulary = 5});
  REQUIRE(trained);
  CHECK(has_pieces(bpe_of(*trained).pieces, 3, {"aa", "bc"})); // 4 times aa, 3 times bc
  auto const longer = train_bpe(counted({{"aaaab", 1}}), {.vocabulary = 4});
  REQUIRE(longer);
  CHECK(has_pieces(bpe_of(*longer).pieces, 2,
                   {"aa", "aab"})); // aa aa b: of aa+aa and aa+b the latter has the smaller ids
}

TEST_CASE("training does not depend on the order of the words") {
  std::vector<std::pair<std::string, unsigned>> words;
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string word;
    for (auto n = 1 + random() % 9; n > 0; --n) word += static_cast<char>('a' + random() % 6);
    words.emplace_back(word, 1 + random() % 3);
  }
  std::vector<std::string> first;
  for (int round = 0; round < 3; ++round) {
    word_counts counts;
    for (auto const& [word, n] : words) counts.add_word(word, n);
    auto const trained = train_bpe(counts, {.vocabulary = 150, .continuing_prefix = "@", .word_suffix = "$"});
    REQUIRE(trained);
    auto const pieces = pieces_of(bpe_of(*trained).pieces);
    CHECK(pieces.size() == 150);
    if (round == 0) first = pieces;
    CHECK(pieces == first);
    std::shuffle(words.begin(), words.end(), random);
  }
}

TEST_CASE("bytes come first, in the order of ByteLevel's alphabet") {
  auto const trained = train_bpe(counted({{"\xC3\xA4\xC3\xA4", 3}, {" a", 2}}), {.vocabulary = 258, .bytes = true});
  REQUIRE(trained);
  auto const& model = bpe_of(*trained);
  CHECK(model.bytes);
  CHECK(model.pieces.piece(0) == "!");
  CHECK(model.pieces.piece(94) == "\xA1");
  CHECK(model.pieces.piece(188) == std::string_view("\0", 1));
  CHECK(model.pieces.piece(220) == " ");
  CHECK(has_pieces(model.pieces, 256, {"\xC3\xA4", "\xC3\xA4\xC3\xA4"}));
}

TEST_CASE("limits hold: tokens, counts, characters, lengths") {
  auto const words = counted({{"abcabcabc", 4}, {"xyz", 2}});
  auto const trained = [&](bpe_training const& how) { return pieces_of(bpe_of(*train_bpe(words, how)).pieces); };
  using list = std::vector<std::string>;
  CHECK(trained({.vocabulary = 0}) == list{"a", "b", "c", "x", "y", "z"}); // characters are tokens whatever the size
  CHECK(trained({.vocabulary = 7}) == list{"a", "b", "c", "x", "y", "z", "ab"});
  CHECK(trained({.min_count = 3}).back() == "abcabcabc");
  CHECK(trained({.min_count = 3, .alphabet = 2}) == list{"a", "b", "ab", "abab", "ababab"}); // c is left out
  CHECK(trained({.alphabet = 3, .longest_piece = 3}) == list{"a", "b", "c", "ab", "abc"});
  CHECK(trained({.alphabet = 3, .characters = "z\xC3\xA4", .longest_piece = 1}) == list{"a", "z", "\xC3\xA4"});
}

TEST_CASE("special tokens come first, once each, and one of them can be the unknown token") {
  auto const trained =
      train_bpe(papers_words(), {.vocabulary = 20, .special = {"<s>", "<unk>", "<s>"}, .unknown = "<unk>"});
  REQUIRE(trained);
  CHECK(bpe_of(*trained).pieces.piece(1) == "<unk>");
  CHECK(bpe_of(*trained).pieces.piece(2) == "d");
  CHECK(bpe_of(*trained).unknown == 1);
  CHECK(trained->added.size() == 2);
  CHECK(trained->added[1].content == owned_text("<unk>"));
  CHECK(trained->added[1].id == 1);
}

TEST_CASE("what cannot be trained is an error that says why") {
  auto const words = papers_words();
  auto const message = [&](bpe_training const& how, word_counts const& counts) {
    auto const trained = train_bpe(counts, how);
    return trained ? std::string() : std::string(trained.error().message());
  };
  CHECK(message({.special = {"<s>"}, .unknown = "<unk>"}, words).find("<unk>") != std::string::npos);
  CHECK(message({.special = {""}}, words).find("empty") != std::string::npos);
  CHECK(message({.vocabulary = std::size_t{1} << 40}, words).find("1099511627776") != std::string::npos);
  CHECK(message({}, counted({{"ab", ~std::uint64_t{0}}})).find("2^62") != std::string::npos);
  CHECK(message({}, word_counts()).empty());
  CHECK(train_wordpiece(words, {.bytes = true}).error().code() == errc::argument);
  CHECK(train_wordpiece(words, {.word_suffix = "$"}).error().code() == errc::argument);
}

TEST_CASE("an observer hears of stages, and can stop the training") {
  word_counts counts;
  std::mt19937 random(5);
  for (int i = 0; i < 5000; ++i) counts.add_word(std::to_string(random()), 1);
  std::vector<train_progress> heard;
  REQUIRE(train_bpe(counts, {.vocabulary = 1000}, [&](train_progress p) { heard.push_back(p); }));
  CHECK(heard.front().stage == train_stage::seed);
  CHECK(heard.front().total == counts.size());
  CHECK(heard.back().stage == train_stage::merge);
  CHECK(heard.back().total == 1000);
  CHECK(heard.back().done > 900);
  auto const stopped =
      train_bpe(counts, {.vocabulary = 1000}, [](train_progress p) { return p.stage == train_stage::seed; });
  REQUIRE(!stopped);
  CHECK(stopped.error().code() == errc::cancelled);
}

TEST_CASE("a trained encoding takes few tokens for what it was trained on") {
  constexpr std::string_view text = "the quick brown fox jumps over the lazy dog while the quicker fox jumped over "
                                    "the laziest dogs and the brownest of all foxes overjumps the dog";
  tokenizer_definition how;
  how.pretokenizers.push_back(pretokenize::byte_level{.add_prefix_space = false});
  auto cutter = word_cutter::make(how);
  REQUIRE(cutter);
  word_counts counts;
  counts.add(text, *cutter);
  auto const trained = train_bpe(counts, {.vocabulary = 330, .bytes = true});
  REQUIRE(trained);
  auto const model = bpe::make(bpe_of(*trained));
  REQUIRE(model);
  std::size_t tokens = 0, words = 0;
  std::string back;
  bpe::workspace room;
  cutter->each_word(text, [&](std::string_view word) {
    ++words;
    model->encode(word, room, [&](token id, std::size_t, std::size_t) {
      ++tokens;
      back += model->pieces().piece(id);
    });
  });
  CHECK(back == text);
  CHECK(words == 27);
  CHECK(tokens < 40);
}

TEST_CASE("WordPiece is trained with the prefix of pieces inside of words") {
  auto const trained = train_wordpiece(papers_words(), {.vocabulary = 24, .special = {"[UNK]"}, .unknown = "[UNK]"});
  REQUIRE(trained);
  auto const& model = trained->model.get<token_model::wordpiece>();
  CHECK(model.continuing_prefix == owned_text("##"));
  CHECK(model.unknown == 0);
  // First d e i l n o r s t w and their forms ##d … ##w that occur, then what is merged.
  CHECK(model.pieces.size() == 24);
  CHECK(model.pieces.find("##est") != no_token);
  CHECK(model.pieces.find("est") == no_token);
  CHECK(model.pieces.find("lo") != no_token);
  auto const encoder = wordpiece::make(model);
  REQUIRE(encoder);
  std::string spelled;
  wordpiece::workspace room;
  encoder->encode("lowest", room,
                  [&](token id, std::size_t, std::size_t) { (spelled += encoder->pieces().piece(id)) += ' '; });
  CHECK(spelled == "low ##est ");
}

TEST_CASE("a word of a million letters and ten thousand words take about linear time") {
  using clock = std::chrono::steady_clock;
  auto const seconds = [](std::size_t letters) {
    std::mt19937 random(1);
    std::string word;
    for (std::size_t i = 0; i < letters; ++i) word += static_cast<char>('a' + random() % 4);
    word_counts counts;
    counts.add_word(word);
    auto const start = clock::now();
    CHECK(bpe_of(*train_bpe(counts, {.vocabulary = 500})).pieces.size() == 500);
    return std::chrono::duration<double>(clock::now() - start).count();
  };
  double const small = seconds(100'000), large = seconds(1'000'000);
  CHECK(large < 40 * small + 1);
}

} // namespace tokenizer_train_bpe_test
