#pragma once
/// \file
/// Training a unigram model (T. Kudo, "Subword regularization", 2018) the way SentencePiece does, since its release
/// 0.1.99 (before, the loss of a piece had a wrong sum): begin with all frequent strings, weigh them by expectation and
/// maximization, throw away those that the text misses least, and so on until few enough are left.

#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/train/progress.hpp>
#include <loquat/tokenizer/train/seeds.hpp>
#include <loquat/tokenizer/train/sentences.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

namespace detail {

/// Derivative of log Γ, for x > 0: its asymptotic series, from 7 on.
constexpr double digamma(double x) noexcept {
  double below = 0;
  for (; x < 7; x += 1) below -= 1 / x;
  double const y = 1 / ((x - 0.5) * (x - 0.5));
  return below + math::log(x - 0.5) + y * (1.0 / 24 + y * (-7.0 / 960 + y * (31.0 / 8064 - y * (127.0 / 30720))));
}

/// The pieces under training, and all places where they occur.
class unigram_trainer {
 public:
  constexpr unigram_trainer(sentences const& from, sentencepiece_training const& how) : from_(from), how_(how) {
    auto seeds = seeds::collect(from, how);
    matches_ = std::move(seeds.matches);
    ends_ = std::move(seeds.ends);
    double sum = 0;
    for (auto const& s : seeds.all) sum += static_cast<double>(s.score);
    for (auto const& s : seeds.all)
      pieces_.push_back({s.begin, s.length, math::log(static_cast<double>(s.score)) - math::log(sum)});
  }

  constexpr std::size_t size() const noexcept { return pieces_.size(); }

  /// One round of expectation and maximization, the latter with a sparse prior (P. Liang, D. Klein, "Structured
  /// Bayesian nonparametric models with variational inference", 2007).
  constexpr void improve() {
    expect();
    double sum = 0;
    std::vector<std::uint32_t> kept;
    for (std::size_t i = 0; i < size(); ++i) {
      if (expected_[i] < 0.5) continue;
      kept.push_back(static_cast<std::uint32_t>(i));
      sum += expected_[i];
    }
    if (kept.empty()) return; // too little text to tell
    double const all = digamma(sum);
    for (auto const i : kept) pieces_[i].score = digamma(expected_[i]) - all;
    keep(kept);
  }

  /// Throws away the pieces without which the likelihood of the text falls least, but keeps `least`.
  constexpr void prune(std::size_t least) {
    unknown_ = worst() - 10;
    std::vector<double> counts(size(), 0);
    double all_words = 0, sum = 0;
    for (auto const& word : from_.words) {
      auto const count = static_cast<double>(word.count);
      all_words += count;
      each_best(word.begin, word.end, false, [&](std::uint32_t i) { counts[i] += count; });
    }
    for (auto const count : counts) sum += count;
    double const log_sum = math::log(sum);

    struct candidate {
      std::uint32_t piece;
      float loss;
    };
    std::vector<std::uint32_t> kept, others;
    std::vector<candidate> candidates;
    for (std::size_t i = 0; i < size(); ++i) {
      auto const& p = pieces_[i];
      auto const number = static_cast<std::uint32_t>(i);
      if (counts[i] == 0) continue;
      if (p.length == 1) { // there is no other way to write it
        kept.push_back(number);
        continue;
      }
      others.clear();
      double const instead =
          each_best(p.begin, p.begin + p.length, true, [&](std::uint32_t other) { others.push_back(other); });
      if (instead > p.score) continue; // it is never used
      double const log_sum_without = math::log(sum + counts[i] * (static_cast<double>(others.size()) - 1));
      double without = 0;
      for (auto const other : others) without += math::log(counts[other] + counts[i]) - log_sum_without;
      double const loss = counts[i] / all_words * (math::log(counts[i]) - log_sum - without);
      candidates.push_back({number, static_cast<float>(loss)});
    }
    std::sort(candidates.begin(), candidates.end(), [](candidate const& a, candidate const& b) {
      return a.loss > b.loss || (a.loss == b.loss && a.piece < b.piece);
    });
    std::size_t const most = std::max(least, static_cast<std::size_t>(how_.shrinking * static_cast<double>(size())));
    for (auto const& c : candidates) {
      if (kept.size() >= most) break;
      kept.push_back(c.piece);
    }
    if (!kept.empty()) keep(kept);
  }

  /// A piece as the vocabulary has it.
  struct trained_piece {
    std::vector<char> text;
    float score;
  };
  /// All characters and the best of the other pieces, `room` of them, the best first.
  constexpr std::vector<trained_piece> finish(std::size_t room) const {
    std::vector<trained_piece> others, out;
    std::vector<char> text;
    key_index known;
    for (auto const& p : pieces_) {
      if (p.length == 1) known.add(from_.text[p.begin]);
      spell(std::span(from_.text.data() + p.begin, p.length), text);
      (p.length == 1 ? out : others).push_back({text, static_cast<float>(p.score)});
    }
    auto const least = static_cast<float>(worst());
    float penalty = 0; // keeps characters that were lost on the way apart
    for (auto const& c : from_.characters) {
      if (known.find(c.character) != key_index::none) continue;
      spell(std::span(&c.character, 1), text);
      out.push_back({text, least + penalty});
      penalty += 0.0001f;
    }
    auto const is_better = [](trained_piece const& a, trained_piece const& b) {
      return a.score > b.score || (a.score == b.score && a.text < b.text);
    };
    std::sort(others.begin(), others.end(), is_better);
    out.insert(out.end(), others.begin(),
               others.begin() + static_cast<std::ptrdiff_t>(std::min(others.size(), room - out.size())));
    std::sort(out.begin(), out.end(), is_better);
    return out;
  }

 private:
  struct piece {
    std::uint32_t begin, length; // one of its places
    double score;                // logarithm of its probability
  };

  constexpr double worst() const noexcept {
    double least = std::numeric_limits<double>::max();
    for (auto const& p : pieces_) least = std::min(least, p.score);
    return least;
  }

  /// Calls `f(piece, length, is_unknown)` for what can stand at `at`: pieces, the shortest first, and then, if the
  /// character is none, an unknown one, which counts as piece 0, as with SentencePiece.
  template <class F> constexpr void each_match(std::size_t at, F f) const {
    bool is_known = false;
    for (auto i = ends_[at]; i < ends_[at + 1]; ++i) {
      auto const length = pieces_[matches_[i]].length;
      is_known = is_known || length == 1;
      f(matches_[i], length, false);
    }
    if (!is_known) f(std::uint32_t{0}, std::uint32_t{1}, true);
  }

  constexpr void keep(std::vector<std::uint32_t> const& kept);
  constexpr void expect();
  template <class F> constexpr double each_best(std::size_t begin, std::size_t end, bool only_parts, F f);

  sentences const& from_;
  sentencepiece_training const& how_;
  std::vector<piece> pieces_;
  std::vector<std::uint32_t> matches_; // as in `seeds`
  std::vector<std::size_t> ends_;
  std::vector<double> expected_;
  double unknown_ = 0; // score of an unknown character
  std::vector<double> probabilities_, forward_, backward_, best_;
  std::vector<int> scales_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> arrivals_;
  std::vector<std::uint32_t> path_;
};

/// Drops all pieces but these, which get this order.
constexpr void unigram_trainer::keep(std::vector<std::uint32_t> const& kept) {
  constexpr auto gone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> number(size(), gone);
  std::vector<piece> pieces;
  pieces.reserve(kept.size());
  for (auto const i : kept) {
    number[i] = static_cast<std::uint32_t>(pieces.size());
    pieces.push_back(pieces_[i]);
  }
  pieces_ = std::move(pieces);
  std::size_t to = 0, i = 0;
  for (std::size_t at = 0; at + 1 < ends_.size(); ++at) {
    for (; i < ends_[at + 1]; ++i)
      if (auto const n = number[matches_[i]]; n != gone) matches_[to++] = n;
    ends_[at + 1] = to;
  }
  matches_.erase(matches_.begin() + static_cast<std::ptrdiff_t>(to), matches_.end());
}

/// How often each piece is to be expected, over all ways to cut the words. Sums of probabilities stay numbers, not
/// logarithms; where they get small, all that are in reach are scaled.
constexpr void unigram_trainer::expect() {
  constexpr double small = 0x1p-300, large = 0x1p300;
  expected_.assign(size(), 0);
  probabilities_.assign(size(), 0);
  for (std::size_t i = 0; i < size(); ++i) probabilities_[i] = math::exp(pieces_[i].score);
  unknown_ = worst() - 10;
  double const unknown = math::exp(unknown_);
  auto const scale = [](std::span<double> reach) { // true if done
    if (*std::max_element(reach.begin(), reach.end()) >= small) return false;
    for (auto& x : reach) x *= large;
    return true;
  };
  for (auto const& word : from_.words) {
    std::size_t const n = word.end - word.begin;
    forward_.assign(n + 1, 0);
    backward_.assign(n + 1, 0);
    scales_.assign(n + 1, 0);
    forward_[0] = 1;
    int scales = 0;
    for (std::size_t at = 0; at < n; ++at) {
      std::size_t const reach = std::min(how_.pieces.longest, n - at) + 1;
      if (forward_[at] < small && scale(std::span(forward_).subspan(at, reach))) ++scales;
      scales_[at] = scales;
      each_match(word.begin + at, [&](std::uint32_t i, std::uint32_t length, bool is_unknown) {
        forward_[at + length] += forward_[at] * (is_unknown ? unknown : probabilities_[i]);
      });
    }
    double const per_way = static_cast<double>(word.count) / forward_[n];
    backward_[n] = 1;
    for (std::size_t at = n; at-- > 0;) {
      std::size_t const reach = std::min(how_.pieces.longest, n - at);
      if (backward_[at + 1] < small && scale(std::span(backward_).subspan(at + 1, reach))) --scales;
      double share = per_way * forward_[at];
      for (int s = scales; s > scales_[at]; --s) share *= large;
      for (int s = scales; s < scales_[at]; ++s) share *= small;
      each_match(word.begin + at, [&](std::uint32_t i, std::uint32_t length, bool is_unknown) {
        double const way = (is_unknown ? unknown : probabilities_[i]) * backward_[at + length];
        expected_[i] += share * way;
        backward_[at] += way;
      });
    }
  }
}

/// Calls `f(piece)` for the pieces of the most probable way to cut a part of the text; with `only_parts` not as one
/// piece. Returns the sum of their scores.
template <class F>
constexpr double unigram_trainer::each_best(std::size_t begin, std::size_t end, bool only_parts, F f) {
  std::size_t const n = end - begin;
  constexpr auto nowhere = std::numeric_limits<std::uint32_t>::max();
  best_.assign(n + 1, 0);
  arrivals_.assign(n + 1, {nowhere, 0});
  for (std::size_t at = 0; at < n; ++at)
    each_match(begin + at, [&](std::uint32_t i, std::uint32_t length, bool is_unknown) {
      if (at + length > n || (only_parts && length == n)) return;
      double const sum = best_[at] + (is_unknown ? unknown_ : pieces_[i].score);
      auto& arrival = arrivals_[at + length];
      if (arrival.first != nowhere && !(sum > best_[at + length])) return;
      best_[at + length] = sum;
      arrival = {static_cast<std::uint32_t>(at), i};
    });
  path_.clear();
  for (std::size_t at = n; at > 0; at = arrivals_[at].first) path_.push_back(arrivals_[at].second);
  for (auto i = path_.rbegin(); i != path_.rend(); ++i) f(*i);
  return best_[n];
}

} // namespace detail

/// Trains a unigram model. `counts` are those of lines or words, normalized, with U+2581 for spaces; words begin with
/// one. Tokens are the special ones, bytes, and the pieces, the most probable first; among them are all characters that
/// `how.coverage` asks for. Sums are in double precision, where SentencePiece's are in single precision; so of pieces
/// with equal scores others may be left at the end. Errors: `errc::argument`, `errc::capacity` for 4 G characters of
/// different words, `errc::cancelled` by the observer.
template <TrainObserver F = no_observer>
constexpr result<token_model::unigram> train_unigram_model(word_counts const& counts, sentencepiece_training const& how,
                                                           F observer = {}) {
  if (auto good = detail::check_training(how); !good) return good.error();
  if (auto good = detail::check_counts(counts); !good) return good.error();
  auto const text = detail::sentences::make(counts, how.coverage);
  if (!text) return text.error();
  auto pieces = detail::begin_vocabulary(how, *text);
  if (!pieces) return pieces.error();
  if (text->characters.empty()) return fail(errc::argument, "training: there are no words");

  auto const stopped = [] { return fail(errc::cancelled, "training: stopped"); };
  if (!detail::goes_on(observer, {train_stage::seed, 0, text->words.size()})) return stopped();
  detail::unigram_trainer trainer(*text, how);
  auto const wanted = static_cast<std::size_t>(static_cast<double>(how.vocabulary) * 1.1);
  while (true) {
    for (unsigned i = 0; i < how.rounds; ++i) {
      if (!detail::goes_on(observer, {train_stage::expect, trainer.size(), wanted})) return stopped();
      trainer.improve();
    }
    auto const before = trainer.size();
    if (before <= wanted) break;
    trainer.prune(wanted);
    if (trainer.size() == before) break;
  }

  std::vector<double> scores(pieces->size(), 0);
  for (auto const& p : trainer.finish(how.vocabulary - pieces->size())) {
    auto const before = pieces->size();
    pieces->add({p.text.data(), p.text.size()});
    if (pieces->size() > before) scores.push_back(static_cast<double>(p.score));
  }
  token_model::unigram model;
  model.unknown = how.unknown.empty() ? no_token : pieces->find(how.unknown);
  model.byte_fallback = how.byte_fallback;
  model.scores = std::move(scores);
  model.pieces = pieces->take();
  return model;
}

/// The same, as a definition that has the model and the special tokens.
template <TrainObserver F = no_observer>
constexpr result<tokenizer_definition> train_unigram(word_counts const& counts, sentencepiece_training const& how,
                                                     F observer = {}) {
  return train_unigram_model(counts, how, std::move(observer)).transform([&how](token_model::unigram&& model) {
    return detail::define(how.special, std::move(model));
  });
}

} // namespace loquat
