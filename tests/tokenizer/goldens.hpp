#pragma once
/// \file
/// Runs the expected encodings of `tokenizers/<name>/cases.jsonl`; the format is described beside them.

#include "support/data.hpp"

#include <loquat/core/json.hpp>
#include <loquat/core/token.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// Bytes of base64 text.
inline std::string from_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char const c : text) {
    auto const value = digits.find(c);
    if (value == digits.npos) break; // padding
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) >= 8) out.push_back(static_cast<char>(bits >> (count -= 8)));
  }
  return out;
}

/// FNV-1a, 64 bits.
inline std::uint64_t fnv1a64(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (char const c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}
inline std::uint64_t fnv1a64(std::span<loquat::token const> ids) {
  std::string bytes;
  for (auto const id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<char>(static_cast<std::uint32_t>(id) >> shift));
  return fnv1a64(bytes);
}

/// One JSON document per line. The document and the line live as long as `f` runs.
template <class F> void for_each_line(std::string const& text, F f) {
  for (std::string_view rest = text; !rest.empty();) {
    auto const line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
    if (line.empty()) continue;
    auto const doc = loquat::json::parse(line).value();
    f(doc.root());
  }
}

/// The text of a corpus row or case.
inline std::string text_of(loquat::json::value row) {
  if (auto const coded = row["b64"]) return from_base64(coded.as_string().value());
  return std::string(row["text"].as_string().value());
}

/// The inputs by case id, and by category.
struct corpus {
  std::map<std::string, std::string, std::less<>> texts, categories;
};
inline corpus read_corpus(std::string const& path) {
  corpus out;
  for_each_line(read(path), [&](loquat::json::value row) {
    std::string const id(row["case"].as_string().value());
    out.texts[id] = text_of(row);
    out.categories[id] = row["cat"].as_string().value();
  });
  return out;
}

/// Whether ids are what a row says: a list, or count and hash of a long one.
inline bool same_ids(loquat::json::value want, std::span<loquat::token const> have) {
  if (want.kind() == loquat::json::kind::array) {
    if (want.size() != have.size()) return false;
    std::size_t i = 0;
    for (auto const id : want.elements())
      if (id.as_int64().value() != have[i++]) return false;
    return true;
  }
  auto const n = want["n"].as_int64().value();
  auto const hash = want["fnv1a64"];
  std::uint64_t expected = 0;
  if (hash.kind() != loquat::json::kind::string) return false;
  expected = std::stoull(std::string(hash.as_string().value()), nullptr, 16);
  return static_cast<std::size_t>(n) == have.size() && expected == fnv1a64(have);
}

/// Whether a text is what a row says: text, base64, or size and hash.
inline bool same_text(loquat::json::value want, std::string_view have) {
  if (want.kind() == loquat::json::kind::string) return want.as_string().value() == have;
  if (auto const coded = want["b64"]) return from_base64(coded.as_string().value()) == have;
  return static_cast<std::size_t>(want["n"].as_int64().value()) == have.size() &&
         std::stoull(std::string(want["fnv1a64"].as_string().value()), nullptr, 16) == fnv1a64(have);
}

} // namespace test
