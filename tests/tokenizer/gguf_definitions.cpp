#include "tokenizer/goldens.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/sources/gguf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_gguf_definitions_test {

using namespace loquat;

namespace {

using texts = std::vector<std::string_view>;
using ids = std::vector<token>;
using types = std::vector<std::int32_t>; // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte

/// A file whose keys `fill(writer)` adds, without "tokenizer.ggml." in front.
class keys {
 public:
  template <class T> constexpr void operator()(std::string_view key, T const& value) {
    writer_.add(detail::gguf_key(key).view(), value);
  }
  gguf::writer& writer() { return writer_; }
  constexpr result<tokenizer_definition> read() const {
    auto const bytes = writer_.bytes();
    if (!bytes) return bytes.error();
    auto const file = gguf::file::parse(*bytes, "toy.gguf");
    if (!file) return file.error();
    return read_gguf_tokenizer(*file); // the file and its bytes go: the definition must not need them
  }

 private:
  gguf::writer writer_;
};
template <class F> constexpr result<tokenizer_definition> read(std::string_view model, F fill) {
  keys k;
  k("model", model);
  fill(k);
  return k.read();
}
constexpr auto nothing = [](auto&) {};

/// Byte-pair encodings: "a", "b", "ab", a space, "b" after a space.
template <class F> constexpr result<tokenizer_definition> read_bpe(F fill, std::string_view without = {}) {
  return read("gpt2", [&](keys& k) {
    if (without != "tokens")
      k("tokens", texts{"a", "b", "ab", "\xC4\xA0",
                        "\xC4\xA0"
                        "b",
                        "<s>", "</s>", "<x y>", "<m>"});
    if (without != "token_type") k("token_type", types{1, 1, 1, 1, 1, 3, 3, 4, 3});
    if (without != "merges") k("merges", texts{"a b", "\xC4\xA0 b"});
    k("bos_token_id", std::uint32_t{5});
    k("eos_token_id", std::uint32_t{6});
    fill(k);
  });
}
result<tokenizer_definition> read_pre(std::string_view name) {
  return read_bpe([&](keys& k) { k("pre", name); });
}
template <class F> constexpr result<tokenizer_definition> read_spm(std::string_view model, F fill) {
  return read(model, [&](keys& k) {
    k("tokens", texts{"<unk>", "<s>", "</s>", "<0x0A>",
                      "\xE2\x96\x81"
                      "a",
                      "a b", "c d"});
    k("token_type", types{2, 3, 3, 6, 1, 4, 1});
    k("scores", std::vector<float>{0, 0, 0, 0, -1, 0, -2});
    k("bos_token_id", std::uint32_t{1});
    k("eos_token_id", std::uint32_t{2});
    fill(k);
  });
}
template <class F> constexpr result<tokenizer_definition> read_bert(F fill, std::string_view word = "\xE2\x96\x81run") {
  return read("bert", [&](keys& k) {
    k("tokens", texts{"[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", word, "ning", "[", "\xE2\x96\x81["});
    k("token_type", types{3, 1, 3, 3, 3, 1, 1, 1, 1});
    fill(k);
  });
}

/// "single / pair" of the template, texts as A and B.
std::string templates(tokenizer_definition const& d) {
  std::string out;
  for (auto const& step : d.postprocessors)
    if (auto const* const t = step.get_if<postprocess::template_processing>())
      for (auto const* const items : {&t->single, &t->pair}) {
        out += out.empty() ? "" : " / ";
        for (auto const& i : *items) {
          using enum postprocess::item::kind;
          out += i.what == first ? "A" : i.what == second ? "B" : std::to_string(i.ids.at(0));
          out += i.type_id == 0 ? "" : "'";
          out += ' ';
        }
        out.pop_back();
      }
  return out;
}
/// Added tokens: content, id, and * for special ones, < and > for those that take white space.
std::string added(tokenizer_definition const& d) {
  std::string out;
  for (auto const& t : d.added)
    out += std::string(t.content.view()) + ":" + std::to_string(t.id) + (t.special ? "*" : "") +
           (t.strip_left ? "<" : "") + (t.strip_right ? ">" : "") + (t.normalized ? "n" : "") + " ";
  return out;
}
template <class Model> vocabulary const& pieces(tokenizer_definition const& d) { return d.model.get<Model>().pieces; }

/// The words of a text, with | between them.
std::string words(std::string_view pre, std::string_view text) {
  auto const definition = read_pre(pre);
  if (!definition) return std::string(definition.error().message());
  auto const cutter = pretokenizer::make(definition->pretokenizers, {.raw_bytes = true});
  if (!cutter) return std::string(cutter.error().message());
  pretokenizer::workspace work;
  aligned_text all;
  all.assign(text, true);
  pretokenize::words found;
  cutter->cut(all, found, work);
  std::string out;
  for (auto const& w : found)
    out += (out.empty() ? "" : "|") + std::string(all.bytes().substr(w.begin, w.end - w.begin));
  return out;
}

void refuses(result<tokenizer_definition> const& read, errc code, std::string_view part) {
  REQUIRE_FALSE(read);
  INFO(std::string(read.error().message()));
  CHECK(read.error().code() == code);
  CHECK(read.error().message().find(part) != std::string_view::npos);
  CHECK(read.error().message().find("toy.gguf") != std::string_view::npos);
}

} // namespace

static_assert([] {
  auto const d = read_bpe([](keys& k) { k("pre", std::string_view("llama-bpe")); });
  if (!d) return false;
  auto const& model = d->model.get<token_model::bpe>();
  return model.pieces.piece(4) == " b" && model.merges.size() == 2 && model.merges[1].left == 3 && model.whole_words &&
         d->added.size() == 4 && d->pretokenizers.size() == 2 && d->postprocessors.size() == 1;
}());
static_assert([] {
  auto const d = read_bert(nothing);
  return d && d->model.get<token_model::wordpiece>().pieces.piece(6) == "##ning";
}());

TEST_CASE("read_gguf_tokenizer: every name for how text is split gives steps that work") {
  for (auto const& rules : gguf_pre::names) {
    INFO(std::string(rules.name));
    auto const d = read_pre(rules.name);
    REQUIRE(d);
    auto const made = tokenizer::make(*d);
    CHECK_MESSAGE(made, (made ? std::string() : std::string(made.error().message())));
    CHECK(d->model.get<token_model::bpe>().bytes != rules.has(gguf_pre::characters));
    CHECK(d->decoders.empty() == (rules.name == "whitespace"));
  }
  for (auto const& rules : gguf_pre::names) // none twice
    CHECK(std::ranges::count(gguf_pre::names, rules.name, &gguf_pre::rules::name) == 1);
}

TEST_CASE("read_gguf_tokenizer: words are those of the models' own files") {
  constexpr std::string_view numbers = "a1234567 \xC2\xBD, we'LL";
  CHECK(words("default", numbers) == "a|1234567| \xC2\xBD|,| we|'|LL");
  CHECK(words("gpt-2", "it's  it") == "it|'s| | it");
  CHECK(words("mpt", "it's  it") == "it|'s| | it");
  CHECK(words("starcoder", numbers) == "a|1|2|3|4|5|6|7| |\xC2\xBD|,| we|'|LL");
  CHECK(words("llama-bpe", numbers) == "a|123|456|7| |\xC2\xBD|,| we|'LL");
  CHECK(words("glm4", numbers) == words("llama-bpe", numbers));
  CHECK(words("qwen2", numbers) == "a|1|2|3|4|5|6|7| |\xC2\xBD|,| we|'LL");
  CHECK(words("qwen2", "e\xCC\x81x") == "e|\xCC\x81x");
  CHECK(words("qwen35", "e\xCC\x81x") == "e\xCC\x81x");
  CHECK(words("gpt-4o", "aBc we'LL\r\n/ 12") ==
        "a|Bc| we'LL|\r\n|/| |12");                     // a line end is no part of punctuation before
  CHECK(words("gpt-4o", "e\xCC\x81x") == "e\xCC\x81x"); // marks are parts of words
  CHECK(words("tekken", "aBc we'LL 12") == "a|Bc| we|'LL| |1|2");
  CHECK(words("kimi-k2", "x\xE4\xB8\x80\xE4\xB8\x81y 1234") == "x|\xE4\xB8\x80\xE4\xB8\x81|y| |123|4");
  CHECK(words("deepseek-llm", "Hi there!? 12\n\xE4\xB8\x80z  ") == "Hi| there|!?| |1|2|\n|\xE4\xB8\x80|z|  ");
  CHECK(words("deepseek-llm", "\xC2\xB5\xC3\xA9\xC7\x80") ==
        "\xC2\xB5\xC3\xA9|\xC7\x80"); // U+00B5 has case, U+01C0 has none
  CHECK(words("deepseek-coder", "Hi there!? 12\n\xE4\xB8\x80z") == "Hi| there|!?| |1|2|\n|\xE4\xB8\x80|z");
  CHECK(words("deepseek-v3", "a1234 .b\xE4\xB8\x80\xE3\x81\x82 c") == "a|123|4| .|b|\xE4\xB8\x80\xE3\x81\x82| c");
  CHECK(words("spark2_5", "a1234\n\n") == "a|1|2|3|4|\n|\n");
  CHECK(words("falcon", "a1234!? b") == "a|123|4|!?| b");
  CHECK(words("bloom", "a b, c.d (e") == "a| b|,| c|.|d| (|e");
  CHECK(words("viking", "ab12") == "ab|1|2");
  CHECK(words("jais-2", "a\t\t\tb  ") == "a|\t\t|\tb|  ");
  CHECK(words("chameleon", "x<sentinel:1>IMGIMGABZ  1!?") == "x|<|sentinel|:|1|>|IMGIMGABZ|  |1|!|?");
  CHECK(words("tiny_aya", "a1234567") == "a|1|234|567");
  CHECK(words("superbpe", "by the 1234567 b") == "by the |1|234|567| b");
  CHECK(words("afmoe", "a1234567 \xE0\xB8\x81\xE1\x80\x80") == "a|1|234|567| |\xE0\xB8\x81|\xE1\x80\x80");
  CHECK(words("youtu", "\xEA\xB0\x80"
                       "a1234") == "\xEA\xB0\x80|a|1|2|3|4");
  CHECK(words("bailingmoe", "we'LL 12\n\n") == "we|'LL| |1|2|\n\n");
  CHECK(words("seed-coder", "a!\nb 12") == "a|!|\n|b| |1|2");
  CHECK(words("ufakzeka", "we'll 12") == "we|'ll| |1|2");
  CHECK(words("laguna", "a\n\n b") == "a|\n\n| b");
  CHECK(words("exaone-moe", "one two, 12") == "one two|,| |1|2");
  CHECK(words("minicpm5", "a1234") == "a|123|4");
  CHECK(words("gemma4", "a b\n1") == "a b\n1");
  CHECK(words("whitespace", " a b\n1") == "a|b|1");
}

TEST_CASE("read_gguf_tokenizer: byte-pair encodings") {
  auto const d = read_pre("qwen2").value();
  auto const& model = d.model.get<token_model::bpe>();
  CHECK(model.pieces.piece(3) == " ");
  CHECK(model.pieces.piece(7) == "<x y>"); // added tokens are no bytes in disguise
  CHECK(model.pieces.kind(7) == token_kind::unused);
  CHECK(model.pieces.kind(5) == token_kind::control);
  CHECK(model.merges == std::vector<merge_rule>{{0, 1, 2}, {3, 1, 4}});
  CHECK_FALSE(model.whole_words);
  CHECK_FALSE(model.ranked);
  CHECK(model.unknown == no_token);
  CHECK(added(d) == "<s>:5* </s>:6* <x y>:7 <m>:8* ");
  CHECK(d.normalizers.size() == 1);
  CHECK(d.normalizers.at(0).holds<normalize::nfc>());
  CHECK(read_pre("gpt-2").value().normalizers.empty());
  CHECK(read_pre("tekken").value().model.get<token_model::bpe>().whole_words);
  CHECK(read_pre("olmo").value().postprocessors.at(0).get<postprocess::byte_level>().trim_offsets);
  CHECK(read_pre("gpt-2").value().postprocessors.empty());

  auto const encode = [](tokenizer_definition const& definition, std::string_view text) {
    auto const made = tokenizer::make(definition).value();
    tokenizer::workspace room;
    auto const found = made.encode(text, room, {.special = special_text::parse});
    return ids(found.begin(), found.end());
  };
  CHECK(encode(d, "ab ba<x y>b<s>") == ids{2, 4, 0, 7, 1, 5});
  CHECK(encode(read_pre("llama-bpe").value(), "ab") == ids{5, 2});
  CHECK(encode(read_bpe(nothing).value(), "ab b") == ids{2, 4}); // no name: as GPT-2
  CHECK(encode(read_bpe([](keys& k) { k("add_space_prefix", true); }).value(), "b") == ids{4});
  CHECK(encode(read_bpe(nothing, "token_type").value(), "ab") == ids{2});
}

TEST_CASE("read_gguf_tokenizer: merges may name added tokens, and spaces of pieces that are no bytes") {
  auto const spaces = read("gpt2", [](keys& k) {
                        k("tokens", texts{"\xC4\xA0", "  ", "    "});
                        k("token_type", types{1, 4, 4});
                        k("merges", texts{"\xC4\xA0 \xC4\xA0", "\xC4\xA0\xC4\xA0 \xC4\xA0\xC4\xA0"});
                      }).value();
  CHECK(spaces.model.get<token_model::bpe>().merges == std::vector<merge_rule>{{0, 0, 1}, {1, 1, 2}});
  CHECK(tokenizer::make(spaces));
  auto const plain = read("gemma4", [](keys& k) {
                       k("tokens", texts{"<unk>", " ", "a", " a", "\xE2\x96\x81", "<0x41>"});
                       k("token_type", types{2, 1, 1, 1, 1, 6});
                       k("merges", texts{"\xC4\xA0 a"});
                     }).value();
  auto const& model = plain.model.get<token_model::bpe>();
  CHECK(model.merges == std::vector<merge_rule>{{1, 2, 3}});
  CHECK(model.unknown == 0);
  CHECK((model.fuse_unknown && model.byte_fallback));
  auto const made = tokenizer::make(plain).value();
  tokenizer::workspace room;
  auto const found = made.encode(" aA?", room);
  CHECK(ids(found.begin(), found.end()) == ids{4, 2, 5, 0});
  CHECK(plain.decoders.size() == 3);
}

TEST_CASE("read_gguf_tokenizer: pairs merge by rank if Kimi's file has no merges") {
  auto const d = read_bpe([](keys& k) { k("pre", std::string_view("kimi-k2")); }, "merges").value();
  auto const& model = d.model.get<token_model::bpe>();
  CHECK((model.ranked && model.whole_words && model.merges.empty()));
  CHECK_FALSE(read_pre("kimi-k2").value().model.get<token_model::bpe>().ranked);
}

TEST_CASE("read_gguf_tokenizer: tokens around texts") {
  auto const with = [](std::string_view pre, auto fill) {
    return templates(read_bpe([&](keys& k) {
                       k("pre", pre);
                       k("seperator_token_id", std::uint32_t{8});
                       k("mask_token_id", std::uint32_t{8});
                       fill(k);
                     }).value());
  };
  CHECK(with("gpt-2", nothing).empty());
  CHECK(with("llama-bpe", nothing) == "5 A / 5 A 5' B'");
  CHECK(with("llama-bpe", [](keys& k) { k("add_bos_token", false); }).empty());
  CHECK(with("gpt-2", [](keys& k) {
          k("add_bos_token", true);
          k("add_eos_token", true);
        }) == "5 A 6 / 5 A 6 5' B' 6'");
  CHECK(with("roberta-bpe", [](keys& k) {
          k("add_bos_token", true);
          k("add_eos_token", true);
        }) == "5 A 6 / 5 A 6 8 B 6");
  CHECK(added(read_bpe([](keys& k) {
                k("pre", std::string_view("roberta-bpe"));
                k("mask_token_id", std::uint32_t{8});
              }).value()) == "<s>:5* </s>:6* <x y>:7 <m>:8*< ");
  CHECK(templates(read_spm("llama", nothing).value()) == "1 A / 1 A 1' B'");
  CHECK(templates(read_spm("t5", nothing).value()) == "A 2 / A 2 B 2");
  CHECK(templates(read_spm("t5", [](keys& k) {
                    k("add_bos_token", true);
                    k("seperator_token_id", std::uint32_t{2});
                  }).value()) == "1 A 2 / 1 A 2 2 B 2");
  CHECK(templates(read_bert(nothing).value()) == "3 A 4 / 3 A 4 B' 4'");
  CHECK(templates(read_bert([](keys& k) { k("cls_token_id", std::uint32_t{0}); }).value()) == "0 A 4 / 0 A 4 B' 4'");
  CHECK(templates(read_bert([](keys& k) { k("bos_token_id", std::uint32_t{1}); }).value()) == "1 A 4 / 1 A 4 B' 4'");
  CHECK(templates(read_bert([](keys& k) {
                    k("add_bos_token", false);
                    k("seperator_token_id", std::uint32_t{0});
                  }).value()) == "A 0 / A 0 B' 0'");
}

TEST_CASE("read_gguf_tokenizer: SentencePiece") {
  auto const d = read_spm("llama", nothing).value();
  auto const& model = d.model.get<token_model::scored_bpe>();
  CHECK(model.pieces.piece(5) == "a\xE2\x96\x81"
                                 "b"); // user-defined: its space is U+2581 elsewhere
  CHECK(model.pieces.piece(6) == "c d");
  CHECK(model.pieces.kind(5) == token_kind::user_defined);
  CHECK(model.pieces.kind(3) == token_kind::byte);
  CHECK(model.scores == std::vector<float>{0, 0, 0, 0, -1, 0, -2});
  CHECK(model.unknown == 0);
  CHECK(added(d) == "<unk>:0* <s>:1* </s>:2* ");
  auto const& steps = d.normalizers.at(0).get<normalize::sentencepiece>();
  CHECK((steps.add_prefix && !steps.remove_extra && !steps.suffix && steps.charsmap.empty()));
  auto const changed = read_spm("llama", [](keys& k) {
                         k("add_space_prefix", false);
                         k("remove_extra_whitespaces", true);
                         k("precompiled_charsmap", std::vector<std::uint8_t>{4, 0, 0, 0});
                         k("unknown_token_id", std::uint32_t{4});
                         k.writer().add("general.architecture", std::string_view("phi3"));
                       }).value();
  auto const& other = changed.normalizers.at(0).get<normalize::sentencepiece>();
  CHECK((!other.add_prefix && other.remove_extra && other.charsmap.size() == 4));
  CHECK(changed.model.get<token_model::scored_bpe>().unknown == 4);
  CHECK(added(changed) == "<s>:1* </s>:2*> \xE2\x96\x81"
                          "a:4*> ");

  auto const t5 = read_spm("t5", [](keys& k) { k("mask_token_id", std::uint32_t{1}); }).value();
  auto const& unigram = t5.model.get<token_model::unigram>();
  CHECK((unigram.sentencepiece && unigram.byte_fallback && unigram.unknown == 0));
  CHECK(unigram.scores == std::vector<double>{0, 0, 0, 0, -1, 0, -2});
  CHECK(added(t5) == "<unk>:0* <s>:1*< </s>:2* ");
}

TEST_CASE("read_gguf_tokenizer: WordPiece") {
  auto const d = read_bert(nothing).value();
  auto const& words = pieces<token_model::wordpiece>(d);
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) all += std::string(words.piece(static_cast<token>(i))) + " ";
  CHECK(all == "[PAD] [unused1] [UNK] [CLS] [SEP] run ##ning ##[ [ ");
  CHECK(d.model.get<token_model::wordpiece>().unknown == 2);
  CHECK(added(d) == "[PAD]:0* [UNK]:2* [CLS]:3* [SEP]:4* ");
  auto const lower = [](result<tokenizer_definition> const& read) {
    return read.value().normalizers.at(0).get<normalize::bert>().lowercase;
  };
  CHECK(lower(d));
  CHECK_FALSE(lower(read_bert(nothing, "\xE2\x96\x81Run")));
  CHECK_FALSE(lower(read_bert(nothing, "r\xC3\x89")));
  CHECK_FALSE(lower(read_bert([](keys& k) { k("normalizer.lowercase", false); })));
  CHECK(lower(read_bert([](keys& k) { k("normalizer.lowercase", true); }, "\xE2\x96\x81Run")));
  CHECK_FALSE(d.normalizers.at(0).get<normalize::bert>().strip_accents);
  auto const keeps = read_bert([](keys& k) { k("normalizer.strip_accents", false); }).value();
  CHECK(keeps.normalizers.at(0).get<normalize::bert>().strip_accents == std::optional(false));
  auto const made = tokenizer::make(d).value();
  tokenizer::workspace room;
  auto const found = made.encode("Running [ x", room);
  CHECK(ids(found.begin(), found.end()) == ids{3, 5, 6, 8, 2, 4});
}

TEST_CASE("read_gguf_tokenizer: longest match") {
  auto const d = read("rwkv", [](keys& k) {
                   k("tokens", texts{"<s>", R"(\x00)", R"(\xe4\xb8)", R"(it\'s "it's" \\\n)", "[PAD4]"});
                   k("token_type", types{3, 1, 1, 1, 5});
                 }).value();
  auto const& words = pieces<token_model::longest_match>(d);
  CHECK(words.piece(1) == std::string_view("\0", 1));
  CHECK(words.piece(2) == "\xE4\xB8");
  CHECK(words.piece(3) == "it's \"it's\" \\\n");
  CHECK(added(d) == "<s>:0* ");
  CHECK(d.postprocessors.empty());
  refuses(read("rwkv",
               [](keys& k) {
                 k("tokens", texts{"a", R"(\xe)"});
               }),
          errc::malformed, R"(token 1: expected bytes)");
}

TEST_CASE("read_gguf_tokenizer: errors name the file and the key") {
  refuses(keys().read(), errc::missing, "tokenizer.ggml.model");
  refuses(read("none", nothing), errc::missing, "no tokenizer");
  refuses(read("no_vocab", nothing), errc::missing, "no tokenizer");
  refuses(read("plamo2", nothing), errc::unsupported, "plamo2 tokenizers are not supported; supported: llama");
  refuses(read("gpt2", nothing), errc::missing, "tokenizer.ggml.tokens");
  refuses(read("gpt2", [](keys& k) { k("tokens", types{1}); }), errc::mismatch, "tokenizer.ggml.tokens");
  refuses(read("gpt2", [](keys& k) { k("tokens", texts{}); }), errc::malformed, "there are none");
  refuses(read_bpe([](keys& k) { k("pre", std::string_view("new-model")); }), errc::unsupported,
          "tokenizer.ggml.pre: no way to split text is known by the name new-model");
  refuses(read_bpe([](keys& k) { k("pre", true); }), errc::mismatch, "tokenizer.ggml.pre");
  refuses(read_bpe(nothing, "merges"), errc::missing, "tokenizer.ggml.merges");
  refuses(read_bpe([](keys& k) { k("merges", texts{"a b", "ab"}); }, "merges"), errc::malformed, "merge 1: expected");
  refuses(read_bpe([](keys& k) { k("merges", texts{"a zz"}); }, "merges"), errc::malformed, "merge 0: zz is no token");
  refuses(read_bpe([](keys& k) { k("merges", texts{"zz a"}); }, "merges"), errc::malformed, "merge 0: zz is no token");
  refuses(read_bpe(
              [](keys& k) {
                k("token_type", types{1, 1});
              },
              "token_type"),
          errc::mismatch, "tokenizer.ggml.token_type: expected as many as tokens (9), found 2");
  refuses(read_bpe(
              [](keys& k) {
                k("token_type", types{1, 1, 1, 1, 7, 1, 1, 1, 1});
              },
              "token_type"),
          errc::malformed, "found 7 for token 4");
  refuses(read_bpe(
              [](keys& k) {
                k("token_type", types{1, -1, 1, 1, 1, 1, 1, 1, 1});
              },
              "token_type"),
          errc::malformed, "found -1 for token 1");
  refuses(read_bpe([](keys& k) { k("unknown_token_id", std::uint32_t{9}); }), errc::malformed,
          "tokenizer.ggml.unknown_token_id: token 9 of 9");
  refuses(read_bpe([](keys& k) { k("add_bos_token", std::uint32_t{1}); }), errc::mismatch,
          "tokenizer.ggml.add_bos_token");
  refuses(read("llama", [](keys& k) { k("tokens", texts{"a"}); }), errc::missing, "tokenizer.ggml.token_type");
  auto const scores = [](auto const& values) {
    return read("llama", [&](keys& k) {
      k("tokens", texts{"a"});
      k("token_type", types{1});
      k("scores", values);
    });
  };
  refuses(scores(std::vector<float>{1, 2}), errc::mismatch,
          "tokenizer.ggml.scores: expected as many as tokens (1), found 2");
  refuses(scores(types{1}), errc::mismatch, "tokenizer.ggml.scores");
  CHECK(scores(std::vector<float>{1}));
  refuses(read_spm("t5", [](keys& k) { k("precompiled_charsmap", types{1}); }), errc::mismatch, "precompiled_charsmap");
  refuses(read("bert", [](keys& k) { k("tokens", texts{"a"}); }), errc::missing, "there is no token [UNK]");
  // 0xFFFFFFFF is how some files say that there is none
  CHECK(read_spm("llama", [](keys& k) { k("unknown_token_id", std::uint32_t{0xFFFFFFFF}); })
            .value()
            .model.get<token_model::scored_bpe>()
            .unknown == 0);
}

TEST_CASE("read_gguf_tokenizer: the reference data's files encode as the tokenizers they were made of") {
  auto const corpus_path = test::data("tokenizers/corpus.jsonl");
  if (!corpus_path) return;
  auto const corpus = test::read_corpus(*corpus_path);
  for (std::string const name : {"bge-gguf", "deepseek-coder-gguf", "llama2-gguf"}) {
    CAPTURE(name);
    auto const path = test::data("tokenizers/" + name + "/vocab.gguf");
    auto const cases = test::data("tokenizers/" + name + "/cases.jsonl");
    if (!path || !cases) return;
    auto const file = gguf::open(*path).value();
    auto const made = tokenizer::make(read_gguf_tokenizer(file).value());
    REQUIRE_MESSAGE(made, std::string(made.error().message()));
    tokenizer::workspace room;
    int rows = 0, wrong = 0;
    auto const parse = name == "llama2-gguf" ? special_text::plain : special_text::parse;
    test::for_each_line(test::read(*cases), [&](json::value row) {
      if (row["ref"]) return; // llama.cpp's, of bytes that are no UTF-8
      std::string const id(row["case"].as_string().value());
      std::string const text = row["text"] ? test::text_of(row) : corpus.texts.at(id);
      bool good = test::same_ids(row["ids"], made->encode(text, room, {.add_special = false, .special = parse}));
      if (row["full"]) good = good && test::same_ids(row["full"], made->encode(text, room, {.special = parse}));
      ++rows;
      if (!good && ++wrong < 5) MESSAGE(name << ": " << id);
    });
    CHECK(rows > 400);
    CHECK(wrong == 0);
  }
}

} // namespace tokenizer_gguf_definitions_test
