#include "support/data.hpp"
#include "support/temporary.hpp"

#include <loquat/tokenizer/read.hpp>

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <string_view>

namespace tokenizer_load_test {

using namespace loquat;

namespace {

using enum tokenizer_source;
static_assert(source_of("GGUF\3") == gguf && source_of("GGU") == vocab_txt);
static_assert(source_of(" {\"version\": \"1.0\"}") == tokenizer_json && source_of("{\"a\" : 0}") == vocab_json);
static_assert(source_of("{}") == tokenizer_json && source_of("{\"") == tokenizer_json &&
              source_of("{\"a\\") == tokenizer_json);
static_assert(source_of(R"({"\":": 0})") == vocab_json && source_of(R"({"\":1": "x"})") == tokenizer_json);
static_assert(source_of("IQ== 0\nIg== 1\n") == tiktoken && source_of("IQ== 0\r\n") == tiktoken);
static_assert(source_of("1 'a' 1\n") == rwkv && source_of("256 b'\\xff' 1\n") == rwkv);
static_assert(source_of("[PAD]\n[UNK]\n") == vocab_txt && source_of("the 12x\n") == vocab_txt);
static_assert(source_of("\n\x0E\n\x05<unk>") == sentencepiece &&
              source_of(std::string_view("\x7F\0", 2)) == sentencepiece);
static_assert(is_guess("hello") && is_guess(std::string_view("\x7F\0", 2)) && !is_guess("{}") && !is_guess("\n\x0E"));

std::string message(result<tokenizer_definition> const& read) {
  return read ? "a tokenizer" : std::string(read.error().message());
}
std::string message(std::string_view bytes) { return message(read_tokenizer(std::as_bytes(std::span(bytes)), "file")); }

} // namespace

TEST_CASE("read_tokenizer: what is no tokenizer is named as such, with what was tried") {
  CHECK(message("hello\n") == "file: a tokenizer of no known kind; read as vocab.txt: there is no piece [UNK]");
  CHECK(message(std::string_view("\x7F"
                                 "ELF\0\0",
                                 6))
            .starts_with("file: a tokenizer of no known kind; read as SentencePiece model: "));
  CHECK(message("{\"a\": 0}").starts_with("file: a vocab.json has its merges in merges.txt"));
  CHECK(message("IQ== 0\n").starts_with("file: tiktoken file: no vocabulary of 1 tokens is known"));
  CHECK(message("[UNK]\na\n") == "a tokenizer");
}

TEST_CASE("read_tokenizer: folders, and files beside others") {
  test::temporary_folder const folder;
  CHECK(message(read_tokenizer(folder / "nothing")).find("nothing") != std::string::npos);
  folder.put("vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
  CHECK(message(read_tokenizer(folder / "")).find("merges.txt") != std::string::npos);
  folder.put("merges.txt", "a b\n");
  CHECK(message(read_tokenizer(folder / "")) == "a tokenizer");
  CHECK(message(read_tokenizer(folder / "vocab.json")) == "a tokenizer");
}

TEST_CASE("read_tokenizer: special tokens of tiktoken's known vocabularies") {
  auto const path = test::data("tokenizers/cl100k_base/cl100k_base.tiktoken");
  if (!path) return;
  auto const made = tokenizer_from(*path).value();
  tokenizer::workspace room;
  auto const ids = made.encode("a<|endoftext|>", room, {.special = special_text::parse});
  REQUIRE(ids.size() == 2);
  CHECK(ids[1] == 100257);
  CHECK(made.is_special(100257));
}

} // namespace tokenizer_load_test
