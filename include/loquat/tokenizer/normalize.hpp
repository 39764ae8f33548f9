#pragma once
/// \file
/// The normalizers of a tokenizer, compiled: steps that change a text before it is split, as Hugging Face tokenizers
/// have them, with the ranges of the original that its bytes stand for.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/bert.hpp>
#include <loquat/tokenizer/normalize/forms.hpp>
#include <loquat/tokenizer/normalize/precompiled.hpp>
#include <loquat/tokenizer/normalize/replacer.hpp>
#include <loquat/tokenizer/normalize/sentencepiece.hpp>
#include <loquat/tokenizer/normalize/simple.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// Steps one after another. Const use is thread-safe, with a workspace for each thread. Bytes that are no UTF-8 are
/// characters that nothing changes (but of `byte_level`).
class normalizer {
 public:
  /// Buffers, kept from text to text.
  struct workspace {
    aligned_text spare;
    normalize::form_workspace forms;
    std::vector<regex_cache> caches; ///< by step
  };

 private:
  using form = unicode::normal_form;
  using compiled =
      one_of<normalize::form_normalizer<form::nfc>, normalize::form_normalizer<form::nfd>,
             normalize::form_normalizer<form::nfkc>, normalize::form_normalizer<form::nfkd>, normalize::lowercase,
             normalize::strip_accents, normalize::nmt, normalize::byte_level, normalize::strip, normalize::prepend,
             normalize::bert, normalize::replacer, normalize::mapper, normalize::sentencepiece_normalizer>;

  template <class Step> static constexpr result<compiled> compile(Step const& s, vocabulary const&) {
    return compiled(s);
  }
  static constexpr result<compiled> compile(normalize::nfc, vocabulary const&) {
    return compiled(normalize::form_normalizer<form::nfc>());
  }
  static constexpr result<compiled> compile(normalize::nfd, vocabulary const&) {
    return compiled(normalize::form_normalizer<form::nfd>());
  }
  static constexpr result<compiled> compile(normalize::nfkc, vocabulary const&) {
    return compiled(normalize::form_normalizer<form::nfkc>());
  }
  static constexpr result<compiled> compile(normalize::nfkd, vocabulary const&) {
    return compiled(normalize::form_normalizer<form::nfkd>());
  }
  static constexpr result<compiled> compile(normalize::replace const& s, vocabulary const&) {
    return normalize::replacer::make(s).transform([](normalize::replacer&& r) { return compiled(std::move(r)); });
  }
  static constexpr result<compiled> compile(normalize::precompiled const& s, vocabulary const&) {
    return normalize::mapper::make(s.charsmap).transform([](normalize::mapper&& m) { return compiled(std::move(m)); });
  }

  static constexpr result<compiled> compile(normalize::sentencepiece const& s, vocabulary const& pieces) {
    return normalize::sentencepiece_normalizer::make(s, pieces).transform(
        [](normalize::sentencepiece_normalizer&& n) { return compiled(std::move(n)); });
  }

  template <class Step> static constexpr bool leaves_text(Step const& step, std::string_view text) noexcept {
    if constexpr (requires { step.leaves(text); })
      return step.leaves(text);
    else
      return normalize::leaves(step, text);
  }
  template <class Step>
  static constexpr void apply_step(Step const& step, aligned_text& text, workspace& work, regex_cache& cache) {
    if constexpr (requires { step.apply(text, work.spare, work.forms); })
      step.apply(text, work.spare, work.forms);
    else if constexpr (requires { step.apply(text, work.spare, cache); })
      step.apply(text, work.spare, cache);
    else if constexpr (requires { step.apply(text, work.spare); })
      step.apply(text, work.spare);
    else if constexpr (requires { normalize::apply(step, text, work.spare, work.forms); })
      normalize::apply(step, text, work.spare, work.forms);
    else
      normalize::apply(step, text, work.spare);
  }

 public:
  constexpr normalizer() = default; ///< leaves every text

  /// Compiles steps. `pieces`: those of the definition, of which SentencePiece's step leaves the user-defined ones. An
  /// error names the step by its place.
  static constexpr result<normalizer> make(std::span<normalize::step const> steps, vocabulary const& pieces = {}) {
    normalizer made;
    made.steps_.reserve(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      auto compiled = steps[i].visit([&](auto const& s) { return compile(s, pieces); });
      if (!compiled) return fail(compiled.error().code(), "normalizer ", i, ": ", compiled.error().message());
      made.steps_.push_back(*std::move(compiled));
    }
    return made;
  }

  /// SentencePiece's step, if that is the only one: a caller may ask it whether it only adds a space.
  constexpr normalize::sentencepiece_normalizer const* sentencepiece() const noexcept {
    return steps_.size() == 1 ? steps_[0].get_if<normalize::sentencepiece_normalizer>() : nullptr;
  }
  /// True if nothing is done to any text.
  constexpr bool empty() const noexcept { return steps_.empty(); }
  /// True if `text` stays as it is. False may also be said of a text that does, if finding out would cost as much as
  /// normalizing it.
  constexpr bool leaves(std::string_view text) const noexcept {
    for (auto const& s : steps_)
      if (!s.visit([&](auto const& step) { return leaves_text(step, text); })) return false;
    return true;
  }
  /// Normalizes `text`.
  constexpr void apply(aligned_text& text, workspace& work) const {
    if (work.caches.size() < steps_.size()) work.caches.resize(steps_.size(), {});
    for (std::size_t i = 0; i < steps_.size(); ++i)
      steps_[i].visit([&](auto const& step) { apply_step(step, text, work, work.caches[i]); });
  }

 private:
  std::vector<compiled> steps_;
};

} // namespace loquat
