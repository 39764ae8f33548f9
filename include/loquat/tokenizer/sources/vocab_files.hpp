#pragma once
/// \file
/// Vocabularies without a pipeline: BERT's `vocab.txt` (a piece on each line), GPT-2's `vocab.json` with `merges.txt`,
/// and RWKV's `rwkv_vocab.txt`. How text is treated is what those models do.

#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/sources/lines.hpp>
#include <loquat/tokenizer/sources/tiktoken.hpp>
#include <loquat/tokenizer/sources/tokenizer_json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What a `vocab.txt` does not say.
struct vocab_txt_options {
  bool lowercase = true; ///< as "uncased" models want it
};

namespace detail {

/// The pieces without those that come again: of these the last has the text, as in a map that is filled in order.
constexpr vocabulary without_repeats(vocabulary pieces) {
  piece_index const last(pieces);
  if (!last.has_equals()) return pieces;
  vocabulary out;
  out.reserve(pieces.size(), pieces.size_bytes());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    bool const stays = last.find(pieces, pieces.piece(id)) == id;
    (void)out.add(stays ? pieces.piece(id) : std::string_view(), stays ? pieces.kind(id) : token_kind::unused);
  }
  return out;
}

} // namespace detail

/// Reads a `vocab.txt`; of equal pieces the last counts. [CLS] and [SEP] are put around texts, if the vocabulary has
/// them; [PAD], [UNK], [CLS], [SEP] and [MASK] are special tokens. Errors: `errc::malformed` without a piece [UNK].
constexpr result<tokenizer_definition> read_vocab_txt(std::string_view text, vocab_txt_options options = {}) {
  constexpr std::array<std::string_view, 5> names{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  std::array<token, 5> ids{no_token, no_token, no_token, no_token, no_token};
  token_model::wordpiece model;
  line_reader in(text);
  for (std::string_view line; in.next(line);) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    for (std::size_t i = 0; i < names.size(); ++i)
      if (line == names[i]) ids[i] = static_cast<token>(model.pieces.size());
    if (!model.pieces.add(line, token_kind::normal))
      return fail(errc::unsupported, "vocab.txt: pieces of 4 GiB and more");
  }
  if (ids[1] == no_token) return fail(errc::malformed, "vocab.txt: there is no piece [UNK]");
  model.pieces = detail::without_repeats(std::move(model.pieces));
  model.unknown = ids[1];
  tokenizer_definition out;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (ids[i] != no_token) out.added.push_back({.content = owned_text(names[i]), .id = ids[i], .special = true});
  out.normalizers.push_back(normalize::bert{.lowercase = options.lowercase, .strip_accents = std::nullopt});
  out.pretokenizers.push_back(pretokenize::bert{});
  out.decoders.push_back(decode_step::wordpiece{});
  if (ids[2] != no_token && ids[3] != no_token) out.postprocessors.push_back(postprocess::bert(ids[2], ids[3]));
  out.model = std::move(model);
  return out;
}

namespace detail {

/// What an escape of Python stands for, behind which `rest` then begins; `rest` is what follows the backslash. `bytes`:
/// of a literal of bytes. False if it is none.
constexpr bool read_python_escape(std::string_view& rest, bool bytes, std::vector<char>& out) {
  if (rest.empty()) return false;
  char const c = rest[0];
  rest.remove_prefix(1);
  if (std::size_t const digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0; digits != 0) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      char const d = i < rest.size() ? rest[i] : ' ';
      int const digit = d >= '0' && d <= '9'   ? d - '0'
                        : d >= 'a' && d <= 'f' ? d - 'a' + 10
                        : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    rest.remove_prefix(digits);
    if (bytes) {
      out.push_back(static_cast<char>(value));
    } else {
      auto const character = utf8::encode(value);
      out.insert(out.end(), character.bytes, character.bytes + character.length);
    }
    return true;
  }
  constexpr std::string_view from = "\\'\"nrtabfv0", to("\\'\"\n\r\t\a\b\f\v\0", 11);
  auto const i = from.find(c);
  if (i == from.npos) return false;
  out.push_back(to[i]);
  return true;
}

/// Appends the bytes of `text`, which is what stands between the quotes of a literal of bytes. False if an escape is
/// none.
constexpr bool unescape_python(std::string_view text, std::vector<char>& out) {
  while (!text.empty()) {
    char const c = text[0];
    text.remove_prefix(1);
    if (c != '\\')
      out.push_back(c);
    else if (!read_python_escape(text, true, out))
      return false;
  }
  return true;
}

/// The bytes of a literal of Python, 'text' or b'bytes', behind which `rest` then begins. False if it is none.
constexpr bool read_python_literal(std::string_view& rest, std::vector<char>& out) {
  bool const bytes = rest.starts_with('b');
  if (bytes) rest.remove_prefix(1);
  if (!rest.starts_with('\'') && !rest.starts_with('"')) return false;
  char const quote = rest[0];
  rest.remove_prefix(1);
  while (!rest.empty()) {
    char const c = rest[0];
    rest.remove_prefix(1);
    if (c == quote) return true;
    if (c != '\\')
      out.push_back(c);
    else if (!read_python_escape(rest, bytes, out))
      return false;
  }
  return false;
}

} // namespace detail

/// Reads an `rwkv_vocab.txt`: on each line an id, the token's bytes as a literal of Python, and how many they are.
/// Errors, which name the line: `errc::malformed`, `errc::unsupported`.
constexpr result<tokenizer_definition> read_rwkv_vocab(std::string_view text) {
  std::size_t const most = std::min(std::size_t{1} << 22, text.size() + 256); // or one id could ask for much memory
  token_model::longest_match model;
  std::vector<char> bytes;
  line_reader in(text);
  for (std::string_view line; in.next(line);) {
    if (line.empty()) continue;
    auto const wrong = [&](std::string_view what) {
      return fail(errc::malformed, "RWKV vocabulary: line ", in.number(), ": ", what);
    };
    auto const number = [&](std::size_t& value) {
      std::size_t digits = 0;
      for (value = 0; digits < line.size() && line[digits] >= '0' && line[digits] <= '9' && digits < 9; ++digits)
        value = value * 10 + static_cast<std::size_t>(line[digits] - '0');
      line.remove_prefix(digits);
      return digits > 0;
    };
    std::size_t id = 0, length = 0;
    if (!number(id) || !line.starts_with(' ')) return wrong("expected an id");
    line.remove_prefix(1);
    bytes.clear();
    if (!detail::read_python_literal(line, bytes)) return wrong("expected a string or bytes as Python writes them");
    if (!line.starts_with(' ') || (line.remove_prefix(1), !number(length)) || !line.empty())
      return wrong("expected a length");
    if (bytes.size() != length) return wrong("the length is not that of the token");
    if (id >= most || id < model.pieces.size()) return wrong(id >= most ? "the id is too large" : "ids must ascend");
    while (model.pieces.size() < id)
      if (!model.pieces.add({}, token_kind::unused)) return wrong("pieces of 4 GiB and more");
    if (!model.pieces.add({bytes.data(), bytes.size()}, token_kind::normal)) return wrong("pieces of 4 GiB and more");
  }
  if (model.pieces.size() == 0) return fail(errc::malformed, "RWKV vocabulary: there are no tokens");
  tokenizer_definition out;
  out.model = std::move(model);
  return out;
}

/// Reads GPT-2's `vocab.json` and `merges.txt`, whose first line may be "#version: …". Errors name the byte or line:
/// `errc::malformed`, and those of JSON.
constexpr result<tokenizer_definition> read_vocab_and_merges(std::string_view vocab_json, std::string_view merges_txt,
                                                             std::string_view pattern = split_pattern::gpt2) {
  auto const document = json::parse(vocab_json);
  if (!document) return document.error();
  detail::json_fields fields;
  auto model =
      detail::json_model_reader(fields, document->root(), vocab_json, true).read_bpe(document->root(), merges_txt);
  if (!fields) return fields.error();
  tokenizer_definition out;
  out.model = std::move(model);
  out.pretokenizers.push_back(pretokenize::split{{owned_text(pattern), true}, pretokenize::behavior::isolated, false});
  out.pretokenizers.push_back(pretokenize::byte_level{.add_prefix_space = false, .use_regex = false});
  out.decoders.push_back(decode_step::byte_level{});
  return out;
}

} // namespace loquat
