/// \file
/// Tokenizer definitions read from every format of file.

#include <doctest/doctest.h>

#include <loquat/tokenizer/sources/sentencepiece_model.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>

#include "../support/data.hpp"
#include "definition_fuzz.hpp"

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace tokenizer_sources_test {

using namespace loquat;

namespace {

// What a constant expression can say of a definition: it cannot outlive its evaluation.
template <class F> constexpr auto of(result<tokenizer_definition> const& read, F const& f) {
  return read ? f(*read) : decltype(f(*read))();
}

constexpr std::string_view small_json = R"({
  "truncation": {"direction": "Left", "max_length": 16, "strategy": "OnlyFirst", "stride": 4},
  "padding": {"strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": 2, "pad_id": 3, "pad_type_id": 1,
              "pad_token": "<p>"},
  "added_tokens": [{"id": 9, "content": "<x>", "special": true, "lstrip": true, "rstrip": false, "single_word": true},
                   {"id": 1, "content": "y", "normalized": false}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "NFC"}, {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "Prepend", "prepend": "_"}]},
    {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}]},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext", "invert": true},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": false},
    {"type": "ByteLevel", "add_prefix_space": false}]},
  "post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]},
  "decoder": {"type": "Strip", "content": " ", "start": 1, "stop": 0},
  "model": {"vocab": {"\u0120": 2, "a": 0, "b": 1, "ab": 4, "\u0120ab": 5}, "merges": ["a b", ["\u0120", "ab"]],
            "unk_token": "a", "fuse_unk": true, "byte_fallback": false, "ignore_merges": true}
})";

static_assert(of(read_tokenizer_json(small_json), [](tokenizer_definition const& d) {
  auto const& replaced = d.normalizers.at(3).get<normalize::replace>();
  return d.normalizers.size() == 4 && d.normalizers[0].holds<normalize::nfc>() &&
         d.normalizers[1].holds<normalize::lowercase>() &&
         d.normalizers[2].get<normalize::prepend>().text.view() == "_" && replaced.what.is_regex &&
         replaced.what.text.view() == "a+" && replaced.content.view() == "b";
}));
static_assert(of(read_tokenizer_json(small_json), [](tokenizer_definition const& d) {
  auto const& split = d.pretokenizers.at(0).get<pretokenize::split>();
  auto const& space = d.pretokenizers.at(1).get<pretokenize::metaspace>();
  return split.behavior == pretokenize::behavior::merged_with_next && split.invert && !split.pattern.is_regex &&
         space.prepend == pretokenize::prepend_scheme::first && space.replacement == U'_' && !space.split &&
         !d.pretokenizers.at(2).get<pretokenize::byte_level>().add_prefix_space;
}));
static_assert(of(read_tokenizer_json(small_json), [](tokenizer_definition const& d) {
  auto const& bpe = d.model.get<token_model::bpe>(); // pieces as bytes, id 3 without one
  return bpe.bytes && bpe.pieces.size() == 6 && bpe.pieces.piece(2) == " " && bpe.pieces.piece(5) == " ab" &&
         bpe.pieces.piece(3).empty() && bpe.merges == std::vector<merge_rule>{{0, 1, 4}, {2, 4, 5}} &&
         bpe.unknown == 0 && bpe.fuse_unknown && bpe.whole_words && !bpe.ranked;
}));
static_assert(of(read_tokenizer_json(small_json), [](tokenizer_definition const& d) {
  auto const& [single, pair] = d.postprocessors.at(0).get<postprocess::template_processing>();
  return single.size() == 3 && single[0].ids == std::vector<token>{1} && pair.size() == 5 && pair[4].type_id == 1 &&
         pair[4].ids == std::vector<token>{2} && d.decoders.at(0).get<decode_step::strip>().start == 1;
}));
static_assert(of(read_tokenizer_json(small_json), [](tokenizer_definition const& d) {
  auto const &x = d.added.at(0), &y = d.added.at(1); // ids are not those of the file; special is not normalized
  return x.id == no_token && x.special && x.strip_left && !x.strip_right && x.single_word && !x.normalized &&
         !y.special && !y.normalized && d.truncation->max_length == 16 && d.truncation->stride == 4 &&
         d.truncation->from_left && d.truncation->how == truncation::strategy::only_first && d.padding->length == 8u &&
         d.padding->on_left && d.padding->multiple_of == 2 && d.padding->id == 3 && d.padding->piece.view() == "<p>";
}));

std::string message(result<tokenizer_definition> const& read) {
  return read ? "" : std::string(read.error().message());
}

// A ModelProto: two pieces with scores and kinds, a trainer that made a BPE model, a normalizer without a prefix
constexpr std::string_view small_model("\x0A\x0A\x0A\x03<u>\x15\0\0\0\0" // the kind follows in another piece
                                       "\x0A\x0C\x0A\x03"
                                       "abc\x15\0\0\x80\xBF\x18\x04"
                                       "\x12\x04\x18\x02\x40\x00"
                                       "\x1A\x02\x18\x00",
                                       12 + 14 + 6 + 4);

static_assert(of(read_sentencepiece_model(small_model), [](tokenizer_definition const& d) {
  auto const& bpe = d.model.get<token_model::scored_bpe>();
  auto const& normalizer = d.normalizers.at(0).get<normalize::sentencepiece>();
  return bpe.pieces.size() == 2 && bpe.pieces.piece(1) == "abc" && bpe.pieces.kind(1) == token_kind::user_defined &&
         bpe.scores == std::vector<float>{0, -1} && bpe.unknown == 0 && !normalizer.add_prefix &&
         normalizer.remove_extra;
}));

static_assert(of(read_tiktoken("YQ== 0\nYg== 1\r\nYWI= 3\n", {.pattern = "."}), [](tokenizer_definition const& d) {
  auto const& bpe = d.model.get<token_model::bpe>();
  return bpe.ranked && bpe.bytes && bpe.whole_words && bpe.pieces.size() == 4 && bpe.pieces.piece(3) == "ab" &&
         bpe.pieces.piece(2).empty() && bpe.pieces.kind(2) == token_kind::unused &&
         d.pretokenizers.at(0).get<pretokenize::split>().pattern.text.view() == ".";
}));

static_assert(of(read_rwkv_vocab("1 '\\x00' 1\n3 \"'\" 1\n4 b'\\xff\\n' 2\n5 '\\u00e9' 2\n"),
                 [](tokenizer_definition const& d) {
                   auto const& m = d.model.get<token_model::longest_match>();
                   return m.pieces.size() == 6 && m.pieces.piece(1) == std::string_view("\0", 1) &&
                          m.pieces.piece(2).empty() && m.pieces.piece(3) == "'" && m.pieces.piece(4) == "\xff\n" &&
                          m.pieces.piece(5) == "\xC3\xA9";
                 }));

static_assert(of(read_vocab_and_merges(R"({"a": 0, "\u0120": 1, "\u0120a": 2})", "#version: 0.2\n\u0120 a\n"),
                 [](tokenizer_definition const& d) {
                   auto const& bpe = d.model.get<token_model::bpe>();
                   return bpe.pieces.piece(2) == " a" && bpe.merges == std::vector<merge_rule>{{1, 0, 2}};
                 }));

static_assert(of(read_vocab_txt("a\n[UNK]\na\n[UNK]\nb\n"), [](tokenizer_definition const& d) { // the last of equals
  auto const& m = d.model.get<token_model::wordpiece>();
  return m.unknown == 3 && m.pieces.size() == 5 && m.pieces.piece(0).empty() && m.pieces.piece(1).empty() &&
         m.pieces.piece(2) == "a" && d.added.size() == 1 && d.added.at(0).id == 3;
}));
static_assert(of(read_vocab_txt("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n"), [](tokenizer_definition const& d) {
  auto const& m = d.model.get<token_model::wordpiece>();
  return m.unknown == 1 && m.pieces.size() == 6 && m.pieces.piece(5) == "##b" && d.added.size() == 4 &&
         d.postprocessors.size() == 1 && d.normalizers.at(0).get<normalize::bert>().lowercase;
}));

// Of what is listed twice the last counts, as in a map.
constexpr bool has_pieces(std::string_view json, std::vector<std::string_view> const& expected) {
  return of(read_tokenizer_json(json), [&](tokenizer_definition const& d) {
    return d.model.visit([&](auto const& m) {
      if (m.pieces.size() != expected.size()) return false;
      for (std::size_t i = 0; i < expected.size(); ++i)
        if (m.pieces.piece(static_cast<token>(i)) != expected[i]) return false;
      return true;
    });
  });
}
static_assert(has_pieces(R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "a": 2}}})", {"", "b", "a"}));
static_assert(has_pieces(R"({"model": {"type": "WordLevel", "vocab": {"a": 2, "b": 1, "a": 0}}})", {"a", "b"}));
static_assert(has_pieces(R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 0, "c": 1}}})", {"b", "c"}));
static_assert(has_pieces(R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "a": 1, "b": 1}}})", {"", "b"}));
static_assert(has_pieces(R"({"model": {"type": "WordPiece", "vocab": {"##a": 0, "##a": 1, "": 2}}})", {"", "##a", ""}));
static_assert(has_pieces(R"({"model": {"type": "Unigram", "vocab": [["a", -1], ["b", 0], ["a", 0]]}})",
                         {"a", "b", "a"}));

} // namespace

TEST_CASE("a tokenizer.json that is none says where and what was expected") {
  auto const says = [](std::string_view text, std::string_view part) {
    auto const found = message(read_tokenizer_json(text));
    CAPTURE(text);
    CAPTURE(found);
    CHECK(found.find(part) != found.npos);
  };
  says("{", "JSON");
  says("[]", "expected a key model with an object");
  says("{}", "expected a key model with an object");
  says(R"({"model": {"type": "Zipf"}})", "a model of type Zipf is not supported");
  says(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})",
       "merge 0 at byte 56: b is not in the vocabulary");
  says(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["ab"]}})", "expected a merge: two pieces at byte");
  says(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})", "expected a token id at byte");
  says(R"({"model": {"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}})",
       "token id 2000000000 at byte 41 among 1 tokens: more than 65552 ids");
  says(R"({"model": {"type": "Unigram", "vocab": [["a"]]}})", "expected [piece, score] at byte");
  says(R"({"model": {"type": "WordLevel", "vocab": {}}, "normalizer": {"type": "Zip"}})", "a normalizer of type Zip");
  says(R"({"model": {"type": "WordLevel", "vocab": {}}, "normalizer": {}})", "key type: JSON: expected a string");
  says(
      R"({"model": {"type": "WordLevel", "vocab": {}}, "pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "x"}})",
      "expected Removed, Isolated, ");
  says(R"({"model": {"type": "WordLevel", "vocab": {}}, "truncation": {"max_length": -1}})",
       "key max_length: expected 0 to");
}

TEST_CASE("a merge whose right piece is shorter than the prefix makes no model, equal pieces or not") {
  for (std::string_view const vocab : {R"({"a": 0, "b": 1})", R"({"a": 0, "b": 1, "b": 2})"}) {
    CAPTURE(vocab);
    auto const text = R"({"model": {"type": "BPE", "continuing_subword_prefix": "##", "merges": ["a b"], "vocab": )" +
                      std::string(vocab) + "}}";
    auto const made = bpe::make(read_tokenizer_json(text).value().model.get<token_model::bpe>());
    REQUIRE_FALSE(made);
    CHECK(made.error().message().find("merge 0: expected text in both tokens") != std::string_view::npos);
  }
}

TEST_CASE("other files that are none name the line, piece or byte") {
  CHECK(message(read_tiktoken("YQ== x\n")) == "tiktoken file: line 1: the rank is no number");
  CHECK(message(read_tiktoken("YQ== 0\n!! 1\n")) == "tiktoken file: line 2: its bytes are no base64");
  CHECK(message(read_tiktoken("YQ== 0\nYg== 0\n")) == "tiktoken file: line 2: the rank has a token already");
  CHECK(message(read_tiktoken("YQ== 99999999999\n")).find("line 1: a rank of 273 or more") != std::string::npos);
  CHECK(message(read_tiktoken("YQ== 0\n")).find("give a pattern") != std::string::npos);
  CHECK(message(read_tiktoken("")) == "tiktoken file: there are no tokens");
  CHECK(message(read_vocab_txt("a\n")) == "vocab.txt: there is no piece [UNK]");
  CHECK(message(read_rwkv_vocab("1 'a' 2\n")) == "RWKV vocabulary: line 1: the length is not that of the token");
  CHECK(message(read_rwkv_vocab("2 'a' 1\n1 'b' 1\n")) == "RWKV vocabulary: line 2: ids must ascend");
  CHECK(message(read_rwkv_vocab("1 'a\n")).starts_with("RWKV vocabulary: line 1: expected a string"));
  CHECK(message(read_vocab_and_merges(R"({"a": 0})", "a b\n")) ==
        "merges.txt: line 1: expected two pieces of the vocabulary");
  CHECK(message(read_sentencepiece_model("")) == "SentencePiece model: there are no pieces");
  CHECK(
      message(read_sentencepiece_model(small_model.substr(0, 9))).starts_with("SentencePiece model: expected a field"));
  CHECK(message(read_sentencepiece_model("\x0A\x02\x18\x09")) == "SentencePiece model: piece 0 is malformed");
}

TEST_CASE("every prefix of a model file is a definition or an error") {
  for (std::size_t n = 0; n < small_model.size(); ++n) {
    auto const read = read_sentencepiece_model(small_model.substr(0, n));
    if (!read) CHECK_FALSE(read.error().message().empty());
  }
  for (std::size_t n = 0; n < small_json.size(); ++n) CHECK_FALSE(read_tokenizer_json(small_json.substr(0, n)));
}

TEST_CASE("real definition files are read") {
  struct expectation {
    std::string_view file;
    std::size_t pieces, added;
  };
  constexpr expectation files[]{{"all-MiniLM-L6-v2/tokenizer.json", 30522, 5},
                                {"all-MiniLM-L6-v2/vocab.txt", 30522, 5},
                                {"bert-multilingual-cased/vocab.txt", 119547, 5},
                                {"cl100k_base/cl100k_base.tiktoken", 100277, 5},
                                {"clip/tokenizer.json", 49408, 2},
                                {"falcon/tokenizer.json", 65024, 12},
                                {"gpt2/tokenizer.json", 50257, 1},
                                {"grok-1/tokenizer.model", 131072, 0},
                                {"llama2/tokenizer.model", 32000, 0},
                                {"llama3/tokenizer.model", 128010, 5},
                                {"mbart-reduced/tokenizer.json", 31999, 6},
                                {"o200k_base/o200k_base.tiktoken", 200019, 2},
                                {"phi-3-mini/tokenizer.json", 32000, 14},
                                {"qwen2/qwen.tiktoken", 151646, 3},
                                {"rwkv-world/rwkv_vocab.txt", 65530, 0},
                                {"sp-test-en/spiece.model", 1000, 0},
                                {"t5-small/tokenizer.json", 32100, 103}};
  for (auto const& [file, pieces, added] : files) {
    auto const path = test::data("tokenizers/" + std::string(file));
    if (!path) return;
    auto const text = test::read(*path);
    auto const read = file.ends_with(".json")                                      ? read_tokenizer_json(text)
                      : file.ends_with("rwkv_vocab.txt")                           ? read_rwkv_vocab(text)
                      : file.ends_with(".txt")                                     ? read_vocab_txt(text)
                      : file.ends_with(".tiktoken") || file.starts_with("llama3/") ? read_tiktoken(text)
                                                                                   : read_sentencepiece_model(text);
    CAPTURE(file);
    REQUIRE_MESSAGE(read, message(read));
    CHECK(read->model.visit([](auto const& model) { return model.pieces.size(); }) == pieces);
    CHECK(read->added.size() == added);
  }
}

TEST_CASE("the fuzzer's corpus of definitions replays") {
  int count = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/definition")) {
    CAPTURE(input.path().string());
    CHECK(test::fuzz_definition(test::read(input.path().string())));
    ++count;
  }
  CHECK(count > 0);
}

} // namespace tokenizer_sources_test
