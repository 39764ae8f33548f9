/// The models alone, on those reference encodings for which the steps around the model are trivial.

#include "tokenizer/model_files.hpp"

#include <loquat/tokenizer/models/bpe.hpp>
#include <loquat/tokenizer/models/longest_match.hpp>
#include <loquat/tokenizer/models/unigram.hpp>
#include <loquat/tokenizer/models/word_level.hpp>
#include <loquat/tokenizer/models/wordpiece.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tokenizer_model_goldens_test {

using namespace loquat;

namespace {

using word_list = std::vector<std::string>;
constexpr std::string_view space = "\xE2\x96\x81";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_plain(std::string_view text) { // ASCII without control characters
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}
std::string spaced(std::string_view text) { // spaces as U+2581
  std::string out;
  for (char const c : text) c == ' ' ? out += space : out += c;
  return out;
}

// What a text becomes before the model; nothing where that is not so simple.
std::optional<word_list> whole(std::string const& text) { return word_list{text}; }
std::optional<word_list> with_spaces(std::string const& text) { return word_list{spaced(text)}; }
std::optional<word_list> prefixed(std::string const& text) {
  if (text.empty()) return word_list{};
  return word_list{std::string(space) + spaced(text)};
}
std::optional<word_list> prefixed_once(std::string const& text) { // unless it begins so
  if (text.empty()) return word_list{};
  auto const changed = spaced(text);
  return word_list{changed.starts_with(space) ? changed : std::string(space) + changed};
}
std::optional<word_list> one_word(std::string const& text) { // letters, after at most one space
  auto const rest = std::string_view(text).substr(text.starts_with(' ') ? 1 : 0);
  bool const lower = std::all_of(rest.begin(), rest.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return lower && !rest.empty() ? std::optional(word_list{text}) : std::nullopt;
}
std::optional<word_list> lower_words(std::string const& text) { // words between single spaces, none of which is kept
  if (!is_plain(text)) return {};
  word_list out(1);
  for (char const c : text) {
    if (c == ' ')
      out.emplace_back();
    else if (is_letter(c))
      out.back() += static_cast<char>(c | 0x20);
    else
      return {};
  }
  std::erase(out, "");
  return out;
}
std::optional<word_list> space_words(std::string const& text) { // words between single spaces, each after U+2581
  if (!is_plain(text) || text.empty() || text.starts_with(' ') || text.ends_with(' ') || text.find("  ") != text.npos)
    return {};
  word_list out{std::string(space)};
  for (char const c : text)
    if (c == ' ')
      out.emplace_back(space);
    else
      out.back() += c;
  return out;
}
std::optional<word_list> bert(std::string const& text, bool lower) { // space, and every punctuation character alone
  if (!std::all_of(text.begin(), text.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\t'; }))
    return {};
  word_list out;
  bool open = false;
  for (char const c : text) {
    if (c == ' ' || c == '\n' || c == '\t') {
      open = false;
      continue;
    }
    bool const word = is_letter(c) || is_digit(c);
    if (!word || !open) out.emplace_back();
    out.back() += lower && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    open = word;
  }
  return out;
}
std::optional<word_list> bert_lower(std::string const& text) { return bert(text, true); }
std::optional<word_list> bert_cased(std::string const& text) { return bert(text, false); }
std::optional<word_list> whitespace(std::string const& text) { // \w+|[^\w\s]+
  if (!is_plain(text)) return {};
  word_list out;
  int last = 0;
  for (char const c : text) {
    int const kind = c == ' ' ? 0 : is_letter(c) || is_digit(c) || c == '_' ? 1 : 2;
    if (kind != 0 && kind != last) out.emplace_back();
    if (kind != 0) out.back() += c;
    last = kind;
  }
  return out;
}

/// Compares the rows that `words` knows how to split. `places`: the words are the text as it is, so that offsets can be
/// compared; only of ASCII, since the reference gives parts of a character the place of all of it.
template <class Model, class Split>
void check(std::string const& name, Model const& model, Split words, std::size_t at_least, bool places = false) {
  auto const corpus_path = test::data("tokenizers/corpus.jsonl");
  auto const cases_path = test::data("tokenizers/" + name + "/cases.jsonl");
  if (!corpus_path || !cases_path) return;
  auto const corpus = test::read_corpus(*corpus_path);
  typename Model::workspace room;
  std::size_t rows = 0, wrong = 0;
  test::for_each_line(test::read(*cases_path), [&](json::value row) {
    std::string const id(row["case"].as_string().value());
    auto const found = corpus.texts.find(id);
    if (found == corpus.texts.end() || row["mode"] || row["ref"] || corpus.categories.at(id) == "special") return;
    auto const& text = found->second;
    auto const split = words(text);
    if (!split || text.find("<s>") != text.npos) return; // an added token of many
    bool const ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
    ++rows;
    std::vector<token> ids, offsets;
    for (auto const& word : *split)
      model.encode(word, room, [&](token t, std::size_t begin, std::size_t end) {
        ids.push_back(t);
        offsets.push_back(static_cast<token>(begin));
        offsets.push_back(static_cast<token>(end));
      });
    bool const same = test::same_ids(row["ids"], ids) &&
                      (!places || !ascii || !row["offsets"] || test::same_ids(row["offsets"], offsets));
    if (!same && wrong++ < 3) MESSAGE(name, ": case ", id, " differs");
  });
  CHECK(wrong == 0);
  CHECK(rows >= at_least);
  MESSAGE(name, ": ", rows, " rows");
}

template <class Model, class Split>
void check_json(std::string const& name, Split words, std::size_t at_least, bool places = false) {
  auto const path = test::data("tokenizers/" + name + "/tokenizer.json");
  if (!path) return;
  auto definition = test::read_model(test::read(*path));
  definition.visit([&]<class Definition>(Definition& d) {
    if constexpr (requires { Model::make(std::move(d)); }) {
      auto const model = Model::make(std::move(d));
      REQUIRE_MESSAGE(model, model.error().c_str());
      check(name, *model, words, at_least, places);
    } else {
      FAIL(name, " holds another model");
    }
  });
}

/// RWKV's file: id, Python literal, length in every line.
token_model::longest_match read_rwkv(std::string_view text) {
  token_model::longest_match out;
  test::for_each_text_line(text, [&](std::string_view line) {
    auto const id = static_cast<std::size_t>(std::stoul(std::string(line.substr(0, line.find(' ')))));
    auto literal = line.substr(line.find(' ') + 1);
    literal = literal.substr(0, literal.rfind(' '));
    bool const bytes = literal.starts_with('b');
    literal.remove_prefix(bytes ? 2 : 1);
    literal.remove_suffix(1);
    std::string piece;
    for (std::size_t i = 0; i < literal.size(); ++i) {
      if (literal[i] != '\\') {
        piece += literal[i];
        continue;
      }
      char const c = literal[++i];
      std::size_t const digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
      if (digits == 0) {
        piece += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        continue;
      }
      auto const value = std::stoul(std::string(literal.substr(i + 1, digits)), nullptr, 16);
      i += digits;
      if (bytes)
        piece += static_cast<char>(value);
      else
        piece += utf8::encode(static_cast<char32_t>(value)).view();
    }
    while (out.pieces.size() < id) (void)out.pieces.add("", token_kind::unused);
    (void)out.pieces.add(piece, token_kind::normal);
  });
  return out;
}

} // namespace

TEST_CASE("models: tiktoken's encodings of single words") {
  for (std::string const name : {"cl100k_base/cl100k_base.tiktoken", "o200k_base/o200k_base.tiktoken",
                                 "llama3/tokenizer.model", "qwen2/qwen.tiktoken"}) {
    auto const path = test::data("tokenizers/" + name);
    if (!path) return;
    auto definition = test::read_tiktoken(test::read(*path));
    auto const folder = name.substr(0, name.find('/'));
    if (folder == "qwen2") definition.whole_words = false; // its reference is Hugging Face
    auto const model = bpe::make(std::move(definition));
    REQUIRE_MESSAGE(model, model.error().c_str());
    check(folder, *model, one_word, 8, true);
  }
}

TEST_CASE("models: Hugging Face's byte-pair encodings") {
  check_json<bpe>("syn-bytelevel-noregex", whole, 400, true);
  check_json<bpe>("syn-unk-nofuse", with_spaces, 400);
  check_json<bpe>("phi-3-mini", prefixed, 400);
  check_json<bpe>("syn-metaspace-first-nosplit", prefixed_once, 400);
  check_json<bpe>("syn-metaspace-always-split", space_words, 30);
  check_json<bpe>("syn-ignore-merges", one_word, 8, true);
  check_json<bpe>("gpt2", one_word, 8, true);
  check_json<bpe>("gpt-neox-20b", one_word, 8);
  check_json<bpe>("falcon", one_word, 8, true);
  check_json<bpe>("clip", lower_words, 8);
  check_json<bpe>("hw-doc-summarizer", bert_lower, 60);
}

TEST_CASE("models: Hugging Face's WordPiece and word-level encodings") {
  check_json<wordpiece>("all-MiniLM-L6-v2", bert_lower, 60);
  check_json<wordpiece>("syn-wordpiece-trunc", bert_lower, 60);
  check_json<wordpiece>("syn-wordpiece-cased", bert_cased, 60);
  check_json<word_level>("syn-wordlevel", whitespace, 60);
}

TEST_CASE("models: Hugging Face's unigram encodings") {
  check_json<unigram>("t5-small", space_words, 30);
  check_json<unigram>("mbart-reduced", space_words, 30);
  check_json<unigram>("syn-unigram-bytefallback", space_words, 30);
}

TEST_CASE("models: RWKV's encodings") {
  auto const path = test::data("tokenizers/rwkv-world/rwkv_vocab.txt");
  if (!path) return;
  auto const model = longest_match::make(read_rwkv(test::read(*path)));
  REQUIRE_MESSAGE(model, model.error().c_str());
  check("rwkv-world", *model, whole, 400, true);
}

} // namespace tokenizer_model_goldens_test
