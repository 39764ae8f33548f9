#pragma once
/// \file
/// What must hold for any bytes encoded with the toy vocabulary.

#include "reference.hpp"
#include "toy.hpp"

#include <loquat/tokenizer/text.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace test {

/// The toy vocabulary, built once.
inline loquat::sentencepiece_bpe const& toy_tokenizer() {
  static auto const tokenizer = loquat::sentencepiece_bpe::make(toy().spec()).value();
  return tokenizer;
}

/// True if the obvious algorithm gives the same ids, a copied cursor goes on as the original, and decoding gives the
/// text.
inline bool encoding_holds(std::string_view text) {
  auto const& tokenizer = toy_tokenizer();
  for (auto const invalid : {loquat::invalid_utf8::replace, loquat::invalid_utf8::bytes}) {
    for (bool const parse : {false, true}) {
      loquat::encode_options const options{.add_special = false, .parse_special = parse, .invalid = invalid};
      auto const ids = loquat::encode(tokenizer, text, options);
      auto cursor = tokenizer.start(text, options);
      for (std::size_t i = 0; i < ids.size() / 2; ++i) cursor.next();
      auto copy = cursor;
      for (std::size_t i = ids.size() / 2; i < ids.size(); ++i)
        if (copy.next() != ids[i]) return false;
      if (copy.next() != loquat::no_token) return false;

      bool const plain = text.find("\u2581") == text.npos; // which decodes to a space
      bool const exact = loquat::utf8::is_valid(text) || invalid == loquat::invalid_utf8::bytes;
      auto const back = loquat::decode(tokenizer, ids, {.invalid = invalid});
      if (plain && exact && !parse && back != text) return false;
      bool const comparable = invalid == loquat::invalid_utf8::replace && !parse && text.size() < 200; // it is slow
      if (comparable && ids != reference_encode(toy().spec(), text)) return false;
    }
  }
  return true;
}

} // namespace test
