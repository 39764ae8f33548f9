#pragma once
/// \file
/// Writes a definition as `tokenizer.json`, the format of Hugging Face tokenizers (github.com/huggingface/tokenizers,
/// 0.20 and later). What the format has no words for is said in others where that is possible, and an error else:
///
/// | definition                              | `tokenizer.json`                                                     |
/// |-----------------------------------------|----------------------------------------------------------------------|
/// | BPE of ranked pieces                    | BPE with the merge that makes each piece                             |
/// | SentencePiece BPE                       | BPE with merges in the order of scores, byte fallback, fused unknowns |
/// | SentencePiece CHAR                      | BPE without merges                                                   |
/// | SentencePiece Unigram                   | Unigram                                                              |
/// | SentencePiece's normalizer              | Precompiled, Replace, Prepend                                        |
/// | user-defined pieces                     | added tokens, if no space is put before texts                        |
/// | longest match, a space behind texts, …  | –                                                                    |
///
/// SentencePiece's are as github.com/huggingface/transformers converts them, with what cannot be helped: a space is put
/// behind added tokens too; Precompiled maps a character with its marks as one; Unigram finds the names of the unknown
/// token and of byte tokens in texts, and cuts where sums are equal but for rounding may differ. Merges that are
/// equally good are an error, unless they are of runs of one character that come out the same.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/pipeline/roles.hpp>
#include <loquat/tokenizer/sources/json_terms.hpp>
#include <loquat/tokenizer/sources/json_writer.hpp>
#include <loquat/tokenizer/sources/save_steps.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// The texts of tokens as the format spells them, and which of them are in the model's vocabulary.
class json_vocabulary {
 public:
  constexpr result<void> read(tokenizer_definition const& d);

  constexpr std::size_t size() const noexcept { return end_; } ///< ids of the model's vocabulary are below
  constexpr std::string_view text(token id) const noexcept { return texts_.piece(id); } ///< also of added tokens
  /// Whether the vocabulary has the token: not if another token has the same text, or it has none and does not tell
  /// what the next free id is.
  constexpr bool has(token id) const noexcept {
    if (text(id).empty()) return keeps_end_ && static_cast<std::size_t>(id) + 1 == end_;
    return index_.find(texts_, text(id)) == id;
  }
  /// Ids of added tokens, by their place in the definition.
  constexpr std::vector<token> const& added() const noexcept { return added_; }

 private:
  template <class Model> constexpr result<void> read(Model const& model, tokenizer_definition const& d) {
    auto const& pieces = model.pieces;
    auto const& added = d.added;
    bool bytes = is_byte_level(d);
    if constexpr (requires { model.bytes; }) bytes = model.bytes;
    std::size_t n = pieces.size(), kept = 0; // ids below are not left out
    for (auto const& t : added) {
      if (t.id != no_token)
        n = std::max(n, static_cast<std::size_t>(t.id) + 1);
      else
        keeps_end_ = true; // its id may be the next free one
    }
    if (keeps_end_) kept = pieces.size();
    token_roles around; // of a text: these ids must stay
    around.read(d.postprocessors);
    for (auto const ids : {around.before(), around.behind()})
      for (token const id : ids) kept = std::max(kept, static_cast<std::size_t>(id + 1));
    kept = std::min(kept, pieces.size());
    if constexpr (
        requires { model.unknown; } && requires { model.scores; }) // is named by its id
      kept = std::max(kept, static_cast<std::size_t>(model.unknown + 1));
    if (n > std::max(std::size_t{1} << 22, 2 * pieces.size()))
      return fail(errc::unsupported, "an added token has the id ", n - 1, " among ", pieces.size());
    std::vector<added_token const*> by_id(n, nullptr);
    for (auto const& t : added)
      if (t.id >= 0) by_id[static_cast<std::size_t>(t.id)] = &t;
    constexpr bool merges = requires { model.merges; }; // else a token of the vocabulary may always be used,
    std::vector<char> text;
    auto const is_unspelled = [&](std::string_view piece) { // but one that is no byte-level text
      text.clear();
      return bytes && !append_bytes(piece, text);
    };
    auto const is_out = [&](token id) {
      auto const piece = pieces.piece(id);
      return by_id[static_cast<std::size_t>(id)] == nullptr &&
             (piece.empty() || (!merges && pieces.kind(id) == token_kind::unused && !is_unspelled(piece)));
    };
    while (n > kept && is_out(static_cast<token>(n - 1))) --n;
    keeps_end_ = keeps_end_ || n == kept;

    for (std::size_t i = 0; i < n; ++i) {
      auto const id = static_cast<token>(i);
      auto const piece = pieces.piece(id);
      bool const out = is_out(id);
      text.clear();
      if (by_id[i] != nullptr) {
        append(text, by_id[i]->content);
      } else if (!bytes || !is_text(pieces.kind(id))) {
        append(text, piece);
      } else {
        for (char const c : piece) append(text, byte_alphabet[static_cast<unsigned char>(c)].view());
      }
      if (out && !piece.empty())
        return fail(errc::unsupported, "tokenizer.json cannot say that token ", id, " is never used");
      if (!utf8::is_valid({text.data(), text.size()}))
        return fail(errc::unsupported, "tokenizer.json cannot hold token ", id, ", which is no UTF-8");
      bool const indexed = by_id[i] == nullptr && is_text(pieces.kind(id));
      if (!texts_.add({text.data(), text.size()}, indexed ? token_kind::normal : token_kind::control))
        return fail(errc::unsupported, "pieces of 4 GiB and more");
    }
    index_ = piece_index(texts_);
    end_ = n;
    if constexpr (
        requires { model.unknown; } && !requires { model.scores; }) // else it has its id
      if (model.unknown != no_token && texts_.piece(model.unknown).empty())
        return fail(errc::unsupported, "tokenizer.json cannot name the unknown token ", model.unknown,
                    ", which has no text");
    std::size_t used = 0; // by the model itself
    if constexpr (requires { model.unknown; }) used = static_cast<std::size_t>(model.unknown + 1);
    if constexpr (merges)
      for (auto const& rule : model.merges)
        for (token const id : {rule.left, rule.right, rule.merged})
          used = std::max(used, static_cast<std::size_t>(id + 1));
    leave_out_added(by_id, added, used);
    return number(added, pieces.size());
  }
  static constexpr void append(std::vector<char>& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  /// Added tokens behind all others need not be in the model's vocabulary if the format's rule gives them their ids:
  /// each the next one, in the order in which they are listed.
  constexpr void leave_out_added(std::vector<added_token const*> const& by_id, std::vector<added_token> const& added,
                                 std::size_t used) {
    std::size_t last = end_;
    while (last > used && by_id[last - 1] != nullptr) --last;
    for (std::size_t i = 0; i < last; ++i)
      if (!has(static_cast<token>(i))) return; // the format counts tokens
    std::size_t next = last;
    for (auto const& t : added) {
      if (t.id == no_token) return;
      if (static_cast<std::size_t>(t.id) >= last && static_cast<std::size_t>(t.id) != next++) return;
      if (static_cast<std::size_t>(t.id) >= last && !has(t.id)) return;
    }
    end_ = last;
  }

  /// What ids the format gives: that of the piece of the same text, or the next one. `free`: the next one of a
  /// tokenizer that is made of `size` pieces.
  constexpr result<void> number(std::vector<added_token> const& added, std::size_t size) {
    std::size_t next = end_, free = size;
    for (auto const& t : added) {
      token id = index_.find(texts_, t.content), made = t.id;
      if (made == no_token)
        made = id != no_token && static_cast<std::size_t>(id) < size ? id : static_cast<token>(free);
      if (id == no_token || static_cast<std::size_t>(id) >= end_) id = static_cast<token>(next);
      if (made != id)
        return fail(errc::unsupported, "tokenizer.json cannot say that added token ", t.content.view(), " is ", made,
                    ", not ", id);
      next = std::max(next, static_cast<std::size_t>(id) + 1);
      free = std::max(free, static_cast<std::size_t>(id) + 1);
      added_.push_back(id);
    }
    return {};
  }

  vocabulary texts_;
  piece_index index_;
  std::size_t end_ = 0;
  bool keeps_end_ = false;
  std::vector<token> added_;
};

// Here, where the templates that it uses are known: else Clang does not take it for a constant expression.
constexpr result<void> json_vocabulary::read(tokenizer_definition const& d) {
  return d.model.visit([&](auto const& model) { return read(model, d); });
}

/// Writes a definition that is in the format's terms.
template <class Out> class json_definition_writer {
 public:
  constexpr json_definition_writer(Out& out, tokenizer_definition const& d) : out_(out), d_(d) {}

  constexpr result<void> write() {
    if (auto const good = names_.read(d_); !good) return good;
    auto const name = [this](token id) { return this->name(id); };
    step_writer<Out, decltype(name)> steps(out_, name);
    auto const line = [this](std::string_view key) {
      out_.raw(",\n");
      out_.value(key);
      out_.raw(": ");
    };
    out_.raw("{\n\"version\": \"1.0\"");
    line("truncation"), write(d_.truncation);
    line("padding"), write(d_.padding);
    line("added_tokens"), write_added();
    line("normalizer"), steps(d_.normalizers, "normalizers");
    line("pre_tokenizer"), steps(d_.pretokenizers, "pretokenizers");
    line("post_processor"), steps(d_.postprocessors, "processors");
    line("decoder"), steps(d_.decoders, "decoders");
    line("model"), d_.model.visit([this](auto const& model) { this->write(model); });
    out_.raw("\n}\n");
    if (!out_) return out_.error();
    return {};
  }

 private:
  constexpr std::string_view name(token id) const noexcept {
    for (std::size_t i = 0; i < d_.added.size(); ++i)
      if (names_.added()[i] == id) return d_.added[i].content;
    return names_.text(id);
  }

  constexpr void write(std::optional<truncation> const& t) {
    if (!t) return out_.value(json_null{});
    constexpr std::string_view names[]{"LongestFirst", "OnlyFirst", "OnlySecond"};
    out_.object("direction", t->from_left ? "Left" : "Right", "max_length", t->max_length, "strategy",
                names[static_cast<std::size_t>(t->how)], "stride", t->stride);
  }
  constexpr void write(std::optional<padding> const& p) {
    if (!p) return out_.value(json_null{});
    auto const strategy = [&] { p->length ? out_.object("Fixed", *p->length) : out_.value("BatchLongest"); };
    auto const multiple = p->multiple_of == 0 ? std::nullopt : std::optional(p->multiple_of);
    out_.object("strategy", strategy, "direction", p->on_left ? "Left" : "Right", "pad_to_multiple_of", multiple,
                "pad_id", p->id, "pad_type_id", p->type_id, "pad_token", p->piece);
  }
  constexpr void write_added() {
    std::size_t i = 0;
    out_.array(d_.added, [&](added_token const& t) {
      out_.object("id", names_.added()[i++], "content", t.content, "single_word", t.single_word, "lstrip", t.strip_left,
                  "rstrip", t.strip_right, "normalized", t.normalized, "special", t.special);
    });
  }

  /// {"piece": id, …}
  constexpr void write_vocabulary() {
    out_.raw("{");
    bool first = true;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      auto const id = static_cast<token>(i);
      if (!names_.has(id)) continue;
      out_.raw(std::exchange(first, false) ? "" : ",");
      out_.value(names_.text(id));
      out_.raw(":");
      out_.value(id);
    }
    out_.raw("}");
  }

  constexpr void write(token_model::bpe const& m) {
    auto const nullable = [](owned_text const& t) { return t.view().empty() ? std::nullopt : std::optional(t.view()); };
    out_.typed(
        "BPE", "dropout", json_null{}, "unk_token",
        m.unknown == no_token ? std::nullopt : std::optional(names_.text(m.unknown)), "continuing_subword_prefix",
        nullable(m.continuing_prefix), "end_of_word_suffix", nullable(m.word_suffix), "fuse_unk", m.fuse_unknown,
        "byte_fallback", m.byte_fallback, "ignore_merges", m.whole_words, "vocab", [this] { write_vocabulary(); },
        "merges",
        [&] {
          out_.array(m.merges, [&](merge_rule const& rule) {
            out_.raw("[");
            out_.value(names_.text(rule.left));
            out_.raw(",");
            out_.value(names_.text(rule.right));
            out_.raw("]");
          });
        });
  }
  constexpr void write(token_model::wordpiece const& m) {
    out_.typed("WordPiece", "unk_token", names_.text(m.unknown), "continuing_subword_prefix", m.continuing_prefix,
               "max_input_chars_per_word", m.longest_word, "vocab", [this] { write_vocabulary(); });
  }
  constexpr void write(token_model::word_level const& m) {
    out_.typed(
        "WordLevel", "vocab", [this] { write_vocabulary(); }, "unk_token", names_.text(m.unknown));
  }
  constexpr void write(token_model::unigram const& m) {
    if (m.scores.size() != m.pieces.size())
      return out_.wrong(
          fail(errc::mismatch, "expected as many scores as tokens (", m.pieces.size(), "), found ", m.scores.size()));
    out_.typed(
        "Unigram", "unk_id", m.unknown == no_token ? std::nullopt : std::optional(m.unknown), "vocab",
        [&] {
          out_.raw("[");
          for (std::size_t i = 0; i < names_.size(); ++i) {
            out_.raw(i == 0 ? "[" : ",[");
            out_.value(names_.text(static_cast<token>(i)));
            out_.raw(",");
            out_.value(i < m.scores.size() ? m.scores[i] : 0.0);
            out_.raw("]");
          }
          out_.raw("]");
        },
        "byte_fallback", m.byte_fallback);
  }
  template <class Other> constexpr void write(Other const&) {} // none is left

  json_writer<Out> out_;
  tokenizer_definition const& d_;
  json_vocabulary names_;
};

} // namespace detail

/// Appends a definition as the text of a `tokenizer.json` to `out`, a `std::string` or a vector of `char`. A tokenizer
/// that is read from it gives the same ids. Errors, after which `out` may have a part of it: `errc::unsupported` for
/// what the format cannot say, which names the token; `errc::mismatch` for a wrong number of scores.
template <class Out> constexpr result<void> save_json(tokenizer_definition definition, Out& out) {
  auto const terms = detail::json_terms::rewrite(std::move(definition));
  if (!terms) return terms.error();
  return detail::json_definition_writer<Out>(out, *terms).write();
}

} // namespace loquat
