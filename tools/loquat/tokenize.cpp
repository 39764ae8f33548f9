/// \file
/// `loquat tokenize`: text to ids.

#include "commands.hpp"
#include "system.hpp"

#include <loquat/core/json.hpp>
#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/load.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace tool {
namespace {

constexpr std::string_view notes =
    R"(SOURCE is a GGUF file, a tokenizer.json, a SentencePiece .model, a .tiktoken file, a vocab.txt, a vocab.json
with its merges.txt, an rwkv_vocab.txt, or a folder with one of them. A byte that is no UTF-8 stays a byte if the
vocabulary has byte tokens. JSON: {"ids": [...], "pieces": [...]}, with --offsets also "offsets": [[begin, end], ...]
in bytes; in it bytes that are no UTF-8 are U+FFFD.

examples:
  loquat tokenize model.gguf "Once upon a time"
  loquat tokenize tokenizer.json - --json <text.txt
  loquat tokenize tokenizer.model - --lines --count <lines.txt
  loquat tokenize model.gguf "<s>Hello</s>" --special parse --no-bos
)";

struct settings {
  bool json = false, offsets = false, count = false, lines = false, no_bos = false;
  loquat::special_text special = loquat::special_text::plain;
};

void write_json(loquat::tokenizer const& tokenizer, loquat::encoding const& e, bool offsets) {
  std::string list, pieces, ranges;
  for (std::size_t i = 0; i < e.size(); ++i) {
    char const* const comma = i > 0 ? "," : "";
    list += comma + std::to_string(e.ids[i]);
    pieces += comma;
    loquat::json::append_string(pieces, tokenizer.piece(e.ids[i]));
    ranges += comma + ("[" + std::to_string(e.offsets[i].begin)) + "," + std::to_string(e.offsets[i].end) + "]";
  }
  put("{\"ids\":[" + list + "],\"pieces\":[" + pieces + (offsets ? "],\"offsets\":[" + ranges : std::string()) +
      "]}\n");
}

void write_table(loquat::tokenizer const& tokenizer, loquat::encoding const& e, bool offsets, std::size_t bytes) {
  for (std::size_t i = 0; i < e.size(); ++i) {
    auto const where = e.offsets[i];
    put(right(std::to_string(e.ids[i]), 8) +
        (offsets ? right(std::to_string(where.begin), 8) + right(std::to_string(where.end), 8) : std::string()) + "  " +
        quoted(tokenizer.piece(e.ids[i])) + (tokenizer.is_special(e.ids[i]) ? "  control\n" : "\n"));
  }
  put(std::to_string(e.size()) + " tokens, " + std::to_string(bytes) + " bytes\n");
}

/// Writes what is asked for of one text. The error of a text that is refused.
std::optional<std::string> write(loquat::tokenizer const& tokenizer, std::string_view text,
                                 loquat::tokenizer::workspace& room, settings const& s) {
  loquat::encode_options const options{
      .add_special = !s.no_bos, .special = s.special, .invalid = loquat::invalid_utf8::bytes};
  if (s.count && !tokenizer.refuses(text, options)) {
    put(std::to_string(tokenizer.count(text, room, options)) + "\n");
    return {};
  }
  auto const made = loquat::tokenize(tokenizer, text, room, {.text = options});
  if (!made) return std::string(made.error().message());
  s.json ? write_json(tokenizer, *made, s.offsets) : write_table(tokenizer, *made, s.offsets, text.size());
  return {};
}

} // namespace

int run_tokenize(command const& self, arguments all) {
  std::string_view source, argument;
  settings s;
  using enum loquat::special_text;
  command_line const line{
      self,
      {{"SOURCE", "a file with a tokenizer", source},
       {"TEXT", "the text; - for the standard input, all of it", argument}},
      {{"--json", "", "machine-readable", flag(s.json)},
       {"--offsets", "", "say of which bytes of the text a token is made", flag(s.offsets)},
       {"--count", "", "only the number of tokens", flag(s.count)},
       {"--lines", "", "every line is a text of its own, answered as soon as it is read", flag(s.lines)},
       {"--special", "POLICY", "names of control tokens (<s>) in the text: text, these tokens, or an error",
        one_of(s.special, {{"plain", plain}, {"parse", parse}, {"error", error}})},
       {"--no-bos", "", "add no begin and end tokens", flag(s.no_bos)}},
      notes};
  if (auto const status = line.parse(all)) return *status;

  auto const tokenizer = loquat::tokenizer_from(std::string(source));
  if (!tokenizer) return fail_with(tokenizer.error().message());
  loquat::tokenizer::workspace room;
  if (s.lines && argument == "-") {
    std::size_t number = 0;
    for (std::string text; read_line(text);) {
      ++number;
      if (auto const wrong = write(*tokenizer, text, room, s))
        return fail_with("line " + std::to_string(number) + ": " + *wrong);
      if (end_output() != done) return failed;
    }
    return end_output();
  }
  auto const text = text_of(argument);
  if (!text) return fail_with(text.error().message());
  std::string_view rest = *text;
  do {
    auto const one = s.lines ? rest.substr(0, rest.find('\n')) : rest;
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (auto const wrong = write(*tokenizer, one, room, s)) return fail_with(*wrong);
  } while (!rest.empty());
  return end_output();
}

} // namespace tool
