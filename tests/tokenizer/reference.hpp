#pragma once
/// \file
/// SentencePiece's BPE written the obvious way, over whole texts and strings: what the real one is compared with.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/spaces.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Encodes like `sentencepiece_bpe` without special tokens. The text must not end in the middle of anything.
inline std::vector<loquat::token> reference_encode(loquat::vocabulary_spec const& spec, std::string_view text) {
  using loquat::token_kind;
  std::map<std::string, loquat::token, std::less<>> mergeable, user_defined, bytes;
  for (std::size_t i = 0; i < spec.pieces.size(); ++i) {
    auto const kind = spec.kinds[i];
    std::string const piece(spec.pieces[i]);
    auto const id = static_cast<loquat::token>(i);
    if (kind == token_kind::user_defined)
      user_defined.emplace(piece, id);
    else if (kind == token_kind::byte)
      bytes.emplace(piece, id);
    else if (kind == token_kind::normal || kind == token_kind::unused)
      mergeable.emplace(piece, id);
  }
  // Normalisation, into U+2581.
  std::string normal;
  auto const space = loquat::space_symbol;
  if (spec.remove_extra_whitespaces)
    while (text.starts_with(' ')) text.remove_prefix(1);
  if (spec.add_space_prefix && !text.empty()) normal += space;
  bool was_space = spec.remove_extra_whitespaces;
  while (!text.empty()) {
    auto const c = loquat::utf8::decode(text);
    bool const is_space = c.code_point == ' ';
    if (is_space && !(was_space && spec.remove_extra_whitespaces))
      normal += space;
    else if (!is_space)
      normal += loquat::utf8::encode(c.code_point).view();
    was_space = is_space;
    text.remove_prefix(c.length);
  }
  if (spec.remove_extra_whitespaces)
    while (normal.ends_with(space)) normal.resize(normal.size() - space.size());

  struct symbol {
    std::string text;
    bool frozen;
    std::vector<std::string> parts; // how an unused piece came about
  };
  std::vector<symbol> symbols;
  for (std::string_view rest = normal; !rest.empty();) {
    std::size_t length = loquat::utf8::decode(rest).length;
    bool frozen = false;
    for (auto const& [piece, id] : user_defined)
      if (!piece.empty() && rest.starts_with(piece) && (!frozen || piece.size() > length))
        length = piece.size(), frozen = true;
    symbols.push_back({std::string(rest.substr(0, length)), frozen, {std::string(rest.substr(0, length))}});
    rest.remove_prefix(length);
  }
  while (true) {
    std::size_t best = symbols.size();
    float score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      auto const found = mergeable.find(symbols[i].text + symbols[i + 1].text);
      if (symbols[i].frozen || symbols[i + 1].frozen || found == mergeable.end()) continue;
      float const its = spec.scores[static_cast<std::size_t>(found->second)];
      if (best == symbols.size() || its > score) best = i, score = its;
    }
    if (best == symbols.size()) break;
    auto& left = symbols[best];
    left.text += symbols[best + 1].text;
    bool const unused = spec.kinds[static_cast<std::size_t>(mergeable[left.text])] == token_kind::unused;
    if (unused)
      left.parts.insert(left.parts.end(), symbols[best + 1].parts.begin(), symbols[best + 1].parts.end());
    else
      left.parts = {left.text};
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<loquat::token> ids;
  bool after_unknown = false;
  for (auto const& s : symbols) {
    for (auto const& part : s.parts) {
      auto const found = s.frozen ? user_defined.find(part) : mergeable.find(part);
      bool const known = s.frozen || found != mergeable.end();
      if (known) {
        ids.push_back(found->second);
      } else if (bytes.size() == 256) {
        constexpr std::string_view hex = "0123456789ABCDEF";
        for (char const c : part) {
          auto const byte = static_cast<unsigned char>(c);
          ids.push_back(bytes.at(std::string("<0x") + hex[byte / 16] + hex[byte % 16] + '>'));
        }
      } else if (!after_unknown) {
        ids.push_back(spec.unknown);
      }
      after_unknown = !known && bytes.size() != 256;
    }
  }
  return ids;
}

} // namespace test
