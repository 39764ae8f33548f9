/// \file
/// A conversation as a plain loop, without ranges: you write a line, the model goes on with a sentence, and so forth:
/// `09_chat_loop [LINES.txt [MODEL.gguf]]`, with /dev/stdin for the keyboard. Ctrl-C ends a sentence early.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <atomic>
#include <csignal>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

std::atomic<bool> interrupted = false;

int main(int argc, char** argv) try {
  using namespace loquat;
  std::istringstream script("Once upon a time\nSuddenly,\nIn the end,\n");
  std::ifstream text;
  if (argc > 1) text.open(argv[1]);
  std::istream& lines = argc > 1 ? static_cast<std::istream&>(text) : script;
  if (!lines) throw bad_result(fail(errc::io, argv[1], ": cannot be opened"));

  auto const file = open_model(argc, argv, 2).value();
  cpu const machine;
  auto const model = load(file, machine).value();
  auto const tok = tokenizer_from(file).value();
  auto talk = model.make_session({.context = 512}).value();
  std::signal(SIGINT, [](int) { interrupted = true; });

  // The generator keeps the thread between prompts: the token that was chosen last goes into the session in front of
  // the next one. From here on neither it nor the model nor the tokenizer allocates anything.
  generator author(model, talk, repetition_penalty{1.05f} | min_p{0.1f} | draw{.seed = 1},
                   {.max_tokens = 60, .cancel = &interrupted});
  for (std::string line; std::getline(lines, line); interrupted = false) {
    std::cout << "\n> " << line << '\n';
    bool const begins = talk.tokens().empty(); // only the first line opens the text
    author.prompt(line | encode(tok, {.add_special = begins})).value();
    while (auto const id = author.next()) {
      std::cout << tok.piece(*id) << std::flush;
      if (tok.piece(*id).ends_with('.')) break; // a sentence is enough
    }
    auto const& report = author.report();
    std::cout << "\n  [" << report.prompt_tokens << " tokens in, " << report.generated_tokens << " out; ended by "
              << (report.why == finish::none ? "the full stop" : name(report.why)) << "; the context holds "
              << talk.tokens().size() << " of " << talk.context() << "]\n";
    if (report.why == finish::error) throw bad_result(report.error);
  }
} catch (loquat::bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
