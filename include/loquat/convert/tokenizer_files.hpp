#pragma once
/// \file
/// The tokenizer of a Hugging Face folder, which is spread over several files: the model itself, the tokens with a
/// role, the template of chats.

#include <loquat/convert/config.hpp>
#include <loquat/convert/tokenizer_keys.hpp>
#include <loquat/core/json.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/tokenizer/read.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// \cond
namespace detail {

/// The text of a small file; nothing if there is none.
inline result<std::optional<std::string>> text_of_file(std::string const& path) {
  auto const mapped = mapped_file::open(path);
  if (!mapped && mapped.error().code() == errc::missing) return std::optional<std::string>();
  if (!mapped) return mapped.error();
  constexpr std::size_t most = std::size_t{256} << 20; // ten times the largest there are
  if (mapped->bytes().size() > most)
    return fail(errc::unsupported, path, ": ", mapped->bytes().size(), " bytes, expected at most ", most);
  std::vector<char> copy;
  return std::optional(std::string(as_text(mapped->bytes(), copy)));
}

/// A file of JSON that may be missing; then all in it is absent.
class json_file {
 public:
  static result<json_file> open(std::string const& path) {
    json_file out;
    auto text = text_of_file(path);
    if (!text) return text.error();
    if (!*text) return out;
    out.text_.assign((*text)->begin(), (*text)->end());
    auto parsed = json::parse({out.text_.data(), out.text_.size()});
    if (!parsed) return parsed.error().within(path);
    out.document_.push_back(*std::move(parsed));
    return out;
  }
  json::value root() const noexcept { return document_.empty() ? json::value() : document_.front().root(); }
  json::value operator[](std::string_view key) const noexcept { return root()[key]; }

 private:
  std::vector<char> text_; // does not move when this does
  std::vector<json::document> document_;
};

/// Reads the files of a folder and writes the keys.
class tokenizer_files {
 public:
  tokenizer_files(std::string folder, gguf::writer& out) : folder_(std::move(folder)), out_(out) {}

  result<void> write(config& c, std::size_t size) {
    for (auto const& [name, to] : {std::pair{"tokenizer_config.json", &config_},
                                   {"special_tokens_map.json", &special_},
                                   {"generation_config.json", &generation_},
                                   {"added_tokens.json", &added_}}) {
      auto read = json_file::open(folder_ + name);
      if (!read) return read.error();
      *to = *std::move(read);
    }
    auto definition = read();
    if (!definition) return definition.error();
    if (!*definition) return write_none(c);
    auto const rows = write_tokenizer(out_, **definition, size);
    if (!rows) return rows.error().within(folder_);
    write_roles(c, **definition, *rows);
    return write_template();
  }

  /// Says that there is no tokenizer, and which tokens begin and end texts.
  result<void> write_none(config const& c) {
    out_.add("tokenizer.ggml.model", std::string_view("none"));
    for (auto const* name : {"bos", "eos"}) {
      auto const v = c.find(std::string(name) + "_token_id");
      auto const id = (v.kind() == json::kind::array ? v[std::size_t{0}] : v).as_int64();
      if (id && *id >= 0 && *id < std::int64_t{1} << 31) put_id(name, static_cast<token>(*id));
    }
    return {};
  }

 private:
  /// SentencePiece's model is what a `tokenizer.json` was made of, so it comes first; that has the added tokens, and
  /// what is put around texts.
  result<std::optional<tokenizer_definition>> read() {
    std::optional<tokenizer_definition> pieces, json;
    for (auto const* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
      auto text = text_of_file(folder_ + name);
      if (!text) return text.error();
      if (!*text || source_of(**text) != tokenizer_source::sentencepiece) continue;
      auto read = read_sentencepiece_model(**text);
      if (!read) return read.error().within(folder_ + name);
      pieces = *std::move(read);
      break;
    }
    auto text = text_of_file(folder_ + "tokenizer.json");
    if (!text) return text.error();
    if (*text) {
      auto read = read_tokenizer_json(**text);
      if (!read) return read.error().within(folder_ + "tokenizer.json");
      json = *std::move(read);
    }
    if (pieces && json) {
      token_rows const rows(*json);
      for (std::size_t i = 0; i < json->added.size(); ++i) json->added[i].id = rows.added()[i];
      pieces->added = std::move(json->added);
      pieces->postprocessors = std::move(json->postprocessors);
    } else if (pieces) {
      add_listed(*pieces);
    }
    if (pieces) return pieces;
    if (json) return json;
    for (auto const* name : {"tokenizer.model", "vocab.json", "vocab.txt"}) {
      auto there = mapped_file::open(folder_ + name);
      if (!there) continue;
      auto read = read_tokenizer(folder_ + name);
      if (!read) return read.error();
      return std::optional(*std::move(read));
    }
    return std::optional<tokenizer_definition>();
  }

  /// Added tokens of a folder without `tokenizer.json`.
  void add_listed(tokenizer_definition& d) const {
    for (auto const& [content, id] : added_.root().members())
      if (auto const number = id.as_int64(); number && *number >= 0 && *number < 1 << 24)
        d.added.push_back({.content = owned_text(content), .id = static_cast<token>(*number)});
    for (auto const& [key, t] : config_["added_tokens_decoder"].members()) {
      token id = no_token;
      std::from_chars(key.data(), key.data() + key.size(), id);
      auto const content = t["content"].as_string();
      if (content && id >= 0 && id < 1 << 24)
        d.added.push_back(
            {.content = owned_text(*content), .id = id, .special = t["special"].as_bool().value_or(false)});
    }
  }

  /// The token that a file names, as a text or an object.
  std::string_view named(std::string_view role) const {
    for (auto const* file : {&config_, &special_}) {
      auto const v = (*file)[role];
      if (auto const text = v.as_string()) return *text;
      if (auto const text = v["content"].as_string()) return *text;
    }
    return {};
  }
  void put_id(std::string_view key, token id) {
    out_.add("tokenizer.ggml." + std::string(key) + "_token_id", static_cast<std::uint32_t>(id));
  }

  void write_roles(config const& c, tokenizer_definition const& d, token_rows const& rows) {
    auto const role = [&](std::string_view key, std::string_view name, token fallback = no_token) {
      auto const text = named(std::string(name) + "_token");
      auto id = text.empty() ? no_token : rows.find(text);
      if (id == no_token)
        if (auto const number = c.find(std::string(name) + "_token_id").as_int64(); number && *number >= 0)
          id = static_cast<token>(*number);
      if (id == no_token) id = fallback;
      if (id != no_token && static_cast<std::size_t>(id) < rows.rows().size())
        put_id(key, id);
      else
        id = no_token;
      return id;
    };
    bool const scored = d.model.holds<token_model::scored_bpe>(), pairs = d.model.holds<token_model::wordpiece>();
    auto const wrapped = wrapping_of(d);
    role("bos", "bos", pairs ? no_token : wrapped.begin);
    auto const lists = {generation_["eos_token_id"], c.find("eos_token_id")};
    token listed = no_token;
    for (auto const& list : lists)
      if (auto const first = list[std::size_t{0}].as_int64(); first && listed == no_token && *first >= 0)
        listed = static_cast<token>(*first);
    auto const end = role("eos", "eos", listed != no_token ? listed : pairs ? no_token : wrapped.end);
    role("unknown", "unk"), role("padding", "pad"), role("mask", "mask");
    role("seperator", "sep"), role("cls", "cls"); // sic
    // other tokens after which there is no more: two keys are left for them
    std::vector<token> ends{end};
    for (auto const& list : lists)
      for (auto const v : list.elements())
        if (auto const id = v.as_int64(); id && *id >= 0 && static_cast<std::size_t>(*id) < rows.rows().size())
          if (std::find(ends.begin(), ends.end(), static_cast<token>(*id)) == ends.end() && ends.size() < 3) {
            put_id(ends.size() == 1 ? "eot" : "eom", static_cast<token>(*id));
            ends.push_back(static_cast<token>(*id));
          }
    if (pairs) return; // BERT's marks are always there
    auto const flag = [&](std::string_view key, bool fallback) {
      out_.add("tokenizer.ggml." + std::string(key), config_[key].as_bool().value_or(fallback));
    };
    flag("add_bos_token", wrapped.begin != no_token || (scored && d.postprocessors.empty()));
    flag("add_eos_token", wrapped.end != no_token || d.model.holds<token_model::unigram>());
  }

  result<void> write_template() {
    auto const text = text_of_file(folder_ + "chat_template.jinja");
    if (!text) return text.error();
    auto const v = config_["chat_template"];
    if (*text)
      out_.add("tokenizer.chat_template", std::string_view(**text));
    else if (auto const one = v.as_string())
      out_.add("tokenizer.chat_template", *one);
    for (auto const choice : v.elements()) {
      auto const name = choice["name"].as_string(), body = choice["template"].as_string();
      if (name && body && *name == "default" && !*text) out_.add("tokenizer.chat_template", *body);
    }
    return {};
  }

  std::string folder_;
  gguf::writer& out_;
  json_file config_, special_, generation_, added_;
};

} // namespace detail
/// \endcond

} // namespace loquat::hugging_face
