#pragma once
/// \file
/// What the tokenizers of GGUF files have in common, whatever their kind: pieces, kinds of tokens, tokens with a role,
/// and what is put around texts. Part of `gguf.hpp`.

#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/gguf_fields.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// The base of the readers.
class gguf_tokens {
 protected:
  static constexpr std::string_view underline = "\xE2\x96\x81"; // U+2581, which stands for a space

  constexpr explicit gguf_tokens(gguf::file const& file) : in_(file) {}

  constexpr void read_tokens() {
    tokens_ = in_.array<std::string_view>("tokens");
    kinds_ = in_.kinds(tokens_.size());
    if (in_ && tokens_.size() == 0) in_.wrong(errc::malformed, "tokens", "there are none");
    if (in_ && tokens_.size() >= static_cast<std::size_t>(std::numeric_limits<token>::max()))
      in_.wrong(errc::unsupported, "tokens", "there are ", tokens_.size());
    begin_ = role("bos_token_id");
    end_ = role("eos_token_id");
    unknown_ = role("unknown_token_id");
    separator_ = role("seperator_token_id"); // sic
    class_ = role("cls_token_id");
    mask_ = role("mask_token_id");
  }
  constexpr token role(std::string_view key) { return in_.id(key, tokens_.size()); }

  /// The pieces, each as `spell(piece, kind, out)` appends it to `out`; user-defined ones are of the kind
  /// `user_defined`.
  template <class Spell> constexpr vocabulary pieces(Spell spell, token_kind user_defined = token_kind::user_defined) {
    vocabulary out;
    std::vector<char> text;
    out.reserve(tokens_.size(), in_.file().find(gguf_key("tokens").view())->payload().size() - 8 * tokens_.size());
    std::size_t i = 0;
    for (auto const piece : tokens_) {
      text.clear();
      auto const kind = kinds_[i];
      spell(piece, kind, text);
      if (!out.add({text.data(), text.size()}, kind == token_kind::user_defined ? user_defined : kind)) {
        in_.wrong(errc::unsupported, "tokens", "pieces of 4 GiB and more");
        break;
      }
      ++i;
    }
    return out;
  }
  /// The same where `spell(piece, kind, to)` writes at most as many bytes as `piece` has and returns how many, as
  /// `spelled_piece` remembers them.
  template <class Spell> constexpr vocabulary pieces_in_place(Spell spell, token_kind user_defined) {
    vocabulary out;
    all_ = in_.file().find(gguf_key("tokens").view())->payload();
    out.reserve(tokens_.size(), all_.size() - 8 * tokens_.size());
    if (all_.size() > std::numeric_limits<std::uint32_t>::max()) {
      in_.wrong(errc::unsupported, "tokens", "4 GiB and more");
      return out;
    }
    spelled_.reserve(tokens_.size());
    std::size_t i = 0, at = 0;
    for (auto const piece : tokens_) {
      auto const kind = kinds_[i++];
      auto const stored = kind == token_kind::user_defined ? user_defined : kind;
      if (!out.add_in_place(piece.size(), [&](char* to) { return std::pair(spell(piece, kind, to), stored); })) {
        in_.wrong(errc::unsupported, "tokens", "pieces of 4 GiB and more");
        break;
      }
      spelled_.push_back(static_cast<std::uint32_t>(at += 8));
      at += piece.size();
    }
    return out;
  }
  /// How the file spells a token.
  constexpr std::string_view spelled_piece(token id) const noexcept {
    auto const* const at = all_.data() + spelled_[static_cast<std::size_t>(id)];
    return {at, static_cast<std::size_t>(load_little<std::uint64_t>(at - 8))};
  }
  static constexpr void append(std::vector<char>& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  /// The token whose piece is `name`, as the file spells it.
  constexpr token find(std::string_view name) const {
    token id = 0;
    for (auto const piece : tokens_) {
      if (piece == name) return id;
      ++id;
    }
    return no_token;
  }
  /// The token for what has no piece: as the file says, or the first of that kind.
  constexpr token unknown() const noexcept {
    if (unknown_ != no_token) return unknown_;
    auto const found = std::find(kinds_.begin(), kinds_.end(), token_kind::unknown);
    return found == kinds_.end() ? no_token : static_cast<token>(found - kinds_.begin());
  }

  /// Control tokens and those with a role become special tokens; user-defined ones added tokens, if `user_defined`.
  template <class Change> constexpr void add_tokens(bool user_defined, Change change) {
    std::array const roles{begin_, end_, unknown(), separator_, class_, mask_};
    token id = 0;
    for (auto const piece : tokens_) {
      auto const kind = kinds_[static_cast<std::size_t>(id)];
      bool const special = kind == token_kind::control || std::find(roles.begin(), roles.end(), id) != roles.end();
      if (special || (user_defined && kind == token_kind::user_defined)) {
        added_token t{.content = owned_text(piece), .id = id, .special = special};
        change(t);
        out_.added.push_back(std::move(t));
      }
      ++id;
    }
  }

  /// Puts `begin` before texts, `end` behind each of them, and `between` before the second of two.
  constexpr void wrap(token begin, token end, token between, std::uint32_t second_type) {
    using enum postprocess::item::kind;
    postprocess::template_processing t;
    auto const put = [](std::vector<postprocess::item>& items, token id, std::uint32_t type) {
      if (id != no_token) items.push_back({special, type, {id}});
    };
    for (auto* const items : {&t.single, &t.pair}) {
      put(*items, begin, 0);
      items->push_back({first, 0, {}});
      put(*items, end, 0);
    }
    put(t.pair, between, second_type);
    t.pair.push_back({second, second_type, {}});
    put(t.pair, end, second_type);
    if (begin != no_token || end != no_token || between != no_token) out_.postprocessors.push_back(std::move(t));
  }

  gguf_fields in_;
  tokenizer_definition out_;
  gguf::array_view<std::string_view> tokens_;
  std::vector<token_kind> kinds_;
  std::string_view all_;               // the tokens, each behind its length
  std::vector<std::uint32_t> spelled_; // where each begins
  token begin_ = no_token, end_ = no_token, unknown_ = no_token, separator_ = no_token, class_ = no_token,
        mask_ = no_token;
};

} // namespace loquat::detail
