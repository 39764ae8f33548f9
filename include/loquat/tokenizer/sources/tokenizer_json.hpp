#pragma once
/// \file
/// `tokenizer.json`, the format of Hugging Face tokenizers (github.com/huggingface/tokenizers), 0.6 to 0.23.

#include <loquat/core/json.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/sources/json_fields.hpp>
#include <loquat/tokenizer/sources/json_steps.hpp>
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

namespace detail {

/// Reads the `model` of a tokenizer.json.
class json_model_reader {
 public:
  /// `bytes`: the pipeline turns text into the byte alphabet, so pieces become the bytes they stand for.
  constexpr json_model_reader(json_fields& in, json::value model, bool bytes) : in_(in), model_(model), bytes_(bytes) {}

  constexpr token_model::any read() {
    auto const type = this->type();
    if (type == "BPE") return read_bpe();
    if (type == "WordPiece") return read_wordpiece();
    if (type == "Unigram") return read_unigram();
    if (type == "WordLevel") return read_word_level();
    in_.wrong(fail(errc::unsupported, "JSON: a model of type ", type,
                   " is not supported; supported: BPE, WordPiece, Unigram, WordLevel"));
    return token_model::word_level{};
  }

  /// A BPE model of GPT-2's two files, pieces in the byte alphabet.
  constexpr token_model::bpe read_bpe(json::value vocab, std::string_view merges_txt) {
    token_model::bpe bpe{.bytes = bytes_};
    bpe.pieces = pieces(vocab);
    index_ = piece_index(bpe.pieces);
    line_reader lines(merges_txt);
    for (std::string_view line; lines.next(line) && in_;) {
      if (line.empty() || (lines.number() == 1 && line.starts_with("#version"))) continue;
      auto const space = line.find(' ');
      auto const left = line.substr(0, space), right = space == line.npos ? line : line.substr(space + 1);
      std::array<token, 2> const pair{find(bpe.pieces, left), find(bpe.pieces, right)};
      if (space == line.npos || pair[0] == no_token || pair[1] == no_token)
        in_.wrong(
            fail(errc::malformed, "merges.txt: line ", lines.number(), ": expected two pieces of the vocabulary"));
      bpe.merges.push_back(pair);
    }
    return bpe;
  }

 private:
  static constexpr std::size_t most_tokens = std::size_t{1} << 22;

  /// Old files do not say: there the fields tell.
  constexpr std::string_view type() {
    if (in_.is_given(model_, "type")) return in_.text(model_, "type");
    if (model_["merges"]) return "BPE";
    if (model_["vocab"].kind() == json::kind::array) return "Unigram";
    return model_["max_input_chars_per_word"] ? "WordPiece" : "WordLevel";
  }

  constexpr token_model::bpe read_bpe() {
    token_model::bpe bpe;
    bpe.bytes = bytes_;
    bpe.pieces = pieces();
    index_ = piece_index(bpe.pieces);
    bpe.unknown = role(bpe.pieces, "unk_token");
    bpe.continuing_prefix = owned_text(in_.text_or(model_, "continuing_subword_prefix", ""));
    bpe.word_suffix = owned_text(in_.text_or(model_, "end_of_word_suffix", ""));
    bpe.fuse_unknown = in_.flag(model_, "fuse_unk", false);
    bpe.byte_fallback = in_.flag(model_, "byte_fallback", false);
    bpe.whole_words = in_.flag(model_, "ignore_merges", false);
    auto const merges = model_["merges"];
    if (merges.kind() != json::kind::array) in_.wrong(model_, "a BPE model's list of merges");
    read_merges(merges, bpe);
    return bpe;
  }
  constexpr void read_merges(json::value merges, token_model::bpe& bpe) {
    bpe.merges.reserve(merges.size());
    std::array<json::value, piece_index::together / 2> some;
    std::array<std::string_view, piece_index::together> parts;
    std::array<token, piece_index::together> ids{};
    auto const all = merges.elements();
    for (auto next = all.begin(); next != all.end();) {
      std::size_t n = 0;
      for (; n < some.size() && next != all.end(); ++n, ++next) {
        some[n] = *next;
        auto const [left, right] = halves(some[n]);
        parts[2 * n] = left;
        parts[2 * n + 1] = right;
      }
      find(bpe.pieces, {parts.data(), 2 * n}, ids);
      for (std::size_t i = 0; i < 2 * n && in_; ++i)
        if (ids[i] == no_token)
          in_.wrong(fail(errc::malformed, "JSON: merge ", bpe.merges.size() + i / 2, " at byte ", some[i / 2].offset(),
                         ": ", parts[i], " is not in the vocabulary"));
      if (!in_) return;
      for (std::size_t i = 0; i < n; ++i) bpe.merges.push_back({ids[2 * i], ids[2 * i + 1]});
    }
  }
  /// "a b" or ["a", "b"]
  constexpr std::pair<std::string_view, std::string_view> halves(json::value merge) {
    if (merge.kind() == json::kind::array && merge.size() == 2) {
      auto const left = merge[0].as_string(), right = merge[1].as_string();
      if (left && right) return {*left, *right};
    } else if (auto const both = merge.as_string()) {
      auto const space = both->find(' ');
      if (space != both->npos) return {both->substr(0, space), both->substr(space + 1)};
    }
    in_.wrong(merge, "a merge: two pieces");
    return {};
  }

  constexpr token_model::wordpiece read_wordpiece() {
    token_model::wordpiece w;
    w.pieces = pieces();
    index_ = piece_index(w.pieces);
    w.unknown = role(w.pieces, "unk_token", "[UNK]");
    w.continuing_prefix = owned_text(in_.text_or(model_, "continuing_subword_prefix", "##"));
    w.longest_word = static_cast<std::size_t>(in_.number(model_, "max_input_chars_per_word", 100));
    return w;
  }
  constexpr token_model::word_level read_word_level() {
    token_model::word_level w;
    w.pieces = pieces();
    index_ = piece_index(w.pieces);
    w.unknown = role(w.pieces, "unk_token", "<unk>");
    return w;
  }
  constexpr token_model::unigram read_unigram() {
    token_model::unigram u;
    auto const vocab = model_["vocab"];
    if (vocab.kind() != json::kind::array) in_.wrong(model_, "a Unigram model's vocab: an array");
    for (auto const v : vocab.elements()) {
      auto const piece = v[0].as_string();
      auto const score = v[1].as_double();
      if (!piece || !score) in_.wrong(v, "[piece, score]");
      if (!in_ || !add(u.pieces, *piece)) break;
      u.scores.push_back(*score);
    }
    if (in_.is_given(model_, "unk_id")) u.unknown = in_.id(model_["unk_id"]);
    u.byte_fallback = in_.flag(model_, "byte_fallback", false);
    return u;
  }

  /// {piece: id, …} by id; ids that are left out have no piece.
  constexpr vocabulary pieces() { return pieces(model_["vocab"]); }
  constexpr vocabulary pieces(json::value vocab) {
    vocabulary out;
    if (vocab.kind() != json::kind::object) in_.wrong(model_, "a vocab: an object of ids");
    std::vector<std::string_view> by_id;
    by_id.reserve(vocab.size());
    std::size_t const most = std::min(most_tokens, 16 * vocab.size() + 65536); // or one id could ask for much memory
    std::size_t bytes = 0;
    for (auto const [piece, v] : vocab.members()) {
      token const id = in_.id(v);
      if (!in_) return out;
      auto const i = static_cast<std::size_t>(id);
      if (i >= most) {
        in_.wrong(fail(errc::unsupported, "JSON: token id ", i, " at byte ", v.offset(), " among ", vocab.size(),
                       " tokens: more than ", most, " ids"));
        return out;
      }
      if (i >= by_id.size()) by_id.resize(i + 1, {});
      by_id[i] = piece;
      bytes += piece.size();
    }
    out.reserve(by_id.size(), bytes);
    for (auto const piece : by_id)
      if (!add(out, piece)) break;
    return out;
  }
  constexpr bool add(vocabulary& out, std::string_view piece) {
    spelled_.clear();
    bool const spelled = bytes_ && append_bytes(piece, spelled_);
    auto const text = spelled ? std::string_view(spelled_.data(), spelled_.size()) : piece;
    bool const usable = !piece.empty() && (spelled || !bytes_); // else no byte-level text comes to it
    if (out.add(text, usable ? token_kind::normal : token_kind::unused)) return true;
    in_.wrong(fail(errc::unsupported, "JSON: pieces of 4 GiB and more"));
    return false;
  }

  /// The tokens of at most `piece_index::together` pieces as the file spells them.
  constexpr void find(vocabulary const& pieces, std::span<std::string_view const> spelled, std::span<token> out) {
    std::array<std::string_view, piece_index::together> texts;
    std::array<std::size_t, piece_index::together> ends{};
    spelled_.clear();
    for (std::size_t i = 0; i < spelled.size(); ++i) {
      if (!bytes_ || !append_bytes(spelled[i], spelled_))
        spelled_.insert(spelled_.end(), spelled[i].begin(), spelled[i].end());
      ends[i] = spelled_.size();
    }
    for (std::size_t i = 0, begin = 0; i < spelled.size(); begin = ends[i++])
      texts[i] = {spelled_.data() + begin, ends[i] - begin};
    index_.find(pieces, {texts.data(), spelled.size()}, out);
  }
  constexpr token find(vocabulary const& pieces, std::string_view spelled) {
    token id = no_token;
    find(pieces, {&spelled, 1}, {&id, 1});
    return id;
  }
  /// The token whose piece a field names.
  constexpr token role(vocabulary const& pieces, std::string_view key, std::string_view fallback = {}) {
    auto const piece = in_.text_or(model_, key, fallback);
    return piece.empty() ? no_token : find(pieces, piece);
  }

  json_fields& in_;
  json::value model_;
  bool bytes_;
  std::vector<char> spelled_;
  piece_index index_;
};

constexpr std::optional<truncation> read_truncation(json_fields& in, json::value root) {
  if (!in.is_given(root, "truncation")) return std::nullopt;
  auto const v = root["truncation"];
  truncation t{.max_length = static_cast<std::size_t>(in.number(v, "max_length", 512)),
               .stride = static_cast<std::size_t>(in.number(v, "stride", 0)),
               .from_left = in.text_or(v, "direction", "Right") == "Left"};
  auto const how = in.text_or(v, "strategy", "LongestFirst");
  if (how == "OnlyFirst")
    t.how = truncation::strategy::only_first;
  else if (how == "OnlySecond")
    t.how = truncation::strategy::only_second;
  else if (how != "LongestFirst")
    in.wrong(v["strategy"], "LongestFirst, OnlyFirst or OnlySecond");
  return t;
}
constexpr std::optional<padding> read_padding(json_fields& in, json::value root) {
  if (!in.is_given(root, "padding")) return std::nullopt;
  auto const v = root["padding"];
  padding p{.multiple_of = static_cast<std::size_t>(in.number(v, "pad_to_multiple_of", 0)),
            .on_left = in.text_or(v, "direction", "Right") == "Left",
            .id = in.is_given(v, "pad_id") ? in.id(v["pad_id"]) : 0,
            .type_id = static_cast<std::uint32_t>(in.number(v, "pad_type_id", 0)),
            .piece = owned_text(in.text_or(v, "pad_token", "[PAD]"))};
  if (v["strategy"].kind() == json::kind::object)
    p.length = static_cast<std::size_t>(in.number(v["strategy"], "Fixed", 0));
  return p;
}

} // namespace detail

/// Reads the text of a `tokenizer.json`. Added tokens have no ids yet: the format's rule, which `tokenizer::make`
/// applies, gives each that of its piece or the next free one, whatever the file says. Errors name the key and byte:
/// `errc::malformed`, `errc::missing`, `errc::mismatch`; `errc::unsupported` for a type of step or model that is not
/// known.
constexpr result<tokenizer_definition> read_tokenizer_json(std::string_view text) {
  auto const document = json::parse(text);
  if (!document) return document.error();
  auto const root = document->root();
  detail::json_fields in;
  tokenizer_definition out;
  out.truncation = detail::read_truncation(in, root);
  out.padding = detail::read_padding(in, root);
  for (auto const v : root["added_tokens"].elements()) {
    added_token t{.content = owned_text(in.text(v, "content")),
                  .special = in.flag(v, "special", false),
                  .single_word = in.flag(v, "single_word", false),
                  .strip_left = in.flag(v, "lstrip", false),
                  .strip_right = in.flag(v, "rstrip", false)};
    t.normalized = in.flag(v, "normalized", !t.special);
    out.added.push_back(std::move(t));
  }
  out.normalizers = detail::read_normalizers(in, root["normalizer"]);
  out.pretokenizers = detail::read_pretokenizers(in, root["pre_tokenizer"]);
  out.postprocessors = detail::read_postprocessors(in, root["post_processor"]);
  out.decoders = detail::read_decoders(in, root["decoder"]);
  if (root["model"].kind() != json::kind::object) in.wrong(root, "a key model with an object");
  if (in) out.model = detail::json_model_reader(in, root["model"], is_byte_level(out)).read();
  if (!in) return in.error();
  return out;
}

} // namespace loquat
