#pragma once
/// \file
/// The pieces that users of SentencePiece define: they are matched before all others, the longest first.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/prefix_trie.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <cstddef>
#include <string_view>

namespace loquat {

/// Finds the user-defined pieces of a vocabulary.
class user_pieces {
  // Before its use: Clang needs its definition there in constant expressions.
  template <class F> static constexpr void each(vocabulary const& pieces, F f) {
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (auto const id = static_cast<token>(i); pieces.kind(id) == token_kind::user_defined) f(id);
  }

 public:
  constexpr user_pieces() = default; ///< there are none

  /// Error: `errc::unsupported` if these pieces take 2 MiB together.
  static constexpr result<user_pieces> make(vocabulary const& pieces) {
    user_pieces made;
    std::size_t bytes = 0;
    each(pieces, [&](token id) { bytes += pieces.piece(id).size(); });
    if (bytes >= prefix_trie::none - 1)
      return fail(errc::unsupported, "vocabulary: 2 MiB of user-defined pieces and more");
    made.trie_ = prefix_trie(bytes);
    each(pieces, [&](token id) { made.trie_.insert(pieces.piece(id), id); });
    return made;
  }

  /// Whether some of them begin with this byte.
  constexpr bool begins(char byte) const noexcept { return trie_.begins(static_cast<unsigned char>(byte)); }
  /// The longest at `at`, which is a place in `text`; `no_token` if there is none.
  constexpr prefix_trie::match match(std::string_view text, std::size_t at) const noexcept {
    return begins(text[at]) ? trie_.longest(text.substr(at)) : prefix_trie::match{};
  }

 private:
  prefix_trie trie_;
};

} // namespace loquat
