/// \file
/// Every expected encoding of the reference data: ids, special tokens, offsets, decoded texts, padding and pairs.

#include "tokenizer/goldens.hpp"

#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/read.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_reference_rows_test {

namespace json = loquat::json;
using loquat::token;

namespace {

/// Whose results the rows are.
enum class reference { hugging_face, tiktoken, sentencepiece, rwkv };

loquat::result<loquat::tokenizer_definition> read_definition(std::string const& folder, std::string_view file,
                                                             reference from) {
  auto const path = folder + std::string(file);
  std::ifstream const has_config(folder + "config.json");
  if (!has_config || from == reference::rwkv) return loquat::read_tokenizer(path);
  std::string const bytes = test::read(path);
  std::string const config_text = test::read(folder + "config.json");
  auto const config = json::parse(config_text).value();
  if (file == "vocab.txt") {
    auto definition = loquat::read_vocab_txt(bytes, {.lowercase = false}).value();
    return definition;
  }
  std::vector<std::string> names;
  std::vector<std::pair<std::string_view, token>> special;
  auto const list = config.root()["special_tokens"];
  for (auto const [name, id] : list.members()) names.emplace_back(name);
  std::size_t i = 0;
  for (auto const [name, id] : list.members())
    special.emplace_back(names[i++], static_cast<token>(id.as_int64().value()));
  std::string const pattern(config.root()["pat_str"].as_string().value());
  auto definition = loquat::read_tiktoken(bytes, {.pattern = pattern, .special = special});
  if (definition && config.root()["normalizer"]) definition->normalizers.push_back(loquat::normalize::nfc{});
  return definition;
}

struct report {
  int rows = 0, wrong = 0, unicode = 0;
  std::string first;
};

report run(std::string const& folder, std::string_view file, reference from, test::corpus const& corpus) {
  report out;
  auto definition = read_definition(folder, file, from);
  if (!definition) {
    out.wrong = 1;
    out.first = definition.error().message();
    return out;
  }
  auto const made = loquat::tokenizer::make(*std::move(definition));
  if (!made) {
    out.wrong = 1;
    out.first = made.error().message();
    return out;
  }
  auto const& tok = *made;
  loquat::tokenizer::workspace room;
  loquat::token_decoder::workspace decoding;
  bool const parses = from == reference::hugging_face;
  auto const special = parses ? loquat::special_text::parse : loquat::special_text::plain;
  auto const invalid = from == reference::rwkv ? loquat::invalid_utf8::bytes : loquat::invalid_utf8::replace;
  auto const rule = from == reference::tiktoken || from == reference::rwkv ? loquat::offset_rule::bytes
                                                                           : loquat::offset_rule::characters;
  auto const decode = [&](std::span<token const> ids, bool skip) {
    std::string text;
    tok.decode(ids, text, decoding, {.skip_special = skip, .invalid = invalid});
    return text;
  };
  test::for_each_line(test::read(folder + "cases.jsonl"), [&](json::value row) {
    std::string const id(row["case"].as_string().value());
    if (row["ref"]) return;
    ++out.rows;
    std::string const text = row["text"] ? test::text_of(row) : corpus.texts.at(id);
    std::string wrong;
    auto const expect = [&](bool good, std::string_view what) {
      if (!good && wrong.empty()) wrong = std::string(what);
    };
    auto const same_list = [](json::value want, auto const& have) {
      if (want.size() != have.size()) return false;
      std::size_t i = 0;
      for (auto const v : want.elements())
        if (v.as_int64().value() != static_cast<std::int64_t>(have[i++])) return false;
      return true;
    };
    if (row["mode"]) {
      bool const pair = static_cast<bool>(row["pair"]), cut = row["mode"].as_string().value() == "pad";
      loquat::encoding_options how{.text = {.special = special}};
      if (cut) {
        how.truncation = tok.definition().truncation;
        how.padding = tok.definition().padding;
        how.stop_when_full = true;
      }
      auto const e = pair ? loquat::tokenize_pair(
                                tok, text, corpus.texts.at(std::string(row["pair"].as_string().value())), room, how)
                          : loquat::tokenize(tok, text, room, how);
      expect(e.has_value(), "an error");
      if (e) {
        expect(test::same_ids(row["ids"], e->ids), "ids with templates");
        expect(same_list(row["type_ids"], e->type_ids), "type ids");
        expect(same_list(row["attention_mask"], e->attended), "attention mask");
        expect(same_list(row["special_tokens_mask"], e->special), "special tokens mask");
        if (row["overflow"]) {
          expect(row["overflow"].size() == e->overflow.size(), "overflow count");
          std::size_t i = 0;
          for (auto const part : row["overflow"].elements())
            if (i < e->overflow.size()) expect(test::same_ids(part, e->overflow[i++].ids), "overflow");
        }
      }
    } else {
      auto const e = loquat::tokenize(
          tok, text, room, {.text = {.add_special = false, .special = special, .invalid = invalid}, .offsets = rule});
      expect(e.has_value(), "an error");
      if (e) {
        expect(test::same_ids(row["ids"], e->ids), "ids");
        auto const plain = tok.encode(text, room, {.add_special = false, .special = special, .invalid = invalid});
        expect(std::ranges::equal(plain, e->ids), "ids without offsets");
        if (auto const offsets = row["offsets"]) {
          std::vector<std::uint32_t> flat;
          for (auto const& o : e->offsets) flat.push_back(o.begin), flat.push_back(o.end);
          expect(same_list(offsets, flat), "offsets");
        }
        auto const decoded = decode(e->ids, false);
        expect(row["decoded"] ? test::same_text(row["decoded"], decoded) : decoded == text, "decoded");
        auto const all = tok.encode(text, room, {.special = loquat::special_text::parse, .invalid = invalid});
        std::vector<token> const full(all.begin(), all.end());
        if (row["full"]) expect(test::same_ids(row["full"], full), "full");
        auto const skipped = decode(full, true);
        auto const want = row["decoded_skip"] ? row["decoded_skip"] : row["decoded"];
        bool const hashed = row["decoded"] && row["decoded"].kind() == json::kind::object && row["decoded"]["n"];
        bool const noted = row["decoded_skip"] || (parses && !hashed && !skipped.empty()); // else it may be anything
        if (noted) expect(want ? test::same_text(want, skipped) : skipped == text, "decoded_skip");
      }
    }
    if (wrong.empty()) return;
    bool const newer = corpus.categories.contains(id) && corpus.categories.at(id) == "newuni";
    if (newer) {
      ++out.unicode;
      return;
    }
    ++out.wrong;
    if (out.first.size() < 400)
      out.first +=
          "\n    " + id + (row["mode"] ? "/" + std::string(row["mode"].as_string().value()) : "") + ": " + wrong;
  });
  return out;
}

} // namespace

TEST_CASE("every expected row of the reference data") {
  struct definition {
    std::string_view name, file;
    reference from;
  };
  using enum reference;
  std::vector<definition> const all{
      {"all-MiniLM-L6-v2", "tokenizer.json", hugging_face},
      {"bge-gguf", "vocab.gguf", hugging_face},
      {"deepseek-coder-gguf", "vocab.gguf", hugging_face},
      {"llama2-gguf", "vocab.gguf", sentencepiece},
      {"bert-multilingual-cased", "vocab.txt", hugging_face},
      {"cl100k_base", "cl100k_base.tiktoken", tiktoken},
      {"clip", "tokenizer.json", hugging_face},
      {"falcon", "tokenizer.json", hugging_face},
      {"gpt-neox-20b", "tokenizer.json", hugging_face},
      {"gpt2", "tokenizer.json", hugging_face},
      {"grok-1", "tokenizer.model", sentencepiece},
      {"hw-doc-summarizer", "tokenizer.json", hugging_face},
      {"llama2", "tokenizer.model", sentencepiece},
      {"llama3", "tokenizer.model", tiktoken},
      {"mbart-reduced", "tokenizer.json", hugging_face},
      {"mbart-reduced-spm", "sentencepiece.bpe.model", sentencepiece},
      {"o200k_base", "o200k_base.tiktoken", tiktoken},
      {"phi-3-mini", "tokenizer.json", hugging_face},
      {"qwen2", "qwen.tiktoken", hugging_face},
      {"rwkv-world", "rwkv_vocab.txt", rwkv},
      {"sp-test-en", "spiece.model", sentencepiece},
      {"syn-added-flags", "tokenizer.json", hugging_face},
      {"syn-added-words", "tokenizer.json", hugging_face},
      {"syn-bytelevel-noregex", "tokenizer.json", hugging_face},
      {"syn-bytelevel-prefix", "tokenizer.json", hugging_face},
      {"syn-ignore-merges", "tokenizer.json", hugging_face},
      {"syn-metaspace-always-split", "tokenizer.json", hugging_face},
      {"syn-metaspace-first-nosplit", "tokenizer.json", hugging_face},
      {"syn-norm-chain", "tokenizer.json", hugging_face},
      {"syn-split-behaviors", "tokenizer.json", hugging_face},
      {"syn-split-removed", "tokenizer.json", hugging_face},
      {"syn-spm-bpe-gemma-like", "spiece.model", sentencepiece},
      {"syn-spm-char", "spiece.model", sentencepiece},
      {"syn-spm-unigram-suffix", "spiece.model", sentencepiece},
      {"syn-unigram-bytefallback", "tokenizer.json", hugging_face},
      {"syn-unk-nofuse", "tokenizer.json", hugging_face},
      {"syn-wordlevel", "tokenizer.json", hugging_face},
      {"syn-wordpiece-cased", "tokenizer.json", hugging_face},
      {"syn-wordpiece-trunc", "tokenizer.json", hugging_face},
      {"t5-small", "tokenizer.json", hugging_face},
  };
  auto const texts = test::data("tokenizers/corpus.jsonl");
  if (!texts) return;
  auto const corpus = test::read_corpus(*texts);
  auto const* const only = std::getenv("LOQUAT_ONLY");
  for (auto const& [name, file, from] : all) {
    if (only && name != only) continue;
    auto const cases = test::data("tokenizers/" + std::string(name) + "/cases.jsonl");
    if (!cases) return;
    auto const folder = cases->substr(0, cases->size() - std::string_view("cases.jsonl").size());
    auto const found = run(folder, file, from, corpus);
    MESSAGE(name << ": " << found.rows << " rows, " << found.wrong << " wrong, " << found.unicode << " newuni"
                 << found.first);
    CHECK(found.wrong == 0);
  }
}

} // namespace tokenizer_reference_rows_test
