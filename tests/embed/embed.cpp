/// \file
/// Embedders: pooling, cutting, pairs, classification, passes of several texts, the view, errors, allocations.
#include "support/allocations.hpp"
#include "support/random_encoder.hpp"
#include "tokenizer/toy_definitions.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/embed/embed.hpp>
#include <loquat/embed/text_embedder.hpp>
#include <loquat/model/load_encoder.hpp>
#include <loquat/tokenizer/pipeline.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace embed_embed_test {

using namespace loquat;

namespace {

// The smallest embedder: how often a text has the letters a, b and c.
struct letters {
  std::array<float, 3> counts{};
  constexpr std::size_t dimensions() const { return 3; }
  constexpr result<std::span<float const>> operator()(std::string_view text) {
    if (text == "refused") return fail(errc::argument, "letters: refused");
    counts = {};
    for (char const c : text)
      if (c >= 'a' && c <= 'c') counts[static_cast<std::size_t>(c - 'a')] += 1;
    return std::span<float const>(counts);
  }
};
static_assert(Embedder<letters> && !BatchEmbedder<letters>);
static_assert(BatchEmbedder<embedder<cpu>> && BatchEmbedder<embedder<reference>>);

constexpr bool works_at_compile_time() {
  letters e;
  std::array<std::string_view, 3> const texts{"abba", "", "cab"};
  float sum = 0, n = 0;
  for (auto const vector : texts | embed(e)) sum = sum * 10 + vector[0], n += 1;
  std::array<float, 2> v{3, 4};
  normalise(v);
  std::array<float, 6> const tokens{1, 2, 3, 4, 5, 9};
  std::array<float, 2> mean{}, last{}, first{};
  pool_tokens(pooling::mean, false, tokens, mean);
  pool_tokens(pooling::last, false, tokens, last);
  pool_tokens(pooling::cls, false, tokens, first);
  return sum == 201 && n == 3 && v[0] == 0.6f && v[1] == 0.8f && mean[0] == 3 && mean[1] == 5 && last[1] == 9 &&
         first[0] == 1;
}
static_assert(works_at_compile_time());

// One token per character, 3 … 28 for letters, 29 for others; 1 before a text and 2 behind it.
struct characters {
  struct cursor {
    std::string_view rest;
    bool special;
    int state = 0;
    token next() {
      if (state == 0 && (++state, special)) return 1;
      if (!rest.empty()) {
        char const c = rest.front();
        rest.remove_prefix(1);
        return c >= 'a' && c <= 'z' ? 3 + c - 'a' : 29;
      }
      if (state == 1 && (++state, special)) return 2;
      return no_token;
    }
  };
  std::size_t size() const { return 30; }
  cursor start(std::string_view text, encode_options o) const { return {text, o.add_special}; }
  std::string_view piece(token) const { return ""; }
  bool is_special(token id) const { return id == 1 || id == 2; }
  token end_token() const { return 2; }
};

struct fixture {
  test::random_encoder w;
  std::vector<std::byte> bytes;
  gguf::file file;
  cpu machine;
  encoder_model<cpu> model;
  characters tok;

  explicit fixture(test::random_encoder_options const& o = {.layers = 2, .context = 16})
      : w(arch::bert, o), bytes(w.bytes()), file(gguf::file::parse(bytes).value()), machine({2}),
        model(load_encoder(file, machine).value()) {}

  // vectors of tokens, computed without an embedder
  std::vector<float> tokens_of(std::vector<token> const& ids, std::vector<token> const& types = {}) const {
    auto s = model.make_session().value();
    std::array const lengths{ids.size()};
    auto const x = model.forward(s, {ids, lengths, types}).value();
    return {x.begin(), x.end()};
  }
};
std::vector<float> copy(std::span<float const> x) { return {x.begin(), x.end()}; }
bool near(std::span<float const> a, std::vector<double> const& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; i < a.size() && same; ++i) same = std::fabs(static_cast<double>(a[i]) - b[i]) < 1e-5;
  return same;
}

TEST_CASE("embedder: every pooling") {
  fixture const f;
  auto const x = f.tokens_of({1, 3, 4, 5, 2}); // of "abc"
  std::size_t const d = 32, n = 5;
  std::vector<double> mean(d), first(d), last(d), all(x.begin(), x.end());
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t t = 0; t < n; ++t) mean[i] += all[t * d + i] / 5;
    first[i] = all[i];
    last[i] = all[4 * d + i];
  }
  auto const with = [&](pooling p) {
    auto e = make_embedder(f.model, f.tok, {.pooling = p, .normalised = false}).value();
    return copy(e("abc").value());
  };
  CHECK(near(with(pooling::mean), mean));
  CHECK(near(with(pooling::cls), first));
  CHECK(near(with(pooling::last), last));
  CHECK(near(with(pooling::none), all));
  auto e = make_embedder(f.model, f.tok).value(); // the file says nothing: mean; length one
  double length = 0;
  for (double const v : mean) length += v * v;
  for (double& v : mean) v /= std::sqrt(length);
  CHECK(near(e("abc").value(), mean));
}

TEST_CASE("embedder: the first elements, of length one") {
  fixture const f;
  auto whole = make_embedder(f.model, f.tok, {.normalised = false}).value();
  auto cut = make_embedder(f.model, f.tok, {.dimensions = 7}).value();
  CHECK(cut.dimensions() == 7);
  auto const all = copy(whole("abc").value()), part = copy(cut("abc").value());
  REQUIRE(part.size() == 7);
  float length = 0;
  for (std::size_t i = 0; i < 7; ++i) length += all[i] * all[i];
  for (std::size_t i = 0; i < 7; ++i) CHECK(part[i] == doctest::Approx(all[i] / std::sqrt(length)));
  auto tokens = make_embedder(f.model, f.tok, {.pooling = pooling::none, .dimensions = 3, .normalised = false}).value();
  auto const x = f.tokens_of({1, 3, 4, 2});
  auto const found = tokens("ab").value();
  REQUIRE(found.size() == 4 * 3);
  for (std::size_t i = 0; i < 12; ++i) CHECK(found[i] == x[i / 3 * 32 + i % 3]);
}

TEST_CASE("embedder: the same bits alone and in every batch; nothing is allocated") {
  fixture const f;
  std::vector<std::string> const texts{"a", "the quick", "", "brown fox", "x", "jumps over", "dogs", "abcdefghijklmn"};
  for (auto const p : {pooling::mean, pooling::none}) {
    auto alone = make_embedder(f.model, f.tok, {.pooling = p, .texts = 1}).value();
    std::vector<std::vector<float>> expected;
    for (auto const& text : texts) expected.push_back(copy(alone(text).value()));
    for (std::size_t const batch : {1u, 16u, 20u, 512u})
      for (std::size_t const most : {1u, 3u, 64u}) {
        auto e = make_embedder(f.model, f.tok, {.pooling = p, .texts = most, .batch = batch}).value();
        std::size_t i = 0;
        bool same = true;
        auto const before = test::allocations();
        for (auto const vector : texts | embed(e)) {
          same = same && vector.size() == expected[i].size() &&
                 std::memcmp(vector.data(), expected[i].data(), vector.size_bytes()) == 0;
          ++i;
        }
        CHECK(test::allocations() == before);
        CHECK(same);
        CHECK(i == texts.size());
      }
  }
}

TEST_CASE("embedder: texts that are too long are cut before their end token, or refused") {
  fixture const f;
  auto e = make_embedder(f.model, f.tok, {.pooling = pooling::none, .normalised = false, .context = 6}).value();
  CHECK(copy(e("abcdefgh").value()) == f.tokens_of({1, 3, 4, 5, 6, 2}));
  CHECK(copy(e("abcd").value()) == f.tokens_of({1, 3, 4, 5, 6, 2}));
  auto strict = make_embedder(f.model, f.tok, {.truncates = false, .context = 6}).value();
  CHECK(strict("abcd"));
  CHECK(std::string(strict("abcde").error().message()) ==
        "embedder: the text has more than the 6 tokens there is room for");
  auto bare = make_embedder(f.model, f.tok, {.text = {.add_special = false}}).value();
  CHECK(std::string(bare("").error().message()) == "embedder: the text has no tokens");
}

TEST_CASE("embedder: what options cannot be") {
  fixture const f;
  auto const says = [&](embed_options const& o) {
    auto const made = make_embedder(f.model, f.tok, o);
    return made ? "no error" : std::string(made.error().message());
  };
  CHECK(says({.dimensions = 33}) == "embedder: 33 dimensions of 32");
  CHECK(says({.pooling = pooling::rank}) == "embedder: pooling by rank, but the model has no classification head");
  CHECK(says({.context = 17}) == "encoder session: texts of 17 tokens: the model knows 16 positions");
  CHECK(says({.texts = 0, .batch = 0}) == "no error");
}

TEST_CASE("embedder: a classification head of one text, and of pairs by the tokenizer's template") {
  fixture const f({.layers = 2, .context = 24, .labels = 3});
  auto e = make_embedder(f.model, f.tok, {.pooling = pooling::rank}).value();
  CHECK(e.dimensions() == 3);
  auto const x = f.tokens_of({1, 3, 2});
  auto s = f.model.make_session().value();
  std::vector<float> logits(3);
  REQUIRE(f.model.classify(s, std::span(x).first(32), logits));
  CHECK(copy(e("a").value()) == logits);
  CHECK(e.add("a", "b").error().code() == errc::unsupported); // characters know nothing of pairs

  auto const words = tokenizer::make(test::toy_wordpiece()).value();
  auto pairs = make_embedder(f.model, words, {.pooling = pooling::rank, .context = 8}).value();
  auto const classes = [&](std::vector<token> const& ids, std::vector<token> const& types) {
    auto const y = f.tokens_of(ids, types);
    REQUIRE(f.model.classify(s, std::span(y).first(32), logits));
    return logits;
  };
  CHECK(copy(pairs("a", "un,").value()) == classes({1, 6, 2, 3, 7, 2}, {0, 0, 0, 1, 1, 1}));
  CHECK(copy(pairs("a a a a", "un un un un un").value()) ==
        classes({1, 6, 6, 2, 3, 3, 3, 2}, {0, 0, 0, 0, 1, 1, 1, 1}));
  CHECK(copy(pairs("unaffable a a a a a a").value()) == classes({1, 3, 4, 5, 6, 6, 6, 2}, {0, 0, 0, 0, 0, 0, 0, 0}));
  auto strict = make_embedder(f.model, words, {.truncates = false, .context = 8}).value();
  CHECK(strict("a a a a", "un"));
  CHECK(strict("a a a a", "un un").error().code() == errc::capacity);
  // pairs and single texts share passes
  pairs.clear();
  CHECK(pairs.add("a", "un,").value());
  CHECK(pairs.add("a").value());
  REQUIRE(pairs.run());
  CHECK(copy(pairs[0]) == classes({1, 6, 2, 3, 7, 2}, {0, 0, 0, 1, 1, 1}));
  CHECK(copy(pairs[1]) == classes({1, 6, 2}, {0, 0, 0}));
  auto const before = test::allocations();
  CHECK(pairs("a", "un,"));
  CHECK(test::allocations() == before);
}

TEST_CASE("embed: errors end the range behind what was fine; thrown where nobody asks for them") {
  letters e;
  std::vector<std::string> const texts{"ab", "refused", "c"};
  std::size_t n = 0;
  std::optional<error> failure;
  for (auto const vector : texts | embed(e, failure)) n += vector.size();
  CHECK(n == 3);
  REQUIRE(failure);
  CHECK(std::string(failure->message()) == "letters: refused");
  CHECK_THROWS_AS(for ([[maybe_unused]] auto const vector : texts | embed(e))++ n, bad_result);
  CHECK(n == 4);

  fixture const f;
  auto strict = make_embedder(f.model, f.tok, {.truncates = false, .context = 6}).value();
  std::vector<std::string> const long_one{"ab", "cd", "much too long", "ef"};
  failure.reset(), n = 0;
  for ([[maybe_unused]] auto const vector : long_one | embed(strict, failure)) ++n;
  CHECK(n == 2);
  CHECK(failure);
}

TEST_CASE("embed: texts that a view makes up, and none") {
  letters e;
  std::array const numbers{1, 2, 3};
  auto const made =
      numbers | std::views::transform([](int n) { return std::string(static_cast<std::size_t>(n), 'a'); });
  float sum = 0;
  for (auto const vector : made | embed(e)) sum = sum * 10 + vector[0];
  CHECK(sum == 123);
  fixture const f;
  auto batched = make_embedder(f.model, f.tok, {.texts = 2}).value();
  std::size_t n = 0;
  for ([[maybe_unused]] auto const vector : made | embed(batched)) ++n;
  CHECK(n == 3);
  for ([[maybe_unused]] auto const vector : std::vector<std::string>() | embed(batched)) ++n;
  CHECK(n == 3);
}

} // namespace

} // namespace embed_embed_test
