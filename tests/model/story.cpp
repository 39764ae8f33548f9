/// \file
/// The model that comes with the repository: what it says, the whole pipeline without allocation, and goldens that were
/// computed apart from the library.
#include "support/allocations.hpp"
#include "support/data.hpp"

#include <loquat/core/json.hpp>
#include <loquat/loquat.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace model_story_test {

using namespace loquat;

namespace {

std::string const here = LOQUAT_SOURCE_DIR;

struct story {
  gguf::file file = gguf::open(here + "/examples/story.gguf").value();
  cpu machine{{2}};
  any_model<cpu> model = load(file, machine).value();
  tokenizer tok = tokenizer_from(file).value();

  std::string tell(std::string_view prompt, auto sampler, generate_options options) const {
    auto talk = model.make_session().value();
    std::string text;
    for (std::string_view piece : prompt | encode(tok) | generate(model, talk, sampler, options) | decode(tok))
      text += piece;
    return text;
  }
};

TEST_CASE("the story model tells a story to its end") {
  story const s;
  generate_report report;
  auto const text = s.tell("Once upon a time", greedy{}, {.report = &report});
  CHECK(report.why == finish::end_token);
  CHECK(text.starts_with(", there was a "));
  CHECK(text.ends_with("."));
  CHECK(s.tell("Once upon a time", greedy{}, {}) == text);
  auto const sampler = [](std::uint64_t seed) { return top_k{40} | temperature{0.8f} | draw{.seed = seed}; };
  CHECK(s.tell("One day", sampler(1), {.max_tokens = 60}) == s.tell("One day", sampler(1), {.max_tokens = 60}));
  CHECK(s.tell("One day", sampler(1), {.max_tokens = 60}) != s.tell("One day", sampler(2), {.max_tokens = 60}));
}

// The goldens were computed with exact activations; rounding them to 8 bits moves logits by up to about 0.3.
TEST_CASE("the story model agrees with an independent computation") {
  story const s;
  std::string const lines = test::read(here + "/tests/data/story.jsonl");
  int seen = 0;
  for (std::size_t begin = 0, end; (end = lines.find('\n', begin)) != lines.npos; begin = end + 1, ++seen) {
    auto const golden = json::parse(std::string_view(lines).substr(begin, end - begin)).value();
    auto const list = [&](std::string_view key) {
      std::vector<token> out;
      for (auto id : golden[key].elements()) out.push_back(static_cast<token>(id.as_int64().value()));
      return out;
    };
    auto const ids = encode(s.tok, golden["text"].as_string().value());
    CHECK(ids == list("ids"));
    auto talk = s.model.make_session({.kv = kv_type::f32}).value();
    auto logits = s.model.forward(talk, ids).value();
    for (token expected : list("greedy")) {
      CHECK(logits[static_cast<std::size_t>(expected)] > *std::ranges::max_element(logits) - 0.5f);
      logits = s.model.forward(talk, std::span(&expected, 1)).value();
    }
  }
  CHECK(seen == 3);
}

TEST_CASE("the whole pipeline on a real model allocates nothing from the first token on") {
  story const s;
  auto talk = s.model.make_session().value();
  std::string_view const prompt = "The old dog";
  auto const sampler =
      repetition_penalty{1.1f} | top_k{40} | top_p{0.95f} | min_p{0.01f} | temperature{0.8f} | draw{.seed = 3};
  std::size_t first_piece = 0, bytes = 0;
  tokenizer::workspace room;
  auto const run = [&] {
    for (std::string_view piece : prompt | encode(s.tok, room) | generate(s.model, talk, sampler, {.max_tokens = 50}) |
                                      decode(s.tok) | until("\n\n")) {
      if (bytes == 0) first_piece = test::allocations();
      bytes += piece.size();
    }
    return test::allocations();
  };
  auto const end = run();
  CHECK(bytes > 50);
  CHECK(end == first_piece);

  talk.truncate(0);
  run(); // buffers of the tokenizer change places: now all of them have grown
  talk.truncate(0);
  auto const warm = test::allocations();
  CHECK(run() == warm); // prefill included
}

} // namespace

} // namespace model_story_test
