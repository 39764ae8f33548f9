#pragma once
/// \file
/// Says in the terms of `tokenizer.json` what a definition says in others: byte-pair encodings without a list of
/// merges, SentencePiece's normalizer and models, as github.com/huggingface/transformers converts Llama's. Part of
/// `save_json.hpp`.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/models/piece_index.hpp>
#include <loquat/tokenizer/sources/merge_lists.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// Rewrites a definition.
class json_terms {
 public:
  static constexpr result<tokenizer_definition> rewrite(tokenizer_definition definition);

 private:
  static constexpr std::string_view underline = "\xE2\x96\x81"; // U+2581, which stands for a space

  constexpr explicit json_terms(tokenizer_definition&& definition) : out_(std::move(definition)) {}

  /// Without added tokens that no tokenizer has: those without text, and again of one text without an id.
  constexpr void drop_added() {
    auto& added = out_.added;
    std::vector<added_token> kept;
    kept.reserve(added.size());
    for (auto& t : added) {
      auto const is_same = [&](added_token const& other) { return other.content.view() == t.content.view(); };
      if (t.content.view().empty()) continue;
      if (t.id == no_token && std::any_of(kept.begin(), kept.end(), is_same)) continue;
      kept.push_back(std::move(t));
    }
    added = std::move(kept);
  }

  /// SentencePiece's normalizer as several steps.
  constexpr result<void> rewrite_normalizers() {
    std::vector<normalize::step> steps;
    for (auto& step : out_.normalizers) {
      auto* const s = step.get_if<normalize::sentencepiece>();
      if (s == nullptr) {
        steps.push_back(std::move(step));
        continue;
      }
      sentencepiece_ = true;
      prefix_ = s->add_prefix;
      if (s->suffix && s->add_prefix)
        return fail(errc::unsupported, "tokenizer.json cannot say that a space is put behind texts");
      if (!s->charsmap.empty()) steps.push_back(normalize::precompiled{std::move(s->charsmap)});
      if (s->remove_extra) {
        steps.push_back(normalize::replace{{owned_text(underline), false}, owned_text(" ")});
        steps.push_back(normalize::replace{{owned_text(R"(\A +| +\z)"), true}, owned_text()});
        steps.push_back(normalize::replace{{owned_text(" {2,}"), true}, owned_text(" ")});
      }
      if (s->add_prefix) steps.push_back(normalize::prepend{owned_text(underline)});
      steps.push_back(normalize::replace{{owned_text(" "), false}, owned_text(underline)});
    }
    out_.normalizers = std::move(steps);
    return {};
  }

  template <class Model> constexpr result<void> rewrite_model(Model& model) {
    add_control_tokens(model.pieces);
    if constexpr (std::same_as<Model, token_model::longest_match>) {
      return fail(errc::unsupported, "tokenizer.json has no models of the longest match");
    } else if constexpr (std::same_as<Model, token_model::bpe>) {
      if (!model.ranked) return drop_merges(model);
      std::vector<std::uint32_t> ranks(model.pieces.size(), 0);
      std::iota(ranks.begin(), ranks.end(), 0u);
      model.merges.clear();
      model.merges = list_merges(model.pieces, ranks, model.bytes);
      model.ranked = false;
      return {};
    } else if constexpr (std::same_as<Model, token_model::scored_bpe>) {
      return rewrite_scored(std::move(model));
    } else if constexpr (std::same_as<Model, token_model::characters>) {
      token_model::bpe bpe{.pieces = std::move(model.pieces), .unknown = model.unknown, .fuse_unknown = true};
      bpe.byte_fallback = has(bpe.pieces, token_kind::byte);
      return replace_model(std::move(bpe));
    } else {
      if constexpr (std::same_as<Model, token_model::unigram>) model.sentencepiece = false;
      return sentencepiece_ ? finish_sentencepiece(model.pieces, model.unknown) : result<void>();
    }
  }

  /// Without merges of and to pieces that are no text: added tokens, whose text the model never sees. The format wants
  /// what is merged to be spelled like text.
  static constexpr result<void> drop_merges(token_model::bpe& model) {
    auto const& pieces = model.pieces;
    auto const prefix = model.continuing_prefix.view().size();
    piece_index const index(pieces);
    std::vector<char> text;
    auto const is_other = [&](merge_rule const& rule) {
      auto const left = pieces.piece(rule.left), right = pieces.piece(rule.right);
      if (!is_text(pieces.kind(rule.left)) || !is_text(pieces.kind(rule.right)) || right.size() < prefix) return true;
      text.assign(left.begin(), left.end());
      text.insert(text.end(), right.begin() + static_cast<std::ptrdiff_t>(prefix), right.end());
      token const merged = index.find(pieces, {text.data(), text.size()});
      return merged != no_token && !is_text(pieces.kind(merged));
    };
    model.merges.erase(std::remove_if(model.merges.begin(), model.merges.end(), is_other), model.merges.end());
    return {};
  }

  /// Merges by score are merges in the order of scores, where these differ.
  constexpr result<void> rewrite_scored(token_model::scored_bpe&& model) {
    auto const n = model.pieces.size();
    if (model.scores.size() != n)
      return fail(errc::mismatch, "expected as many scores as tokens (", n, "), found ", model.scores.size());
    std::vector<token> order(n, 0);
    std::iota(order.begin(), order.end(), 0);
    auto const score = [&](token id) { return model.scores[static_cast<std::size_t>(id)]; };
    std::sort(order.begin(), order.end(),
              [&](token a, token b) { return score(a) > score(b) || (score(a) == score(b) && a < b); });
    std::vector<std::uint32_t> ranks(n, 0);
    for (std::size_t i = 0; i < n; ++i) ranks[static_cast<std::size_t>(order[i])] = static_cast<std::uint32_t>(i);

    token_model::bpe bpe{.pieces = std::move(model.pieces), .unknown = model.unknown, .fuse_unknown = true};
    bpe.byte_fallback = has(bpe.pieces, token_kind::byte);
    auto merges = list_merges(bpe.pieces, ranks, false);
    for (std::size_t i = 0; i < merges.size(); ++i) {
      token const id = merges[i].merged;
      if (bpe.pieces.kind(id) == token_kind::unused)
        return fail(errc::unsupported, "tokenizer.json cannot say that token ", id, " is made and split again");
      bool const tied = i > 0 && score(id) == score(merges[i - 1].merged);
      bool const known = i > 1 && score(id) == score(merges[i - 2].merged);
      if (tied && !known && !same_in_order(bpe.pieces, merges, model.scores, score(id)))
        return fail(errc::unsupported, "tokenizer.json cannot say that tokens ", merges[i - 1].merged, " and ", id,
                    " are equally good");
    }
    bpe.merges = std::move(merges);
    return replace_model(std::move(bpe));
  }
  constexpr result<void> replace_model(token_model::bpe&& model) {
    auto const good = finish_sentencepiece(model.pieces, model.unknown);
    if (good) out_.model = std::move(model);
    return good;
  }

  /// What SentencePiece's models have in common: user-defined pieces, and how its texts are decoded.
  constexpr result<void> finish_sentencepiece(vocabulary const& pieces, token unknown) {
    auto const known = added(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto const id = static_cast<token>(i);
      if (pieces.kind(id) != token_kind::user_defined || known[i]) continue;
      if (prefix_)
        return fail(errc::unsupported, "tokenizer.json cannot say that no space is put behind the user-defined token ",
                    id);
      out_.added.push_back({.content = owned_text(pieces.piece(id)), .id = id, .normalized = true});
    }
    if (sentencepiece_ && out_.decoders.empty()) {
      out_.decoders.push_back(decode_step::replace{{owned_text(underline), false}, owned_text(" ")});
      if (has(pieces, token_kind::byte))
        out_.decoders.push_back(decode_step::byte_fallback{});
      else if (pieces.contains(unknown))
        out_.decoders.push_back(
            decode_step::replace{{owned_text(pieces.piece(unknown)), false}, owned_text(" \xE2\x81\x87 ")});
      out_.decoders.push_back(decode_step::fuse{});
      if (prefix_) out_.decoders.push_back(decode_step::strip{U' ', 1, 0});
    }
    return {};
  }

  /// By id: whether it is an added token.
  constexpr std::vector<char> added(std::size_t size) const { // no list of bool: it is no constant everywhere
    std::vector<char> is(size, false);
    for (auto const& t : out_.added)
      if (t.id >= 0 && static_cast<std::size_t>(t.id) < size) is[static_cast<std::size_t>(t.id)] = true;
    return is;
  }
  /// Pieces of the kind `control` are special tokens.
  constexpr void add_control_tokens(vocabulary const& pieces) {
    auto const known = added(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (auto const id = static_cast<token>(i);
          pieces.kind(id) == token_kind::control && !pieces.piece(id).empty() && !known[i])
        out_.added.push_back({.content = owned_text(pieces.piece(id)), .id = id, .special = true});
  }
  static constexpr bool has(vocabulary const& pieces, token_kind kind) noexcept {
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (pieces.kind(static_cast<token>(i)) == kind) return true;
    return false;
  }

  tokenizer_definition out_;
  bool sentencepiece_ = false; // its normalizer is there,
  bool prefix_ = false;        // which puts a space before texts
};

// Here, where the templates that it uses are known: else Clang does not take it for a constant expression.
constexpr result<tokenizer_definition> json_terms::rewrite(tokenizer_definition definition) {
  json_terms made(std::move(definition));
  made.drop_added();
  if (auto const good = made.rewrite_normalizers(); !good) return good.error();
  auto const good = made.out_.model.visit([&](auto& model) { return made.rewrite_model(model); });
  if (!good) return good.error();
  return std::move(made.out_);
}

} // namespace loquat::detail
