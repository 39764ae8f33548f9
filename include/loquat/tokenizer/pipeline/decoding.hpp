#pragma once
/// \file
/// From ids to a text: the decoders of a definition, or where they only join what each token stands for, just that.
/// Part of `pipeline.hpp`.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/decoders.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/replacer.hpp>
#include <loquat/tokenizer/token_texts.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// The texts of tokens, and how they become one.
class token_decoder {
 public:
  /// Buffers, kept from text to text.
  struct workspace {
    token_texts now, next;
    decode_step::workspace steps;
    aligned_text text, spare;
    regex_cache cache;
  };
  /// How a file's pieces spell text.
  enum class spelling : unsigned char {
    plain,         ///< as the decoders say
    bytes,         ///< they are the bytes that they stand for
    sentencepiece, ///< U+2581 or 0x20 is a space, byte tokens are bytes, the unknown token is " ⁇ "
  };

  /// Which spaces SentencePiece drops from the front of a text.
  enum class front_space : unsigned char { kept, dropped, all_dropped };

  constexpr token_decoder() = default;

  /// Compiles the decoders. `name(id)` is the file's spelling of a token, `added(id)` says whether it is an added one.
  template <class Name, class Added>
  static constexpr result<token_decoder> make(std::span<decode_step::step const> steps, spelling how, std::size_t size,
                                              vocabulary const& pieces, front_space front, Name name, Added added) {
    token_decoder made;
    made.spelling_ = how;
    bool const only_bytes = how == spelling::bytes && (steps.empty() || is_byte_level(steps));
    made.joins_ = only_bytes || (how == spelling::sentencepiece && steps.empty());
    made.separated_ = steps.empty() && !made.joins_;
    made.per_byte_ = how == spelling::sentencepiece;
    made.drops_space_ = made.per_byte_ && front != front_space::kept;
    made.drops_spaces_ = made.per_byte_ && front == front_space::all_dropped;
    for (auto const& s : steps) {
      auto compiled = s.visit([](auto const& step) { return compile(step); });
      if (!compiled) return compiled.error().within("decoder");
      made.steps_.push_back(*std::move(compiled));
    }
    made.find_first_space();
    workspace room;
    std::vector<char> text;
    for (std::size_t i = 0; i < size; ++i) {
      auto const id = static_cast<token>(i);
      text.clear();
      made.spell_middle(name(id), added(id), pieces.kind(id), text, room);
      if (!made.texts_.add({text.data(), text.size()}, pieces.kind(id)))
        return fail(errc::unsupported, "decoder: texts of 4 GiB and more");
    }
    return made;
  }

  constexpr std::size_t size() const noexcept { return texts_.size(); } ///< tokens
  /// What a token appends in the middle of a text.
  constexpr std::string_view piece(token id) const noexcept { return texts_.piece(id); }
  constexpr bool drops_space() const noexcept { return drops_space_; } ///< whether a first space is not of the text

  /// Appends the text of `ids`. `name(id)` and `added(id)` as for `make`; `is_special(id)` are left out if the options
  /// say so.
  template <class Out, class Name, class Added, class Special>
  constexpr void decode(std::span<token const> ids, Out& out, workspace& room, text_options options, Name name,
                        Added added, Special is_special) const {
    auto const skips = [&](token id) { return !texts_.contains(id) || (options.skip_special && is_special(id)); };
    if (joins_ || !options.starts_text) {
      bool starts = options.starts_text && drops_space_;
      auto const begin = out.size();
      for (token const id : ids) {
        if (skips(id)) continue;
        auto piece = texts_.piece(id);
        if (piece.empty()) continue;
        if (starts) {
          bool const space = piece.front() == ' ' && texts_.kind(id) != token_kind::unknown;
          if (space) piece.remove_prefix(1);
          starts = space && drops_spaces_ && piece.empty();
        }
        out.insert(out.end(), piece.begin(), piece.end());
      }
      if (options.invalid == invalid_utf8::replace) utf8::replace_invalid(out, begin, per_byte_);
      return;
    }
    room.now.clear();
    for (token const id : ids) {
      if (skips(id)) continue;
      if (separated_ && room.now.size() > 0) room.now.extend(' ');
      spell(name(id), added(id), room.now);
      room.now.close();
    }
    for (auto const& step : steps_) {
      room.next.clear();
      step.visit([&](auto const& s) { apply(s, room); });
      room.now.swap(room.next);
    }
    auto const begin = out.size();
    auto const all = room.now.joined();
    out.insert(out.end(), all.begin(), all.end());
    if (options.invalid == invalid_utf8::replace) utf8::replace_invalid(out, begin, per_byte_);
  }

 private:
  using any_step =
      one_of<decode_step::byte_level, decode_step::byte_fallback, decode_step::fuse, decode_step::wordpiece,
             decode_step::metaspace, decode_step::bpe, decode_step::strip, normalize::replacer, decode_step::ctc>;

  static constexpr bool is_byte_level(std::span<decode_step::step const> steps) noexcept {
    return steps.size() == 1 && steps[0].holds<decode_step::byte_level>();
  }
  template <class Step> static constexpr result<any_step> compile(Step const& step) { return any_step(step); }
  static constexpr result<any_step> compile(decode_step::replace const& step) {
    return normalize::replacer::make({step.what, step.content}).transform([](normalize::replacer&& r) {
      return any_step(std::move(r));
    });
  }
  template <class Step> static constexpr void apply(Step const& step, workspace& room) {
    decode_step::apply(step, room.now, room.next, room.steps);
  }
  static constexpr void apply(normalize::replacer const& step, workspace& room) {
    for (std::size_t i = 0; i < room.now.size(); ++i) {
      room.text.assign(room.now[i], false);
      step.apply(room.text, room.spare, room.cache);
      room.next.add(room.text.bytes());
    }
  }

  /// Whether the steps take a space from the front of a text.
  constexpr void find_first_space() noexcept {
    for (auto const& s : steps_) {
      if (s.holds<decode_step::wordpiece>()) drops_space_ = true;
      if (auto const* const m = s.get_if<decode_step::metaspace>())
        drops_space_ = drops_space_ || m->prepend != pretokenize::prepend_scheme::never;
      if (auto const* const strip = s.get_if<decode_step::strip>())
        drops_space_ = drops_space_ || (strip->content == U' ' && strip->start > 0);
    }
  }

  /// Appends a token as the decoders want it.
  constexpr void spell(std::string_view name, bool added, token_texts& out) const {
    if (spelling_ != spelling::bytes || added) return out.extend(name);
    for (char const c : name) out.extend(byte_alphabet[static_cast<unsigned char>(c)].view());
  }
  /// Finds what a token appends in the middle of a text.
  constexpr void spell_middle(std::string_view name, bool added, token_kind kind, std::vector<char>& out,
                              workspace& room) const {
    auto const append = [&](std::string_view text) { out.insert(out.end(), text.begin(), text.end()); };
    if (spelling_ == spelling::bytes && joins_) {
      if (steps_.empty() || !added || !append_bytes(name, out)) append(name);
      return;
    }
    bool const falls_back =
        std::ranges::any_of(steps_, [](auto const& s) { return s.template holds<decode_step::byte_fallback>(); });
    int const byte = decode_step::detail::fallback_byte(name);
    if (byte >= 0 && !added && (falls_back || kind == token_kind::byte)) {
      out.push_back(static_cast<char>(byte));
      return;
    }
    if (joins_) { // SentencePiece
      if (kind == token_kind::unknown) return append(" \xE2\x81\x87 ");
      if (added) return append(name);
      for (std::size_t at = 0; at < name.size();) {
        bool const space = name.substr(at).starts_with("\xE2\x96\x81");
        out.push_back(space ? ' ' : name[at]);
        at += space ? 3 : 1;
      }
      return;
    }
    if (separated_) return append(name);
    constexpr std::string_view other = "\x01"; // a token before, and one behind
    room.now.clear();
    room.now.add(other);
    spell(name, added, room.now);
    room.now.close();
    room.now.add(other);
    for (auto const& step : steps_) {
      bool const to_bytes = step.holds<decode_step::byte_level>();
      if (room.now.size() != 3 || to_bytes || step.holds<decode_step::fuse>()) {
        if (to_bytes && append_bytes(room.now[1], out)) return;
        break; // what comes now is about the whole text
      }
      room.next.clear();
      step.visit([&](auto const& s) { apply(s, room); });
      room.now.swap(room.next);
    }
    if (room.now.size() == 3) append(room.now[1]); // else the token was dropped
  }

  spelling spelling_ = spelling::plain;
  std::vector<any_step> steps_;
  vocabulary texts_;
  bool joins_ = false, separated_ = false, per_byte_ = false;
  bool drops_space_ = false, drops_spaces_ = false; // at the front of a text: one, or all tokens that are one
};

} // namespace loquat
