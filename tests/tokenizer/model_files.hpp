#pragma once
/// \file
/// Reads the models of definition files for the tests of models, without the pipeline around them: just what the files
/// of the reference data have.

#include "support/data.hpp"
#include "tokenizer/goldens.hpp"

#include <loquat/core/json.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// The lines of a text.
template <class F> void for_each_text_line(std::string_view text, F f) {
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() < text.size() ? line.size() + 1 : line.size());
    f(line);
  }
}

/// tiktoken: base64, space, rank in every line.
inline loquat::token_model::bpe read_tiktoken(std::string_view text) {
  loquat::token_model::bpe out;
  out.ranked = out.bytes = out.whole_words = true;
  for_each_text_line(text, [&](std::string_view line) {
    auto const coded = line.substr(0, line.find(' '));
    auto const rank = static_cast<std::size_t>(std::stoul(std::string(line.substr(coded.size() + 1))));
    while (out.pieces.size() < rank) (void)out.pieces.add("", loquat::token_kind::unused);
    (void)out.pieces.add(from_base64(coded), loquat::token_kind::normal);
  });
  return out;
}

/// The bytes that a text of GPT-2's 256 printable characters stands for; other characters stay as they are.
inline std::string from_byte_level(std::string_view text) {
  static std::map<char32_t, char> const table = [] {
    std::map<char32_t, char> made;
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      bool const printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      made[printable ? b : next++] = static_cast<char>(b);
    }
    return made;
  }();
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    auto const c = loquat::utf8::decode(rest);
    if (auto const found = table.find(c.code_point); found != table.end())
      out += found->second;
    else
      out += rest.substr(0, c.length);
    rest.remove_prefix(c.length);
  }
  return out;
}

/// The model of a `tokenizer.json`; pieces are of the kind `normal`.
inline loquat::token_model::any read_model(std::string const& text) {
  namespace json = loquat::json;
  namespace token_model = loquat::token_model;
  auto const doc = json::parse(text).value();
  auto const model = doc.root()["model"];
  bool const bytes = text.find("\"ByteLevel\"") != text.npos;
  auto const decoded = [&](std::string_view piece) { return bytes ? from_byte_level(piece) : std::string(piece); };
  auto const flag = [&](std::string_view key) {
    return model[key].kind() == json::kind::boolean && model[key].as_bool().value();
  };
  auto const string = [&](std::string_view key) {
    return model[key].kind() == json::kind::string ? std::string(model[key].as_string().value()) : std::string();
  };
  std::string type = string("type");
  if (type.empty()) // as in older files
    type = model["max_input_chars_per_word"] ? "WordPiece"
           : model["merges"]                 ? "BPE"
           : model["unk_id"]                 ? "Unigram"
                                             : "WordLevel";
  loquat::vocabulary pieces;
  if (type == "Unigram") {
    token_model::unigram out;
    for (auto const row : model["vocab"].elements()) {
      (void)pieces.add(row[0].as_string().value(), loquat::token_kind::normal);
      out.scores.push_back(row[1].as_double().value());
    }
    out.pieces = std::move(pieces);
    if (model["unk_id"].kind() == json::kind::number)
      out.unknown = static_cast<loquat::token>(model["unk_id"].as_int64().value());
    out.byte_fallback = flag("byte_fallback");
    return out;
  }
  std::map<std::int64_t, std::string> by_id;
  std::map<std::string, loquat::token, std::less<>> ids;
  for (auto const [name, id] : model["vocab"].members()) {
    by_id[id.as_int64().value()] = decoded(name);
    ids[std::string(name)] = static_cast<loquat::token>(id.as_int64().value());
  }
  for (auto const& [id, piece] : by_id) {
    while (static_cast<std::int64_t>(pieces.size()) < id) (void)pieces.add("", loquat::token_kind::unused);
    (void)pieces.add(piece, loquat::token_kind::normal);
  }
  auto const unknown = ids.find(string("unk_token"));
  loquat::token const unk = unknown == ids.end() ? loquat::no_token : unknown->second;
  if (type == "WordPiece")
    return token_model::wordpiece{std::move(pieces), unk, loquat::owned_text(string("continuing_subword_prefix")),
                                  static_cast<std::size_t>(model["max_input_chars_per_word"].as_int64().value())};
  if (type == "WordLevel") return token_model::word_level{std::move(pieces), unk};
  token_model::bpe out;
  out.pieces = std::move(pieces);
  out.bytes = bytes;
  out.unknown = unk;
  out.continuing_prefix = loquat::owned_text(string("continuing_subword_prefix"));
  out.word_suffix = loquat::owned_text(string("end_of_word_suffix"));
  out.fuse_unknown = flag("fuse_unk");
  out.byte_fallback = flag("byte_fallback");
  out.whole_words = flag("ignore_merges");
  for (auto const merge : model["merges"].elements()) {
    if (merge.kind() == json::kind::array) {
      out.merges.push_back(
          {ids.at(std::string(merge[0].as_string().value())), ids.at(std::string(merge[1].as_string().value()))});
    } else {
      auto const both = merge.as_string().value();
      auto const left = both.substr(0, both.find(' ', 1));
      out.merges.push_back({ids.at(std::string(left)), ids.at(std::string(both.substr(left.size() + 1)))});
    }
  }
  return out;
}

} // namespace test
