#pragma once
/// \file
/// The tokenizer that a GGUF file describes in its `tokenizer.ggml.*` keys, as ggml's `docs/gguf.md` and the
/// converters of llama.cpp (github.com/ggml-org/llama.cpp, `conversion/`) have them. What a file leaves open is as in
/// the model it was converted from.
///
/// | `tokenizer.ggml.model` | of                                           | read as |
/// |------------------------|----------------------------------------------|--------------------------------------------|
/// | llama                  | SentencePiece BPE                            | `scored_bpe` | | t5                     |
/// SentencePiece Unigram                        | `unigram`                                  | | gpt2, gemma4 |
/// byte-pair encoding, split as `tokenizer.ggml.pre` says | `bpe`                            | | whitespace | the same,
/// words between white space          | `bpe`                                      | | bert                   |
/// WordPiece                                    | `wordpiece`                                | | rwkv | longest match
/// | `longest_match`                            |

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/sources/gguf_tokens.hpp>
#include <loquat/tokenizer/sources/merge_reader.hpp>
#include <loquat/tokenizer/sources/pre_patterns.hpp>
#include <loquat/tokenizer/sources/vocab_files.hpp>
#include <loquat/tokenizer/unicode/lowercase.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// Reads a tokenizer of one of the kinds above.
class gguf_tokenizer_reader : gguf_tokens {
 public:
  constexpr explicit gguf_tokenizer_reader(gguf::file const& file) : gguf_tokens(file) {}

  constexpr result<tokenizer_definition> read() {
    auto const model = in_.text("model");
    if (!in_) return in_.error();
    if (model == "none" || model == "no_vocab")
      in_.wrong(errc::missing, "model", model, ": the file has no tokenizer");
    else if (model == "llama" || model == "t5" || model == "gpt2" || model == "gemma4" || model == "whitespace" ||
             model == "bert" || model == "rwkv")
      read_tokens();
    else
      in_.wrong(errc::unsupported, "model", model,
                " tokenizers are not supported; supported: llama, t5, gpt2, gemma4, whitespace, bert, rwkv");
    if (!in_) return in_.error();

    if (model == "llama")
      read_scored_bpe();
    else if (model == "t5")
      read_unigram();
    else if (model == "bert")
      read_wordpiece();
    else if (model == "rwkv")
      read_longest_match();
    else if (model == "gpt2")
      read_bpe(in_.has("pre") ? in_.text("pre") : "default");
    else
      read_bpe(model);
    if (!in_) return in_.error();
    return std::move(out_);
  }

 private:
  // SentencePiece.

  /// Pieces of SentencePiece. Its user-defined ones may have plain spaces here, for which its own files have U+2581.
  constexpr vocabulary sentencepiece_pieces() {
    return pieces([](std::string_view piece, token_kind kind, std::vector<char>& out) {
      for (char const c : piece) {
        if (c == ' ' && kind == token_kind::user_defined)
          append(out, underline);
        else
          out.push_back(c);
      }
    });
  }
  constexpr void read_sentencepiece_normalizer() {
    out_.normalizers.push_back(normalize::sentencepiece{.charsmap = in_.bytes("precompiled_charsmap"),
                                                        .add_prefix = in_.flag("add_space_prefix", true),
                                                        .remove_extra = in_.flag("remove_extra_whitespaces", false)});
  }

  constexpr void read_scored_bpe() {
    if (!in_.has("token_type")) (void)in_.array<std::int32_t>("token_type"); // which fails
    token_model::scored_bpe model{.pieces = sentencepiece_pieces(), .unknown = unknown()};
    auto const scores = in_.scores(tokens_.size());
    if (!in_) return;
    model.scores.assign(scores.begin(), scores.end());
    read_sentencepiece_normalizer();
    // Phi-3's tokens take the white space behind them; files do not say so.
    auto const architecture = in_.file().get_or<std::string_view>("general.architecture", "");
    bool const phi3 = architecture && *architecture == "phi3";
    add_tokens(false, [&](added_token& t) {
      auto const name = t.content.view();
      t.strip_right = phi3 && name != "<unk>" && name != "<s>" && name != "<|endoftext|>";
    });
    token const begin = in_.flag("add_bos_token", true) ? begin_ : no_token;
    wrap(begin, in_.flag("add_eos_token", false) ? end_ : no_token, begin, 1);
    out_.model = std::move(model);
  }

  constexpr void read_unigram() {
    token_model::unigram model{.pieces = sentencepiece_pieces(), .unknown = unknown(), .sentencepiece = true};
    model.byte_fallback = std::find(kinds_.begin(), kinds_.end(), token_kind::byte) != kinds_.end();
    auto const scores = in_.scores(tokens_.size());
    if (!in_) return;
    model.scores.assign(scores.begin(), scores.end());
    read_sentencepiece_normalizer();
    add_tokens(false, [&](added_token& t) { t.strip_left = t.id == mask_ && mask_ != no_token; }); // as XLM-R's
    token const begin = in_.flag("add_bos_token", false) ? begin_ : no_token;
    // XLM-R puts two separators between texts, of which one ends the first; T5 none.
    wrap(begin, in_.flag("add_eos_token", true) ? end_ : no_token,
         in_.flag("add_sep_token", begin != no_token) ? separator_ : no_token, 0);
    out_.model = std::move(model);
  }

  // Byte-pair encodings.

  constexpr void read_bpe(std::string_view name) {
    auto const rules = gguf_pre::find(name);
    if (!rules) {
      in_.wrong(errc::unsupported, "pre", "no way to split text is known by the name ", name);
      return;
    }
    bool const bytes = !rules->has(gguf_pre::characters);
    token_model::bpe model{.bytes = bytes, .whole_words = rules->has(gguf_pre::whole_words)};
    if (!bytes) {
      model.unknown = unknown();
      model.fuse_unknown = model.byte_fallback = true;
    }
    // Added tokens are plain text. The model never sees that text, so that they are unused tokens to it.
    model.pieces = pieces_in_place(
        [bytes](std::string_view piece, token_kind kind, char* out) {
          bool const spelled = bytes && is_text(kind) && kind != token_kind::user_defined;
          auto const size = spelled ? write_bytes(piece, out) : -1;
          if (size >= 0) return static_cast<std::size_t>(size);
          std::copy(piece.begin(), piece.end(), out);
          return piece.size();
        },
        token_kind::unused);
    if (in_ && rules->has(gguf_pre::ranks) && !in_.has("merges"))
      model.ranked = true;
    else if (in_)
      read_merges(model);
    if (!in_) return;

    bool const prefix = in_.flag("add_space_prefix", false);
    if (rules->has(gguf_pre::nfc)) out_.normalizers.push_back(normalize::nfc{});
    if (name == "whitespace" && in_.flag("normalizer.lowercase", false))
      out_.normalizers.push_back(normalize::lowercase{});
    if (rules->has(gguf_pre::underlines)) {
      if (prefix) out_.normalizers.push_back(normalize::prepend{owned_text(underline)});
      out_.normalizers.push_back(normalize::replace{{owned_text(" "), false}, owned_text(underline)});
    }
    out_.pretokenizers = gguf_pre::steps(*rules, prefix);
    if (rules->has(gguf_pre::trim_offsets)) out_.postprocessors.push_back(postprocess::byte_level{prefix, true});
    if (bytes) {
      out_.decoders.push_back(decode_step::byte_level{});
    } else if (rules->has(gguf_pre::underlines)) {
      out_.decoders.push_back(decode_step::replace{{owned_text(underline), false}, owned_text(" ")});
      out_.decoders.push_back(decode_step::byte_fallback{});
      out_.decoders.push_back(decode_step::fuse{});
      if (prefix) out_.decoders.push_back(decode_step::strip{U' ', 1, 0});
    }
    bool const masks_strip = rules->has(gguf_pre::add_separator) || name == "modern-bert" || name.starts_with("jina");
    add_tokens(true, [&](added_token& t) { t.strip_left = masks_strip && t.id == mask_ && mask_ != no_token; });
    bool const separates = in_.flag("add_sep_token", rules->has(gguf_pre::add_separator)) && separator_ != no_token;
    token const begin = in_.flag("add_bos_token", rules->has(gguf_pre::add_begin)) ? begin_ : no_token;
    wrap(begin, in_.flag("add_eos_token", false) ? end_ : no_token, separates ? separator_ : begin, separates ? 0 : 1);
    out_.model = std::move(model);
  }

  /// Merges are pairs of pieces and a space between them, spelled as the tokens are, or, of added tokens, which are
  /// plain text, in the byte alphabet; in pieces that are no bytes its space, U+0120, is one.
  constexpr void read_merges(token_model::bpe& model) {
    auto const merges = in_.array<std::string_view>("merges");
    if (!in_) return;
    model.index = piece_index(model.pieces);
    model.merges.reserve(merges.size());
    merge_reader out(model);
    std::vector<char> text;
    auto const find = [&](std::string_view piece) {
      text.clear();
      token id = no_token;
      if (model.bytes && append_bytes(piece, text)) id = model.index->find(model.pieces, {text.data(), text.size()});
      if (id == no_token) id = model.index->find(model.pieces, piece);
      if (id != no_token || model.bytes) return id;
      constexpr std::string_view space = "\xC4\xA0";
      for (auto rest = piece; !rest.empty(); rest.remove_prefix(1)) {
        bool const is_space = rest.starts_with(space);
        text.push_back(is_space ? ' ' : rest[0]);
        if (is_space) rest.remove_prefix(1);
      }
      return model.index->find(model.pieces, {text.data(), text.size()});
    };
    auto const lacks = [&](std::size_t number, std::string_view piece) {
      in_.wrong(errc::malformed, "merges", "merge ", number, ": ", piece, " is no token");
    };
    auto const spelled = [&](token id) { return spelled_piece(id); };
    auto const file = in_.file().text();
    for (std::string_view const merge : merges) {
      if (out.follow([&](std::string_view whole) { return find_seam(merge, whole, file); }, spelled)) continue;
      out.flush();
      auto const number = model.merges.size();
      auto const space = merge.find(' ', 1);
      if (space == merge.npos)
        return in_.wrong(errc::malformed, "merges", "merge ", number, ": expected two pieces and a space");
      auto const left = merge.substr(0, space), right = merge.substr(space + 1);
      token const head = find(left), tail = find(right);
      if (head == no_token || tail == no_token) return lacks(number, head == no_token ? left : right);
      out.add(head, tail);
    }
    out.flush();
    if (auto const number = out.first_lacking(); number < model.merges.size())
      in_.wrong(errc::malformed, "merges", "merge ", number, ": a part of ", spelled(model.merges[number].merged),
                " is no token");
  }

  // The rest.

  /// Words begin with U+2581 here, and what continues one has nothing before it; "##" before it is how BERT's own files
  /// say the same. Control tokens and names in brackets are as they are.
  constexpr void read_wordpiece() {
    token_model::wordpiece model;
    bool cased = false;
    model.pieces = pieces([&](std::string_view piece, token_kind kind, std::vector<char>& out) {
      bool const name = piece.starts_with('[') && piece.ends_with(']') && piece.size() > 2;
      if (kind == token_kind::control || name) {
        append(out, piece);
        return;
      }
      if (piece.starts_with(underline))
        piece.remove_prefix(underline.size());
      else
        append(out, model.continuing_prefix);
      append(out, piece);
      cased = cased || has_capitals(piece);
    });
    model.unknown = unknown_ != no_token ? unknown_ : find("[UNK]");
    if (in_ && model.unknown == no_token) in_.wrong(errc::missing, "tokens", "there is no token [UNK]");
    if (!in_) return;
    unknown_ = model.unknown;
    if (class_ == no_token) class_ = begin_ != no_token ? begin_ : find("[CLS]");
    if (separator_ == no_token) separator_ = find("[SEP]");
    // Most files do not say whether texts are to be in lower case: those are whose vocabulary is.
    normalize::bert steps{.lowercase = in_.flag("normalizer.lowercase", !cased), .strip_accents = std::nullopt};
    if (in_.has("normalizer.strip_accents")) steps.strip_accents = in_.flag("normalizer.strip_accents", true);
    out_.normalizers.push_back(steps);
    out_.pretokenizers.push_back(pretokenize::bert{});
    out_.decoders.push_back(decode_step::wordpiece{});
    add_tokens(true, [](added_token&) {});
    wrap(in_.flag("add_bos_token", true) ? class_ : no_token, in_.flag("add_sep_token", true) ? separator_ : no_token,
         no_token, 1);
    out_.model = std::move(model);
  }
  static constexpr bool has_capitals(std::string_view text) noexcept {
    while (!text.empty()) {
      auto const c = utf8::decode(text);
      if (c.valid && unicode::lowercase(c.code_point) != c.code_point) return true;
      text.remove_prefix(c.length);
    }
    return false;
  }

  /// Pieces are escaped as in `rwkv_vocab.txt`.
  constexpr void read_longest_match() {
    token_model::longest_match model;
    std::size_t i = 0;
    model.pieces = pieces([&](std::string_view piece, token_kind kind, std::vector<char>& out) {
      if (!is_text(kind))
        append(out, piece);
      else if (!unescape_python(piece, out))
        in_.wrong(errc::malformed, "tokens", "token ", i, ": expected bytes as Python writes them: ", piece);
      ++i;
    });
    if (!in_) return;
    add_tokens(false, [](added_token&) {});
    token const begin = in_.flag("add_bos_token", false) ? begin_ : no_token;
    wrap(begin, in_.flag("add_eos_token", false) ? end_ : no_token, begin, 1);
    out_.model = std::move(model);
  }
};

} // namespace detail

/// The tokenizer of a file, which may go afterwards. Errors name the file and the key: `errc::missing` for a key that
/// is not there and for a file without a tokenizer, `errc::mismatch` for one of another type or length,
/// `errc::malformed`; `errc::unsupported` for a `tokenizer.ggml.model` or `tokenizer.ggml.pre` that is not known.
constexpr result<tokenizer_definition> read_gguf_tokenizer(gguf::file const& file) {
  return detail::gguf_tokenizer_reader(file).read();
}

} // namespace loquat
