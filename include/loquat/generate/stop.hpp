#pragma once
/// \file
/// `pieces | until("\nUser:", "###")`: ends a text before the first stop string in it, wherever pieces begin and end.

#include <loquat/core/pipe.hpp>
#include <loquat/generate/pull.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace loquat {

/// Hands out pieces up to a stop string; `until` makes it a range. Text that may turn out to begin a stop string is
/// held back. It needs no memory: such text equals the start of that stop string, so a view of the stop string stands
/// for it.
template <PieceRange V, class Stops> class until_source {
 public:
  constexpr until_source(V pieces, Stops stops) : pieces_(std::move(pieces)), stops_(std::move(stops)) {}

  constexpr std::optional<std::string_view> next() {
    while (!stopped_) {
      match const first = find();
      if (first.at > 0) { // text before it is free to go
        auto& part = held_.empty() ? rest_ : held_;
        auto const piece = part.substr(0, first.at);
        part.remove_prefix(piece.size());
        return piece;
      }
      if (first.whole) break;
      held_ = first.stop.substr(0, held_.size() + rest_.size());
      auto const piece = pieces_.next();
      rest_ = piece.value_or(std::string_view());
      if (!piece && std::exchange(ended_, true)) break;
    }
    stopped_ = true;
    return std::nullopt;
  }

 private:
  struct match {
    std::size_t at = 0;         // where in held_ + rest_; their length if there is none
    std::string_view stop = {}; // what begins there
    bool whole = false;         // all of it, not only as much as there is text
  };

  /// The first place where a stop string is, or may begin if more text follows.
  constexpr match find() const {
    std::size_t const size = held_.size() + rest_.size();
    for (std::size_t at = 0; at < size; ++at) {
      match open;
      for (std::string_view stop : stops_) {
        std::size_t const n = std::min(stop.size(), size - at);
        std::size_t i = 0;
        while (i < n && character(at + i) == stop[i]) ++i;
        if (n == 0 || i < n) continue;
        if (n == stop.size()) return {at, stop, true};
        open = {at, stop, false};
      }
      if (!open.stop.empty() && !ended_) return open;
    }
    return {size};
  }
  constexpr char character(std::size_t i) const { return i < held_.size() ? held_[i] : rest_[i - held_.size()]; }

  puller<V, std::string_view> pieces_;
  Stops stops_;
  std::string_view held_; // text held back: part of a stop string
  std::string_view rest_; // of the current piece
  bool ended_ = false, stopped_ = false;
};

/// A stage on pieces of text: passes them on up to the first occurrence of any of the strings, which are of any length
/// and must outlive the range. Empty ones are ignored. Pieces are as valid as those before the stage, and well-formed
/// UTF-8 if those and the strings are.
template <std::convertible_to<std::string_view>... Strings>
requires(sizeof...(Strings) > 0) constexpr auto until(Strings const&... strings) {
  return stage([stops = std::array{std::string_view(strings)...}]<PieceRange V>(V pieces) {
    return pull_view(until_source<V, std::array<std::string_view, sizeof...(Strings)>>(std::move(pieces), stops));
  });
}

/// The same for a number of strings that is known at run time. The caller keeps them.
constexpr auto until(std::span<std::string_view const> strings) {
  return stage([strings]<PieceRange V>(V pieces) {
    return pull_view(until_source<V, std::span<std::string_view const>>(std::move(pieces), strings));
  });
}

} // namespace loquat
