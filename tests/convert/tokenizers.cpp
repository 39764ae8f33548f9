/// \file
/// Tokenizers in GGUF files: each gives the ids that the one it was written from gives.

#include "support/data.hpp"
#include "support/temporary.hpp"
#include "tokenizer/goldens.hpp"

#include "convert/folders.hpp"

#include <loquat/convert/hugging_face.hpp>
#include <loquat/convert/tokenizer_keys.hpp>
#include <loquat/generate/encode.hpp>
#include <loquat/tokenizer/read.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace convert_tokenizers_test {

using namespace loquat;

namespace {

std::vector<token> ids_of(tokenizer const& tok, std::string_view text) {
  tokenizer::workspace room;
  auto const ids = tok.encode(text, room);
  return {ids.begin(), ids.end()};
}

/// Writes the tokenizer to a GGUF file, reads that, and compares on texts of all kinds.
void check(std::string_view source, std::string_view model, std::string_view pre) {
  CAPTURE(std::string(source));
  auto const path = test::data("tokenizers/" + std::string(source));
  auto const texts = test::data("tokenizers/corpus.jsonl");
  if (!path || !texts) return;
  auto definition = read_tokenizer(*path);
  REQUIRE(definition);
  gguf::writer out;
  // of these, readers know that the tokens take white space
  if (source.starts_with("phi-3")) out.add("general.architecture", std::string_view("phi3"));
  auto const rows = write_tokenizer(out, *definition);
  INFO(std::string(rows ? "" : rows.error().message()));
  REQUIRE(rows);
  auto const wrapped = wrapping_of(*definition);
  bool const pairs = model == "bert";
  out.add("tokenizer.ggml.add_bos_token", wrapped.begin != no_token || pairs);
  out.add("tokenizer.ggml.add_eos_token", wrapped.end != no_token && !pairs);
  if (wrapped.begin != no_token) out.add("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(wrapped.begin));
  if (wrapped.end != no_token) out.add("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(wrapped.end));
  auto const bytes = out.bytes().value();
  auto const file = gguf::file::parse(bytes).value();
  CHECK(file.get<std::string_view>("tokenizer.ggml.model").value() == model);
  CHECK(file.get<std::string_view>("tokenizer.ggml.pre").value() == pre);
  auto const expected = tokenizer_from(*path), found = tokenizer_from(file);
  INFO(std::string(found ? "" : found.error().message()));
  REQUIRE(expected);
  REQUIRE(found);
  std::size_t compared = 0, different = 0;
  for (auto const& [id, text] : test::read_corpus(*texts).texts) {
    // before a piece that users defined, as </s> is one here, SentencePiece puts its space, too
    if (text.size() > 2000 || (text == "</s>" && source.starts_with("phi-3"))) continue;
    ++compared;
    if (ids_of(*expected, text) == ids_of(*found, text)) continue;
    if (++different < 3) MESSAGE("case " << id);
  }
  CHECK(compared > 100);
  CHECK(different == 0);
}

TEST_CASE("byte-pair encodings") {
  check("gpt2/tokenizer.json", "gpt2", "gpt-2");
  check("gpt-neox-20b/tokenizer.json", "gpt2", "olmo");
  check("falcon/tokenizer.json", "gpt2", "falcon");
}
TEST_CASE("SentencePiece's BPE, and what a tokenizer.json makes of it") {
  check("llama2/tokenizer.model", "llama", "default");
  check("phi-3-mini/tokenizer.json", "llama", "default");
  check("syn-spm-bpe-gemma-like/spiece.model", "llama", "default");
}
TEST_CASE("SentencePiece's Unigram") { check("sp-test-en/spiece.model", "t5", "default"); }
TEST_CASE("WordPiece") { check("all-MiniLM-L6-v2/tokenizer.json", "bert", "default"); }

TEST_CASE("what a GGUF file cannot hold is an error") {
  auto const path = test::data("tokenizers/syn-unigram-bytefallback/tokenizer.json");
  if (!path) return;
  gguf::writer out;
  auto const rows = write_tokenizer(out, read_tokenizer(*path).value());
  REQUIRE_FALSE(rows);
  CHECK(rows.error().code() == errc::unsupported);
  auto const larger = test::data("tokenizers/gpt2/tokenizer.json");
  if (!larger) return;
  gguf::writer small;
  CHECK(write_tokenizer(small, read_tokenizer(*larger).value(), 50000).error().code() == errc::mismatch);
}

TEST_CASE("a folder's tokenizer comes with its roles, its template, and as many tokens as the model has") {
  test::temporary_folder const folder;
  test::llama_folder().write(folder, test::llama_config());
  folder.put("tokenizer.json", R"({"added_tokens":[{"id":3,"content":"<s>","special":true},
      {"id":4,"content":"<|end|>","special":true},{"id":5,"content":"<x>","special":false},
      {"id":50,"content":"<beyond>","special":false}],
      "normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
      "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
        {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],
        "special_tokens":{"<s>":{"id":"<s>","ids":[3],"tokens":["<s>"]}}},
      "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})");
  folder.put("tokenizer_config.json",
             R"({"bos_token":"<s>","eos_token":{"content":"<|end|>"},"chat_template":"{{x}}","pad_token":null})");
  folder.put("generation_config.json", R"({"eos_token_id":[4,2,1]})");
  auto const file = hugging_face::open(folder / "");
  INFO(std::string(file ? "" : file.error().message()));
  REQUIRE(file);
  auto const number = [&](std::string_view key) {
    return file->get<std::uint32_t>("tokenizer.ggml." + std::string(key)).value_or(99u);
  };
  CHECK(number("bos_token_id") == 3);
  CHECK(number("eos_token_id") == 4);
  CHECK(number("eot_token_id") == 2);
  CHECK(number("eom_token_id") == 1);
  CHECK(file->get<bool>("tokenizer.ggml.add_bos_token").value());
  CHECK_FALSE(file->get<bool>("tokenizer.ggml.add_eos_token").value());
  CHECK(file->get<std::string_view>("tokenizer.chat_template").value() == "{{x}}");
  std::vector<std::string_view> tokens;
  auto const pieces = file->array<std::string_view>("tokenizer.ggml.tokens").value();
  for (auto const piece : pieces) tokens.push_back(piece);
  auto const kinds = file->array<std::int32_t>("tokenizer.ggml.token_type").value();
  REQUIRE(tokens.size() == 40);
  CHECK(tokens[3] == "<s>");
  CHECK(kinds[3] == 3);
  CHECK(kinds[5] == 4);
  CHECK(tokens[39] == "[PAD39]");
  CHECK(kinds[39] == 5);
  auto const tok = tokenizer_from(*file);
  REQUIRE(tok);
  CHECK(ids_of(*tok, "ab<x>a") == ids_of(tokenizer_from(folder / "tokenizer.json").value(), "ab<x>a"));
  CHECK(hugging_face::open(folder / "", {.tokenizer = false}).value().find("tokenizer.ggml.tokens") == nullptr);
  folder.put("tokenizer_config.json", "{");
  auto const bad = hugging_face::open(folder / "");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message().find("tokenizer_config.json") != std::string_view::npos);
}

} // namespace
} // namespace convert_tokenizers_test
