#pragma once
/// \file
/// From the definition of a tokenizer to the keys `tokenizer.ggml.*` of a GGUF file, the way back of
/// `tokenizer/sources/gguf.hpp`:
///
/// | definition                                      | `tokenizer.ggml.model`                       |
/// |-------------------------------------------------|----------------------------------------------|
/// | BPE of bytes                                    | gpt2, with the name of how texts are split   |
/// | SentencePiece BPE, or BPE with U+2581 for space | llama; merges become scores                  |
/// | SentencePiece Unigram                           | t5                                           |
/// | WordPiece                                       | bert                                         |

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/json_terms.hpp>
#include <loquat/tokenizer/sources/pre_patterns.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A token as GGUF files have it.
struct token_row {
  std::string text;
  token_kind kind = token_kind::unused;
  float score = 0;
};

/// The tokens of a definition as GGUF files spell them, those that are added included.
class token_rows {
 public:
  /// Of all tokens, or if `most` is not 0, of those with ids below it.
  explicit token_rows(tokenizer_definition const& d, std::size_t most = 0) {
    d.model.visit([&](auto const& model) { add_pieces(model, d); });
    std::size_t next = rows_.size();
    constexpr std::size_t limit = std::size_t{1} << 24; // an id is from a file
    for (auto const& t : d.added) {
      auto const found = by_text_.find(t.content.view());
      auto const id = t.id != no_token          ? static_cast<std::size_t>(t.id)
                      : found != by_text_.end() ? static_cast<std::size_t>(found->second)
                                                : next++;
      added_.push_back(static_cast<token>(id));
      if (id >= (most != 0 ? most : limit)) continue;
      if (id >= rows_.size()) rows_.resize(id + 1, {"", token_kind::unused, -1000});
      auto& row = rows_[id];
      row.text = t.content.view();
      if (row.kind != token_kind::unknown) row.kind = t.special ? token_kind::control : token_kind::user_defined;
      by_text_.emplace(row.text, static_cast<token>(id));
    }
    if (most != 0) rows_.resize(most, {"", token_kind::unused, -1000});
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].text.empty()) rows_[i] = {"[PAD" + std::to_string(i) + "]", token_kind::unused, -1000};
  }

  std::span<token_row const> rows() const noexcept { return rows_; } ///< by id
  std::span<token_row> rows() noexcept { return rows_; }             ///< \overload
  /// The id of a token by its text, `no_token` if there is none.
  token find(std::string_view text) const {
    auto const found = by_text_.find(text);
    return found == by_text_.end() || static_cast<std::size_t>(found->second) >= rows_.size() ? no_token
                                                                                              : found->second;
  }
  std::span<token const> added() const noexcept { return added_; } ///< ids of the definition's added tokens

 private:
  template <class Model> void add_pieces(Model const& model, tokenizer_definition const& d) {
    auto const& pieces = model.pieces;
    bool bytes = is_byte_level(d);
    if constexpr (requires { model.bytes; }) bytes = model.bytes;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto const id = static_cast<token>(i);
      token_row row{"", pieces.kind(id), 0};
      if (bytes && is_text(row.kind))
        for (char const c : pieces.piece(id)) row.text += byte_alphabet[static_cast<unsigned char>(c)].view();
      else
        row.text = pieces.piece(id);
      if (row.kind == token_kind::undefined) row.kind = token_kind::normal;
      if constexpr (requires { model.unknown; })
        if (id == model.unknown) row.kind = token_kind::unknown;
      if constexpr (requires { model.scores; })
        if (i < model.scores.size()) row.score = static_cast<float>(model.scores[i]);
      if (!row.text.empty()) by_text_.emplace(row.text, id);
      rows_.push_back(std::move(row));
    }
  }

  std::vector<token_row> rows_;
  std::vector<token> added_;
  std::map<std::string, token, std::less<>> by_text_;
};

/// \cond
namespace detail {

/// Whether two steps split texts alike.
constexpr bool splits_alike(pretokenize::step const& a, pretokenize::step const& b) noexcept {
  namespace p = pretokenize;
  if (a.index() != b.index()) return false;
  if (auto const* x = a.get_if<p::split>()) {
    auto const& y = b.get<p::split>();
    return x->pattern.text == y.pattern.text && x->pattern.is_regex == y.pattern.is_regex &&
           x->behavior == y.behavior && x->invert == y.invert;
  }
  if (auto const* x = a.get_if<p::byte_level>())
    return x->use_regex == b.get<p::byte_level>().use_regex &&
           x->add_prefix_space == b.get<p::byte_level>().add_prefix_space;
  if (auto const* x = a.get_if<p::digits>()) return x->individual == b.get<p::digits>().individual;
  if (auto const* x = a.get_if<p::punctuation>()) return x->behavior == b.get<p::punctuation>().behavior;
  return a.holds<p::whitespace_split>();
}

/// Whether a definition splits texts by the rules of a name. With less strictness they may differ in NFC, which other
/// readers do not do, and then in what becomes of words that are pieces, which few merges leave a choice.
inline bool is_split_by(tokenizer_definition const& d, gguf_pre::rules const& r, int strictness) {
  auto const& model = d.model.get<token_model::bpe>();
  if (r.has(gguf_pre::characters) || r.has(gguf_pre::ranks)) return false;
  if (strictness > 0 && r.has(gguf_pre::whole_words) != model.whole_words) return false;
  for (auto const& step : d.normalizers)
    if (!step.holds<normalize::nfc>()) return false;
  if (strictness > 1 && r.has(gguf_pre::nfc) != !d.normalizers.empty()) return false;
  for (bool const prefix : {false, true}) {
    auto const steps = gguf_pre::steps(r, prefix);
    if (std::equal(steps.begin(), steps.end(), d.pretokenizers.begin(), d.pretokenizers.end(), splits_alike))
      return true;
  }
  return false;
}

/// The name of `tokenizer.ggml.pre`: of those that mean the same one that readers have known for long.
inline std::optional<std::string_view> pre_name(tokenizer_definition const& d) {
  constexpr std::string_view known[]{"llama-bpe", "gpt-2",  "qwen2",        "starcoder",      "command-r",
                                     "gpt-4o",    "tekken", "deepseek-llm", "deepseek-coder", "deepseek-v3",
                                     "falcon",    "olmo",   "bloom"};
  for (int strictness = 2; strictness >= 0; --strictness) {
    for (auto const name : known)
      if (auto const r = gguf_pre::find(name); r && is_split_by(d, *r, strictness)) return name;
    for (auto const& r : gguf_pre::names)
      if (is_split_by(d, r, strictness)) return r.name;
  }
  return std::nullopt;
}

/// Writes the keys.
class tokenizer_writer {
 public:
  tokenizer_writer(gguf::writer& out, token_rows& rows, tokenizer_definition const& d)
      : out_(out), rows_(rows), d_(d) {}

  result<void> write() {
    result<void> done;
    if (auto const* m = d_.model.get_if<token_model::bpe>())
      done = m->bytes ? write_bpe(*m) : write_scores(*m);
    else if (d_.model.holds<token_model::scored_bpe>())
      put("model", std::string_view("llama")), put("pre", std::string_view("default")), done = write_normalizer();
    else if (auto const* u = d_.model.get_if<token_model::unigram>(); u && u->sentencepiece)
      put("model", std::string_view("t5")), put("pre", std::string_view("default")), done = write_normalizer();
    else if (auto const* w = d_.model.get_if<token_model::wordpiece>())
      done = write_wordpiece(*w);
    else
      done = fail(errc::unsupported, "a GGUF file cannot hold a tokenizer of this kind; put its SentencePiece model, "
                                     "tokenizer.model, beside it");
    if (!done) return done;
    std::vector<std::string_view> texts;
    std::vector<std::int32_t> kinds;
    std::vector<float> scores;
    for (auto const& row : rows_.rows()) {
      texts.push_back(row.text);
      kinds.push_back(static_cast<std::int32_t>(row.kind));
      scores.push_back(row.score);
    }
    put("tokens", texts);
    put("token_type", kinds);
    if (scored_) put("scores", scores);
    return {};
  }

 private:
  static constexpr std::string_view underline = "\xE2\x96\x81";

  result<void> write_bpe(token_model::bpe const& m) {
    auto const pre = pre_name(d_);
    if (!pre) return fail(errc::unsupported, "texts are split in a way for which tokenizer.ggml.pre has no name");
    put("model", std::string_view("gpt2"));
    put("pre", *pre);
    auto const* const first =
        d_.pretokenizers.empty() ? nullptr : d_.pretokenizers[0].get_if<pretokenize::byte_level>();
    if (first && first->add_prefix_space) put("add_space_prefix", true);
    std::vector<std::string> merges;
    for (auto const& rule : m.merges)
      merges.push_back(rows_.rows()[static_cast<std::size_t>(rule.left)].text + " " +
                       rows_.rows()[static_cast<std::size_t>(rule.right)].text);
    put("merges", merges);
    scored_ = false;
    return {};
  }

  /// Merges of characters, as SentencePiece's become in a `tokenizer.json`: the sooner a piece is merged, the better
  /// its score.
  result<void> write_scores(token_model::bpe const& m) {
    std::optional<bool> prefix;
    for (auto const& step : d_.normalizers) {
      auto const* const before = step.get_if<normalize::prepend>();
      auto const* const space = step.get_if<normalize::replace>();
      if (before && before->text.view() == underline)
        prefix = true;
      else if (space && !space->what.is_regex && space->what.text.view() == " " && space->content.view() == underline)
        prefix = prefix.value_or(false);
      else
        return other();
    }
    for (auto const& step : d_.pretokenizers) {
      if (auto const* const meta = step.get_if<pretokenize::metaspace>(); meta && !meta->split)
        prefix = meta->prepend != pretokenize::prepend_scheme::never;
      else if (auto const* const split = step.get_if<pretokenize::split>();
               !split || split->pattern.is_regex || split->pattern.text.view() != " ") // there are none any more
        return other();
    }
    if (!prefix || !m.byte_fallback || !m.continuing_prefix.view().empty() || !m.word_suffix.view().empty())
      return other();
    auto const lowest = -static_cast<float>(m.merges.size()) - 1;
    for (auto& row : rows_.rows()) {
      if (row.kind == token_kind::normal) row.score = lowest;
      if (row.kind == token_kind::normal && row.text.size() == 6 && row.text.starts_with("<0x") && row.text[5] == '>')
        row.kind = token_kind::byte, row.score = 0;
    }
    for (std::size_t i = m.merges.size(); i-- > 0;) {
      auto merged = m.merges[i].merged;
      if (merged == no_token)
        merged =
            rows_.find(std::string(m.pieces.piece(m.merges[i].left)) + std::string(m.pieces.piece(m.merges[i].right)));
      if (merged != no_token && static_cast<std::size_t>(merged) < rows_.rows().size())
        rows_.rows()[static_cast<std::size_t>(merged)].score = -static_cast<float>(i);
    }
    put("model", std::string_view("llama"));
    put("pre", std::string_view("default"));
    put("add_space_prefix", *prefix);
    return {};
  }
  static error other() {
    return fail(errc::unsupported, "a GGUF file cannot hold a BPE of characters with steps of this kind");
  }

  result<void> write_normalizer() {
    for (auto const& step : d_.normalizers) {
      auto const* const s = step.get_if<normalize::sentencepiece>();
      if (!s || s->suffix) return fail(errc::unsupported, "a GGUF file cannot say how texts are normalized");
      put("add_space_prefix", s->add_prefix);
      put("remove_extra_whitespaces", s->remove_extra);
      if (!s->charsmap.empty() && d_.model.holds<token_model::unigram>()) {
        std::vector<std::uint8_t> const map(s->charsmap.begin(), s->charsmap.end());
        put("precompiled_charsmap", map);
      }
    }
    return {};
  }

  result<void> write_wordpiece(token_model::wordpiece const& m) {
    put("model", std::string_view("bert"));
    put("pre", std::string_view("default"));
    for (auto& row : rows_.rows()) {
      bool const name = row.text.starts_with('[') && row.text.ends_with(']') && row.text.size() > 2;
      if (row.kind == token_kind::control || row.kind == token_kind::unknown || name) continue;
      if (row.text.starts_with(m.continuing_prefix.view()))
        row.text.erase(0, m.continuing_prefix.view().size());
      else
        row.text.insert(0, underline);
    }
    for (auto const& step : d_.normalizers)
      if (auto const* const b = step.get_if<normalize::bert>()) {
        put("normalizer.lowercase", b->lowercase);
        if (b->strip_accents) put("normalizer.strip_accents", *b->strip_accents);
      }
    scored_ = false;
    return {};
  }

  template <class T> void put(std::string_view key, T const& value) {
    out_.add("tokenizer.ggml." + std::string(key), value);
  }

  gguf::writer& out_;
  token_rows& rows_;
  tokenizer_definition const& d_;
  bool scored_ = true;
};

} // namespace detail
/// \endcond

/// What is put around a text, by a definition.
struct wrapping {
  token begin = no_token, end = no_token;
};
/// \overload
inline wrapping wrapping_of(tokenizer_definition const& d) {
  wrapping out;
  for (auto const& step : d.postprocessors) {
    if (auto const* const r = step.get_if<postprocess::roberta>()) out = {r->begin, r->end};
    auto const* const t = step.get_if<postprocess::template_processing>();
    if (!t) continue;
    using kind = postprocess::item::kind;
    bool behind = false;
    for (auto const& item : t->single) {
      if (item.what != kind::special)
        behind = true;
      else if (!item.ids.empty())
        (behind ? out.end : out.begin) = item.ids.front();
    }
  }
  return out;
}

/// Adds the keys of a tokenizer: tokens with their kinds, scores or merges, how texts are split and normalized; not the
/// tokens with a role. `size`: how many tokens the model has, 0 if that is not known; missing ones are filled in, added
/// ones beyond are left out. Returns the tokens. `errc::unsupported` for what GGUF files have no words for.
inline result<token_rows> write_tokenizer(gguf::writer& out, tokenizer_definition d, std::size_t size = 0) {
  if (auto const* const m = d.model.get_if<token_model::bpe>(); m && m->ranked) {
    auto terms = detail::json_terms::rewrite(std::move(d));
    if (!terms) return terms.error();
    d = *std::move(terms);
  }
  token_rows rows(d, size);
  if (auto const* const m = d.model.get_if<token_model::bpe>())
    for (auto const& rule : m->merges)
      for (token const id : {rule.left, rule.right})
        if (static_cast<std::size_t>(id) >= rows.rows().size())
          return fail(errc::mismatch, "the tokenizer has more tokens than the model, ", rows.rows().size());
  if (auto done = detail::tokenizer_writer(out, rows, d).write(); !done) return done.error();
  return rows;
}

} // namespace loquat
