#pragma once
/// \file
/// SentencePiece's normalizer and models written the obvious way, over whole texts and strings: what the real ones are
/// compared with.

#include "tokenizer/charsmap_builder.hpp"

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// A token and its range of bytes.
struct placed_piece {
  loquat::token id = loquat::no_token;
  std::size_t begin = 0, end = 0;
  friend bool operator==(placed_piece const&, placed_piece const&) = default;
};

/// A normalized text, with U+2581 for spaces, and for each byte, and the end, where in the original it begins.
struct reference_text {
  std::string bytes;
  std::vector<std::uint32_t> places;
};

inline constexpr std::string_view space_mark = "\u2581";

/// The longest of `pieces` that `text` begins with; empty if there is none.
inline std::string_view longest_of(std::vector<std::string> const& pieces, std::string_view text) {
  std::string_view best;
  for (auto const& piece : pieces)
    if (text.starts_with(piece) && piece.size() > best.size()) best = piece;
  return best;
}

/// Pieces of the kind `user_defined`.
inline std::vector<std::string> user_defined(loquat::vocabulary const& pieces) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (auto const id = static_cast<loquat::token>(i); pieces.kind(id) == loquat::token_kind::user_defined)
      out.emplace_back(pieces.piece(id));
  return out;
}

/// Normalizes; `how.charsmap` is not read.
inline reference_text reference_normalize(loquat::normalize::sentencepiece const& how, std::span<mapping const> map,
                                          std::vector<std::string> const& user, std::string_view text) {
  reference_text out;
  std::uint32_t at = 0;
  auto const next = [&](std::string_view rest) -> std::pair<std::string, std::size_t> {
    if (auto const piece = longest_of(user, rest); !piece.empty()) return {std::string(piece), piece.size()};
    mapping best;
    for (auto const& m : map)
      if (rest.starts_with(m.first) && m.first.size() > best.first.size()) best = m;
    if (!best.first.empty()) return {std::string(best.second), best.first.size()};
    auto const size = loquat::utf8::decode(rest).length;
    return {std::string(rest.substr(0, size)), size};
  };
  auto const add = [&](std::string_view bytes) {
    out.bytes += bytes;
    out.places.insert(out.places.end(), bytes.size(), at);
  };
  auto const take = [&](std::size_t n) {
    at += static_cast<std::uint32_t>(n);
    text.remove_prefix(n);
  };
  if (how.remove_extra)
    while (!text.empty() && next(text).first == " ") take(next(text).second);
  if (text.empty()) {
    out.places = {at};
    return out;
  }
  if (how.add_prefix && !how.suffix) add(space_mark);
  bool after_space = how.remove_extra;
  while (!text.empty()) {
    auto [bytes, size] = next(text);
    while (after_space && bytes.starts_with(' ')) bytes.erase(0, 1);
    for (char const c : bytes) c == ' ' ? add(space_mark) : add({&c, 1});
    if (!bytes.empty()) after_space = bytes.ends_with(' ');
    take(size);
    if (!how.remove_extra) after_space = false;
  }
  while (how.remove_extra && out.bytes.ends_with(space_mark)) {
    out.bytes.resize(out.bytes.size() - space_mark.size());
    at = out.places[out.bytes.size()];
    out.places.resize(out.bytes.size());
  }
  if (how.add_prefix && how.suffix) add(space_mark);
  out.places.push_back(at);
  return out;
}

/// What a character model or a BPE makes of a normalized text with U+2581 for spaces.
class reference_sentencepiece {
 public:
  reference_sentencepiece(loquat::vocabulary const& pieces, std::vector<float> const& scores, loquat::token unknown,
                          bool merges)
      : pieces_(pieces), scores_(scores), unknown_(unknown), merges_(merges), user_(user_defined(pieces)) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto const id = static_cast<loquat::token>(i);
      auto const kind = pieces.kind(id);
      std::string const piece(pieces.piece(id));
      using enum loquat::token_kind;
      if (kind == byte) bytes_[piece] = id;
      if (kind == control || kind == unknown_kind || kind == byte || !loquat::utf8::is_valid(piece)) continue;
      if (piece.find(' ') == piece.npos) ids_[piece] = id;
    }
  }

  std::vector<placed_piece> encode(std::string_view text) const {
    struct symbol {
      std::string text;
      bool frozen;
    };
    std::vector<symbol> symbols;
    while (!text.empty()) {
      auto const user = longest_of(user_, text);
      auto const size = user.empty() ? loquat::utf8::decode(text).length : user.size();
      symbols.push_back({std::string(text.substr(0, size)), !user.empty()});
      text.remove_prefix(size);
    }
    std::map<std::string, std::pair<std::string, std::string>> origin; // of unused pieces
    while (merges_) {
      std::size_t best = symbols.size();
      float score = 0;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i].frozen || symbols[i + 1].frozen) continue;
        auto const found = ids_.find(symbols[i].text + symbols[i + 1].text);
        if (found == ids_.end()) continue;
        float const its = scores_[static_cast<std::size_t>(found->second)];
        if (best == symbols.size() || its > score) best = i, score = its;
      }
      if (best == symbols.size()) break;
      auto& left = symbols[best].text;
      auto const& right = symbols[best + 1].text;
      if (pieces_.kind(ids_.at(left + right)) == loquat::token_kind::unused) origin[left + right] = {left, right};
      left += right;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    std::vector<placed_piece> out;
    std::size_t begin = 0;
    bool after_unknown = false;
    auto const put = [&](auto const& self, std::string const& piece) -> void {
      if (auto const halves = origin.find(piece); halves != origin.end()) {
        auto const both = halves->second;
        self(self, both.first);
        return self(self, both.second);
      }
      auto const found = ids_.find(piece);
      std::size_t const end = begin + piece.size();
      if (found != ids_.end()) {
        out.push_back({found->second, begin, end});
      } else if (bytes_.size() == 256) {
        for (std::size_t i = 0; i < piece.size(); ++i) {
          constexpr std::string_view hex = "0123456789ABCDEF";
          auto const byte = static_cast<unsigned char>(piece[i]);
          auto const id = bytes_.at(std::string("<0x") + hex[byte / 16] + hex[byte % 16] + '>');
          out.push_back({id, begin, i + 1 < piece.size() ? begin : end});
        }
      } else if (after_unknown) {
        out.back().end = end;
      } else {
        out.push_back({unknown_, begin, end});
      }
      after_unknown = found == ids_.end() && bytes_.size() != 256;
      begin = end;
    };
    for (auto const& s : symbols) put(put, s.text);
    return out;
  }

 private:
  static constexpr auto unknown_kind = loquat::token_kind::unknown;
  loquat::vocabulary const& pieces_;
  std::vector<float> const& scores_;
  loquat::token unknown_;
  bool merges_;
  std::vector<std::string> user_;
  std::map<std::string, loquat::token, std::less<>> ids_, bytes_;
};

/// A text with U+2581 for spaces as the models have it, and for each of its bytes, and the end, where in `text` it is.
struct plain_text {
  std::string bytes;
  std::vector<std::size_t> places;

  explicit plain_text(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      bool const space = text.substr(at).starts_with(space_mark);
      places.push_back(at);
      bytes += space ? ' ' : text[at];
      at += space ? space_mark.size() : 1;
    }
    places.push_back(text.size());
  }
};

} // namespace test
