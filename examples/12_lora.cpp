/// \file
/// LoRA adapters: small changes of a model that sessions take and leave, while all share one copy of its weights:
/// `12_lora [PROMPT [MODEL.gguf [ADAPTER.gguf]]]`. Without arguments it makes an adapter that reads every "cat" as a
/// "bird": training one is another matter, but its form is the same.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <array>
#include <iostream>
#include <string>
#include <vector>

using namespace loquat;

/// An adapter of rank 1 of the token embeddings: W + B·A, where A picks the vector of `from`, and B makes it `to`.
std::vector<std::byte> another_word(gguf::file const& model, token from, token to) {
  auto const embeddings = model.tensor("token_embd.weight").value(); // [vocabulary, embedding]
  auto const width = static_cast<std::size_t>(embeddings.columns());
  std::vector<float> all(static_cast<std::size_t>(embeddings.elements()));
  unpack_tensor(builtin_formats{}, embeddings, all).value();
  std::vector<float> a(static_cast<std::size_t>(embeddings.rows())), b(width); // [vocabulary, 1], [embedding, 1]
  a[static_cast<std::size_t>(from)] = 1;
  for (std::size_t i = 0; i < width; ++i)
    b[i] = all[static_cast<std::size_t>(to) * width + i] - all[static_cast<std::size_t>(from) * width + i];

  gguf::writer out;
  out.add("general.type", "adapter");
  out.add("general.architecture", model.get<std::string_view>("general.architecture").value());
  out.add("adapter.type", "lora");
  out.add("adapter.lora.alpha", 1.0f);
  auto const add = [&](std::string_view name, std::vector<float> const& x) {
    out.add(tensor_view{name, tensor_type::f32, 2, {1, x.size(), 1, 1}, std::as_bytes(std::span(x))});
  };
  add("token_embd.weight.lora_a", a);
  add("token_embd.weight.lora_b", b);
  return out.bytes().value();
}

int main(int argc, char** argv) try {
  std::string const prompt = argc > 1 ? argv[1] : "The cat";
  auto const file = open_model(argc, argv, 2).value();
  auto const tok = tokenizer_from(file).value();
  adaptable<cpu> const machine(file); // the CPU, whose sessions with this file's model take adapters
  auto const model = load<arch::llama>(file, machine).value(); // as with any other
  auto const read = [&](std::string const& words) { return encode(tok, words).back(); };
  auto const mine = another_word(file, read("The cat"), read("The bird"));
  auto const adapter = argc > 3 ? lora::open(argv[3], file).value()
                                : lora::from(gguf::file::parse(mine, "bird.gguf").value(), file).value();

  auto talk = model.make_session({.context = 512}).value(); // the last allocation
  auto const tell = [&](std::string const& text) {
    std::string story;
    for (auto piece : text | encode(tok) | generate(model, talk, {.max_tokens = 40}) | decode(tok)) story += piece;
    talk.truncate(0); // what is in a session was computed with the adapters of that time
    return story;
  };
  auto const without = tell(prompt);
  adapt(talk, {{adapter, 1.0f}}).value(); // several at once: {{adapter, 0.8f}, {other, 0.5f}}
  auto const with = tell(prompt);
  adapt(talk, {}).value();
  auto const again = tell(prompt);
  std::cout << prompt << without << "\n--- with " << adapter.name() << "\n" << prompt << with << '\n';
  if (argc > 1) return 0;
  return again == without && with != without && with == tell("The bird") ? 0 : 1;
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
