#pragma once
/// \file
/// The models of SentencePiece see a space as the one byte 0x20, which is shorter than the U+2581 that stands for it in
/// pieces.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <cstddef>
#include <string_view>
#include <utility>

namespace loquat {

/// U+2581, which stands for a space in pieces.
inline constexpr std::string_view piece_space = "\xE2\x96\x81";

/// Pieces as such models see them: U+2581 is 0x20, and the other way round. A piece with a 0x20 of its own is never
/// found then, since no normalized text has U+2581, just as SentencePiece, whose texts have no 0x20, never finds it.
/// Error: `errc::unsupported` for 4 GiB of pieces.
constexpr result<vocabulary> with_plain_spaces(vocabulary pieces) {
  bool const done = pieces.rewrite(piece_space.size(), [](std::string_view piece, char* to) {
    std::size_t size = 0;
    for (std::size_t at = 0; at < piece.size(); ++at) {
      if (piece[at] == ' ') {
        for (char const c : piece_space) to[size++] = c;
      } else if (piece[at] == piece_space[0] && piece.substr(at).starts_with(piece_space)) {
        to[size++] = ' ';
        at += piece_space.size() - 1;
      } else {
        to[size++] = piece[at];
      }
    }
    return size;
  });
  if (!done) return fail(errc::unsupported, "vocabulary: 4 GiB of pieces and more");
  return pieces;
}

} // namespace loquat
