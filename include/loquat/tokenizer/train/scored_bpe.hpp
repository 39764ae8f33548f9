#pragma once
/// \file
/// Training SentencePiece's byte-pair encoding (T. Kudo, J. Richardson, "SentencePiece: a simple and language
/// independent subword tokenizer and detokenizer for neural text processing", 2018).

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/train/bpe.hpp>
#include <loquat/tokenizer/train/progress.hpp>
#include <loquat/tokenizer/train/sentences.hpp>
#include <loquat/tokenizer/train/symbol_pairs.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// Of pairs with equal counts the shortest comes first, then that with the smallest text.
struct scored_bpe_rules {
  static constexpr bool overlaps_count = false;
  piece_rule rule;
  std::vector<std::vector<char32_t>> texts{}; // by symbol

  constexpr std::vector<char32_t> text_of(std::uint32_t left, std::uint32_t right) const {
    auto text = texts[left];
    text.insert(text.end(), texts[right].begin(), texts[right].end());
    return text;
  }
  constexpr bool may_merge(std::uint32_t left, std::uint32_t right) const {
    return texts[left].size() + texts[right].size() <= rule.longest && rule.allows(text_of(left, right));
  }
  template <class Pair> constexpr bool comes_before(Pair const& a, Pair const& b) const {
    auto const size_a = texts[a.left].size() + texts[a.right].size();
    auto const size_b = texts[b.left].size() + texts[b.right].size();
    if (size_a != size_b) return size_a < size_b;
    for (std::size_t i = 0; i < size_a; ++i)
      if (auto const x = at(a, i), y = at(b, i); x != y) return x < y;
    return false;
  }
  template <class Pair> constexpr char32_t at(Pair const& p, std::size_t i) const noexcept {
    auto const& left = texts[p.left];
    return i < left.size() ? left[i] : texts[p.right][i - left.size()];
  }
};

} // namespace detail

/// Trains SentencePiece's byte-pair encoding. `counts` are those of lines or words, normalized, with U+2581 for spaces;
/// words begin with one. Tokens are the special ones, bytes, what is merged, and the characters; the n-th piece has the
/// score −n. The pieces are those of SentencePiece 0.1.97, but that it looks for the best pair among the 5 % most
/// frequent ones only. Errors: `errc::argument`, `errc::capacity` for 4 G characters of different words,
/// `errc::cancelled` by the observer.
template <TrainObserver F = no_observer>
constexpr result<token_model::scored_bpe> train_scored_bpe_model(word_counts const& counts,
                                                                 sentencepiece_training const& how, F observer = {}) {
  if (auto good = detail::check_training(how); !good) return good.error();
  if (auto good = detail::check_counts(counts); !good) return good.error();
  auto const text = detail::sentences::make(counts, how.coverage);
  if (!text) return text.error();
  auto pieces = detail::begin_vocabulary(how, *text);
  if (!pieces) return pieces.error();

  detail::scored_bpe_rules rules{how.pieces};
  key_index characters; // a character's number is its symbol
  for (auto const& c : text->characters) {
    characters.add(c.character);
    rules.texts.push_back({c.character});
  }
  symbol_pairs pairs(rules);
  std::vector<std::uint32_t> symbols;
  for (std::size_t i = 0; i < text->words.size(); ++i) {
    if (i % 4096 == 0 && !detail::goes_on(observer, {train_stage::seed, i, text->words.size()}))
      return fail(errc::cancelled, "training: stopped");
    auto const& word = text->words[i];
    for (std::size_t at = word.begin; at <= word.end; ++at) {
      auto const symbol = at == word.end ? key_index::none : characters.find(text->text[at]);
      if (symbol != key_index::none) {
        symbols.push_back(symbol);
      } else { // rare characters are like borders of words
        if (!pairs.add_word(symbols, word.count))
          return fail(errc::capacity, "training: different words of 4 G characters and more");
        symbols.clear();
      }
    }
  }

  std::vector<float> scores(pieces->size(), 0);
  std::vector<char> spelled;
  std::size_t const first = pieces->size(), last = how.vocabulary - text->characters.size();
  while (pieces->size() < last) {
    auto const best = pairs.take_best();
    if (best == pairs.none) break;
    auto whole = rules.text_of(pairs[best].left, pairs[best].right);
    detail::spell(whole, spelled);
    auto const before = pieces->size();
    pieces->add({spelled.data(), spelled.size()});
    if (pieces->size() == before) { // spelled like a piece that is there
      pairs.ban(best);
      continue;
    }
    scores.push_back(-static_cast<float>(before - first));
    rules.texts.push_back(std::move(whole));
    pairs.merge(best, static_cast<std::uint32_t>(rules.texts.size() - 1));
    if (pieces->size() % 100 == 0 && !detail::goes_on(observer, {train_stage::merge, pieces->size(), how.vocabulary}))
      return fail(errc::cancelled, "training: stopped");
  }
  for (auto const& c : text->characters) {
    detail::spell(std::span(&c.character, 1), spelled);
    auto const before = pieces->size();
    pieces->add({spelled.data(), spelled.size()});
    if (pieces->size() > before) scores.push_back(-static_cast<float>(before - first));
  }

  token_model::scored_bpe model;
  model.unknown = how.unknown.empty() ? no_token : pieces->find(how.unknown);
  model.scores = std::move(scores);
  model.pieces = pieces->take();
  return model;
}

/// The same, as a definition that has the model and the special tokens.
template <TrainObserver F = no_observer>
constexpr result<tokenizer_definition> train_scored_bpe(word_counts const& counts, sentencepiece_training const& how,
                                                        F observer = {}) {
  return train_scored_bpe_model(counts, how, std::move(observer)).transform([&how](token_model::scored_bpe&& model) {
    return detail::define(how.special, std::move(model));
  });
}

} // namespace loquat
