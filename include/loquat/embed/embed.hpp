#pragma once
/// \file
/// `texts | embed(embedder)`: a lazy range of vectors. Texts go through the embedder by the batch, if it takes several
/// at once.

#include <loquat/core/error.hpp>
#include <loquat/core/pipe.hpp>
#include <loquat/core/result.hpp>
#include <loquat/embed/embedder.hpp>
#include <loquat/generate/pull.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>

namespace loquat {

/// What `embed` reads: a range of texts.
template <class V>
concept TextsView = std::ranges::view<V> && std::ranges::input_range<V> &&
    std::convertible_to<std::ranges::range_reference_t<V>, std::string_view>;

/// Embeds the texts of a view. Its `next()` returns the vectors; `embed` makes it a range.
template <TextsView V, Embedder E> class embed_source {
 public:
  /// `failure`: where an error goes; null: it is thrown.
  constexpr embed_source(V texts, E& embedder, std::optional<error>* failure)
      : texts_(std::move(texts)), embedder_(&embedder), failure_(failure) {}

  constexpr std::optional<std::span<float const>> next() {
    if (!at_) at_.emplace(std::ranges::begin(texts_));
    if constexpr (BatchEmbedder<E>) {
      if (read_ == count_ && !fill()) return std::nullopt;
      return std::span<float const>((*embedder_)[read_++]);
    } else {
      if (ended_ || *at_ == std::ranges::end(texts_)) return std::nullopt;
      auto&& text = **at_; // lives while it is read, if the view makes it
      auto const made = (*embedder_)(std::string_view(text));
      if (!made) return stop(made.error()), std::nullopt;
      ++*at_;
      return *made;
    }
  }

 private:
  // the next pass; false if there is none
  constexpr bool fill() {
    embedder_->clear();
    read_ = count_ = 0;
    while (!ended_ && *at_ != std::ranges::end(texts_)) {
      auto&& text = **at_;
      auto const added = embedder_->add(std::string_view(text));
      if (!added && embedder_->size() == 0) return stop(added.error()), false;
      if (!added || !*added) break; // an error comes again when those before it are through
      ++*at_;
    }
    if (embedder_->size() == 0) return false;
    if (auto const done = embedder_->run(); !done) return stop(done.error()), false;
    count_ = embedder_->size();
    return true;
  }
  constexpr void stop(error const& why) {
    ended_ = true;
    if (failure_) *failure_ = why;
#if defined(__cpp_exceptions)
    else
      throw bad_result(why);
#endif
  }

  V texts_;
  E* embedder_;
  std::optional<error>* failure_;
  std::optional<std::ranges::iterator_t<V>> at_;
  std::size_t read_ = 0, count_ = 0;
  bool ended_ = false;
};

/// A stage: texts to vectors, each of them valid until the next one is asked for. The embedder must outlive the range
/// and serves one range at a time. An error ends the range and is thrown as `bad_result` (where exceptions are off, the
/// range just ends).
template <Embedder E> constexpr auto embed(E& embedder) {
  return stage(
      [&embedder]<TextsView V>(V texts) { return pull_view(embed_source<V, E>(std::move(texts), embedder, nullptr)); });
}
/// \overload
/// An error ends the range and is stored in `failure`.
template <Embedder E> constexpr auto embed(E& embedder, std::optional<error>& failure) {
  return stage([&embedder, &failure]<TextsView V>(V texts) {
    return pull_view(embed_source<V, E>(std::move(texts), embedder, &failure));
  });
}

} // namespace loquat
