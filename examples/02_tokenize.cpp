/// \file
/// Shows the tokens of a text and puts the text together again: `02_tokenize [TEXT [MODEL.gguf]]`.

#include "default_model.hpp"
#include <loquat/tokenizer/load.hpp>
#include <loquat/tokenizer/text.hpp>

#include <cstdio>
#include <string>

int main(int argc, char** argv) try {
  std::string const text = argc > 1 ? argv[1] : "Once upon a time, in a café, a snowman ☃ said hello.";
  auto const file = open_model(argc, argv, 2).value();
  auto const tok = loquat::tokenizer_from(file).value();

  std::printf("offset     id  bytes\n");
  auto const ids = loquat::encode(tok, text);
  std::size_t offset = 0; // in the text, before which the tokenizer may put a space
  for (loquat::token const id : ids) {
    std::printf("%6zu %6d  ", offset - (offset > 0 && tok.adds_space()), id);
    for (char const c : tok.piece(id)) // a token may be any part of a character: what is no ASCII is shown as bytes
      std::printf(c >= ' ' && c <= '~' ? "%c" : "<%02x>", static_cast<unsigned char>(c));
    std::printf(tok.is_special(id) ? "  (no text)\n" : "\n");
    if (!tok.is_special(id)) offset += tok.piece(id).size();
  }

  auto const back = loquat::decode(tok, ids);
  std::printf("%zu bytes, %zu tokens of a vocabulary of %zu\n%s\n", text.size(), ids.size(), tok.size(), back.c_str());
  if (back == text) return 0;
  std::printf("which is not the text it was\n");
  return 1;
} catch (loquat::bad_result const& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
