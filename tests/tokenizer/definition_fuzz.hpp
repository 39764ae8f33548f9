#pragma once
/// \file
/// Any bytes as a tokenizer's definition: what a fuzzer and the corpus test do with them.

#include <loquat/format/gguf_writer.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/sources/gguf.hpp>
#include <loquat/tokenizer/sources/lines.hpp>
#include <loquat/tokenizer/sources/save_json.hpp>
#include <loquat/tokenizer/sources/sentencepiece_model.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// What a GGUF file says of a tokenizer in lines: its kind, the name of its pre-tokenizer, tokens up to an empty line,
/// each with its type in front, and merges.
inline loquat::result<loquat::tokenizer_definition> read_gguf_of_lines(std::string_view text) {
  std::string_view model, pre, line;
  std::vector<std::string_view> tokens, merges;
  std::vector<std::int32_t> types;
  std::vector<float> scores;
  loquat::line_reader in(text);
  (void)in.next(model);
  (void)in.next(pre);
  while (in.next(line) && !line.empty()) {
    types.push_back(line[0] - '0');
    tokens.push_back(line.substr(1));
    scores.push_back(static_cast<float>(types.back()) - static_cast<float>(tokens.size()));
  }
  while (in.next(line)) merges.push_back(line);
  loquat::gguf::writer w;
  w.add("tokenizer.ggml.model", model);
  w.add("tokenizer.ggml.pre", pre);
  w.add("tokenizer.ggml.tokens", tokens);
  w.add("tokenizer.ggml.token_type", types);
  w.add("tokenizer.ggml.scores", scores);
  w.add("tokenizer.ggml.merges", merges);
  w.add("tokenizer.ggml.bos_token_id", std::uint32_t{0});
  w.add("tokenizer.ggml.eos_token_id", std::uint32_t{1});
  auto const bytes = w.bytes();
  if (!bytes) return bytes.error();
  auto const file = loquat::gguf::file::parse(*bytes);
  if (!file) return file.error();
  return loquat::read_gguf_tokenizer(*file);
}
inline loquat::result<loquat::tokenizer_definition> read_gguf(std::string_view bytes) {
  auto const file = loquat::gguf::file::parse(std::as_bytes(std::span(bytes)));
  if (!file) return file.error();
  return loquat::read_gguf_tokenizer(*file);
}

/// True if both definitions make tokenizers that encode some texts to the same ids and decode every id the same, or the
/// first makes none.
inline bool same_tokenizers(loquat::tokenizer_definition const& one, loquat::tokenizer_definition const& other) {
  auto const a = loquat::tokenizer::make(one), b = loquat::tokenizer::make(other);
  if (!a || !b) return !a;
  loquat::tokenizer::workspace a_room, b_room;
  auto const same = [&](std::string_view text) {
    loquat::encode_options const options{.special = loquat::special_text::parse};
    return std::ranges::equal(a->encode(text, a_room, options), b->encode(text, b_room, options));
  };
  std::string all;
  for (std::size_t i = 0; i < std::max(a->size(), b->size()); ++i) {
    auto const id = static_cast<loquat::token>(i);
    std::string a_text, b_text;
    loquat::text_options const options{.skip_special = false};
    a->decode(std::span(&id, 1), a_text, options);
    b->decode(std::span(&id, 1), b_text, options);
    if (a_text != b_text || !same(a_text) || !same(a->name(id))) return false;
    (all += a->name(id)) += i % 2 == 0 ? "" : " ";
  }
  return same(all);
}

/// Reads `bytes` as every kind of file; true if each gave an error with a message, or a definition that can be written
/// and read again, or cannot with a message. A tokenizer.json that is read again gives the same tokenizer.
inline bool fuzz_definition(std::string_view bytes) {
  using namespace loquat;
  auto const good = [](result<tokenizer_definition> const& read) {
    if (!read) return !read.error().message().empty();
    std::vector<char> once, twice;
    if (auto const saved = save_json(*read, once); !saved) return !saved.error().message().empty();
    auto const again = read_tokenizer_json({once.data(), once.size()});
    if (!again) return false;
    auto const saved = save_json(*again, twice);
    return saved ? once == twice : !saved.error().message().empty();
  };
  auto const json = read_tokenizer_json(bytes);
  if (std::string saved; json && save_json(*json, saved))
    if (auto const again = read_tokenizer_json(saved); again && !same_tokenizers(*json, *again)) return false;
  auto const half = bytes.size() / 2;
  return good(json) && good(read_sentencepiece_model(bytes)) && good(read_tiktoken(bytes, {.pattern = "."})) &&
         good(read_tiktoken(bytes)) && good(read_vocab_txt(bytes)) && good(read_rwkv_vocab(bytes)) &&
         good(read_vocab_and_merges(bytes.substr(0, half), bytes.substr(half))) && good(read_gguf(bytes)) &&
         good(read_gguf_of_lines(bytes));
}

} // namespace test
