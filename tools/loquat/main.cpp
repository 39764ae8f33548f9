/// \file
/// `loquat`: the command-line program of the library.

#include "commands.hpp"

#include <loquat/core/version.hpp>

#include <exception>

namespace {

using namespace tool;

int help() {
  std::string out = "usage: loquat COMMAND ...\n\nRuns language models (GGUF files).\n\n";
  for (auto const& c : commands) out += "  " + left(c.name, 15) + "  " + std::string(c.summary) + "\n";
  out += "\n'loquat COMMAND --help' shows the options of a command and examples; 'loquat --version' the version.\n\n";
  put(out + std::string(statuses));
  return end_output();
}

int run(arguments all) {
  if (all.empty()) return complain("which command?\ntry: loquat --help"), misused;
  std::string_view const name = all[0];
  if (name == "--help" || name == "-h" || name == "help") return help();
  if (name == "--version") return put("loquat " + std::string(loquat::version_text) + "\n"), end_output();
  for (auto const& c : commands)
    if (c.name == name) return c.run(c, all.subspan(1));
  return complain("unknown command " + printable(name) + did_you_mean(name, commands) + "\ntry: loquat --help"),
         misused;
}

} // namespace

int main(int count, char** values) {
  try {
    return run({values + 1, static_cast<std::size_t>(count < 1 ? 0 : count - 1)});
  } catch (std::exception const& e) { // no memory
    return fail_with(e.what());
  }
}
