#pragma once
/// \file
/// Byte fallback: which tokens stand for single bytes, by their names `<0x00>` … `<0xFF>`.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace loquat {

/// The name of a byte's token, with upper-case digits, as Hugging Face tokenizers and SentencePiece write it.
class byte_name {
 public:
  constexpr explicit byte_name(unsigned char byte) noexcept {
    constexpr std::string_view digits = "0123456789ABCDEF";
    text_[3] = digits[byte / 16];
    text_[4] = digits[byte % 16];
  }
  constexpr std::string_view view() const noexcept { return {text_.data(), text_.size()}; } ///< "<0x0A>"

 private:
  std::array<char, 6> text_{'<', '0', 'x', '0', '0', '>'};
};

/// The token of each byte, or `no_token`. A token is one by its name or, of the kind `byte`, by the byte that it is;
/// `find(text)` gives the token of a text.
template <class Find> constexpr std::array<token, 256> find_byte_tokens(vocabulary const& pieces, Find find) {
  std::array<token, 256> tokens{};
  for (std::size_t b = 0; b < tokens.size(); ++b) tokens[b] = find(byte_name(static_cast<unsigned char>(b)).view());
  for (std::size_t i = pieces.size(); i-- > 0;) {
    auto const id = static_cast<token>(i);
    if (pieces.kind(id) == token_kind::byte && pieces.piece(id).size() == 1)
      tokens[static_cast<unsigned char>(pieces.piece(id)[0])] = id;
  }
  return tokens;
}

} // namespace loquat
