#pragma once
/// \file
/// The smallest program of a user, as a function. Each consumer test gets the library in another way and calls it.

#include <loquat/loquat.hpp>

#include <string>
#include <string_view>

namespace {

/// How the model file at `path` begins a story: 32 tokens, the most probable one each time.
loquat::result<std::string> tell(std::string const& path) {
  using namespace loquat;
  auto file = gguf::open(path);
  if (!file) return file.error();
  // The formats and the architecture that the model has. Programs with all of them take several times as long to compile.
  basic_cpu<type_list<f32, q8_0>> machine;
  auto model = load<arch::llama>(*file, machine);
  if (!model) return model.error();
  auto tok = tokenizer_from(*file);
  if (!tok) return tok.error();
  auto talk = model->make_session({.context = 64});
  if (!talk) return talk.error();
  std::string told;
  for (std::string_view piece :
       std::string_view("Once upon a time") | encode(*tok) | generate(*model, *talk, {.max_tokens = 32}) | decode(*tok))
    told += piece;
  return told;
}

} // namespace
