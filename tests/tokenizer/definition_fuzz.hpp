#pragma once
/// \file
/// Any bytes as a tokenizer's definition: what a fuzzer and the corpus test do with them.

#include <loquat/tokenizer/sources/sentencepiece_model.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>

#include <string_view>

namespace test {

/// Reads `bytes` as every kind of file; true if each gave a definition or an error with a message.
inline bool fuzz_definition(std::string_view bytes) {
  using namespace loquat;
  auto const good = [](result<tokenizer_definition> const& read) { return read || !read.error().message().empty(); };
  auto const half = bytes.size() / 2;
  return good(read_tokenizer_json(bytes)) && good(read_sentencepiece_model(bytes)) &&
         good(read_tiktoken(bytes, {.pattern = "."})) && good(read_tiktoken(bytes)) && good(read_vocab_txt(bytes)) &&
         good(read_rwkv_vocab(bytes)) && good(read_vocab_and_merges(bytes.substr(0, half), bytes.substr(half)));
}

} // namespace test
