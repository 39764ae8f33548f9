/// \file
/// SentencePiece's models with its normalizer before them: the expected ids and offsets, case by case.

#include "tokenizer/goldens.hpp"

#include <loquat/tokenizer/models/characters.hpp>
#include <loquat/tokenizer/models/scored_bpe.hpp>
#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/normalize.hpp>
#include <loquat/tokenizer/sources/sentencepiece_model.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tokenizer_sentencepiece_models_test {

using namespace loquat;

namespace {

/// Puts U+FFFD in place of every byte that is no UTF-8: after the normalizer, whose map may have U+FFFD, which these
/// bytes are not.
void replace_invalid(aligned_text& text) {
  aligned_text out;
  out.clear(true);
  for (std::size_t at = 0; at < text.size();) {
    auto const c = utf8::decode(text.bytes().substr(at));
    if (c.valid)
      out.append(text, at, at + c.length);
    else
      out.append(utf8::replacement_bytes, text.origin(at));
    at += c.length;
  }
  text.swap(out);
}

struct counts {
  int rows = 0, offsets = 0, wrong = 0, quick = 0;
};

template <class Model>
counts run(Model const& model, normalizer const& steps, std::string const& cases, test::corpus const& corpus) {
  counts count;
  typename Model::workspace room;
  normalizer::workspace work;
  test::for_each_line(test::read(cases), [&](json::value row) {
    std::string const id(row["case"].as_string().value());
    std::string const text = row["text"] ? test::text_of(row) : corpus.texts.at(id);
    bool const left = steps.leaves(text), padded = steps.sentencepiece()->only_pads(text, false);
    aligned_text under_way;
    under_way.assign(text, true);
    steps.apply(under_way, work);
    std::string const normalized(under_way.bytes());
    replace_invalid(under_way);
    auto const bytes = under_way.bytes();
    std::vector<token> ids, offsets;
    model.encode(bytes, room, [&](token t, std::size_t begin, std::size_t end) {
      ids.push_back(t);
      auto const first = under_way.origin(begin).begin;
      offsets.push_back(static_cast<token>(first));
      offsets.push_back(static_cast<token>(begin == end ? first : under_way.origin(end - 1).end));
    });
    ++count.rows;
    bool good = test::same_ids(row["ids"], ids);
    if (auto const want = row["offsets"]) {
      ++count.offsets;
      good = good && test::same_ids(want, offsets);
    }
    if (left) good = good && normalized == text;
    if (padded && !text.empty())
      good = good && normalized == (steps.sentencepiece()->pads_front() ? " " : "") + text +
                                       (steps.sentencepiece()->pads_back() ? " " : "");
    count.quick += left || padded;
    if (!good && ++count.wrong <= 3) MESSAGE("case ", id, " differs");
  });
  return count;
}

} // namespace

TEST_CASE("SentencePiece's models give its ids and offsets") {
  auto const texts = test::data("tokenizers/corpus.jsonl");
  if (!texts) return;
  auto const corpus = test::read_corpus(*texts);
  struct definition {
    char const *folder, *file;
    int rows;
  };
  for (auto const& [folder, file, rows] :
       {definition{"llama2", "tokenizer.model", 498}, definition{"grok-1", "tokenizer.model", 548},
        definition{"syn-spm-bpe-gemma-like", "spiece.model", 537}, definition{"syn-spm-char", "spiece.model", 498},
        definition{"sp-test-en", "spiece.model", 498}, definition{"syn-spm-unigram-suffix", "spiece.model", 498},
        definition{"mbart-reduced-spm", "sentencepiece.bpe.model", 498}}) {
    auto const path = test::data("tokenizers/" + std::string(folder) + "/" + file);
    auto const cases = test::data("tokenizers/" + std::string(folder) + "/cases.jsonl");
    if (!path || !cases) return;
    INFO(std::string(folder));
    auto read = read_sentencepiece_model(test::read(*path)).value();
    read.model.visit([&]<class Definition>(Definition& definition) {
      auto const steps = normalizer::make(read.normalizers, definition.pieces).value();
      auto const check = [&]<class Model>(std::type_identity<Model>) {
        auto const model = Model::make(std::move(definition));
        REQUIRE_MESSAGE(model, model.error().c_str());
        auto const count = run(*model, steps, *cases, corpus);
        CHECK(count.wrong == 0);
        CHECK(count.rows == rows);
        CHECK(count.offsets == rows - 30);
        CHECK(count.quick > 50);
      };
      if constexpr (std::is_same_v<Definition, token_model::scored_bpe>)
        check(std::type_identity<scored_bpe>());
      else if constexpr (std::is_same_v<Definition, token_model::characters>)
        check(std::type_identity<characters>());
      else if constexpr (std::is_same_v<Definition, token_model::unigram>)
        check(std::type_identity<unigram>());
      else
        FAIL("another model");
    });
  }
}

} // namespace tokenizer_sentencepiece_models_test
