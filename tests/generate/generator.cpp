/// \file
/// The plain loop: how a generation ends, what it reports, and how a conversation goes on.

#include "toy.hpp"

#include <loquat/generate/generate.hpp>
#include <loquat/generate/truncate.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <forward_list>
#include <numeric>
#include <span>
#include <vector>

namespace generate_generator_test {

using namespace loquat;
using ids = std::vector<token>;

namespace {

using small = toy::successor<8>;
using large = toy::successor<1024>;

template <class G> constexpr ids rest(G& g) {
  ids all;
  while (auto id = g.next()) all.push_back(*id);
  return all;
}
ids seen(auto const& session) { return {session.tokens().begin(), session.tokens().end()}; }

constexpr bool plain_loop() {
  small const model;
  small::session talk;
  generator g(model, talk, {.max_tokens = 3});
  return g.prompt(ids{'a', 'b'}).has_value() && rest(g) == ids{'c', 'd', 'e'} && g.report().why == finish::max_tokens &&
         g.report().prompt_tokens == 2 && g.report().generated_tokens == 3;
}
static_assert(plain_loop());

} // namespace

TEST_CASE("max_tokens ends it, and 0 only feeds the prompt") {
  small const model;
  small::session talk;
  generator g(model, talk, {.max_tokens = 0});
  REQUIRE(g.prompt(ids{'a', 'b'}));
  CHECK_FALSE(g.next());
  CHECK(g.report().why == finish::max_tokens);
  CHECK(seen(talk) == ids{'a', 'b'});
  g.options().max_tokens = 1;
  REQUIRE(g.prompt(ids{})); // nothing to add, and the logits are there
  CHECK(rest(g) == ids{'c'});
  CHECK(talk.calls == 1);
}

TEST_CASE("the end token is not handed out, but goes into the session with the next prompt") {
  small const model;
  small::session talk;
  generator g(model, talk);
  REQUIRE(g.prompt(ids{'x'}));
  CHECK(rest(g) == ids{'y', 'z'});
  CHECK(g.report().why == finish::end_token);
  CHECK(g.report().last == toy::end);
  CHECK(g.pending() == toy::end);
  CHECK_FALSE(g.next()); // it stays ended
  REQUIRE(g.prompt(ids{'y'}));
  CHECK(g.report().prompt_tokens == 1);
  CHECK(seen(talk) == ids{'x', 'y', 'z', toy::end, 'y'});
  CHECK(rest(g) == ids{'z'});
  g.drop_pending();
  REQUIRE(g.prompt(ids{'!'}));
  CHECK(seen(talk) == ids{'x', 'y', 'z', toy::end, 'y', 'z', '!'});
}

TEST_CASE("a pending token goes into the session once") {
  small const model;
  small::session talk;
  generator g(model, talk, {.max_tokens = 1});
  REQUIRE(g.prompt(ids{'a'}));
  CHECK(rest(g) == ids{'b'});
  g.options().max_tokens = 0;
  REQUIRE(g.prompt(ids{'p'}));
  CHECK(g.pending() == no_token);
  REQUIRE(g.prompt(ids{'q'}));
  CHECK(seen(talk) == ids{'a', 'b', 'p', 'q'});
}

TEST_CASE("stop tokens end it like the end token") {
  small const model;
  small::session talk;
  std::array const stops{token{'q'}, token{'d'}};
  generator g(model, talk, {.stop_tokens = stops});
  REQUIRE(g.prompt(ids{'b'}));
  CHECK(rest(g) == ids{'c'});
  CHECK(g.report().why == finish::stop_token);
  CHECK(g.report().last == 'd');
  CHECK(g.report().generated_tokens == 1);
}

TEST_CASE("a full context is an end, and the last token is still handed out") {
  small const model;
  small::session talk;
  generator g(model, talk);
  REQUIRE(g.prompt(ids{1, 2, 3, 4, 5, 6}));
  CHECK(rest(g) == ids{7, 8, 9}); // two of them fed back, the third has no place
  CHECK(g.report().why == finish::context_full);
  CHECK(talk.tokens().size() == 8);

  small::session exact;
  generator h(model, exact);
  REQUIRE(h.prompt(ids{1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK(rest(h) == ids{9});
  CHECK(h.report().why == finish::context_full);
}

TEST_CASE("a prompt that exceeds the context is an error that says by how much") {
  small const model;
  small::session talk;
  generator g(model, talk);
  REQUIRE(g.prompt(ids{1, 2}));
  REQUIRE(g.next());
  auto const outcome = g.prompt(ids{1, 2, 3, 4, 5, 6}); // and the pending token
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code() == errc::capacity);
  CHECK(outcome.error().message() ==
        "generate: the prompt does not fit: the context holds 8 tokens, 2 are used and 7 or more are to come");
  CHECK(talk.tokens().size() == 2); // its size was known, so nothing was fed
  CHECK(g.report().why == finish::error);
  CHECK_FALSE(g.next());
  CHECK(g.prompt(ids{1, 2, 3, 4, 5})); // with one fewer it fits: the pending token was not lost
  CHECK(seen(talk) == ids{1, 2, 3, 1, 2, 3, 4, 5});
}

TEST_CASE("a prompt of unknown length that exceeds the context fails where it does") {
  large const model;
  large::session talk;
  generator g(model, talk);
  std::forward_list<token> const many(1025, 'a');
  auto const outcome = g.prompt(many);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code() == errc::capacity);
  CHECK(g.report().prompt_tokens == 1024);
}

TEST_CASE("an empty prompt needs something to go on from") {
  small const model;
  small::session talk;
  generator g(model, talk, {.max_tokens = 1});
  auto const outcome = g.prompt(ids{});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code() == errc::argument);
  CHECK(g.report().why == finish::error);
  REQUIRE(g.prompt(ids{'a'}));
  CHECK(rest(g) == ids{'b'});
  REQUIRE(g.prompt(ids{}));
  CHECK(rest(g) == ids{'c'});
}

TEST_CASE("next without a prompt is an error") {
  small const model;
  small::session talk;
  generator g(model, talk);
  CHECK_FALSE(g.next());
  CHECK(g.report().why == finish::error);
  CHECK(g.report().error.message() == "generate: next() without a prompt()");
}

TEST_CASE("ids out of range are errors of the model, which leave the session as it was") {
  small const model;
  small::session talk;
  generate_report report;
  generator g(model, talk, {.report = &report});
  for (token bad : {-1, 258}) {
    CHECK_FALSE(g.prompt(ids{'a', bad}));
    CHECK(report.why == finish::error);
    CHECK(report.error.code() == errc::argument);
    CHECK(report.prompt_tokens == 0);
    CHECK(talk.tokens().empty());
  }
}

TEST_CASE("a long prompt goes in by chunks and ends in the same logits") {
  large const model;
  large::session talk;
  ids prompt(600);
  std::iota(prompt.begin(), prompt.end(), 0);
  for (token& id : prompt) id %= 100;
  generator g(model, talk, {.max_tokens = 1});
  REQUIRE(g.prompt(prompt));
  CHECK(talk.calls == 3);
  CHECK(seen(talk) == prompt);
  CHECK(g.report().prompt_tokens == 600);
  CHECK(rest(g) == ids{100});
}

namespace {

/// Sets a flag when it has run a number of times.
struct interrupted {
  struct session : large::session {
    std::atomic<bool>* flag = nullptr;
    std::size_t at = 0;
  };
  large model;
  result<std::span<float>> forward(session& s, std::span<token const> in) const {
    auto logits = model.forward(s, in);
    if (s.calls == s.at) *s.flag = true;
    return logits;
  }
  bool ends(token id) const { return model.ends(id); }
};

} // namespace

TEST_CASE("cancelling takes effect before the model runs again, and one can go on") {
  std::atomic<bool> flag = false;
  interrupted const model;
  interrupted::session talk;
  talk.flag = &flag;

  SUBCASE("within a prompt") {
    talk.at = 2;
    generator g(model, talk, {.cancel = &flag});
    auto const outcome = g.prompt(ids(600, 'a'));
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == errc::cancelled);
    CHECK(g.report().why == finish::cancelled);
    CHECK(g.report().prompt_tokens == 512);
    CHECK_FALSE(g.next());
  }
  SUBCASE("between tokens") {
    talk.at = 3;
    generator g(model, talk, {.cancel = &flag});
    REQUIRE(g.prompt(ids{'a'}));
    CHECK(rest(g) == ids{'b', 'c', 'd'});
    CHECK(g.report().why == finish::cancelled);
    CHECK(talk.calls == 3);
    flag = false;
    g.options().max_tokens = 2;
    REQUIRE(g.prompt(ids{}));
    CHECK(rest(g) == ids{'e', 'f'});
  }
  SUBCASE("before anything") {
    flag = true;
    generator g(model, talk, {.cancel = &flag});
    CHECK_FALSE(g.prompt(ids{'a'}));
    CHECK(talk.calls == 0);
  }
}

TEST_CASE("a sampler that chooses nothing or nonsense is an error") {
  small const model;
  for (token wrong : {no_token, token{-2}, token{258}}) {
    small::session talk;
    generator g(model, talk, [wrong](std::span<float>, std::span<token const>) { return wrong; });
    REQUIRE(g.prompt(ids{'a'}));
    CHECK_FALSE(g.next());
    CHECK(g.report().why == finish::error);
    CHECK(g.report().error.code() == errc::argument);
  }
}

// A lambda with captures cannot be assigned, a view must be.
static_assert([] {
  token wanted = 'p';
  ++wanted;
  auto const always = [&wanted](std::span<float>, std::span<token const>) { return wanted; };
  small const model;
  small::session talk, other;
  auto view = std::views::single(token{'a'}) | generate(model, talk, always, {.max_tokens = 2});
  static_assert(std::ranges::view<decltype(view)>);
  view = std::views::single(token{'b'}) | generate(model, other, always, {.max_tokens = 3});
  std::size_t n = 0;
  for (token id : view) n += id == 'q';
  return n == 3 && talk.tokens().empty();
}());

TEST_CASE("samplers see all that the session has seen") {
  small const model;
  small::session talk;
  std::vector<ids> histories;
  generator g(model, talk,
              [&](std::span<float>, std::span<token const> history) -> token {
                histories.emplace_back(history.begin(), history.end());
                return 'q';
              },
              {.max_tokens = 2});
  REQUIRE(g.prompt(ids{'a', 'b'}));
  rest(g);
  CHECK(histories == std::vector<ids>{{'a', 'b'}, {'a', 'b', 'q'}});
}

TEST_CASE("log-probabilities are those of the model, whatever the sampler does") {
  small const model;
  small::session talk;
  generate_report report;
  std::array<float, toy::vocabulary> all{};
  generator g(model, talk, top_k{1} | greedy{}, {.max_tokens = 2, .logprobs = all, .report = &report});
  REQUIRE(g.prompt(ids{'a'}));
  while (auto id = g.next()) {
    double total = 0;
    for (std::size_t i = 0; i < toy::vocabulary; ++i)
      total += std::exp(-0.25 * std::abs(static_cast<double>(i) - static_cast<double>(*id)));
    CHECK(report.logprob == doctest::Approx(-std::log(total)).epsilon(1e-6));
    CHECK(all[static_cast<std::size_t>(*id) + 4] == doctest::Approx(-1 - std::log(total)).epsilon(1e-6));
  }
  CHECK(report.generated_tokens == 2);
}

TEST_CASE("too little room for log-probabilities is an error") {
  small const model;
  small::session talk;
  std::array<float, 3> few{};
  generator g(model, talk, {.logprobs = few});
  REQUIRE(g.prompt(ids{'a'}));
  CHECK_FALSE(g.next());
  CHECK(g.report().error.message() == "generate: logprobs has room for 3 of 258 vocabulary entries");
}

TEST_CASE("a transcript is fed only from where the session has not seen it") {
  small const model;
  small::session talk;
  auto const turn = [&](ids const& prompt, generate_report& report) {
    ids all;
    for (token id : prompt | generate(model, talk, {.max_tokens = 2, .transcript = true, .report = &report}))
      all.push_back(id);
    return all;
  };
  generate_report report;
  CHECK(turn({'a', 'b'}, report) == ids{'c', 'd'});
  CHECK(seen(talk) == ids{'a', 'b', 'c'});
  CHECK(turn({'a', 'b', 'c', 'd', 'p'}, report) == ids{'q', 'r'});
  CHECK(report.prompt_tokens == 2);
  CHECK(seen(talk) == ids{'a', 'b', 'c', 'd', 'p', 'q'});

  CHECK(turn({'a', 'b', 'X'}, report).empty());
  CHECK(report.why == finish::error);
  CHECK(report.error.code() == errc::mismatch);
  CHECK(report.error.message() == "generate: token 2 of the transcript is 88, but the session has seen 99");
  CHECK(turn({'a', 'b'}, report).empty());
  CHECK(report.error.code() == errc::mismatch);
  CHECK(turn({'a', 'b', 'c', 'd', 'p', 'q'}, report).empty()); // nothing new, hence no logits
  CHECK(report.error.code() == errc::argument);
  CHECK(turn({'a', 'b', 'c', 'd', 'p', 'q', 'r', 's', 't'}, report).empty());
  CHECK(report.error.code() == errc::capacity);
  CHECK(turn({'a', 'b', 'c', 'd', 'p', 'q', 'r', 's'}, report) == ids{'t'});
  CHECK(report.why == finish::context_full);
}

TEST_CASE("a conversation in two turns through one generator is the same as one") {
  large const model;
  large::session one, two;
  generator g(model, one, draw{.seed = 5}, {.max_tokens = 10});
  generator h(model, two, draw{.seed = 5}, {.max_tokens = 5});
  ids first, second;
  for (token id : ids{'a'} | generate(g)) first.push_back(id);
  for (token id : ids{'a'} | generate(h)) second.push_back(id);
  for (token id : ids{} | generate(h)) second.push_back(id);
  CHECK(first.size() == 10);
  CHECK(first == second);
  CHECK(seen(one) == seen(two));
}

TEST_CASE("equal seeds give equal texts") {
  large const model;
  auto const run = [&](std::uint64_t seed) {
    large::session talk;
    generator g(model, talk, top_k{20} | draw{.seed = seed}, {.max_tokens = 50});
    REQUIRE(g.prompt(ids{'a'}));
    return rest(g);
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("reasons have names") {
  CHECK(name(finish::none) == "none");
  CHECK(name(finish::context_full) == "context_full");
  CHECK(name(finish::error) == "error");
}

} // namespace generate_generator_test
