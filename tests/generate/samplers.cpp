/// \file
/// Steps and samplers against references that sort: random logits with ties, NaN and infinities; draws by their
/// distribution; the same results in constant expressions.

#include <loquat/generate/adjust.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/generate/sampler.hpp>
#include <loquat/generate/truncate.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace generate_samplers_test {

using namespace loquat;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr std::span<token const> nothing;

static_assert(SamplerStep<top_k> && SamplerStep<top_p> && SamplerStep<min_p> && SamplerStep<temperature>);
static_assert(SamplerStep<logit_bias> && SamplerStep<repetition_penalty> && SamplerStep<frequency_penalty>);
static_assert(SamplerStep<presence_penalty> && Sampler<greedy> && Sampler<draw>);
static_assert(!SamplerStep<greedy> && !Sampler<top_k>);
static_assert(SamplerStep<decltype(top_k{} | top_p{})> && Sampler<decltype(top_k{} | top_p{} | greedy{})>);
static_assert(Sampler<decltype(top_k{} | (top_p{} | greedy{}))>);
template <class A, class B>
concept Chains = requires(A a, B b) {
  a | b;
};
static_assert(!Chains<greedy, top_k>); // nothing comes after a choice

using logits = std::vector<float>;

/// Logits of a random kind: spread, full of ties, or with all that floats can be.
logits random_logits(std::mt19937& random, std::size_t size) {
  logits x(size);
  auto const kind = random() % 3;
  std::normal_distribution<float> spread(0, 4);
  for (float& v : x) {
    if (kind == 0)
      v = spread(random);
    else if (kind == 1)
      v = static_cast<float>(static_cast<int>(random() % 7)) - 3.0f;
    else {
      constexpr std::array odd{not_a_number, -infinity, infinity, 0.0f, -0.0f, 3e38f, -3e38f, 1e-40f, -1e-40f};
      v = random() % 4 == 0 ? odd[random() % odd.size()] : spread(random);
    }
  }
  return x;
}

/// Ids that are not excluded, best first, of equal ones the lower id.
std::vector<std::size_t> ranked(logits const& x) {
  std::vector<std::size_t> ids;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] > -infinity) ids.push_back(i);
  std::ranges::sort(ids, [&](auto a, auto b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
  return ids;
}

/// What should be left if these ids stay.
logits keeping(logits const& x, std::span<std::size_t const> ids) {
  logits y(x.size(), -infinity);
  for (auto i : ids) y[i] = x[i];
  return y;
}

bool same(logits const& a, logits const& b) {
  return std::ranges::equal(a, b, [](float p, float q) { return p == q || (!(p > -infinity) && !(q > -infinity)); });
}

template <class Step> logits after(Step step, logits x, std::span<token const> history = nothing) {
  step(x, history);
  return x;
}

} // namespace

TEST_CASE("top_k keeps exactly the k best, of equal ones the lower ids") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    auto const x = random_logits(random, 1 + random() % 300);
    std::size_t const k = 1 + random() % 320;
    auto const order = ranked(x);
    auto const left = after(top_k{k}, x);
    REQUIRE(same(left, keeping(x, std::span(order).first(std::min(k, order.size())))));
  }
}

TEST_CASE("top_k of a vocabulary so large that it looks for a floor first") {
  std::mt19937 random(2);
  for (int round = 0; round < 60; ++round) {
    auto x = random_logits(random, 8192 + random() % 4096);
    if (round % 4 == 0) // almost everything excluded
      for (std::size_t i = 0; i < x.size(); ++i)
        if (i % 1000 != 7) x[i] = -infinity;
    if (round % 4 == 1) // all that is left is close together
      for (std::size_t i = 100; i < x.size(); ++i) x[i] = -infinity;
    auto const order = ranked(x);
    for (std::size_t k : {1u, 40u, 256u, 257u}) {
      auto const left = after(top_k{k}, x);
      REQUIRE(same(left, keeping(x, std::span(order).first(std::min(k, order.size())))));
    }
  }
}

TEST_CASE("top_k of 0 keeps all") {
  logits const x{1, not_a_number, 3, -infinity};
  CHECK(same(after(top_k{0}, x), x));
}

TEST_CASE("top_p keeps the fewest tokens that reach p") {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    auto const x = random_logits(random, 1 + random() % 300);
    float const p = static_cast<float>(random() % 1000) / 1000;
    auto const order = ranked(x);
    auto const left = after(top_p{p}, x);
    // Those that stay are the first of the order …
    auto const stay = static_cast<std::size_t>(std::ranges::count_if(left, [](float v) { return v > -infinity; }));
    REQUIRE(same(left, keeping(x, std::span(order).first(stay))));
    if (order.empty()) continue;
    // … and just enough, up to the rounding of this reference.
    auto const best = static_cast<double>(x[order[0]]);
    std::vector<double> weight;
    for (auto i : order) weight.push_back(x[i] == x[order[0]] ? 1 : std::exp(static_cast<double>(x[i]) - best));
    double const total = std::accumulate(weight.begin(), weight.end(), 0.0);
    double const with =
        std::accumulate(weight.begin(), weight.begin() + static_cast<std::ptrdiff_t>(stay), 0.0) / total;
    REQUIRE(stay >= 1);
    REQUIRE(with >= static_cast<double>(p) - 1e-7);
    if (stay > 1) REQUIRE(with - weight[stay - 1] / total < static_cast<double>(p) + 1e-7);
  }
}

TEST_CASE("top_p at its ends") {
  logits const x{1, 5, not_a_number, 5, -infinity};
  for (float p : {1.0f, 2.0f, not_a_number}) CHECK(same(after(top_p{p}, x), x));
  for (float p : {0.0f, -1.0f}) CHECK(same(after(top_p{p}, x), {-infinity, 5, not_a_number, -infinity, -infinity}));
  CHECK(same(after(top_p{0.5f}, {0, 0, 0, 0}), {0, 0, -infinity, -infinity})); // exactly p is enough
  CHECK(same(after(top_p{0.500001f}, {0, 0, 0, 0}), {0, 0, 0, -infinity}));
}

TEST_CASE("min_p keeps what is probable enough beside the best") {
  std::mt19937 random(4);
  for (int round = 0; round < 1000; ++round) {
    auto const x = random_logits(random, 1 + random() % 300);
    float const p = static_cast<float>(1 + random() % 999) / 1000;
    auto const order = ranked(x);
    std::vector<std::size_t> stay;
    for (auto i : order)
      if (x[i] == x[order[0]] ||
          static_cast<double>(x[i]) - static_cast<double>(x[order[0]]) >= std::log(static_cast<double>(p)))
        stay.push_back(i);
    REQUIRE(same(after(min_p{p}, x), keeping(x, stay)));
  }
  logits const x{1, 5, not_a_number, 5, -infinity};
  for (float p : {0.0f, -1.0f, not_a_number}) CHECK(same(after(min_p{p}, x), x));
  CHECK(same(after(min_p{1}, x), {-infinity, 5, not_a_number, 5, -infinity}));
}

TEST_CASE("excluding steps leave nothing of nothing") {
  logits const none{-infinity, not_a_number, -infinity};
  CHECK(same(after(top_k{1}, none), none));
  CHECK(same(after(top_p{0.5f}, none), none));
  CHECK(same(after(min_p{0.5f}, none), none));
  CHECK(same(after(temperature{0}, none), none));
  CHECK(greedy{}(none, nothing) == no_token);
  CHECK(draw{.seed = 1}(none, nothing) == no_token);
  CHECK(greedy{}({}, nothing) == no_token);
  CHECK(draw{.seed = 1}({}, nothing) == no_token);
}

TEST_CASE("greedy takes the lowest id of the best") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    auto const x = random_logits(random, 1 + random() % 100);
    auto const order = ranked(x);
    REQUIRE(greedy{}(x, nothing) == (order.empty() ? no_token : static_cast<token>(order[0])));
  }
}

TEST_CASE("temperature divides; 0 leaves the best alone; an infinite one makes all equal") {
  logits const x{1, -2, 3, not_a_number, 3, -infinity};
  CHECK(same(after(temperature{0.5f}, x), {2, -4, 6, not_a_number, 6, -infinity}));
  CHECK(same(after(temperature{1}, x), x));
  for (float t : {0.0f, -1.0f, not_a_number})
    CHECK(same(after(temperature{t}, x), {-infinity, -infinity, 3, not_a_number, -infinity, -infinity}));
  CHECK(same(after(temperature{infinity}, x), {0, 0, 0, not_a_number, 0, -infinity}));
  CHECK(same(after(temperature{infinity}, {infinity, 1}), {infinity, 0}));
}

TEST_CASE("penalties see the window of the history, and each token as often as they say") {
  std::array<token, 7> const history{0, 3, 1, 1, 2, 1, 99}; // 99 is out of range
  logits const x{4, 2, -2, 1, -infinity};
  auto const run = [&](auto step) { return after(step, x, history); };
  CHECK(same(run(repetition_penalty{.factor = 2, .window = 5}), {4, 1, -4, 1, -infinity}));
  CHECK(same(run(repetition_penalty{.factor = 2, .window = whole_history}), {2, 1, -4, 0.5f, -infinity}));
  CHECK(same(run(frequency_penalty{.amount = 0.5f, .window = 5}), {4, 0.5f, -2.5f, 1, -infinity}));
  CHECK(same(run(presence_penalty{.amount = 0.5f, .window = 5}), {4, 1.5f, -2.5f, 1, -infinity}));
  for (float factor : {0.0f, -1.0f, not_a_number, infinity})
    CHECK(same(run(repetition_penalty{.factor = factor, .window = whole_history}), x));
  CHECK(same(run(repetition_penalty{.factor = 2, .window = 0}), x));
  CHECK(same(run(presence_penalty{.amount = 1, .window = 0}), x));
  std::array<token, 1> const negative{no_token};
  CHECK(same(after(presence_penalty{.amount = 1}, x, negative), x));
}

TEST_CASE("a repetition is penalised once, in every slice of a large vocabulary") {
  logits const x(200'000, 8);
  std::vector<token> const history{5, 65'535, 65'536, 131'072, 199'999, 5, 65'536, 199'999, 200'000};
  auto expected = x;
  for (std::size_t i : {5u, 65'535u, 65'536u, 131'072u, 199'999u}) expected[i] = 4;
  CHECK(after(repetition_penalty{.factor = 2}, x, history) == expected);
}

TEST_CASE("logit_bias adds, excludes, and ignores ids out of range") {
  std::array const biases{token_bias{0, 1.5f}, token_bias{2, -infinity}, token_bias{3, infinity}, token_bias{-1, 9},
                          token_bias{4, 9}};
  CHECK(same(after(logit_bias{biases}, {1, 2, 3, -infinity}), {2.5f, 2, -infinity, -infinity}));
}

TEST_CASE("weights are e to the difference from the best") {
  std::mt19937 random(6);
  std::uniform_real_distribution<float> below(-30, 0);
  for (int round = 0; round < 10000; ++round) {
    std::array const x{0.0f, below(random)};
    softmax_weights const weight(x);
    double const found = static_cast<double>(weight(x[1])) / static_cast<double>(weight.one());
    double const exact = std::exp(static_cast<double>(x[1]));
    REQUIRE(std::abs(found - exact) <= 1e-8 * exact + 0x1p-60); // relative, until the bits end
  }
  std::array const far{1e30f, 0.0f, 1e30f, not_a_number, -infinity};
  softmax_weights const weight(far);
  CHECK(weight(1e30f) == weight.one());
  CHECK(weight(0) == 0);
  CHECK(weight(not_a_number) == 0);
  CHECK(weight(-infinity) == 0);
  CHECK(weight.total(far) == 2 * weight.one());
}

TEST_CASE("draw follows the softmax") {
  logits const x{0, 1, -infinity, 2, -1, not_a_number, 2};
  double total = 0;
  for (float v : x)
    if (v > -infinity) total += std::exp(static_cast<double>(v));
  for (std::uint64_t seed : {0u, 1u, 42u}) {
    draw choose{.seed = seed};
    constexpr int draws = 200'000;
    std::array<int, 7> count{};
    for (int i = 0; i < draws; ++i) ++count[static_cast<std::size_t>(choose(x, nothing))];
    double chi2 = 0; // 5 possible tokens: 4 degrees of freedom, 23.5 is exceeded once in 10,000
    for (std::size_t i = 0; i < x.size(); ++i) {
      double const expected = x[i] > -infinity ? draws * std::exp(static_cast<double>(x[i])) / total : 0;
      if (expected == 0)
        CHECK(count[i] == 0);
      else
        chi2 += (count[i] - expected) * (count[i] - expected) / expected;
    }
    CHECK(chi2 < 23.5);
  }
}

TEST_CASE("draw does not depend on where a constant shifts the logits, and shares infinity") {
  logits x{0, 1, 2, 3}, y{64, 65, 66, 67};
  draw a{.seed = 7}, b{.seed = 7};
  for (int i = 0; i < 1000; ++i) REQUIRE(a(x, nothing) == b(y, nothing));
  logits const both{infinity, 1, infinity};
  std::array<int, 3> count{};
  for (int i = 0; i < 1000; ++i) ++count[static_cast<std::size_t>(a(both, nothing))];
  CHECK(count[1] == 0);
  CHECK(count[0] > 400);
  CHECK(count[2] > 400);
}

namespace {

constexpr std::array<token, 8> sequence(std::uint64_t seed, std::uint64_t drawn = 0) {
  std::array<float, 100> const equal{};
  std::array<token, 8> ids{};
  draw choose{.seed = seed, .drawn = drawn};
  for (token& id : ids) id = choose(equal, nothing);
  return ids;
}

// SplitMix64 of seed 1234567 begins 6457827717110365317, 3203168211198807973, 9817491932198370423 (the algorithm's
// published test values); of 100 equal tokens that is the one at output / 2⁶⁴.
constexpr auto published = sequence(1234567);
static_assert(published[0] == 35 && published[1] == 17 && published[2] == 53);
constexpr auto later = sequence(1234567, 3);
static_assert(later[0] == published[3] && later[4] == published[7]);
static_assert(sequence(42) != published);

template <class S, std::size_t N>
constexpr std::array<float, N> applied(S step, std::array<float, N> x, std::span<token const> history = nothing) {
  step(x, history);
  return x;
}
static_assert(applied(top_k{2}, std::array{1.0f, 3.0f, 2.0f, 3.0f}) == std::array{-infinity, 3.0f, -infinity, 3.0f});
static_assert(applied(top_k{1}, std::array{-0.0f, 0.0f}) == std::array{0.0f, -infinity}); // both zeros are equal
static_assert(applied(top_p{0.9f} | temperature{2}, std::array{0.0f, 8.0f}) == std::array{-infinity, 4.0f});
static_assert(applied(min_p{0.5f}, std::array{0.0f, 0.5f, 1.0f}) == std::array{-infinity, 0.5f, 1.0f});

constexpr bool lambdas_compose() {
  std::array<float, 3> x{1, 2, 3};
  auto const ban_two = [](std::span<float> all, std::span<token const>) { all[2] = -infinity; };
  auto sampler = ban_two | top_k{2} | greedy{};
  auto const last = [](std::span<float> all, std::span<token const>) { return static_cast<token>(all.size() - 1); };
  sampler_chain own{ban_two, last};
  return sampler(x, nothing) == 1 && own(x, nothing) == 2;
}
static_assert(lambdas_compose());

} // namespace

TEST_CASE("log_softmax is the logarithm of the probabilities") {
  logits const x{0, 1, -infinity, 2.5f, not_a_number, -60};
  logits out(x.size());
  log_softmax(x, out);
  double total = 0;
  for (float v : x)
    if (v > -infinity) total += std::exp(static_cast<double>(v));
  for (std::size_t i : {0u, 1u, 3u, 5u})
    CHECK(out[i] == doctest::Approx(static_cast<double>(x[i]) - std::log(total)).epsilon(1e-6));
  CHECK(out[2] == -infinity);
  CHECK(out[4] == -infinity);
  log_softmax(logits{infinity, 1, infinity}, std::span(out).first(3));
  CHECK(out[0] == doctest::Approx(-std::log(2.0)));
  CHECK(out[1] == -infinity);
}

} // namespace generate_samplers_test
