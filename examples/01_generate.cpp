/// \file
/// Goes on with a text: `01_generate [PROMPT [MODEL.gguf]]`.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <iostream>
#include <string_view>

int main(int argc, char** argv) try {
  using namespace loquat;
  std::string_view const prompt = argc > 1 ? argv[1] : "Once upon a time";

  auto const file = open_model(argc, argv, 2).value();      // mapped, not copied; gguf::open(path) in your program
  cpu const machine;                                        // the best kernels of this CPU, on all of its cores
  auto const model = load(file, machine).value();           // any architecture of the zoo
  auto const tok = tokenizer_from(file).value();            // the file brings its tokenizer along
  auto talk = model.make_session({.context = 512}).value(); // the last allocation

  generate_report report;
  std::cout << prompt;
  for (std::string_view piece :
       prompt | encode(tok) | generate(model, talk, {.max_tokens = 256, .report = &report}) | decode(tok))
    std::cout << piece << std::flush;
  std::cout << '\n';

  if (report.why == finish::error) throw bad_result(report.error); // such as a prompt longer than the context
} catch (loquat::bad_result const& failure) { // `.value()` throws it: what went wrong, where, what was expected
  std::cerr << failure.what() << '\n';
  return 1;
}
