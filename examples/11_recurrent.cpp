/// \file
/// A model that is no transformer: an LSTM of random weights, made up as a GGUF file in memory. It loads, generates and
/// forgets like any other; its session has a state instead of a cache, so it is as large after a thousand tokens as
/// after one.

#include <loquat/loquat.hpp>

#include <iostream>
#include <list>
#include <random>
#include <string>

using namespace loquat;

/// The names are PyTorch's: weight_ih_l0 is blk.0.rnn_ih.weight, bias_hh_l0 is blk.0.rnn_hh.bias.
result<std::vector<std::byte>> make_file() {
  constexpr std::uint32_t vocabulary = 100, width = 48, hidden = 64, layers = 2;
  gguf::writer out;
  out.add("general.architecture", "lstm");
  out.add("lstm.block_count", layers);
  out.add("lstm.embedding_length", width);
  out.add("lstm.hidden_length", hidden);

  std::list<std::pair<std::string, std::vector<float>>> tensors; // the writer only refers to them
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.3f);
  auto const add = [&](std::string const& name, std::uint64_t columns, std::uint64_t rows = 1) {
    auto& [key, weights] = tensors.emplace_back(name, std::vector<float>(columns * rows));
    for (float& weight : weights) weight = normal(random);
    out.add(tensor_view{key, tensor_type::f32, 2, {columns, rows, 1, 1}, std::as_bytes(std::span(weights))});
  };
  add("token_embd.weight", width, vocabulary);
  for (std::size_t i = 0; i < layers; ++i) {
    auto const block = "blk." + std::to_string(i) + ".";
    add(block + "rnn_ih.weight", i == 0 ? width : hidden, 4 * hidden);
    add(block + "rnn_hh.weight", hidden, 4 * hidden);
    add(block + "rnn_ih.bias", 4 * hidden);
    add(block + "rnn_hh.bias", 4 * hidden);
  }
  add("output.weight", hidden, vocabulary);
  return out.bytes();
}

int main() try {
  auto const bytes = make_file().value();
  auto const file = gguf::file::parse(bytes, "lstm.gguf").value();
  cpu const machine;
  auto const model = load(file, machine).value(); // or lstm::build(file, machine)
  auto talk = model.make_session({.context = 1000}).value();
  std::vector<token> const prompt{1, 2, 3};
  auto const say = [&] {
    std::vector<token> said;
    for (token id : prompt | generate(model, talk, top_k{10} | draw{.seed = 1}, {.max_tokens = 20})) said.push_back(id);
    return said;
  };
  auto const said = say();
  for (token id : said) std::cout << id << ' ';
  std::cout << "\nstate: " << talk.state_bytes() << " bytes\n";
  talk.truncate(0);
  return said.size() == 20 && said == say() ? 0 : 1;
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
