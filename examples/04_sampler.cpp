/// \file
/// A sampling step and a sampler of one's own, composed with the library's: `04_sampler [PROMPT [MODEL.gguf]]`. Any
/// type with the right call operator will do; there is nothing to derive from and nowhere to register.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <algorithm>
#include <iostream>

using namespace loquat;

/// A step: excludes every token that would complete a sequence of `length` tokens which was there before.
struct no_repeat {
  std::size_t length;

  void operator()(std::span<float> logits, std::span<token const> history) const {
    if (history.size() < length) return;
    auto const last = history.last(length - 1);
    for (std::size_t i = 0; i + length <= history.size(); ++i)
      if (std::ranges::equal(last, history.subspan(i, length - 1)))
        logits[static_cast<std::size_t>(history[i + length - 1])] = excluded_logit;
  }
};
static_assert(SamplerStep<no_repeat>);

/// A sampler: takes the best token where the model is sure of it, and draws one where it is not.
struct cautious {
  draw dice;

  token operator()(std::span<float const> logits, std::span<token const> history) {
    softmax_weights const weight(logits);
    bool const sure = weight.one() > weight.total(logits) / 2; // the best token has more than half of the probability
    return sure ? greedy{}(logits, history) : dice(logits, history);
  }
};
static_assert(Sampler<cautious>);

int main(int argc, char** argv) try {
  std::string_view const prompt = argc > 1 ? argv[1] : "Once upon a time";
  auto const file = open_model(argc, argv, 2).value();
  cpu const machine;
  auto const model = load(file, machine).value();
  auto const tok = tokenizer_from(file).value();
  auto talk = model.make_session().value();

  auto const tell = [&](char const* title, auto sampler) {
    talk.truncate(0); // a new story
    generate_report report;
    generate_options const options{.max_tokens = 150, .report = &report};
    std::cout << "--- " << title << '\n' << prompt;
    for (auto piece : prompt | encode(tok) | generate(model, talk, sampler, options) | decode(tok)) std::cout << piece;
    std::cout << "\n\n";
    if (report.why == finish::error) throw bad_result(report.error);
  };
  tell("the most probable token each time", greedy{});
  tell("the same, but no four tokens in the same order twice", no_repeat{4} | greedy{});
  tell("with some chance", no_repeat{4} | top_k{20} | temperature{0.8f} | cautious{draw{.seed = 1}});
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
