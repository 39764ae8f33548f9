/// \file
/// An architecture of one's own: a constant. The rest of this program makes up a small random model of that kind, a
/// GGUF file in memory, and lets it speak on two backends, which agree on every token.

#include <loquat/loquat.hpp>

#include <iostream>
#include <list>
#include <random>
#include <string>

using namespace loquat;

/// Layer norm, GELU without a gate, rotation of halves: like GPT-NeoX, but one block after the other.
constexpr architecture babbler{.name = "babbler",
                               .norm = normalisation::layer,
                               .rope = rope_style::halves,
                               .feed_forward = activation::gelu,
                               .gated = false};

/// A babbler with random weights.
result<std::vector<std::byte>> make_file() {
  constexpr std::uint32_t vocabulary = 100, width = 64, hidden = 4 * width, layers = 2;
  gguf::writer out;
  out.add("general.architecture", "babbler");
  out.add("babbler.block_count", layers);
  out.add("babbler.context_length", std::uint32_t{64});
  out.add("babbler.embedding_length", width);
  out.add("babbler.feed_forward_length", hidden);
  out.add("babbler.attention.head_count", std::uint32_t{4});

  std::list<std::pair<std::string, std::vector<float>>> tensors; // the writer only refers to them
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.3f);
  auto const add = [&](std::string const& name, std::uint64_t columns, std::uint64_t rows = 1) {
    auto& [key, weights] = tensors.emplace_back(name + ".weight", std::vector<float>(columns * rows));
    for (float& weight : weights) weight = normal(random);
    out.add(tensor_view{key, tensor_type::f32, 2, {columns, rows, 1, 1}, std::as_bytes(std::span(weights))});
  };
  add("token_embd", width, vocabulary);
  for (std::size_t i = 0; i < layers; ++i) {
    auto const block = "blk." + std::to_string(i) + ".";
    add(block + "attn_norm", width);
    for (auto part : {"attn_q", "attn_k", "attn_v", "attn_output"}) add(block + part, width, width);
    add(block + "ffn_norm", width);
    add(block + "ffn_up", width, hidden);
    add(block + "ffn_down", hidden, width);
  }
  add("output_norm", width);
  return out.bytes();
}

/// What the model says after token 1.
std::vector<token> babble(gguf::file const& file, Backend auto const& machine) {
  auto const model = transformer<babbler>::build(file, machine).value();
  auto talk = model.make_session().value();
  std::vector<token> const prompt{1};
  std::vector<token> said;
  for (token id : prompt | generate(model, talk, top_k{10} | draw{.seed = 1}, {.max_tokens = 20})) said.push_back(id);
  return said;
}

int main() try {
  auto const bytes = make_file().value();
  auto const file = gguf::file::parse(bytes, "babbler.gguf").value();
  auto const said = babble(file, cpu());
  for (token id : said) std::cout << id << ' ';
  std::cout << '\n';
  return said.size() == 20 && said == babble(file, reference()) ? 0 : 1; // the same bits on every backend
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
