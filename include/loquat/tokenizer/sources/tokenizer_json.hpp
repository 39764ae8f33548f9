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
#include <loquat/tokenizer/sources/merge_reader.hpp>

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
  constexpr json_model_reader(json_fields& in, json::value model, std::string_view text, bool bytes)
      : in_(in), model_(model), text_(text), bytes_(bytes) {}

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
    bpe.index = std::move(index_);
    merge_reader out(bpe);
    line_reader lines(merges_txt);
    for (std::string_view line; lines.next(line) && in_;) {
      if (line.empty() || (lines.number() == 1 && line.starts_with("#version"))) continue;
      if (follow(out, line, merges_txt)) continue;
      auto const space = line.find(' ');
      auto const left = find(bpe, line.substr(0, space));
      auto const right = space == line.npos ? no_token : find(bpe, line.substr(space + 1));
      if (left == no_token || right == no_token)
        in_.wrong(
            fail(errc::malformed, "merges.txt: line ", lines.number(), ": expected two pieces of the vocabulary"));
      else
        out.add(left, right);
    }
    out.flush();
    if (auto const number = out.first_lacking(); in_ && number < bpe.merges.size())
      in_.wrong(fail(errc::malformed, "merges.txt: merge ", number, ": expected two pieces of the vocabulary"));
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
    bpe.index = std::move(index_);
    auto const unknown = in_.text_or(model_, "unk_token", "");
    bpe.unknown = unknown.empty() ? no_token : find(bpe, unknown);
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
  /// "a b" or ["a", "b"]
  constexpr void read_merges(json::value merges, token_model::bpe& bpe) {
    bpe.merges.reserve(merges.size());
    merge_reader out(bpe);
    auto const lacks = [&](std::size_t number, json::value merge, std::string_view piece) {
      in_.wrong(fail(errc::malformed, "JSON: merge ", number, " at byte ", merge.offset(), ": ", piece,
                     " is not in the vocabulary"));
    };
    for (auto const merge : merges.elements()) {
      std::string_view left, right;
      if (merge.kind() == json::kind::string) {
        auto const both = *merge.as_string();
        if (follow(out, both, text_)) continue;
        auto const space = both.find(' ');
        if (space == both.npos) return in_.wrong(merge, "a merge: two pieces");
        left = both.substr(0, space);
        right = both.substr(space + 1);
      } else {
        auto const head = merge[0].as_string(), tail = merge[1].as_string();
        if (merge.size() != 2 || !head || !tail) return in_.wrong(merge, "a merge: two pieces");
        left = *head;
        right = *tail;
        auto const spelled = [this](token id) { return by_id_[static_cast<std::size_t>(id)]; };
        if (out.follow([&](std::string_view whole) { return find_seam_of_two(left, right, whole); }, spelled)) continue;
      }
      out.flush();
      token const head = find(bpe, left), tail = find(bpe, right);
      if (head == no_token || tail == no_token) return lacks(bpe.merges.size(), merge, head == no_token ? left : right);
      out.add(head, tail);
    }
    out.flush();
    if (auto const number = out.first_lacking(); number < bpe.merges.size())
      lacks(number, merges[number], "a part of it");
  }
  constexpr bool follow(merge_reader& out, std::string_view merge, std::string_view file) const {
    auto const spelled = [this](token id) { return by_id_[static_cast<std::size_t>(id)]; };
    return out.follow([&](std::string_view whole) { return find_seam(merge, whole, file); }, spelled);
  }

  constexpr token_model::wordpiece read_wordpiece() {
    token_model::wordpiece w;
    w.pieces = pieces();
    w.unknown = role(w.pieces, "unk_token", "[UNK]");
    w.continuing_prefix = owned_text(in_.text_or(model_, "continuing_subword_prefix", "##"));
    w.longest_word = static_cast<std::size_t>(in_.number(model_, "max_input_chars_per_word", 100));
    return w;
  }
  constexpr token_model::word_level read_word_level() {
    token_model::word_level w;
    w.pieces = pieces();
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

  /// {piece: id, …} by id, and `index_`. Ids that are left out have no piece, and where a piece or an id is listed
  /// again the later one counts, as in a map that is filled in the order of the file.
  constexpr vocabulary pieces() { return pieces(model_["vocab"]); }
  constexpr vocabulary pieces(json::value vocab) {
    if (vocab.kind() != json::kind::object) in_.wrong(model_, "a vocab: an object of ids");
    auto& by_id = by_id_;
    by_id.reserve(vocab.size());
    std::size_t const most = std::min(most_tokens, 16 * vocab.size() + 65536); // or one id could ask for much memory
    std::size_t bytes = 0;
    bool replaced = false;
    for (auto const [piece, v] : vocab.members()) {
      token const id = in_.id(v);
      if (!in_) return {};
      auto const i = static_cast<std::size_t>(id);
      if (i >= most) {
        in_.wrong(fail(errc::unsupported, "JSON: token id ", i, " at byte ", v.offset(), " among ", vocab.size(),
                       " tokens: more than ", most, " ids"));
        return {};
      }
      if (i >= by_id.size()) by_id.resize(i + 1, {});
      replaced = replaced || !by_id[i].empty();
      by_id[i] = piece;
      bytes += piece.size();
    }
    auto out = pieces_by_id(bytes);
    if (!replaced && !index_.has_equals()) return out;
    keep_last(vocab, bytes);
    return pieces_by_id(bytes);
  }
  constexpr vocabulary pieces_by_id(std::size_t bytes) {
    vocabulary out;
    out.reserve(by_id_.size(), bytes);
    for (auto const piece : by_id_)
      if (!add(out, piece)) break;
    index_ = piece_index(out);
    return out;
  }
  /// Fills `by_id_` again, from what of each piece is listed last.
  constexpr void keep_last(json::value vocab, std::size_t bytes) {
    vocabulary listed;
    listed.reserve(vocab.size(), bytes);
    for (auto const [piece, v] : vocab.members())
      if (!listed.add(piece, token_kind::normal)) return; // nor could they be added by id
    piece_index const last(listed);
    by_id_.clear();
    token at = 0;
    for (auto const [piece, v] : vocab.members()) {
      if (token const here = at++; !piece.empty() && last.find(listed, piece) != here) continue;
      auto const i = static_cast<std::size_t>(in_.id(v));
      if (i >= by_id_.size()) by_id_.resize(i + 1, {});
      by_id_[i] = piece;
    }
  }
  constexpr bool add(vocabulary& out, std::string_view piece) {
    if (out.add_in_place(piece.size(), [&](char* to) { return write(piece, to); })) return true;
    in_.wrong(fail(errc::unsupported, "JSON: pieces of 4 GiB and more"));
    return false;
  }

  /// Writes a piece as the model has it, in at most as many bytes, and returns how many, and of which kind it is.
  constexpr std::pair<std::size_t, token_kind> write(std::string_view piece, char* to) const {
    auto const size = bytes_ ? write_bytes(piece, to) : -1;
    bool const usable = !piece.empty() && (size >= 0 || !bytes_); // else no byte-level text comes to it
    auto const kind = usable ? token_kind::normal : token_kind::unused;
    if (size >= 0) return {static_cast<std::size_t>(size), kind};
    std::copy(piece.begin(), piece.end(), to);
    return {piece.size(), kind};
  }
  /// The piece as the model has it.
  constexpr std::string_view text_of(std::string_view spelled) {
    room_.resize(spelled.size(), '\0');
    return {room_.data(), write(spelled, room_.data()).first};
  }
  constexpr token find(token_model::bpe const& bpe, std::string_view spelled) {
    return bpe.index->find(bpe.pieces, text_of(spelled));
  }
  /// The token whose piece a field names.
  constexpr token role(vocabulary const& pieces, std::string_view key, std::string_view fallback) {
    auto const piece = in_.text_or(model_, key, fallback);
    return piece.empty() ? no_token : index_.find(pieces, text_of(piece));
  }

  json_fields& in_;
  json::value model_;
  std::string_view text_; // of the file
  bool bytes_;
  std::vector<std::string_view> by_id_; // tokens as the file spells them
  piece_index index_;                   // of the pieces, until a model has it
  std::vector<char> room_;
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
  if (in) out.model = detail::json_model_reader(in, root["model"], text, is_byte_level(out)).read();
  if (!in) return in.error();
  return out;
}

} // namespace loquat
