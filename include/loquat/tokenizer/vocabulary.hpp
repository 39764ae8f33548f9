#pragma once
/// \file
/// The pieces of a tokenizer: the bytes and the kind of each id, and the ids that have a role. It owns what it holds.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What a token is. The numbers are those of GGUF's `tokenizer.ggml.token_type` and of SentencePiece's models.
enum class token_kind : unsigned char {
  undefined = 0,    ///< not said; treated as normal
  normal = 1,       ///< a piece of text
  unknown = 2,      ///< stands for what has no piece
  control = 3,      ///< a mark such as the begin of a text; never made from text unless asked for
  user_defined = 4, ///< a piece that is matched before all others and merges with nothing
  unused = 5,       ///< a piece that takes part in merging but is never produced
  byte = 6,         ///< one byte, for characters that have no piece
};

/// The bytes and kinds of tokens.
class vocabulary {
 public:
  constexpr vocabulary() = default;

  constexpr std::size_t size() const noexcept { return kinds_.size(); }      ///< ids are 0 … size() - 1
  constexpr std::size_t size_bytes() const noexcept { return ends_.back(); } ///< of all pieces together
  /// The bytes of a token; empty for an id out of range.
  constexpr std::string_view piece(token id) const noexcept {
    if (!contains(id)) return {};
    auto const i = static_cast<std::size_t>(id);
    return {bytes_.data() + ends_[i], ends_[i + 1] - ends_[i]};
  }
  static constexpr std::size_t spare = 16; ///< so many bytes behind each piece can be read, too
  /// The kind of a token; `undefined` for an id out of range.
  constexpr token_kind kind(token id) const noexcept {
    return contains(id) ? kinds_[static_cast<std::size_t>(id)] : token_kind::undefined;
  }
  /// True for the ids of this vocabulary.
  constexpr bool contains(token id) const noexcept { return id >= 0 && static_cast<std::size_t>(id) < size(); }
  /// The first token whose bytes are `text`, or `no_token`. Linear in the vocabulary: for a few look-ups after loading.
  constexpr token find(std::string_view text) const noexcept {
    for (std::size_t i = 0; i < size(); ++i)
      if (piece(static_cast<token>(i)) == text) return static_cast<token>(i);
    return no_token;
  }

  /// Adds the next token: `write(to)` puts at most `most` bytes to `to` and returns how many, and the kind. False, and
  /// nothing is added, if all pieces together would take 4 GiB.
  template <class Write> [[nodiscard]] constexpr bool add_in_place(std::size_t most, Write write) {
    std::size_t const begin = ends_.back();
    if (most > std::numeric_limits<std::uint32_t>::max() - begin) return false;
    if (bytes_.size() - begin < most + spare) bytes_.resize(std::max(2 * bytes_.size(), begin + most + spare), '\0');
    auto const [size, kind] = write(bytes_.data() + begin);
    ends_.push_back(static_cast<std::uint32_t>(begin + size));
    kinds_.push_back(kind);
    return true;
  }
  /// The same with the bytes at hand.
  [[nodiscard]] constexpr bool add(std::string_view bytes, token_kind kind) {
    return add_in_place(bytes.size(), [&](char* to) {
      std::copy(bytes.begin(), bytes.end(), to);
      return std::pair(bytes.size(), kind);
    });
  }
  /// Rewrites every piece: `write(piece, to)` puts at most `growth` times as many bytes as `piece` has to `to`, and
  /// returns how many. False, and nothing changes, if all pieces together would take 4 GiB.
  template <class Write> [[nodiscard]] constexpr bool rewrite(std::size_t growth, Write write) {
    vocabulary out;
    out.reserve(size(), size_bytes());
    for (std::size_t i = 0; i < size(); ++i) {
      auto const from = piece(static_cast<token>(i));
      if (!out.add_in_place(growth * from.size(), [&](char* to) { return std::pair(write(from, to), kinds_[i]); }))
        return false;
    }
    *this = std::move(out);
    return true;
  }
  /// Makes room for `pieces` pieces of `bytes` bytes together.
  constexpr void reserve(std::size_t pieces, std::size_t bytes) {
    bytes_.resize(std::max(bytes_.size(), bytes + spare), '\0');
    ends_.reserve(pieces + 1);
    kinds_.reserve(pieces);
  }

 private:
  std::vector<char> bytes_;            // and room for more
  std::vector<std::uint32_t> ends_{0}; // of piece i: ends_[i + 1]
  std::vector<token_kind> kinds_;
};

} // namespace loquat
