/// \file
/// Texts as vectors: which of some sentences are nearest to a question. An encoder's file makes the best ones (all of
/// MiniLM, BGE, Nomic, … are fine); without arguments the model beside this file does it, whose tokens have vectors too.
///
///   10_embeddings [MODEL.gguf [TEXT]]

#include "default_model.hpp"

#include <loquat/loquat.hpp>

#include <algorithm>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

int main(int argc, char** argv) try {
  auto const file = open_model(argc, argv, 1).value();
  loquat::cpu machine;
  auto const model = loquat::load_encoder(file, machine).value(); // any architecture of the encoders' zoo
  auto const tok = loquat::tokenizer_from(file).value();
  // as the model was trained, but that this one was trained to predict: so the mean of all tokens
  auto const how = model.sizes().causal ? loquat::pooling::mean : model.sizes().pooled;
  auto embedder = loquat::make_embedder(model, tok, {.pooling = how}).value(); // the last allocation

  std::vector<std::string> const sentences{"The dog ran in the park.", "Mom made a cake for lunch.",
                                           "It was a sunny day.", "The cat slept on the bed."};
  std::string const question = argc > 2 ? argv[2] : "The dog played in the park.";

  auto const asked = embedder(question).value();
  std::vector<float> const wanted(asked.begin(), asked.end()); // the embedder writes the next one over it
  std::vector<std::pair<float, std::string>> found;
  for (std::span<float const> vector : sentences | loquat::embed(embedder)) // many sentences in one pass
    found.emplace_back(std::inner_product(vector.begin(), vector.end(), wanted.begin(), 0.0f),
                       sentences[found.size()]); // the cosine: all vectors have the length one
  std::ranges::sort(found, std::greater{});

  std::cout << question << '\n';
  for (auto const& [similarity, sentence] : found) std::cout << similarity << "  " << sentence << '\n';
  return argc > 2 || found[0].second == sentences[0] ? 0 : 1;
} catch (loquat::bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
