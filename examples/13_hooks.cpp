/// \file
/// The inside of a model: which tokens it looks at, how its guess forms from layer to layer, and how to steer it:
/// `13_hooks [PROMPT [MODEL.gguf]]`, of llama's architecture. Points that a type of hooks does not name cost nothing.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

using namespace loquat;

/// Prints, for each layer, how large the last token's vector is, and where its heads look.
struct microscope {
  tokenizer const& tok;
  std::span<token const> ids;
  std::vector<float> memory = {}; // of attention weights

  void block_input(hook_site const& at, std::span<float> x) { // x[n, embedding]
    float sum = 0;
    for (float v : x.last(x.size() / at.n)) sum += v * v;
    std::cout << "layer " << at.layer << "  |x| " << std::setw(6) << std::sqrt(sum) << "  heads look at";
  }
  std::span<float> attention_room(hook_site const&, std::size_t count) {
    memory.resize(count);
    return memory;
  }
  // const floats: it only looks, so the output keeps its bits; of floats it might change, values were mixed anew
  void attention_weights(hook_site const& at, std::span<float const> w) { // [heads, n, length]
    std::size_t const length = at.position + at.n;
    for (std::size_t head = 0; head < w.size() / at.n / length; ++head) {
      auto const row = w.subspan((head * at.n + at.n - 1) * length, length);
      auto const most = static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
      std::cout << "  " << std::setw(3) << std::lround(100 * row[most]) << " % \"" << tok.piece(ids[most]) << '"';
    }
    std::cout << '\n';
  }
};

/// Adds a direction to what goes into one layer, for every token.
struct steering {
  std::size_t layer;
  std::vector<float> direction; // [embedding]
  float strength;

  void block_input(hook_site const& at, std::span<float> x) {
    if (at.layer == layer)
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += strength * direction[i % direction.size()];
  }
};

/// Remembers the last token's vector before a layer.
struct probe {
  std::size_t layer;
  std::vector<float> vector = {};
  void block_input(hook_site const& at, std::span<float> x) {
    if (at.layer == layer) vector.assign(x.end() - static_cast<std::ptrdiff_t>(x.size() / at.n), x.end());
  }
};

int main(int argc, char** argv) try {
  std::string_view const prompt = argc > 1 ? argv[1] : "Once upon a time there was a cat";
  auto const file = open_model(argc, argv, 2).value();
  auto const tok = tokenizer_from(file).value();
  cpu const machine;
  auto const model = transformer<arch::llama>::build(file, machine).value(); // named, so that it is compiled alone
  auto talk = model.make_session({.context = 512}).value();

  auto const ids = encode(tok, prompt);
  microscope view{tok, ids};
  std::cout << std::fixed << std::setprecision(2) << prompt << '\n';
  model.forward(talk, ids, view).value();

  // The direction from one word to another, added in the middle of the model, makes the story go another way.
  auto const vector_of = [&](std::string_view text) {
    talk.truncate(0);
    probe p{model.sizes().layers / 2};
    model.forward(talk, encode(tok, text), p).value();
    talk.truncate(0);
    return p.vector;
  };
  auto direction = vector_of("The bird");
  auto const from = vector_of("The cat");
  for (std::size_t i = 0; i < from.size(); ++i) direction[i] -= from[i];

  std::vector<std::string> told;
  for (float const strength : {0.0f, 0.5f}) {
    steering push{model.sizes().layers / 2, direction, strength};
    hooked const steered(model, push); // a model of its own, for `generate`
    std::string story;
    for (auto piece : prompt | encode(tok) | generate(steered, talk, {.max_tokens = 30}) | decode(tok)) story += piece;
    talk.truncate(0);
    std::cout << "--- steered by " << strength << '\n' << prompt << story << '\n';
    told.push_back(story);
  }
  return argc > 1 || told[0] != told[1] ? 0 : 1;
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
