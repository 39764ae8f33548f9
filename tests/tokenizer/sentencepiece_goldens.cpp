/// \file
/// The expected encodings of SentencePiece and llama.cpp, case by case.

#include "tokenizer/goldens.hpp"
#include "tokenizer/sentencepiece_model.hpp"

#include <loquat/tokenizer/from_gguf.hpp>
#include <loquat/tokenizer/text.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

namespace json = loquat::json;

namespace {

struct counts {
  int rows = 0, parsed = 0, byte_rows = 0;
};

/// Runs all rows of one definition.
counts run(loquat::sentencepiece_bpe const& tokenizer, std::string const& cases, test::corpus const& corpus) {
  counts count;
  test::for_each_line(test::read(cases), [&](json::value row) {
    std::string const id(row["case"].as_string().value());
    INFO("case " << id);
    std::string const text = row["text"] ? test::text_of(row) : corpus.texts.at(id);
    ++count.rows;

    auto const ids = loquat::encode(tokenizer, text, {.add_special = false});
    CHECK(test::same_ids(row["ids"], ids));
    if (auto const full = row["full"]) CHECK(test::same_ids(full, loquat::encode(tokenizer, text)));
    auto const decoded = loquat::decode(tokenizer, ids);
    if (auto const want = row["decoded"])
      CHECK(test::same_text(want, decoded));
    else
      CHECK((decoded == text));
    if (auto const want = row["decoded_skip"])
      CHECK(test::same_text(want, loquat::decode(tokenizer, loquat::encode(tokenizer, text))));
    if (auto const want = row["parse"]) {
      ++count.parsed;
      CHECK(test::same_ids(want, loquat::encode(tokenizer, text, {.add_special = false, .parse_special = true})));
    }
    if (auto const theirs = row["llamacpp_ids"]) {
      // Bytes as byte tokens. Where a broken character is followed by a whole one, llama.cpp takes bytes of the latter
      // for the rest of the former: its text decodes to something else. Ours keeps the neighbours.
      std::map<std::string, std::vector<loquat::token>, std::less<>> const kept{
          {"d0471", {921, 229, 133, 29891}}, {"d0475", {22172, 29871, 243, 162, 3186}}, {"d0476", {29871, 198, 29898}}};
      auto const bytes =
          loquat::encode(tokenizer, text, {.add_special = false, .invalid = loquat::invalid_utf8::bytes});
      if (auto const ours = kept.find(id); ours != kept.end())
        CHECK(bytes == ours->second);
      else
        CHECK(test::same_ids(theirs, bytes));
      CHECK((loquat::decode(tokenizer, bytes, {.invalid = loquat::invalid_utf8::bytes}) == text));
      ++count.byte_rows;
    }
  });
  return count;
}

} // namespace

TEST_CASE("llama2 from GGUF encodes and decodes as SentencePiece does, special tokens as llama.cpp does") {
  auto const path = test::data("tokenizers/llama2-gguf/vocab.gguf");
  auto const cases = test::data("tokenizers/llama2-gguf/cases.jsonl");
  auto const more_cases = test::data("tokenizers/llama2/cases.jsonl");
  auto const texts = test::data("tokenizers/corpus.jsonl");
  if (!path || !cases || !more_cases || !texts) return;
  auto const corpus = test::read_corpus(*texts);
  auto const file = loquat::gguf::open(*path).value();
  auto const tokenizer = loquat::tokenizer_from(file).value();
  CHECK(tokenizer.size() == 32000);
  CHECK(tokenizer.begin_token() == 1);
  CHECK(tokenizer.end_token() == 2);
  CHECK(tokenizer.unknown_token() == 0);
  CHECK(tokenizer.adds_begin());
  CHECK_FALSE(tokenizer.adds_end());

  auto const count = run(tokenizer, *cases, corpus);
  CHECK(count.rows == 498);
  CHECK(count.parsed == 16);
  CHECK(count.byte_rows == 15);
  CHECK(run(tokenizer, *more_cases, corpus).rows == 498);
}

TEST_CASE("SentencePiece BPE models encode and decode as SentencePiece does") {
  auto const texts = test::data("tokenizers/corpus.jsonl");
  if (!texts) return;
  auto const corpus = test::read_corpus(*texts);
  struct definition {
    char const *model, *cases;
    int rows;
  };
  for (auto const& [model, cases, rows] :
       {definition{"tokenizers/llama2/tokenizer.model", "tokenizers/llama2/cases.jsonl", 498},
        definition{"tokenizers/grok-1/tokenizer.model", "tokenizers/grok-1/cases.jsonl", 548},
        definition{"tokenizers/syn-spm-bpe-gemma-like/spiece.model", "tokenizers/syn-spm-bpe-gemma-like/cases.jsonl",
                   537}}) {
    auto const path = test::data(model), case_path = test::data(cases);
    if (!path || !case_path) return;
    INFO(std::string(model));
    auto const bytes = test::read(*path);
    auto const tokenizer = loquat::sentencepiece_bpe::make(test::sentencepiece_model(bytes).spec()).value();
    CHECK(run(tokenizer, *case_path, corpus).rows == rows);
  }
}
