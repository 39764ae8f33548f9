/// \file
/// `loquat tokenize`: text to ids.

#include "commands.hpp"
#include "system.hpp"

#include <loquat/core/json.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/from_gguf.hpp>
#include <loquat/tokenizer/text.hpp>

namespace tool {
namespace {

constexpr std::string_view notes = R"(A byte that is no UTF-8 stays a byte if the vocabulary has byte tokens. JSON:
{"ids": [...], "pieces": [...]}; in it bytes that are no UTF-8 are U+FFFD.

examples:
  loquat tokenize model.gguf "Once upon a time"
  loquat tokenize model.gguf - --json <text.txt
  loquat tokenize model.gguf "<s>Hello</s>" --special --no-bos
)";

template <class T> void write_json(T const& tokenizer, std::span<loquat::token const> ids) {
  std::string list, pieces;
  for (auto const id : ids) {
    if (!list.empty()) list += ',', pieces += ',';
    list += std::to_string(id);
    loquat::json::append_string(pieces, tokenizer.piece(id));
  }
  put("{\"ids\":[" + list + "],\"pieces\":[" + pieces + "]}\n");
}

} // namespace

int run_tokenize(command const& self, arguments all) {
  std::string_view model, argument;
  bool json = false, special = false, no_bos = false;
  command_line const line{
      self,
      {{"MODEL", "a GGUF file", model}, {"TEXT", "the text; - for the standard input, all of it", argument}},
      {{"--json", "", "machine-readable", flag(json)},
       {"--special", "", "read names of control tokens (<s>) in the text as those tokens", flag(special)},
       {"--no-bos", "", "add no begin and end tokens", flag(no_bos)}},
      notes};
  if (auto const status = line.parse(all)) return *status;

  auto const file = loquat::gguf::open(std::string(model));
  if (!file) return fail_with(file.error().message());
  auto const tokenizer = loquat::tokenizer_from(*file);
  if (!tokenizer) return fail_with(tokenizer.error().message());
  auto const text = text_of(argument);
  if (!text) return fail_with(text.error().message());
  auto const ids = loquat::encode(
      *tokenizer, *text, {.add_special = !no_bos, .parse_special = special, .invalid = loquat::invalid_utf8::bytes});
  if (json) {
    write_json(*tokenizer, ids);
  } else {
    for (auto const id : ids)
      put(right(std::to_string(id), 8) + "  " + quoted(tokenizer->piece(id)) +
          (tokenizer->is_special(id) ? "  control\n" : "\n"));
    put(std::to_string(ids.size()) + " tokens, " + std::to_string(text->size()) + " bytes\n");
  }
  return end_output();
}

} // namespace tool
