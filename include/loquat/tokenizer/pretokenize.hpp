#pragma once
/// \file
/// Pre-tokenizers: they cut a text into words. All kinds of Hugging Face tokenizers, one after another, with the words
/// that its release 0.23 gives. Two of them change the text as well: ByteLevel and Metaspace.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/pretokenize/characters.hpp>
#include <loquat/tokenizer/pretokenize/pattern.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// A compiled list of pre-tokenizer steps. Const use is thread-safe, with a workspace for each thread.
class pretokenizer {
 public:
  /// What the caller wants beyond the steps.
  struct options {
    bool raw_bytes = false; ///< words come out as bytes, not in the alphabet of ByteLevel: for models of bytes
    bool lettered = false;  ///< texts come in that alphabet, from a normalizer
    regex_syntax syntax = regex_syntax::oniguruma;
  };
  /// Grown buffers.
  class workspace {
    friend pretokenizer;
    aligned_text text_;
    pretokenize::words words_;
    std::vector<regex_cache> caches_; // by step
  };

  constexpr pretokenizer() = default; ///< no steps: a text is one word

  /// Compiles steps. A pattern that cannot be handled and a length of 0 are errors that name the step.
  static constexpr result<pretokenizer> make(std::span<pretokenize::step const> steps, options how) {
    pretokenizer made;
    made.options_ = how;
    if (steps.size() == 2 && steps[0].holds<pretokenize::whitespace_split>() && !how.lettered)
      if (auto const* const m = steps[1].get_if<pretokenize::metaspace>())
        if (m->split && m->prepend == pretokenize::prepend_scheme::always)
          made.word_sign_ = utf8::encode(m->replacement);
    for (auto const& step : steps) {
      if (auto const* const s = step.get_if<pretokenize::split>()) {
        auto compiled = pretokenize::pattern_split::make(*s, how.syntax);
        if (!compiled) return compiled.error().within("pre-tokenizer");
        made.steps_.push_back(*std::move(compiled));
        continue;
      }
      if (auto const* const f = step.get_if<pretokenize::fixed_length>(); f != nullptr && f->length == 0)
        return fail(errc::argument, "pre-tokenizer: words of 0 characters");
      step.visit([&]<class S>(S const& s) {
        if constexpr (!std::same_as<S, pretokenize::split>) made.steps_.push_back(s);
      });
    }
    return made;
  }
  static constexpr result<pretokenizer> make(std::span<pretokenize::step const> steps) { ///< \overload
    return make(steps, options{});
  }

  /// True if a text is one word.
  constexpr bool empty() const noexcept { return steps_.empty() && !options_.lettered; }
  /// The scanner that finds the words of any text, if all steps are no more than that.
  constexpr scanner sole_scanner() const noexcept {
    if (steps_.empty() || steps_.size() > 2 || !options_.raw_bytes || options_.lettered) return scanner::none;
    auto const* const bytes = steps_.back().get_if<pretokenize::byte_level>();
    if (bytes == nullptr || bytes->add_prefix_space) return scanner::none;
    if (steps_.size() == 1) return bytes->use_regex ? scanner::gpt2 : scanner::none;
    auto const* const split = steps_.front().get_if<pretokenize::pattern_split>();
    return split != nullptr && !bytes->use_regex ? split->sole_scanner() : scanner::none;
  }

  /// True if words are right only for texts with origins: a Metaspace that changes the first word only asks where a
  /// word comes from, once the text is cut.
  constexpr bool needs_origins() const noexcept {
    for (std::size_t i = 1; i < steps_.size(); ++i)
      if (auto const* const m = steps_[i].get_if<pretokenize::metaspace>())
        if (m->prepend == pretokenize::prepend_scheme::first) return true;
    return false;
  }

  /// Cuts `text` into `out`, whose contents are replaced: ranges of the bytes that `text` has then. `starts_text`: the
  /// text before normalization began where the whole input begins (for Metaspace's `first`).
  constexpr void cut(aligned_text& text, pretokenize::words& out, workspace& work, bool starts_text = true) const;

 private:
  using any_step =
      one_of<pretokenize::byte_level, pretokenize::bert, pretokenize::metaspace, pretokenize::whitespace,
             pretokenize::whitespace_split, pretokenize::digits, pretokenize::punctuation, pretokenize::pattern_split,
             pretokenize::unicode_scripts, pretokenize::char_delimiter, pretokenize::fixed_length>;

  /// A text on its way through the steps.
  struct progress {
    aligned_text& text;
    pretokenize::words& words;
    workspace& work;
    bool starts_text;
    bool is_last = false;
    bool is_cut = false;   // a word's begin is that of its characters, not of the text before normalization
    bool lettered = false; // bytes are letters of ByteLevel's alphabet
  };
  struct character {
    char32_t code_point;
    bool valid;
    std::string_view bytes;
    byte_range origin;
  };

  static constexpr byte_range origin(aligned_text const& text, std::size_t at) noexcept {
    return text.aligned() ? text.origin(at) : byte_range{};
  }
  static constexpr character character_at(aligned_text const& text, std::size_t at, std::size_t end) noexcept {
    auto const c = utf8::decode(text.bytes().substr(at, end - at));
    return {c.code_point, c.valid, text.bytes().substr(at, c.length), origin(text, at)};
  }
  /// True if the word begins where the whole input does.
  static constexpr bool is_first(progress const& now, byte_range word) noexcept {
    if (!now.starts_text || !now.is_cut) return now.starts_text;
    return now.text.aligned() ? now.text.origin(word.begin).begin == 0 : word.begin == 0;
  }

  /// Replaces every word by what `begin(word, to)` and, for all that does not stay, `each(character, to)` append; what
  /// is in no word is dropped. `stays(byte)` may hold for bytes of characters that stay as they are.
  template <class Begin, class Stays, class Each>
  static constexpr void rewrite(progress& now, Begin begin, Stays stays, Each each) {
    aligned_text& to = now.work.text_;
    to.clear(now.text.aligned());
    auto const bytes = now.text.bytes();
    for (byte_range& word : now.words) {
      auto const start = static_cast<std::uint32_t>(to.size());
      begin(word, to);
      for (std::size_t at = word.begin; at < word.end;) {
        std::size_t const run = at;
        while (at < word.end && stays(bytes[at])) ++at;
        if (!now.text.aligned())
          to.append(bytes.substr(run, at - run), {});
        else
          for (std::size_t i = run; i < at; ++i) to.append(bytes.substr(i, 1), now.text.origin(i));
        if (at == word.end) break;
        auto const c = character_at(now.text, at, word.end);
        each(c, to);
        at += c.bytes.size();
      }
      word = {start, static_cast<std::uint32_t>(to.size())};
    }
    now.text.swap(to);
  }
  static constexpr bool prints(char byte) noexcept { return byte > ' ' && byte < 0x7F; }

  /// Replaces every word by its parts, which `cut(word, list)` appends to a list.
  template <class Cut> static constexpr void refine(progress& now, Cut cut) {
    auto& parts = now.work.words_;
    parts.clear();
    for (byte_range const word : now.words) cut(word, parts);
    now.words.swap(parts);
    now.is_cut = true;
  }

  template <class Step> constexpr void apply(Step const& step, progress& now, regex_cache&) const {
    refine(now, [&, text = now.text.bytes()](byte_range word, auto& parts) { cut_word(step, text, word, parts); });
  }
  template <class Step>
  static constexpr void cut_word(Step const& step, std::string_view text, byte_range word, pretokenize::words& parts) {
    pretokenize::cut(step, text, word, parts);
  }

  constexpr void apply(pretokenize::pattern_split const& step, progress& now, regex_cache& cache) const {
    refine(now, [&, text = now.text.bytes()](byte_range word, auto& parts) { step.cut(text, word, parts, cache); });
  }

  constexpr void apply(pretokenize::byte_level const& step, progress& now, regex_cache&) const {
    auto const lacks_space = [&now](byte_range word) { return now.text.bytes()[word.begin] != ' '; };
    bool add = false;
    for (byte_range const word : now.words) add = add || (step.add_prefix_space && lacks_space(word));
    if (add)
      rewrite(
          now,
          [&](byte_range word, aligned_text& to) {
            if (lacks_space(word)) to.append(" ", origin(now.text, word.begin));
          },
          [](char) { return true; }, [](character const&, aligned_text&) {});
    if (step.use_regex)
      refine(now, [text = now.text.bytes()](byte_range word, auto& parts) {
        pretokenize::scan<scanners::gpt2>(text.substr(word.begin, word.size()), word.begin, parts);
      });
    if (options_.raw_bytes && now.is_last && !now.lettered) return;
    now.lettered = true;
    rewrite(
        now, [](byte_range, aligned_text&) {}, prints,
        [](character const& c, aligned_text& to) {
          for (char const byte : c.bytes) to.append(byte_alphabet[static_cast<unsigned char>(byte)].view(), c.origin);
        });
  }

  constexpr void apply(pretokenize::metaspace const& step, progress& now, regex_cache&) const {
    using pretokenize::prepend_scheme;
    auto const sign = utf8::encode(step.replacement);
    rewrite(
        now,
        [&](byte_range word, aligned_text& to) {
          auto const first = character_at(now.text, word.begin, word.end);
          if (first.bytes == " " || first.bytes == sign.view()) return;
          if (step.prepend == prepend_scheme::always || (step.prepend == prepend_scheme::first && is_first(now, word)))
            to.append(sign.view(), first.origin);
        },
        [](char byte) { return byte != ' '; },
        [&](character const& c, aligned_text& to) { to.append(sign.view(), c.origin); });
    if (!step.split) return;
    refine(now, [&, text = now.text.bytes()](byte_range word, auto& parts) {
      auto const all = text.substr(0, word.end);
      std::size_t begin = word.begin;
      for (auto at = all.find(sign.view(), begin); at != all.npos; at = all.find(sign.view(), at + sign.length)) {
        pretokenize::detail::add(parts, begin, at);
        begin = at;
      }
      pretokenize::detail::add(parts, begin, word.end);
    });
  }

  /// WhitespaceSplit, and a Metaspace that is put before every word of a text that has none.
  constexpr void cut_marked(aligned_text& text, pretokenize::words& out, aligned_text& to) const {
    to.clear(text.aligned());
    pretokenize::detail::adder found(out);
    auto const whole = byte_range{0, static_cast<std::uint32_t>(text.size())};
    pretokenize::detail::each_spaced(text.bytes(), whole, [&](std::size_t begin, std::size_t end) {
      auto const start = to.size();
      to.append(word_sign_.view(), origin(text, begin));
      to.append(text, begin, end);
      found.add(start, to.size());
    });
    found.finish();
    text.swap(to);
  }

  std::vector<any_step> steps_;
  options options_;
  utf8::encoded word_sign_; // of a Metaspace, if `cut_marked` is what all steps do; else of length 0
};

// Here, where the templates that it uses are known: else Clang does not take it for a constant expression.
constexpr void pretokenizer::cut(aligned_text& text, pretokenize::words& out, workspace& work, bool starts_text) const {
  out.clear();
  if (word_sign_.length != 0 && text.bytes().find(word_sign_.view()) == std::string_view::npos)
    return cut_marked(text, out, work.text_);
  pretokenize::detail::add(out, 0, text.size());
  if (work.caches_.size() < steps_.size()) work.caches_.resize(steps_.size(), {});
  progress now{text, out, work, starts_text};
  now.lettered = options_.lettered;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    now.is_last = i + 1 == steps_.size();
    steps_[i].visit([&](auto const& step) { apply(step, now, work.caches_[i]); });
  }
  if (now.lettered && options_.raw_bytes)
    rewrite(
        now, [](byte_range, aligned_text&) {}, prints,
        [](character const& c, aligned_text& to) {
          int const byte = c.valid ? byte_of(c.code_point) : -1;
          char const raw = static_cast<char>(byte);
          to.append(byte < 0 ? c.bytes : std::string_view(&raw, 1), c.origin);
        });
}

} // namespace loquat
