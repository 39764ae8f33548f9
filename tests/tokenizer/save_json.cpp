#include "tokenizer/goldens.hpp"

#include <loquat/core/json.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/sources/gguf.hpp>
#include <loquat/tokenizer/sources/save_json.hpp>
#include <loquat/tokenizer/sources/sentencepiece_model.hpp>
#include <loquat/tokenizer/sources/tiktoken.hpp>
#include <loquat/tokenizer/sources/tokenizer_json.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_save_json_test {

using namespace loquat;

namespace {

using ids = std::vector<token>;

std::string save(tokenizer_definition const& d) {
  std::string out;
  auto const good = save_json(d, out);
  if (!good) return std::string(good.error().message());
  return out;
}
/// A definition with the model `model` and nothing else.
tokenizer_definition of(token_model::any model) {
  tokenizer_definition d;
  d.model = std::move(model);
  return d;
}
vocabulary pieces(std::vector<std::string_view> const& texts, std::vector<token_kind> const& kinds = {}) {
  vocabulary out;
  for (std::size_t i = 0; i < texts.size(); ++i)
    CHECK(out.add(texts[i], i < kinds.size() ? kinds[i] : token_kind::normal));
  return out;
}
void refuses(tokenizer_definition const& d, errc code, std::string_view part) {
  std::vector<char> out;
  auto const good = save_json(d, out);
  REQUIRE_FALSE(good);
  INFO(std::string(good.error().message()));
  CHECK(good.error().code() == code);
  CHECK(good.error().message().find(part) != std::string_view::npos);
}
/// What is written of one key.
std::string part(tokenizer_definition const& d, std::string_view key) {
  auto const all = save(d);
  auto const name = "\n\"" + std::string(key) + "\": ";
  auto const begin = all.find(name);
  if (begin == all.npos) return all;
  auto out = all.substr(begin + name.size());
  out = out.substr(0, out.find('\n'));
  return out.ends_with(',') ? out.substr(0, out.size() - 1) : out;
}
ids encode(tokenizer const& t, std::string_view text) {
  tokenizer::workspace room;
  auto const found = t.encode(text, room, {.special = special_text::parse});
  return {found.begin(), found.end()};
}

/// Every kind of step, and every field that is not as it is by default.
constexpr std::string_view everything = R"({
  "truncation": {"direction": "Left", "max_length": 16, "strategy": "OnlySecond", "stride": 4},
  "padding": {"strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": 2, "pad_id": 3, "pad_type_id": 1,
              "pad_token": "<p>"},
  "added_tokens": [{"id": 9, "content": "<x>", "special": true, "lstrip": true, "rstrip": false, "single_word": true},
                   {"id": 1, "content": "y", "normalized": true, "rstrip": true}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"},
    {"type": "StripAccents"}, {"type": "Nmt"}, {"type": "ByteLevel"},
    {"type": "Strip", "strip_left": false, "strip_right": true}, {"type": "Prepend", "prepend": "\u2581"},
    {"type": "Replace", "pattern": {"Regex": "a+\\s"}, "content": "b\"\\\n\u0001"},
    {"type": "Replace", "pattern": {"String": " "}, "content": ""},
    {"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "strip_accents": true,
     "lowercase": false},
    {"type": "BertNormalizer", "strip_accents": null},
    {"type": "Precompiled", "precompiled_charsmap": "AAECA/8="}]},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false, "trim_offsets": false},
    {"type": "BertPreTokenizer"}, {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": false},
    {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": false}, {"type": "Whitespace"},
    {"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true},
    {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext", "invert": true},
    {"type": "Split", "pattern": {"Regex": "\\d"}, "behavior": "MergedWithPrevious", "invert": false},
    {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated"},
    {"type": "UnicodeScripts"}, {"type": "CharDelimiterSplit", "delimiter": "|"}, {"type": "FixedLength", "length": 3}]},
  "post_processor": {"type": "Sequence", "processors": [
    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false},
    {"type": "RobertaProcessing", "sep": ["b", 1], "cls": ["a", 0], "trim_offsets": false, "add_prefix_space": false},
    {"type": "TemplateProcessing",
     "single": [{"SpecialToken": {"id": "many", "type_id": 2}}, {"Sequence": {"id": "A", "type_id": 1}}],
     "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "one", "type_id": 0}},
              {"Sequence": {"id": "B", "type_id": 1}}],
     "special_tokens": {"many": {"id": "many", "ids": [0, 1], "tokens": ["a", "b"]},
                        "one": {"id": "one", "ids": [1], "tokens": ["b"]}}}]},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "ByteLevel"}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "WordPiece", "prefix": "@@", "cleanup": false},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never"}, {"type": "BPEDecoder", "suffix": "</x>"},
    {"type": "Strip", "content": "\u00e9", "start": 1, "stop": 2},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "b"},
    {"type": "CTC", "pad_token": "<q>", "word_delimiter_token": "/", "cleanup": false}]},
  "model": {"type": "BPE", "vocab": {"\u0120": 2, "a": 0, "b": 1, "ab": 4, "\u0120ab": 5, "\u4e00": 7},
            "merges": ["a b", ["\u0120", "ab"]], "unk_token": "a", "continuing_subword_prefix": "b",
            "end_of_word_suffix": "\u0120", "fuse_unk": true, "byte_fallback": true, "ignore_merges": true}
})";

/// The JSON of a key without what a reader takes for granted.
void print(json::value v, std::string& out) {
  if (v.kind() == json::kind::object) {
    out += '{';
    for (auto const [key, member] : v.members()) {
      out += std::string(key) + ':';
      print(member, out);
      out += ',';
    }
    out += '}';
  } else if (v.kind() == json::kind::array) {
    out += '[';
    for (auto const e : v.elements()) print(e, out), out += ',';
    out += ']';
  } else if (auto const text = v.as_string()) {
    out += "'" + std::string(*text) + "'";
  } else if (auto const number = v.as_double()) {
    out += std::to_string(*number);
  } else {
    out += v.kind() == json::kind::null ? "null" : *v.as_bool() ? "true" : "false";
  }
}

} // namespace

static_assert([] {
  auto const read =
      read_tokenizer_json(R"({"normalizer": {"type": "Strip"}, "post_processor": {"type": "BertProcessing",
    "sep": ["a", 0], "cls": ["b", 1]}, "model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  std::vector<char> once, twice;
  if (!read || !save_json(*read, once)) return false;
  auto const again = read_tokenizer_json({once.data(), once.size()});
  return again && save_json(*again, twice) && once == twice;
}());

TEST_CASE("save_json: every step and every field comes back") {
  auto const first = save(read_tokenizer_json(everything).value());
  auto const again = read_tokenizer_json(first);
  REQUIRE_MESSAGE(again, first);
  CHECK(save(*again) == first);
  auto const& d = *again;
  CHECK(part(d, "truncation") == R"({"direction":"Left","max_length":16,"strategy":"OnlySecond","stride":4})");
  CHECK(
      part(d, "padding") ==
      R"({"strategy":{"Fixed":8},"direction":"Left","pad_to_multiple_of":2,"pad_id":3,"pad_type_id":1,"pad_token":"<p>"})");
  CHECK(
      part(d, "added_tokens") ==
      R"([{"id":8,"content":"<x>","single_word":true,"lstrip":true,"rstrip":false,"normalized":false,"special":true},)"
      R"({"id":9,"content":"y","single_word":false,"lstrip":false,"rstrip":true,"normalized":true,"special":false}])");
  CHECK(
      part(d, "normalizer") ==
      R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFD"},{"type":"NFKC"},{"type":"NFKD"},)"
      R"({"type":"Lowercase"},{"type":"StripAccents"},{"type":"Nmt"},{"type":"ByteLevel"},)"
      R"({"type":"Strip","strip_left":false,"strip_right":true},{"type":"Prepend","prepend":")"
      "\xE2\x96\x81"
      R"("},{"type":"Replace","pattern":{"Regex":"a+\\s"},"content":"b\"\\\n\u0001"},)"
      R"({"type":"Replace","pattern":{"String":" "},"content":""},)"
      R"({"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false},)"
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},)"
      R"({"type":"Precompiled","precompiled_charsmap":"AAECA/8="}]})");
  CHECK(
      part(d, "pre_tokenizer") ==
      R"({"type":"Sequence","pretokenizers":[)"
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false},)"
      R"({"type":"BertPreTokenizer"},{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false},)"
      R"({"type":"Metaspace","replacement":")"
      "\xE2\x96\x81"
      R"(","prepend_scheme":"never","split":true},{"type":"Whitespace"},{"type":"WhitespaceSplit"},)"
      R"({"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"Contiguous"},)"
      R"({"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":true},)"
      R"({"type":"Split","pattern":{"Regex":"\\d"},"behavior":"MergedWithPrevious","invert":false},)"
      R"({"type":"Split","pattern":{"Regex":"x"},"behavior":"Isolated","invert":false},)"
      R"({"type":"UnicodeScripts"},{"type":"CharDelimiterSplit","delimiter":"|"},{"type":"FixedLength","length":3}]})");
  CHECK(
      part(d, "post_processor") ==
      R"({"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":true},)"
      R"({"type":"RobertaProcessing","sep":["b",1],"cls":["a",0],"trim_offsets":false,"add_prefix_space":false},)"
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"special 0","type_id":2}},)"
      R"({"Sequence":{"id":"A","type_id":1}}],"pair":[{"Sequence":{"id":"A","type_id":0}},)"
      R"({"SpecialToken":{"id":"b","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":)"
      R"({"special 0":{"id":"special 0","ids":[0,1],"tokens":["a","b"]},"b":{"id":"b","ids":[1],"tokens":["b"]}}}]})");
  CHECK(
      part(d, "decoder") ==
      R"({"type":"Sequence","decoders":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)"
      R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"WordPiece","prefix":"@@","cleanup":false},)"
      R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never","split":true},)"
      R"({"type":"BPEDecoder","suffix":"</x>"},{"type":"Strip","content":")"
      "\xC3\xA9"
      R"(","start":1,"stop":2},{"type":"Replace","pattern":{"String":"a"},"content":"b"},)"
      R"({"type":"CTC","pad_token":"<q>","word_delimiter_token":"/","cleanup":false}]})");
  CHECK(part(d, "model") ==
        R"({"type":"BPE","dropout":null,"unk_token":"a","continuing_subword_prefix":"b","end_of_word_suffix":")"
        "\xC4\xA0"
        R"(","fuse_unk":true,"byte_fallback":true,"ignore_merges":true,"vocab":{"a":0,"b":1,")"
        "\xC4\xA0"
        R"(":2,"ab":4,")"
        "\xC4\xA0"
        R"(ab":5,")"
        "\xE4\xB8\x80"
        R"(":7},"merges":[["a","b"],[")"
        "\xC4\xA0"
        R"(","ab"]]})");
}

TEST_CASE("save_json: the other models") {
  CHECK(part(of(token_model::wordpiece{pieces({"[UNK]", "a", "@@b"}), 0, owned_text("@@"), 7}), "model") ==
        R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"@@","max_input_chars_per_word":7,)"
        R"("vocab":{"[UNK]":0,"a":1,"@@b":2}})");
  CHECK(part(of(token_model::word_level{pieces({"a", "b"}), 1}), "model") ==
        R"({"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"b"})");
  auto bytes = of(token_model::word_level{pieces({" a", "b"}), 1});
  bytes.pretokenizers.push_back(pretokenize::byte_level{});
  CHECK(part(bytes, "model") == R"({"type":"WordLevel","vocab":{")"
                                "\u0120a"
                                R"(":0,"b":1},"unk_token":"b"})");
  token_model::unigram unigram{
      .pieces = pieces({"a", "b", "c", "d", "e", "f", "g"}), .unknown = 2, .byte_fallback = true};
  unigram.scores = {0.1, -3, -9.210340371976184, 1e-300, -0.0, 5e20, 0};
  CHECK(
      part(of(unigram), "model") ==
      R"({"type":"Unigram","unk_id":2,"vocab":[["a",0.1],["b",-3.0],["c",-9.210340371976184],["d",1e-300],["e",-0.0],)"
      R"(["f",5e+20],["g",0.0]],"byte_fallback":true})");
  auto const again = read_tokenizer_json(save(of(unigram))).value();
  CHECK(again.model.get<token_model::unigram>().scores == unigram.scores);
  unigram.unknown = no_token;
  CHECK(part(of(unigram), "model").starts_with(R"({"type":"Unigram","unk_id":null,)"));
  CHECK(part(of(unigram), "normalizer") == "null");
  // without an unknown token there is none after reading
  auto const unknown = [](token_model::any model) {
    auto const d = read_tokenizer_json(save(of(std::move(model)))).value();
    return d.model.visit([](auto const& m) {
      if constexpr (requires { m.unknown; }) return m.unknown;
      return no_token;
    });
  };
  CHECK(unknown(token_model::word_level{pieces({"<unk>"}), no_token}) == no_token);
  CHECK(unknown(token_model::wordpiece{pieces({"[UNK]"}), no_token}) == no_token);
  CHECK(unknown(token_model::bpe{.pieces = pieces({"<unk>"})}) == no_token);
  CHECK(unknown(token_model::bpe{.pieces = pieces({"<unk>"}), .unknown = 0}) == 0);
}

TEST_CASE("save_json: added tokens keep their ids") {
  auto const vocabulary_of = [](tokenizer_definition const& d) {
    auto const model = part(d, "model");
    auto const begin = model.find(R"("vocab":)");
    return model.substr(begin, model.find('}', begin) + 1 - begin);
  };
  auto d = of(token_model::word_level{pieces({"a", "b"}), 0});
  d.added = {{.content = owned_text("<x>"), .id = 2}, {.content = owned_text("<y>"), .id = 3}};
  CHECK(vocabulary_of(d) == R"("vocab":{"a":0,"b":1})"); // the next ones anyway
  d.added = {{.content = owned_text("<x>"), .id = 3}, {.content = owned_text("<y>"), .id = 2}};
  CHECK(vocabulary_of(d) == R"("vocab":{"a":0,"b":1,"<y>":2,"<x>":3})");
  d.added = {{.content = owned_text("<x>"), .id = 5}};
  CHECK(vocabulary_of(d) == R"("vocab":{"a":0,"b":1,"<x>":5})");
  d.added = {{.content = owned_text("a"), .id = 0}, {.content = owned_text("<z>")}};
  CHECK(vocabulary_of(d) == R"("vocab":{"a":0,"b":1})");
  CHECK(part(d, "added_tokens").find(R"("id":2,"content":"<z>")") != std::string::npos);
  // where a token has no text or is never used, it has none in the file, and none of the others moves
  d.model = token_model::bpe{.pieces = pieces({"a", "", "b", "[PAD]", "<x>", ""},
                                              {token_kind::normal, token_kind::unused, token_kind::normal,
                                               token_kind::unused, token_kind::unused, token_kind::unused})};
  d.added = {{.content = owned_text("<x>"), .id = 4}};
  CHECK(vocabulary_of(d) == R"("vocab":{"a":0,"b":2,"[PAD]":3,"<x>":4})");
  auto const read = read_tokenizer_json(save(d)).value();
  CHECK(tokenizer::make(read).value().find("<x>") == 4);
  // control pieces are special tokens
  d = of(token_model::bpe{.pieces = pieces({"<s>", "a"}, {token_kind::control})});
  CHECK(part(d, "added_tokens").find(R"("id":0,"content":"<s>")") != std::string::npos);
  CHECK(part(d, "added_tokens").find(R"("special":true)") != std::string::npos);
}

TEST_CASE("save_json: a file that lists a piece twice reads as what is saved of it") {
  for (std::string_view const model :
       {R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "a": 2, "ab": 3}, "merges": ["a b"], "unk_token": "a"})",
        R"({"type": "BPE", "vocab": {"a": 4, "b": 1, "a": 2, "ab": 3, "ab": 0}, "merges": ["a b"]})",
        R"({"type": "WordPiece", "vocab": {"a": 5, "##b": 1, "a": 2, "##b": 3, "[UNK]": 4, "[UNK]": 0}})",
        R"({"type": "WordLevel", "vocab": {"a": 0, "b": 1, "a": 2, "ab": 3}, "unk_token": "a"})",
        R"({"type": "Unigram", "vocab": [["a", -1], ["b", -2], ["a", -1.5], ["ab", -9]], "unk_id": 0})"}) {
    CAPTURE(model);
    auto const text = R"({"added_tokens": [{"content": "<x>"}], "model": )" + std::string(model) + "}";
    auto const before = read_tokenizer_json(text).value(), after = read_tokenizer_json(save(before)).value();
    CHECK(save(after) == save(before));
    auto const a = tokenizer::make(before).value(), b = tokenizer::make(after).value();
    CHECK(a.size() == b.size());
    CHECK(a.find("a") == 2);
    for (std::string_view const word : {"a", "b", "ab", "aab", "c", "<x>a"}) CHECK(encode(a, word) == encode(b, word));
    for (token id = 0; static_cast<std::size_t>(id) < a.size(); ++id) CHECK(a.name(id) == b.name(id));
  }
}

TEST_CASE("save_json: ids behind the last piece stay where others count on them") {
  auto const check = [](std::string_view text, std::string_view model) {
    CAPTURE(text);
    auto const before = read_tokenizer_json(text).value();
    CHECK(part(before, "model").find(model) != std::string::npos);
    auto const after = read_tokenizer_json(save(before)).value();
    auto const a = tokenizer::make(before).value(), b = tokenizer::make(after).value();
    CHECK(a.size() == b.size());
    CHECK(a.find("<x>") == b.find("<x>"));
    CHECK(encode(a, "a<x>a") == encode(b, "a<x>a"));
  };
  check(R"({"added_tokens": [{"content": "<x>"}], "model": {"type": "WordLevel", "vocab": {"a": 0, "": 2}}})",
        R"("vocab":{"a":0,"":2})");
  check(R"({"added_tokens": [{"content": "<x>"}], "model": {"type": "Unigram", "vocab": [["a", 0], ["", 0]]}})",
        R"("vocab":[["a",0.0],["",0.0]])");
  check(R"({"model": {"type": "Unigram", "vocab": [["a", 0], ["", 0]], "unk_id": 1}})", R"(["",0.0])");
  check(R"({"post_processor": {"type": "BertProcessing", "cls": ["", 1], "sep": ["", 2]},
            "model": {"type": "WordLevel", "vocab": {"a": 0, "": 2}}})",
        R"("vocab":{"a":0,"":2})");
  // no byte-level text, so it is never found
  check(R"({"added_tokens": [{"content": "<x>"}], "pre_tokenizer": {"type": "ByteLevel"},
            "model": {"type": "WordLevel", "vocab": {"a": 0, " ": 1, "b": 2, " a": 3}}})",
        R"("vocab":{"a":0," ":1,"b":2," a":3})");
}

TEST_CASE("save_json: added tokens that no tokenizer has take no ids") {
  auto const d = read_tokenizer_json(R"({"added_tokens": [{"content": ""}, {"content": "<x>"}, {"content": "<x>"},
      {"content": "<y>"}], "model": {"type": "WordLevel", "vocab": {"a": 0}}})");
  auto const added = part(d.value(), "added_tokens");
  CHECK(added.find(R"("id":2,"content":"<y>")") != std::string::npos);
  CHECK(added.find(R"("content":"")") == std::string::npos);
  auto other = of(token_model::word_level{pieces({"a"})});
  other.added = {{.content = owned_text("<x>")}, {.content = owned_text("<y>"), .id = 3}};
  refuses(other, errc::unsupported, "added token <x> is 1, not 4");
}

TEST_CASE("save_json: a template's tokens of one name stay apart") {
  auto const labels = [](std::string_view vocab) {
    auto const d = read_tokenizer_json(R"({"post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "y"}}], "pair": [],
        "special_tokens": {"x": {"ids": [0]}, "y": {"ids": [2]}}}, "model": {"type": "Unigram", "vocab": )" +
                                       std::string(vocab) + "}}");
    auto const again = read_tokenizer_json(save(d.value())).value();
    CHECK(save(again) == save(*d));
    auto const& single = again.postprocessors.at(0).get<postprocess::template_processing>().single;
    CHECK(single.at(0).ids == ids{0});
    CHECK(single.at(2).ids == ids{2});
  };
  labels(R"([["a", 0], ["b", 0], ["a", 0]])");
  labels(R"([["special 1", 0], ["b", 0], ["", 0]])");
}

TEST_CASE("save_json: merges of added tokens are left out") {
  token_model::bpe model{
      .pieces = pieces({" ", "  ", "    ", "a"}, {token_kind::normal, token_kind::unused, token_kind::unused}),
      .bytes = true};
  model.merges = {{0, 0}, {1, 1}};
  auto d = of(model);
  d.added = {{.content = owned_text("  "), .id = 1}, {.content = owned_text("    "), .id = 2}};
  d.pretokenizers = {pretokenize::byte_level{}};
  CHECK(part(d, "model").find(R"("merges":[]})") != std::string::npos);
  auto const read = read_tokenizer_json(save(d)).value();
  auto const made = tokenizer::make(read).value();
  CHECK(encode(made, "     a") == ids{2, 0, 3});
}

TEST_CASE("save_json: ranked pieces become merges") {
  // "abc" is made of "a" and "bc", since "bc" is better than "ab"; "xyz" is out of reach
  token_model::bpe model{.pieces = pieces({"a", "b", "c", " ", "bc", "ab", "abc", "x", "y", "z", "xyz", " a"}),
                         .ranked = true,
                         .bytes = true,
                         .whole_words = true};
  auto const saved = part(of(model), "model");
  CHECK(saved.find(R"("merges":[["b","c"],["a","b"],["a","bc"],[")"
                   "\xC4\xA0"
                   R"(","a"]])") != std::string::npos);
  CHECK(saved.find(R"("ignore_merges":true)") != std::string::npos);
}

TEST_CASE("save_json: SentencePiece in other words") {
  using enum token_kind;
  auto d = of(token_model::scored_bpe{pieces({"<unk>", "<s>", "<0x41>", "\xE2\x96\x81", "a", "b", "c", "ab", "bc",
                                              "\xE2\x96\x81"
                                              "a",
                                              "abc"},
                                             {unknown, control, byte}),
                                      {0, 0, 0, -9, -9, -9, -9, -2, -1, -3, -4},
                                      0});
  d.normalizers = {normalize::sentencepiece{.remove_extra = false}};
  CHECK(part(d, "normalizer") == R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":")"
                                 "\xE2\x96\x81"
                                 R"("},{"type":"Replace","pattern":{"String":" "},"content":")"
                                 "\xE2\x96\x81"
                                 R"("}]})");
  CHECK(part(d, "decoder") == R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":")"
                              "\xE2\x96\x81"
                              R"("},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
                              R"({"type":"Strip","content":" ","start":1,"stop":0}]})");
  auto const model = part(d, "model");
  CHECK(model.find(R"("unk_token":"<unk>")") != std::string::npos);
  CHECK(model.find(R"("fuse_unk":true,"byte_fallback":true)") != std::string::npos);
  CHECK(model.find(R"("merges":[["b","c"],["a","b"],[")"
                   "\xE2\x96\x81"
                   R"(","a"],["a","bc"]])") != std::string::npos);
  CHECK(part(d, "added_tokens").find(R"("content":"<s>")") != std::string::npos);
  CHECK(part(d, "added_tokens").find("<unk>") == std::string::npos); // typed, it is text

  auto other = d;
  other.normalizers = {normalize::sentencepiece{.charsmap = {'\0', '\1'}, .add_prefix = false, .remove_extra = true}};
  CHECK(part(other, "normalizer") ==
        R"({"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"AAE="},)"
        R"({"type":"Replace","pattern":{"String":")"
        "\xE2\x96\x81"
        R"("},"content":" "},{"type":"Replace","pattern":{"Regex":"\\A +| +\\z"},"content":""},)"
        R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},)"
        R"({"type":"Replace","pattern":{"String":" "},"content":")"
        "\xE2\x96\x81"
        R"("}]})");
  CHECK(part(other, "decoder").find("Strip") == std::string::npos);
  CHECK(part(other, "decoder").find("ByteFallback") != std::string::npos);
  auto& scored = other.model.get<token_model::scored_bpe>();
  CHECK(scored.pieces.add("<new>", user_defined));
  scored.scores.push_back(0);
  CHECK(part(other, "added_tokens")
            .find(R"("content":"<new>","single_word":false,"lstrip":false,"rstrip":false,)"
                  R"("normalized":true,"special":false)") != std::string::npos);
  other.normalizers = d.normalizers;
  refuses(other, errc::unsupported, "user-defined token 11");
  other = d;
  other.model.get<token_model::scored_bpe>().scores[7] = -1; // as good as token 8
  refuses(other, errc::unsupported, "tokens 7 and 8 are equally good");
  other.model.get<token_model::scored_bpe>().scores.pop_back();
  refuses(other, errc::mismatch, "expected as many scores as tokens (11), found 10");
  other.normalizers = {normalize::sentencepiece{.suffix = true}};
  refuses(other, errc::unsupported, "behind texts");

  // runs of one character may be equally good, if they come out the same
  auto const runs = [&](std::vector<std::string_view> const& texts, std::vector<float> scores) {
    auto all = d;
    all.model = token_model::scored_bpe{pieces(texts), std::move(scores)};
    return all;
  };
  CHECK(part(runs({"a", "aa", "aaaa", "aaa", "b"}, {0, -5, -5, -5, 0}), "model")
            .find(R"("merges":[["a","a"],["aa","aa"],["aa","a"]])") != std::string::npos);
  refuses(runs({"a", "aa", "aaa", "aaaa"}, {0, -5, -5, -5}), errc::unsupported, "equally good"); // aaa a, but aa aa
  refuses(runs({"a", "aa", "ab", "b"}, {0, -5, -5, 0}), errc::unsupported, "tokens 1 and 2 are equally good");
  refuses(runs({"a", "aa", "aaaa", "aab", "b"}, {0, -5, -5, -1, 0}), errc::unsupported, "equally good");

  d.model = token_model::characters{pieces({"<unk>", "a"}, {unknown}), 0};
  CHECK(part(d, "decoder")
            .find(R"({"type":"Replace","pattern":{"String":"<unk>"},"content":" )"
                  "\xE2\x81\x87"
                  R"( "})") != std::string::npos);
  CHECK(part(d, "model")
            .find(R"("fuse_unk":true,"byte_fallback":false,"ignore_merges":false,)"
                  R"("vocab":{"<unk>":0,"a":1},"merges":[])") != std::string::npos);
}

TEST_CASE("save_json: what cannot be said is an error") {
  refuses(of(token_model::longest_match{pieces({"a"})}), errc::unsupported, "longest match");
  refuses(of(token_model::word_level{pieces({"", "b"}), 0}), errc::unsupported, "unknown token 0, which has no text");
  refuses(of(token_model::word_level{pieces({"a", "\xFF"})}), errc::unsupported, "token 1, which is no UTF-8");
  refuses(of(token_model::unigram{.pieces = pieces({"a"}), .scores = {std::numeric_limits<double>::infinity()}}),
          errc::unsupported, "not finite");
  refuses(of(token_model::unigram{.pieces = pieces({"a", "b"}), .scores = {1}}), errc::mismatch, "found 1");
  refuses(of(token_model::word_level{pieces({"a", "b"}, {token_kind::unused})}), errc::unsupported, "token 0 is never");
  auto d = of(token_model::word_level{pieces({"a", "b"})});
  d.added = {{.content = owned_text("a"), .id = 2}};
  refuses(d, errc::unsupported, "added token a is 2, not 0");
  d.added = {{.content = owned_text("x"), .id = 2'000'000'000}};
  refuses(d, errc::unsupported, "the id 2000000000");
  d = of(token_model::word_level{pieces({"a"})});
  d.normalizers = {normalize::prepend{owned_text("\xFF")}};
  refuses(d, errc::unsupported, "no UTF-8");
}

TEST_CASE("save_json: the reference data's tokenizers encode as before") {
  auto const corpus_path = test::data("tokenizers/corpus.jsonl");
  if (!corpus_path) return;
  auto const corpus = test::read_corpus(*corpus_path);
  auto const folder = corpus_path->substr(0, corpus_path->size() - std::string_view("corpus.jsonl").size());
  auto const check = [&](std::string_view name, result<tokenizer_definition> const& read, bool from_json) {
    CAPTURE(name);
    REQUIRE(read);
    std::string saved;
    auto const good = save_json(*read, saved);
    REQUIRE_MESSAGE(good, std::string(good.error().message()));
    auto const again = read_tokenizer_json(saved);
    REQUIRE_MESSAGE(again, std::string(again.error().message()));
    CHECK(save(*again) == saved);
    if (from_json) CHECK(save(*read) == saved);
    auto const before = tokenizer::make(*read), after = tokenizer::make(*again);
    REQUIRE_MESSAGE(before, std::string(before.error().message()));
    REQUIRE_MESSAGE(after, std::string(after.error().message()));
    int wrong = 0, rows = 0;
    for (auto const& [id, text] : corpus.texts) {
      if (text.size() > 20'000 || !utf8::is_valid(text)) continue;
      ++rows;
      auto const a = encode(*before, text), b = encode(*after, text);
      if (a != b && ++wrong < 4) MESSAGE(name << ": " << id);
    }
    CHECK(rows > 400);
    CHECK(wrong == 0);
  };
  for (std::string const name : {"all-MiniLM-L6-v2",
                                 "clip",
                                 "falcon",
                                 "gpt-neox-20b",
                                 "gpt2",
                                 "hw-doc-summarizer",
                                 "mbart-reduced",
                                 "phi-3-mini",
                                 "syn-added-flags",
                                 "syn-added-words",
                                 "syn-bytelevel-noregex",
                                 "syn-bytelevel-prefix",
                                 "syn-ignore-merges",
                                 "syn-metaspace-always-split",
                                 "syn-metaspace-first-nosplit",
                                 "syn-norm-chain",
                                 "syn-split-behaviors",
                                 "syn-split-removed",
                                 "syn-unigram-bytefallback",
                                 "syn-unk-nofuse",
                                 "syn-wordlevel",
                                 "syn-wordpiece-cased",
                                 "syn-wordpiece-trunc",
                                 "t5-small"})
    check(name, read_tokenizer_json(test::read(folder + name + "/tokenizer.json")), true);
  std::vector<std::pair<std::string_view, token>> const special{{"<|endoftext|>", 100257}, {"<|endofprompt|>", 100276}};
  check("cl100k_base",
        read_tiktoken(test::read(folder + "cl100k_base/cl100k_base.tiktoken"), {.pattern = {}, .special = special}),
        false);
  check("llama3", read_tiktoken(test::read(folder + "llama3/tokenizer.model")), false);
  check("bert-multilingual-cased",
        read_vocab_txt(test::read(folder + "bert-multilingual-cased/vocab.txt"), {.lowercase = false}), false);
  for (std::string const name : {"llama2/tokenizer.model", "syn-spm-bpe-gemma-like/spiece.model"})
    check(name, read_sentencepiece_model(test::read(folder + name)), false);
  for (std::string const name : {"bge-gguf", "deepseek-coder-gguf", "llama2-gguf"}) {
    auto const file = gguf::open(folder + name + "/vocab.gguf").value();
    check(name, read_gguf_tokenizer(file), false);
  }
}

TEST_CASE("save_json: a file's own pipeline is written as it was") {
  auto const path = test::data("tokenizers/phi-3-mini/tokenizer.json");
  if (!path) return;
  auto const text = test::read(*path);
  auto const saved = save(read_tokenizer_json(text).value());
  auto const before = json::parse(text).value(), after = json::parse(saved).value();
  for (std::string_view const key :
       {"added_tokens", "normalizer", "pre_tokenizer", "decoder", "truncation", "padding"}) {
    std::string a, b;
    print(before.root()[key], a);
    print(after.root()[key], b);
    CHECK(a == b);
  }
}

} // namespace tokenizer_save_json_test
