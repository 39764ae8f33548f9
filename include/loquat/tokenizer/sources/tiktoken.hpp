#pragma once
/// \file
/// `.tiktoken` files (github.com/openai/tiktoken): a line for each token, its bytes in base64 and its rank, which is
/// its id. How text is split and which special tokens there are is not in the file; for vocabularies of known sizes it
/// is known.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/base64.hpp>
#include <loquat/tokenizer/sources/lines.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Patterns that split text for byte-pair encoding, by the model that brought them.
namespace split_pattern {
/// GPT-2, r50k, p50k.
inline constexpr std::string_view gpt2 = R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
/// GPT-4, Llama 3.
inline constexpr std::string_view cl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Qwen 2 and 3: the same, digits one by one.
inline constexpr std::string_view qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// GPT-4o, Llama 4: words by case.
inline constexpr std::string_view o200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
} // namespace split_pattern

/// A special token and its id.
using special_token = std::pair<std::string_view, token>;

/// What the file does not say.
struct tiktoken_options {
  std::string_view pattern;                    ///< empty: that of the known vocabulary with as many tokens,
  std::span<special_token const> special = {}; ///< with its special tokens if there are none here
};

/// What is known of a vocabulary by its size.
struct tiktoken_vocabulary {
  std::size_t tokens; ///< lines of its file
  std::string_view pattern;
  std::span<special_token const> special;
  bool nfc = false; ///< text is normalized first
};

namespace detail {

inline constexpr special_token r50k_special[]{{"<|endoftext|>", 50256}};
inline constexpr special_token cl100k_special[]{{"<|endoftext|>", 100257},
                                                {"<|fim_prefix|>", 100258},
                                                {"<|fim_middle|>", 100259},
                                                {"<|fim_suffix|>", 100260},
                                                {"<|endofprompt|>", 100276}};
inline constexpr special_token o200k_special[]{{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}};
inline constexpr special_token llama3_special[]{{"<|begin_of_text|>", 128000},
                                                {"<|end_of_text|>", 128001},
                                                {"<|start_header_id|>", 128006},
                                                {"<|end_header_id|>", 128007},
                                                {"<|eot_id|>", 128009}}; // those of all its releases
inline constexpr special_token qwen_special[]{
    {"<|endoftext|>", 151643}, {"<|im_start|>", 151644}, {"<|im_end|>", 151645}};

} // namespace detail

/// r50k (GPT-2), p50k, cl100k (GPT-4), Llama 3, Qwen, o200k (GPT-4o).
inline constexpr std::array<tiktoken_vocabulary, 6> tiktoken_vocabularies{
    {{50256, split_pattern::gpt2, detail::r50k_special},
     {50280, split_pattern::gpt2, detail::r50k_special},
     {100256, split_pattern::cl100k, detail::cl100k_special},
     {128000, split_pattern::cl100k, detail::llama3_special},
     {151643, split_pattern::qwen2, detail::qwen_special, true},
     {199998, split_pattern::o200k, detail::o200k_special}}};

/// Reads the text of a `.tiktoken` file. Ids that no line has are tokens without bytes. Errors, which name the line:
/// `errc::malformed`; `errc::unsupported` for more than 4,194,304 ids, and without a pattern for a vocabulary that is
/// not known.
constexpr result<tokenizer_definition> read_tiktoken(std::string_view text, tiktoken_options options = {}) {
  struct entry {
    std::size_t begin = 0, size = 0;
  };
  constexpr std::size_t most_tokens = std::size_t{1} << 22;
  std::size_t const most = std::min(most_tokens, text.size() + 256); // or one rank could ask for much memory
  std::vector<char> bytes;
  std::vector<entry> entries; // by id
  bytes.reserve(text.size() / 2);
  entries.reserve(text.size() / 12);
  std::size_t lines = 0;
  line_reader in(text);
  for (std::string_view line; in.next(line);) {
    if (line.empty()) continue;
    auto const wrong = [&](std::string_view what) {
      return fail(errc::malformed, "tiktoken file: line ", in.number(), ": ", what);
    };
    auto const space = line.find(' ');
    if (space == line.npos) return wrong("expected base64, a space and a rank");
    std::size_t id = 0;
    auto const digits = line.substr(space + 1);
    if (digits.empty()) return wrong("the rank is missing");
    for (char const c : digits) {
      if (c < '0' || c > '9') return wrong("the rank is no number");
      id = id * 10 + static_cast<std::size_t>(c - '0');
      if (id >= most)
        return fail(errc::unsupported, "tiktoken file: line ", in.number(), ": a rank of ", most, " or more");
    }
    entry const added{bytes.size(), 0};
    if (!decode_base64(line.substr(0, space), bytes)) return wrong("its bytes are no base64");
    if (id >= entries.size()) entries.resize(id + 1, {});
    if (entries[id].size != 0) return wrong("the rank has a token already");
    entries[id] = {added.begin, bytes.size() - added.begin};
    ++lines;
  }
  if (lines == 0) return fail(errc::malformed, "tiktoken file: there are no tokens");
  bool nfc = false;
  if (options.pattern.empty()) {
    auto const known = std::ranges::find(tiktoken_vocabularies, lines, &tiktoken_vocabulary::tokens);
    if (known == tiktoken_vocabularies.end())
      return fail(errc::unsupported, "tiktoken file: no vocabulary of ", lines,
                  " tokens is known, and the file does not say how text is split: give a pattern");
    options.pattern = known->pattern;
    if (options.special.empty()) options.special = known->special;
    nfc = known->nfc;
  }

  token_model::bpe model{.ranked = true, .bytes = true, .whole_words = true};
  for (auto const& [content, id] : options.special)
    if (id >= 0 && static_cast<std::size_t>(id) < most_tokens && static_cast<std::size_t>(id) >= entries.size())
      entries.resize(static_cast<std::size_t>(id) + 1, {});
  model.pieces.reserve(entries.size(), bytes.size());
  for (auto const e : entries)
    if (!model.pieces.add({bytes.data() + e.begin, e.size}, e.size == 0 ? token_kind::unused : token_kind::normal))
      return fail(errc::unsupported, "tiktoken file: pieces of 4 GiB and more");
  tokenizer_definition out;
  for (auto const& [content, id] : options.special)
    out.added.push_back({.content = owned_text(content), .id = id, .special = true});
  if (nfc) out.normalizers.push_back(normalize::nfc{});
  out.pretokenizers.push_back(
      pretokenize::split{{owned_text(options.pattern), true}, pretokenize::behavior::isolated, false});
  out.pretokenizers.push_back(pretokenize::byte_level{.add_prefix_space = false, .use_regex = false});
  out.model = std::move(model);
  out.decoders.push_back(decode_step::byte_level{});
  return out;
}

} // namespace loquat
