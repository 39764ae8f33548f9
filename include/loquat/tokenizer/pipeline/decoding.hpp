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
#include <loquat/tokenizer/pipeline/piece_slots.hpp>
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

  /// Compiles the decoders. `name(id)` is the file's spelling of a token, `added(id)` says whether it is an added one,
  /// `is_special(id)` whether it can be left out.
  template <class Name, class Added, class Special>
  static constexpr result<token_decoder> make(std::span<decode_step::step const> steps, spelling how, std::size_t size,
                                              vocabulary const& pieces, front_space front, Name name, Added added,
                                              Special is_special) {
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
    made.find_whole_steps();
    workspace room;
    std::vector<char> text;
    made.pieces_.reserve(size);
    for (std::size_t i = 0; i < size; ++i) {
      auto const id = static_cast<token>(i);
      auto const kind = pieces.kind(id);
      auto const is_added = added(id);
      auto middle = pieces.piece(id);
      bool is_byte = false;
      if (!only_bytes || is_added) {
        text.clear();
        is_byte = made.spell_middle(name(id), is_added, kind, text, room);
        middle = {text.data(), text.size()};
      }
      made.splices_ = made.splices_ && (is_byte || kind != token_kind::byte);
      using enum piece_slots::role;
      auto const role = is_byte ? byte : kind == token_kind::unknown ? unknown : is_special(id) ? special : none;
      if (!made.pieces_.add(middle, role)) return fail(errc::unsupported, "decoder: texts of 4 GiB and more");
    }
    return made;
  }

  constexpr std::size_t size() const noexcept { return pieces_.size(); } ///< tokens
  /// What a token appends in the middle of a text.
  constexpr std::string_view piece(token id) const noexcept { return pieces_[id]; }
  constexpr bool drops_space() const noexcept { return drops_space_; } ///< whether a first space is not of the text

  /// Appends the text of `ids`. `name(id)` and `added(id)` as for `make`; `is_special(id)` are left out if the options
  /// say so.
  template <class Out, class Name, class Added, class Special>
  constexpr void decode(std::span<token const> ids, Out& out, workspace& room, text_options options, Name name,
                        Added added, Special is_special) const {
    auto const skips = [&](token id) { return !pieces_.contains(id) || (options.skip_special && is_special(id)); };
    auto const begin = out.size();
    auto const put = [&](std::string_view text) { out.insert(out.end(), text.begin(), text.end()); };
    if (joins_ || !options.starts_text) {
      bool valid = true;
      for (bool starts = options.starts_text && drops_space_; starts && !ids.empty(); ids = ids.subspan(1)) {
        token const id = ids.front();
        auto piece = pieces_[id];
        if (skips(id) || piece.empty()) continue;
        bool const space = piece.front() == ' ' && pieces_.role_of(id) != piece_slots::role::unknown;
        if (space) piece.remove_prefix(1);
        starts = space && drops_spaces_ && piece.empty();
        valid = utf8::is_valid(piece);
        put(piece);
      }
      valid &= pieces_.each(ids, put, [&](std::size_t i) {
        if (!skips(ids[i])) put(pieces_[ids[i]]);
        return i + 1;
      });
      if (options.invalid == invalid_utf8::replace && !valid) utf8::replace_invalid(out, begin, per_byte_);
      return;
    }
    room.now.clear();
    bool const spliced = splices_ && splice(ids, room, name, added, skips);
    if (!spliced) {
      for (token const id : ids) {
        if (skips(id)) continue;
        if (separated_ && room.now.size() > 0) room.now.extend(' ');
        spell(name(id), added(id), room.now);
        room.now.close();
      }
    }
    apply_steps(spliced ? whole_ : 0, steps_.size(), room);
    put(room.now.joined());
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

  constexpr void apply_steps(std::size_t begin, std::size_t end, workspace& room) const {
    for (std::size_t i = begin; i < end; ++i) {
      room.next.clear();
      steps_[i].visit([&](auto const& s) { apply(s, room); });
      room.now.swap(room.next);
    }
  }
  /// Does the steps before `whole_` with what each token gives in the middle of a text: only where the ends of a text
  /// are special are the steps done, for its first and its last token. False if it is too short for that.
  template <class Name, class Added, class Skips>
  constexpr bool splice(std::span<token const> ids, workspace& room, Name name, Added added, Skips skips) const {
    if (ends_differ_) {
      while (!ids.empty() && skips(ids.front())) ids = ids.subspan(1);
      while (!ids.empty() && skips(ids.back())) ids = ids.first(ids.size() - 1);
      if (ids.size() < 2) return false;
      for (token const id : {ids.front(), ids.back()}) {
        spell(name(id), added(id), room.now);
        room.now.close();
      }
      apply_steps(0, whole_, room);
      ids = ids.subspan(1, ids.size() - 2);
    }
    room.next.clear();
    auto const put = [&](std::string_view text) { room.next.extend(text); };
    if (ends_differ_) put(room.now[0]);
    auto& bytes = room.steps.bytes;
    pieces_.each(ids, put, [&](std::size_t i) {
      bytes.clear();
      for (; i < ids.size(); ++i) {
        if (skips(ids[i])) continue;
        if (pieces_.role_of(ids[i]) != piece_slots::role::byte) break;
        bytes.push_back(pieces_[ids[i]].front());
      }
      decode_step::detail::each_text_of({bytes.data(), bytes.size()}, put);
      if (bytes.empty() && i < ids.size()) put(pieces_[ids[i++]]);
      return i;
    });
    if (ends_differ_) put(room.now[1]);
    room.next.close();
    room.now.swap(room.next);
    return true;
  }

  template <class... Step> static constexpr bool is_any(any_step const& s) noexcept { return (s.holds<Step>() || ...); }
  /// Finds how many steps can be done token by token, and with what follows makes one text of all.
  constexpr void find_whole_steps() noexcept {
    namespace step = decode_step;
    auto const joint = std::ranges::find_if_not(
        steps_, is_any<step::wordpiece, step::metaspace, step::bpe, step::strip, normalize::replacer>);
    ends_differ_ = std::any_of(steps_.begin(), joint, is_any<step::wordpiece, step::metaspace, step::bpe>);
    auto const rest = std::span(joint, steps_.end());
    bool const falls_back = rest.size() > 1 && is_any<step::byte_fallback>(rest[0]) && is_any<step::fuse>(rest[1]);
    bool const joins = falls_back || (!rest.empty() && is_any<step::fuse, step::byte_level>(rest[0]));
    splices_ = !steps_.empty() && (rest.empty() || (joins && !ends_differ_));
    whole_ = steps_.size() - rest.size() + (falls_back ? 2 : joins ? 1 : 0);
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
  /// Finds what a token appends in the middle of a text. True for a byte of those that make a character only together.
  constexpr bool spell_middle(std::string_view name, bool added, token_kind kind, std::vector<char>& out,
                              workspace& room) const {
    auto const append = [&](std::string_view text) {
      out.insert(out.end(), text.begin(), text.end());
      return false;
    };
    if (spelling_ == spelling::bytes && joins_)
      return append(!steps_.empty() && added && append_bytes(name, out) ? std::string_view() : name);
    bool const falls_back = std::ranges::any_of(steps_, is_any<decode_step::byte_fallback>);
    if (int const byte = decode_step::detail::fallback_byte(name);
        byte >= 0 && !added && !falls_back && kind == token_kind::byte) {
      out.push_back(static_cast<char>(byte));
      return false;
    }
    if (joins_) { // SentencePiece
      if (kind == token_kind::unknown) return append(" \xE2\x81\x87 ");
      if (added) return append(name);
      for (std::size_t at = 0; at < name.size();) {
        bool const space = name.substr(at).starts_with("\xE2\x96\x81");
        out.push_back(space ? ' ' : name[at]);
        at += space ? 3 : 1;
      }
      return false;
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
        if (to_bytes && append_bytes(room.now[1], out)) return false;
        break; // what comes now is about the whole text
      }
      if (int const byte = decode_step::detail::fallback_byte(room.now[1]);
          byte >= 0 && step.holds<decode_step::byte_fallback>()) {
        out.push_back(static_cast<char>(byte));
        return true;
      }
      room.next.clear();
      step.visit([&](auto const& s) { apply(s, room); });
      room.now.swap(room.next);
    }
    if (room.now.size() == 3) append(room.now[1]); // else the token was dropped
    return false;
  }

  spelling spelling_ = spelling::plain;
  std::vector<any_step> steps_;
  piece_slots pieces_;
  bool joins_ = false, separated_ = false, per_byte_ = false;
  bool splices_ = false, ends_differ_ = false;      // texts are pieces put together, or all of it but for both ends
  std::size_t whole_ = 0;                           // the steps from here on are about all of such a text
  bool drops_space_ = false, drops_spaces_ = false; // at the front of a text: one, or all tokens that are one
};

} // namespace loquat
