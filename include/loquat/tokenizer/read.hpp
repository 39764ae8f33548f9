#pragma once
/// \file
/// Definitions of tokenizers from files of any kind, and what `tokenizer_from` makes of them.

#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/loader.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/sources/gguf.hpp>
#include <loquat/tokenizer/sources/sentencepiece_model.hpp>
#include <loquat/tokenizer/sources/tiktoken.hpp>
#include <loquat/tokenizer/sources/tokenizer_json.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// Kinds of files that describe a tokenizer.
enum class tokenizer_source : unsigned char {
  gguf,
  tokenizer_json,
  vocab_json, ///< GPT-2's; needs its `merges.txt`
  sentencepiece,
  tiktoken,
  rwkv,
  vocab_txt,
};

/// What kind of file begins with these bytes. A guess if it is none: then that of `vocab.txt`, or of SentencePiece for
/// what is no text.
constexpr tokenizer_source source_of(std::string_view bytes) noexcept {
  using enum tokenizer_source;
  if (bytes.starts_with("GGUF")) return gguf;
  auto const begin = bytes.find_first_not_of(" \t\r\n");
  if (begin != bytes.npos && bytes[begin] == '{') {
    // An object of anything is a tokenizer.json, one of numbers a vocabulary.
    auto at = bytes.find('"', begin); // the first key
    if (at != bytes.npos)
      for (++at; at < bytes.size() && bytes[at] != '"'; ++at) at += bytes[at] == '\\';
    auto const value = at < bytes.size() ? bytes.find_first_not_of(" \t\r\n:", at + 1) : bytes.npos;
    bool const number = value != bytes.npos && bytes[value] >= '0' && bytes[value] <= '9';
    return number ? vocab_json : tokenizer_json;
  }
  auto const line = bytes.substr(0, std::min(bytes.find('\n'), std::size_t{4096}));
  constexpr std::string_view digits = "0123456789";
  auto const space = line.find(' ');
  if (space != line.npos && space > 0 && space + 1 < line.size()) {
    auto const first = line.substr(0, space), second = line.substr(space + 1);
    auto const trimmed = second.ends_with('\r') ? second.substr(0, second.size() - 1) : second;
    std::vector<char> decoded;
    if (!trimmed.empty() && trimmed.find_first_not_of(digits) == trimmed.npos && decode_base64(first, decoded))
      return tiktoken;
    bool const literal =
        second.starts_with('\'') || second.starts_with('"') || second.starts_with("b'") || second.starts_with("b\"");
    if (first.find_first_not_of(digits) == first.npos && literal) return rwkv;
  }
  bool const binary = bytes.starts_with('\n') || bytes.substr(0, 4096).find('\0') != bytes.npos;
  return binary ? sentencepiece : vocab_txt;
}

/// Whether `source_of` is a guess: these bytes have no mark of any kind.
constexpr bool is_guess(std::string_view bytes) noexcept {
  auto const kind = source_of(bytes);
  return kind == tokenizer_source::vocab_txt || (kind == tokenizer_source::sentencepiece && !bytes.starts_with('\n'));
}

/// Reads the definition of a tokenizer from the bytes of a file of any kind, `name` in errors. Errors: those of the
/// reader of that kind; `errc::unsupported` for a `vocab.json`, whose merges are in another file.
constexpr result<tokenizer_definition> read_tokenizer(std::span<std::byte const> bytes,
                                                      std::string_view name = "tokenizer") {
  std::vector<char> copy;
  auto const text = as_text(bytes, copy);
  auto const read = [&]() -> result<tokenizer_definition> {
    switch (source_of(text)) {
    case tokenizer_source::gguf: {
      auto const file = gguf::file::parse(bytes, name);
      if (!file) return file.error();
      return read_gguf_tokenizer(*file);
    }
    case tokenizer_source::tokenizer_json:
      return read_tokenizer_json(text);
    case tokenizer_source::vocab_json:
      return fail(errc::unsupported, "a vocab.json has its merges in merges.txt: see read_vocab_and_merges");
    case tokenizer_source::sentencepiece:
      return read_sentencepiece_model(text);
    case tokenizer_source::tiktoken:
      return read_tiktoken(text);
    case tokenizer_source::rwkv:
      return read_rwkv_vocab(text);
    case tokenizer_source::vocab_txt:
      break;
    }
    return read_vocab_txt(text);
  };
  auto definition = read();
  if (definition || source_of(text) == tokenizer_source::gguf) return definition;
  auto const& why = definition.error();
  if (is_guess(text)) return fail(why.code(), name, ": a tokenizer of no known kind; read as ", why.message());
  return why.within(name);
}

/// Reads the definition of a tokenizer from the file at `path` (UTF-8). Of a folder it takes `tokenizer.json`,
/// `tokenizer.model`, `vocab.json` or `vocab.txt`; beside a `vocab.json` there must be a `merges.txt`. Errors: those of
/// `mapped_file::open` and of the reader.
inline result<tokenizer_definition> read_tokenizer(std::string const& path) {
  auto file = mapped_file::open(path);
  auto name = path;
  for (auto const* const inside : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"}) {
    if (file) break;
    auto const candidate = path + (path.ends_with('/') ? "" : "/") + inside;
    if (auto found = mapped_file::open(candidate)) file = std::move(found), name = candidate;
  }
  if (!file) return file.error();
  std::vector<char> copy, merges_copy;
  auto const text = as_text(file->bytes(), copy);
  if (source_of(text) == tokenizer_source::gguf) { // it may have parts
    auto const parts = gguf::file::open(name);
    if (!parts) return parts.error();
    return read_gguf_tokenizer(*parts);
  }
  if (source_of(text) != tokenizer_source::vocab_json) return read_tokenizer(file->bytes(), name);
  auto const folder = name.substr(0, name.find_last_of("/\\") + 1); // all of it if there is none
  auto const merges = mapped_file::open(folder + "merges.txt");
  if (!merges) return merges.error();
  auto definition = read_vocab_and_merges(text, as_text(merges->bytes(), merges_copy));
  if (!definition) return definition.error().within(name);
  return definition;
}

namespace detail {

constexpr result<tokenizer> build_tokenizer(result<tokenizer_definition> definition, std::string_view name) {
  if (!definition) return std::move(definition).error();
  auto made = tokenizer::make(*std::move(definition));
  if (!made) return made.error().within(name);
  return made;
}

} // namespace detail

template <class T> result<tokenizer> tokenizer_loader<T>::load(std::string const& path) {
  return detail::build_tokenizer(read_tokenizer(path), path);
}
template <class T>
result<tokenizer> tokenizer_loader<T>::load(std::span<std::byte const> bytes, std::string_view name) {
  return detail::build_tokenizer(read_tokenizer(bytes, name), name);
}
template <class T> result<tokenizer> tokenizer_loader<T>::load(gguf::file const& file) {
  return detail::build_tokenizer(read_gguf_tokenizer(file), file.name());
}

} // namespace loquat
