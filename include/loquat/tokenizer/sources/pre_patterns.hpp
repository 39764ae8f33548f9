#pragma once
/// \file
/// How models with byte-pair encodings split text, by the names that GGUF files have for it in `tokenizer.ggml.pre`:
/// llama.cpp's names (github.com/ggml-org/llama.cpp, `src/llama-vocab.cpp`), and the steps that the models' own
/// tokenizer.json files have, which llama.cpp only approximates for some. Behind each list of steps stands the change
/// of bytes into the byte alphabet.

#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/tiktoken.hpp>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

namespace split_pattern {
/// Qwen 3.5: marks belong to letters.
inline constexpr std::string_view qwen3_5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Mistral Nemo: GPT-4o's without contractions, digits one by one.
inline constexpr std::string_view tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Kimi K2: Han characters by themselves, the rest as GPT-4o's.
inline constexpr std::string_view kimi =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// DeepSeek V3, the last of its three.
inline constexpr std::string_view deepseek_v3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// BLOOM: punctuation is only what is listed.
inline constexpr std::string_view bloom = R"( ?[^(\s|[.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C])]+)";
} // namespace split_pattern

/// The rules behind the names of `tokenizer.ggml.pre`.
namespace gguf_pre {

/// What a step does with a text.
enum class kind : unsigned char {
  split,            ///< what `pattern` matches is cut out
  digits,           ///< every digit is cut out
  numbers,          ///< every run of digits is
  punctuation,      ///< every punctuation character is
  punctuation_runs, ///< every run of punctuation is
  gpt2,             ///< bytes into the byte alphabet, words by GPT-2's pattern
  white_space,      ///< white space separates words and goes
};
/// A step.
struct step {
  gguf_pre::kind kind = gguf_pre::kind::split;
  std::string_view pattern{};
};

/// \cond
namespace detail {

inline constexpr std::string_view han_and_kana = R"([\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)";
inline constexpr std::string_view han_and_more = R"([\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+)";
inline constexpr std::string_view digit = R"(\p{N})", three_digits = R"(\p{N}{1,3})";
// letters with case, of the Unicode of its time
inline constexpr std::string_view deepseek_letters =
    R"(\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373)"
    R"(\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F)"
    R"(\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77)"
    R"(\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D)"
    R"(\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4)"
    R"(\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139)"
    R"(\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D)"
    R"(\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A)"
    R"(\uFF41-\uFF5A\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";

inline constexpr step gpt2[]{{kind::gpt2}};
inline constexpr step starcoder[]{{kind::digits}, {kind::gpt2}};
inline constexpr step cl100k[]{{kind::split, split_pattern::cl100k}};
inline constexpr step qwen2[]{{kind::split, split_pattern::qwen2}};
inline constexpr step qwen3_5[]{{kind::split, split_pattern::qwen3_5}};
inline constexpr step o200k[]{{kind::split, split_pattern::o200k}};
inline constexpr step tekken[]{{kind::split, split_pattern::tekken}};
inline constexpr step kimi[]{{kind::split, split_pattern::kimi}};
inline constexpr step bloom[]{{kind::split, split_pattern::bloom}};
inline constexpr step viking[]{{kind::split, split_pattern::bloom}, {kind::digits}};
inline constexpr step deepseek_llm[]{
    {kind::split, R"([\r\n])"},
    {kind::split, deepseek_letters},
    {kind::split, R"(\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+)"},
    {kind::split, R"(\s+$)"},
    {kind::split, han_and_more},
    {kind::digits}};
inline constexpr step deepseek_coder[]{{kind::split, R"([\r\n])"},
                                       {kind::split, R"(\s?\p{L}+)"},
                                       {kind::split, R"(\s?\p{P}+)"},
                                       {kind::split, han_and_more},
                                       {kind::digits}};
inline constexpr step deepseek_v3[]{
    {kind::split, three_digits}, {kind::split, han_and_kana}, {kind::split, split_pattern::deepseek_v3}};
inline constexpr step spark[]{
    {kind::split, three_digits},
    {kind::split, han_and_kana},
    {kind::split,
     R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)"},
    {kind::split, digit}};
inline constexpr step falcon[]{
    {kind::punctuation_runs}, {kind::gpt2}, {kind::numbers}, {kind::split, "[0-9][0-9][0-9]"}};
inline constexpr step youtu[]{
    {kind::split,
     R"([\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)"},
    {kind::split,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
inline constexpr step jais2[]{
    {kind::split,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"}};
inline constexpr step chameleon[]{{kind::split, "<sentinel:[0-9]+>"},
                                  {kind::split, "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"},
                                  {kind::split, R"([\t\n]|    |  )"},
                                  {kind::digits},
                                  {kind::punctuation},
                                  {kind::gpt2}};
inline constexpr step tiny_aya[]{{kind::split, R"(\d{1,3}(?=(?:\d{3})*\b))"}, {kind::split, split_pattern::o200k}};
inline constexpr step superbpe[]{{kind::split, R"(\p{N}+)"}, {kind::split, R"((?=(\d{3})+(?!\d)))"}};
inline constexpr step bailing[]{
    {kind::split,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}};
inline constexpr step seed_coder[]{
    {kind::split,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
inline constexpr step ufakzeka[]{
    {kind::split, R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
// digits by threes from the right, which the model's own file says with three patterns
inline constexpr step afmoe[]{
    {kind::split, R"(\p{Nd}{1,3}(?=(?:\p{Nd}{3})*(?!\p{Nd})))"},
    {kind::split,
     R"([\u4E00-\u9FFF\u3040-\u309F\u30A0-\u30FF\u3400-\u4DBF\uF900-\uFAFF\uFF65-\uFF9F\u2F00-\u2FDF]+|[\u0E00-\u0E7F]+|[\u0E80-\u0EFF]+|[\u1780-\u17FF]+|[\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF]+|[\uAC00-\uD7AF\u1100-\u11FF]+)"},
    {kind::split, split_pattern::deepseek_v3}};
inline constexpr step laguna[]{{kind::split, R"([^\n]+|[\n]+)"}, {kind::split, split_pattern::qwen2}};
inline constexpr step exaone_moe[]{
    {kind::split,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"}};
inline constexpr step minicpm5[]{
    {kind::split, three_digits},
    {kind::split,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
inline constexpr step white_space[]{{kind::white_space}};

} // namespace detail
/// \endcond

/// What else a name says; to be combined.
enum flags : unsigned {
  nothing = 0,
  nfc = 1,           ///< the text is normalized to NFC first
  whole_words = 2,   ///< a word that is a piece is that piece
  add_begin = 4,     ///< the begin token is put before a text, unless the file says otherwise
  add_separator = 8, ///< the separator is put between two texts, likewise
  trim_offsets = 16, ///< white space is no part of a token's offsets
  characters = 32,   ///< symbols are characters, not bytes; what has no piece is made of `<0x0A>` and so on
  underlines = 64,   ///< U+2581 stands for a space
  ranks = 128,       ///< a file without merges is one whose pairs merge by the ids of what they make
};
/// What a name stands for.
struct rules {
  std::string_view name{};
  std::span<step const> steps{};
  unsigned flags = nothing;

  constexpr bool has(gguf_pre::flags f) const noexcept { return (flags & f) != 0; } ///< whether a flag is set
};

/// All names. Files without a name, and those with "default", are split as GPT-2 does: it is what most files without a
/// name want (they are of GPT-NeoX, GPT-2 and such).
inline constexpr rules names[]{
    {"default", detail::gpt2},
    {"gpt-2", detail::gpt2},
    {"phi-2", detail::gpt2},
    {"jina-es", detail::gpt2},
    {"jina-de", detail::gpt2},
    {"jina-v2-es", detail::gpt2},
    {"jina-v2-de", detail::gpt2},
    {"gigachat", detail::gpt2},
    {"a.x-4.0", detail::gpt2},
    {"mellum", detail::gpt2},
    {"exaone4", detail::gpt2},
    {"jais", detail::gpt2},
    {"trillion", detail::gpt2},
    {"granite-docling", detail::gpt2},
    {"modern-bert", detail::gpt2, nfc},
    {"mpt", detail::gpt2, nfc | trim_offsets},
    {"olmo", detail::gpt2, nfc | trim_offsets},
    {"jina-v1-en", detail::gpt2, add_separator | trim_offsets},
    {"jina-v2-code", detail::gpt2, add_separator | trim_offsets},
    {"roberta-bpe", detail::gpt2, add_separator | trim_offsets},
    {"starcoder", detail::starcoder},
    {"refact", detail::starcoder},
    {"smollm", detail::starcoder},
    {"codeshell", detail::starcoder},
    {"exaone", detail::starcoder},
    {"minerva-7b", detail::starcoder},
    {"mellum2", detail::starcoder},
    {"command-r", detail::starcoder, nfc},
    {"llama3", detail::cl100k, whole_words | add_begin},
    {"llama-v3", detail::cl100k, whole_words | add_begin},
    {"llama-bpe", detail::cl100k, whole_words | add_begin},
    {"falcon3", detail::cl100k, whole_words | add_begin},
    {"falcon-h1", detail::cl100k, whole_words | add_begin},
    {"pixtral", detail::cl100k, whole_words | add_begin},
    {"midm-2.0", detail::cl100k, whole_words | add_begin},
    {"lfm2", detail::cl100k, whole_words | add_begin},
    {"jina-v5-nano", detail::cl100k, whole_words | add_begin},
    {"dbrx", detail::cl100k},
    {"smaug-bpe", detail::cl100k},
    {"chatglm-bpe", detail::cl100k},
    {"glm4", detail::cl100k},
    {"qwen2", detail::qwen2, nfc},
    {"deepseek-r1-qwen", detail::qwen2, nfc},
    {"f2llmv2", detail::qwen2, nfc},
    {"stablelm2", detail::qwen2, nfc},
    {"hunyuan", detail::qwen2, nfc},
    {"kormo", detail::qwen2},
    {"megrez", detail::qwen2},
    {"grok-2", detail::qwen2},
    {"solar-open", detail::qwen2},
    {"qwen35", detail::qwen3_5, nfc},
    {"gpt-4o", detail::o200k},
    {"llama4", detail::o200k},
    {"kanana2", detail::o200k},
    {"talkie", detail::o200k},
    {"minimax-m2", detail::o200k},
    {"granite-embed-multi-97m", detail::o200k, whole_words},
    {"tekken", detail::tekken, whole_words | add_begin},
    {"kimi-k2", detail::kimi, whole_words | ranks},
    {"kimi-k25", detail::kimi, whole_words | ranks},
    {"deepseek-llm", detail::deepseek_llm},
    {"deepseek-coder", detail::deepseek_coder},
    {"deepseek-v3", detail::deepseek_v3},
    {"hunyuan-dense", detail::deepseek_v3},
    {"joyai-llm", detail::deepseek_v3},
    {"hy_v4", detail::deepseek_v3},
    {"spark2_5", detail::spark},
    {"afmoe", detail::afmoe},
    {"youtu", detail::youtu, whole_words},
    {"falcon", detail::falcon},
    {"bloom", detail::bloom},
    {"gpt3-finnish", detail::bloom},
    {"poro-chat", detail::bloom},
    {"viking", detail::viking},
    {"jais-2", detail::jais2},
    {"chameleon", detail::chameleon, add_begin},
    {"tiny_aya", detail::tiny_aya},
    {"cohere2moe", detail::tiny_aya},
    {"superbpe", detail::superbpe},
    {"bailingmoe", detail::bailing},
    {"bailingmoe2", detail::bailing},
    {"llada-moe", detail::bailing},
    {"seed-coder", detail::seed_coder},
    {"ufakzeka", detail::ufakzeka},
    {"laguna", detail::laguna},
    {"exaone-moe", detail::exaone_moe},
    {"minicpm5", detail::minicpm5, whole_words},
    {"gemma4", {}, add_begin | characters | underlines},
    {"granite-embed-multi-311m", {}, add_begin | characters | underlines},
    {"sarvam-moe", {}, characters | underlines},
    {"whitespace", detail::white_space, characters},
};

/// The rules of a name, if it is known.
constexpr std::optional<rules> find(std::string_view name) noexcept {
  for (auto const& r : names)
    if (r.name == name) return r;
  return std::nullopt;
}

/// The pre-tokenizers of `r`. `prefix`: a space is put before texts that begin with none, where the first step is
/// GPT-2's; other models know no such thing.
constexpr std::vector<pretokenize::step> steps(rules const& r, bool prefix) {
  namespace p = pretokenize;
  std::vector<p::step> out;
  bool bytes = !r.has(characters); // still to be changed into the alphabet
  for (auto const& s : r.steps) {
    switch (s.kind) {
    case kind::split:
      out.push_back(p::split{{owned_text(s.pattern), true}, p::behavior::isolated, false});
      break;
    case kind::digits:
    case kind::numbers:
      out.push_back(p::digits{.individual = s.kind == kind::digits});
      break;
    case kind::punctuation:
    case kind::punctuation_runs:
      out.push_back(p::punctuation{s.kind == kind::punctuation ? p::behavior::isolated : p::behavior::contiguous});
      break;
    case kind::gpt2:
      out.push_back(p::byte_level{.add_prefix_space = prefix && out.empty(), .use_regex = true});
      bytes = false;
      break;
    case kind::white_space:
      out.push_back(p::whitespace_split{});
      break;
    }
  }
  if (bytes) out.push_back(p::byte_level{.add_prefix_space = false, .use_regex = false});
  return out;
}

} // namespace gguf_pre

} // namespace loquat
