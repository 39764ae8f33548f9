#pragma once
/// \file
/// The pieces of a tokenizer: the bytes and the kind of each id, and the ids that have a role. It owns what it holds.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>

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

  constexpr std::size_t size() const noexcept { return kinds_.size(); }       ///< ids are 0 … size() - 1
  constexpr std::size_t size_bytes() const noexcept { return bytes_.size(); } ///< of all pieces together
  /// The bytes of a token; empty for an id out of range.
  constexpr std::string_view piece(token id) const noexcept {
    if (!contains(id)) return {};
    auto const i = static_cast<std::size_t>(id);
    return {bytes_.data() + ends_[i], ends_[i + 1] - ends_[i]};
  }
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

  /// Adds the next token. False, and nothing is added, if all pieces together would take 4 GiB.
  [[nodiscard]] constexpr bool add(std::string_view bytes, token_kind kind) {
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max() - bytes_.size()) return false;
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    kinds_.push_back(kind);
    return true;
  }
  /// Rewrites every piece: `write(piece, to)` puts at most `growth` times as many bytes as `piece` has to `to`, and
  /// returns how many. False, and nothing changes, if all pieces together would take 4 GiB.
  template <class Write> [[nodiscard]] constexpr bool rewrite(std::size_t growth, Write write) {
    std::vector<char> bytes(bytes_.size(), '\0');
    std::vector<std::uint32_t> ends;
    ends.reserve(ends_.size());
    ends.push_back(0);
    std::size_t size = 0;
    for (std::size_t i = 0; i < this->size(); ++i) {
      auto const from = piece(static_cast<token>(i));
      if (bytes.size() - size < growth * from.size()) bytes.resize(2 * bytes.size() + growth * from.size(), '\0');
      size += write(from, bytes.data() + size);
      if (size > std::numeric_limits<std::uint32_t>::max()) return false;
      ends.push_back(static_cast<std::uint32_t>(size));
    }
    bytes.resize(size, {});
    bytes_.swap(bytes);
    ends_.swap(ends);
    return true;
  }
  /// Makes room for `pieces` pieces of `bytes` bytes together.
  constexpr void reserve(std::size_t pieces, std::size_t bytes) {
    bytes_.reserve(bytes);
    ends_.reserve(pieces + 1);
    kinds_.reserve(pieces);
  }

 private:
  std::vector<char> bytes_;
  std::vector<std::uint32_t> ends_{0}; // of piece i: ends_[i + 1]
  std::vector<token_kind> kinds_;
};

} // namespace loquat
