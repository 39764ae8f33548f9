#pragma once
/// \file
/// An encoder and a tokenizer as an `Embedder`: texts to vectors, many in a pass; also pairs of texts, and the outputs
/// of a classification head. Vectors can be cut to their first elements, for models that are trained for it (Matryoshka
/// representations, A. Kusupati et al., 2022).

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/embed/embedder.hpp>
#include <loquat/embed/pool.hpp>
#include <loquat/model/encoder.hpp>
#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// How an `embedder` makes vectors.
struct embed_options {
  std::optional<loquat::pooling> pooling = {}; ///< nothing: as the model was trained
  std::size_t dimensions = 0;                  ///< first elements of a vector that are kept; 0: all
  bool normalised = true;                      ///< vectors have the length one; never with `pooling::rank`
  bool truncates = true;    ///< texts longer than `context` are cut, rather than an error; the end token stays
  std::size_t texts = 64;   ///< most texts of one pass
  std::size_t batch = 512;  ///< most tokens of one pass of several texts
  std::size_t context = 0;  ///< tokens of the longest text; 0: what the model was trained for, at most 4096
  encode_options text = {}; ///< how texts become tokens
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(); ///< cap on the session's memory
};

/// Embeds texts with an encoder and a tokenizer, which must outlive it. Made by `make_embedder`, whose allocations are
/// the last ones but for the tokenizer's workspace, which grows with the longest text. Move-only; one for each thread.
/// A text gets the same bits alone and in a batch.
template <Backend B, Tokenizer T = tokenizer> class embedder {
 public:
  /// See `make_embedder`.
  static constexpr result<embedder> make(encoder_model<B> const& model, T const& tok, embed_options const& options) {
    auto session = model.make_session({options.context, options.batch, options.max_bytes});
    if (!session) return session.error();
    embedder e(model, tok, std::move(*session), options);
    bool const ranks = e.pooling_ == pooling::rank;
    if (ranks && model.outputs() == 0)
      return fail(errc::missing, "embedder: pooling by rank, but the model has no classification head");
    std::size_t const all = ranks ? model.outputs() : model.dimensions();
    if (options.dimensions > all || (ranks && options.dimensions != 0))
      return fail(errc::argument, "embedder: ", options.dimensions, " dimensions of ", all,
                  ranks ? " outputs of a classification head" : "");
    e.dimensions_ = options.dimensions != 0 ? options.dimensions : all;
    std::size_t const batch = e.session_.batch(), texts = std::clamp<std::size_t>(options.texts, 1, batch);
    e.texts_ = texts;
    e.ids_.resize(batch);
    e.types_.resize(batch);
    e.lengths_.reserve(texts);
    e.pooled_.resize(texts * model.dimensions());
    e.out_.resize(e.pooling_ == pooling::none ? 0 : texts * e.dimensions_);
    if constexpr (std::same_as<T, tokenizer>)
      for (auto const& step : tok.definition().postprocessors) {
        if (auto const* const p = step.template get_if<postprocess::template_processing>()) e.pair_ = p->pair;
        if (auto const* const r = step.template get_if<postprocess::roberta>()) e.pair_ = detail::as_template(*r).pair;
      }
    return e;
  }

  constexpr std::size_t dimensions() const noexcept { return dimensions_; }     ///< elements of a vector
  constexpr std::size_t context() const noexcept { return session_.context(); } ///< tokens of the longest text
  constexpr loquat::pooling pooling() const noexcept { return pooling_; }       ///< how vectors of tokens become one
  constexpr encoder_model<B> const& model() const noexcept { return *model_; }  ///< what it embeds with

  /// The vector of one text, valid until the next call; with `pooling::none` [tokens, dimensions]. Errors: those of
  /// `add` and `run`.
  constexpr result<std::span<float const>> operator()(std::string_view text) {
    clear();
    if (auto const added = add(text); !added) return added.error();
    return alone();
  }
  /// \overload
  /// Of a pair of texts, such as a question and a passage.
  constexpr result<std::span<float const>> operator()(std::string_view first, std::string_view second) {
    clear();
    if (auto const added = add(first, second); !added) return added.error();
    return alone();
  }

  /// Takes a text into the next pass; false where that has no room left. Errors: `errc::argument` for a text without
  /// tokens or with a special one that the options refuse; `errc::capacity` for one that is too long, if texts are not
  /// to be cut.
  constexpr result<bool> add(std::string_view text) {
    if (lengths_.size() == texts_) return false;
    std::size_t const begin = used_;
    auto const done = put(text, options_.text, context(), 0);
    if (!done) return used_ = begin, done.error();
    return settle(begin, *done);
  }
  /// \overload
  /// A pair, with the tokenizer's special tokens around and between. Of a pair that is too long the first text gets at
  /// most a half. `errc::unsupported` if the tokenizer does not say how pairs are made.
  constexpr result<bool> add(std::string_view first, std::string_view second) {
    if (pair_.empty()) return fail(errc::unsupported, "embedder: the tokenizer does not say how pairs are made");
    if (lengths_.size() == texts_) return false;
    std::size_t special = 0;
    for (auto const& item : pair_) special += item.ids.size();
    if (special + 2 > context())
      return fail(errc::capacity, "embedder: a context of ", context(), " tokens is too short for a pair");
    std::size_t const begin = used_, room = context() - special;
    auto plain = options_.text;
    plain.add_special = false;
    std::size_t filled = 0;
    for (auto const& item : pair_) {
      auto const type = static_cast<token>(item.type_id);
      if (item.what == postprocess::item::kind::special) {
        for (token const id : item.ids)
          if (!push(id, type, begin)) return used_ = begin, false;
        continue;
      }
      std::size_t const before = used_;
      bool const is_first = item.what == postprocess::item::kind::first;
      auto const done =
          put(is_first ? first : second, plain, is_first && options_.truncates ? room / 2 : room - filled, type, begin);
      if (!done) return used_ = begin, done.error();
      if (!*done) return used_ = begin, false;
      filled += used_ - before;
    }
    return settle(begin, true);
  }

  /// Embeds what was added. Errors: those of `encoder_model::forward`.
  constexpr result<void> run() {
    auto const tokens = model_->forward(
        session_, {std::span<token const>(ids_).first(used_), lengths_,
                   model_->types() > 1 ? std::span<token const>(types_).first(used_) : std::span<token const>()});
    if (!tokens) return tokens.error();
    std::size_t const d = model_->dimensions();
    if (pooling_ == pooling::none) {
      vectors_ = *tokens;
      for (std::size_t t = 0; t < used_; ++t) finish(vectors_.subspan(t * d, d), vectors_.subspan(t * dimensions_));
      return {};
    }
    std::size_t row = 0;
    for (std::size_t i = 0; i < lengths_.size(); row += lengths_[i++])
      pool_tokens(pooling_, model_->sizes().causal, tokens->subspan(row * d, lengths_[i] * d),
                  std::span(pooled_).subspan(i * d, d));
    vectors_ = out_;
    if (pooling_ == pooling::rank)
      return model_->classify(session_, std::span(pooled_).first(lengths_.size() * d),
                              vectors_.first(lengths_.size() * dimensions_));
    for (std::size_t i = 0; i < lengths_.size(); ++i)
      finish(std::span(pooled_).subspan(i * d, d), vectors_.subspan(i * dimensions_));
    return {};
  }

  constexpr std::size_t size() const noexcept { return lengths_.size(); } ///< texts that were added
  /// The vector of text i after `run`, valid until the next; with `pooling::none` [tokens, dimensions].
  constexpr std::span<float const> operator[](std::size_t i) const noexcept {
    if (pooling_ != pooling::none) return vectors_.subspan(i * dimensions_, dimensions_);
    std::size_t row = 0;
    for (std::size_t k = 0; k < i; ++k) row += lengths_[k];
    return vectors_.subspan(row * dimensions_, lengths_[i] * dimensions_);
  }
  /// Forgets the texts that were added.
  constexpr void clear() noexcept {
    lengths_.clear();
    used_ = 0;
  }

 private:
  constexpr embedder(encoder_model<B> const& model, T const& tok, encoder_session<B> session,
                     embed_options const& options)
      : model_(&model), tokenizer_(&tok), session_(std::move(session)), options_(options),
        pooling_(options.pooling.value_or(model.sizes().pooled)) {}

  constexpr result<std::span<float const>> alone() {
    if (auto const done = run(); !done) return done.error();
    return (*this)[0];
  }
  // tokens that a pass has room for; `batch` is at most the size of the arrays, which one text may fill
  constexpr std::size_t room(std::size_t begin) const noexcept { return begin == 0 ? ids_.size() : options_.batch; }
  constexpr bool push(token id, token type, std::size_t begin) noexcept {
    if (used_ >= room(begin)) return false;
    ids_[used_] = id;
    types_[used_++] = type;
    return true;
  }
  // appends up to `most` tokens of a text; false where a pass of text from `begin` on has no room
  constexpr result<bool> put(std::string_view text, encode_options how, std::size_t most, token type,
                             std::size_t begin) {
    if constexpr (requires { tokenizer_->refuses(text, how); })
      if (auto const found = tokenizer_->refuses(text, how))
        return fail(errc::argument, "embedder: the text has a special token at byte ", found->begin);
    auto cursor = start(text, how);
    std::size_t n = 0;
    for (token id = cursor.next(); id != no_token; id = cursor.next(), ++n) {
      if (n == most) {
        if (!options_.truncates)
          return fail(errc::capacity, "embedder: the text has more than the ", most, " tokens there is room for");
        if constexpr (requires { tokenizer_->end_token(); })
          if (how.add_special && most > 0 && tokenizer_->end_token() != no_token)
            ids_[used_ - 1] = tokenizer_->end_token();
        break;
      }
      if (!push(id, type, begin)) return false;
    }
    return true;
  }
  constexpr result<bool> put(std::string_view text, encode_options how, std::size_t most, token type) {
    return put(text, how, most, type, used_);
  }
  constexpr auto start(std::string_view text, encode_options how) {
    if constexpr (std::same_as<T, tokenizer>)
      return tokenizer_->start(text, how, workspace_);
    else
      return tokenizer_->start(text, how);
  }
  constexpr result<bool> settle(std::size_t begin, bool fits) {
    if (!fits) return used_ = begin, false;
    if (used_ == begin) return fail(errc::argument, "embedder: the text has no tokens");
    lengths_.push_back(used_ - begin);
    return true;
  }
  // the first elements of x, perhaps of length one, to y; which may begin with them
  constexpr void finish(std::span<float const> x, std::span<float> y) const noexcept {
    std::copy_n(x.begin(), dimensions_, y.begin());
    if (options_.normalised) normalise(y.first(dimensions_));
  }

  struct nothing {};
  template <class U> struct room_of { using type = nothing; };
  template <std::same_as<tokenizer> U> struct room_of<U> { using type = typename U::workspace; };

  encoder_model<B> const* model_;
  T const* tokenizer_;
  encoder_session<B> session_;
  embed_options options_;
  loquat::pooling pooling_;
  std::size_t dimensions_ = 0, texts_ = 0, used_ = 0;
  std::vector<postprocess::item> pair_; // how the tokenizer makes pairs
  typename room_of<T>::type workspace_;
  std::vector<token> ids_, types_;   // [batch]
  std::vector<std::size_t> lengths_; // of the texts that were added
  std::vector<float> pooled_, out_;  // [texts, embedding], [texts, dimensions]
  std::span<float> vectors_;         // the results
};

/// An embedder of an encoder and a tokenizer; both must outlive it. Errors: those of `encoder_model::make_session`;
/// `errc::argument` for more dimensions than there are; `errc::missing` for `pooling::rank` without a head.
template <Backend B, Tokenizer T>
constexpr result<embedder<B, T>> make_embedder(encoder_model<B> const& model, T const& tok,
                                               embed_options const& options = {}) {
  return embedder<B, T>::make(model, tok, options);
}

} // namespace loquat
