#pragma once
/// \file
/// More ways than the best to cut a word with a unigram model. Part of `unigram.hpp`.

#include <loquat/tokenizer/models/unigram_model.hpp>

#include <cmath>

namespace loquat {

/// Searches from the end of the word, A* with the exact score of the best way from the begin as the estimate. So what
/// is expanded is part of one of the results, apart from ties.
constexpr std::vector<unigram::segmentation> unigram::n_best(std::string_view word, std::size_t n) const {
  std::vector<segmentation> out;
  if (word.empty() || word.size() > longest || n == 0) return out;
  struct arc { // a piece that ends at some place
    word_piece piece;
    double score;
  };
  std::vector<std::vector<arc>> ending(word.size() + 1);
  workspace room;
  find_best_in<double>(word, room);
  for (std::size_t at = 0; at < word.size();)
    at += each_piece(word.substr(at), [&](token id, std::size_t length, double score) {
      auto const begin = static_cast<std::uint32_t>(at), end = static_cast<std::uint32_t>(at + length);
      ending[end].push_back({{id, begin, end}, score});
    });

  struct hypothesis {
    double whole = 0; // score of the best way that ends so
    double rest = 0;  // score of the pieces that are chosen
    word_piece piece; // the first of these
    std::size_t next = 0;
  };
  std::vector<hypothesis> all{{room.ends.back().score, 0, {no_token, unreached, unreached}, 0}};
  all[0].piece.begin = static_cast<std::uint32_t>(word.size());
  std::vector<std::size_t> open{0};
  auto const worse = [&](std::size_t a, std::size_t b) { // of equals the one that was there first
    return all[a].whole < all[b].whole || (!(all[b].whole < all[a].whole) && a > b);
  };
  while (!open.empty() && out.size() < n) {
    std::pop_heap(open.begin(), open.end(), worse);
    auto const top = open.back();
    open.pop_back();
    auto const place = all[top].piece.begin;
    if (place == 0) {
      std::vector<word_piece> path;
      for (auto i = top; i != 0; i = all[i].next) path.push_back(all[i].piece);
      out.push_back({{}, all[top].rest});
      emit_path(word, path, [&](token id, std::size_t begin, std::size_t end) {
        out.back().pieces.push_back({id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
      });
      continue;
    }
    for (auto const& [piece, score] : ending[place]) {
      auto const rest = all[top].rest + score;
      all.push_back({room.ends[piece.begin].score + rest, rest, piece, top});
      open.push_back(all.size() - 1);
      std::push_heap(open.begin(), open.end(), worse);
    }
  }
  return out;
}

/// Every place draws the last piece of the ways to it, each with its share of their sum. To draw from a row that is not
/// complete yet, each new piece takes the place of the one before with its share of the sum so far. So one pass is
/// enough, and the pieces that the end of the word leads back to are the sample.
template <class Random, class Emit>
void unigram::sample(std::string_view word, double alpha, Random& random, workspace& room, Emit emit) const {
  auto const uniform = [&] { // 0 … 1
    return static_cast<double>(random() - Random::min()) / (static_cast<double>(Random::max() - Random::min()) + 1);
  };
  each_part(word, [&](std::string_view part, std::size_t offset) {
    auto& ends = room.ends; // scores are logarithms of sums over all ways
    ends.assign(part.size() + 1, {0, unreached, no_token});
    for (std::size_t at = 0; at < part.size();) {
      double const before = ends[at].score;
      at += each_piece(part.substr(at), [&](token id, std::size_t length, double score) {
        auto& end = ends[at + length];
        double const way = before + alpha * score, high = std::max(way, end.score), low = std::min(way, end.score);
        double const sum = end.begin == unreached ? way : high + std::log1p(std::exp(low - high));
        if (end.begin == unreached || uniform() < std::exp(way - sum))
          end = {sum, static_cast<std::uint32_t>(at), id};
        else
          end.score = sum;
      });
    }
    room.path.clear();
    trace(part.size(), 0, room);
    emit_path(part, room.path,
              [&](token id, std::size_t begin, std::size_t end) { emit(id, offset + begin, offset + end); });
  });
}

} // namespace loquat
