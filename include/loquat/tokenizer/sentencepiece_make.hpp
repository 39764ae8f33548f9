#pragma once
/// \file
/// How a SentencePiece BPE tokenizer is built from a vocabulary. Part of `sentencepiece_bpe.hpp`.

#include <loquat/tokenizer/sentencepiece_tables.hpp>

#include <limits>
#include <optional>

namespace loquat {

namespace detail {

/// The byte that "<0x41>" names.
constexpr std::optional<unsigned char> named_byte(std::string_view name) noexcept {
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return {};
  unsigned value = 0;
  for (char const c : name.substr(3, 2)) {
    if (c >= '0' && c <= '9')
      value = value * 16 + static_cast<unsigned>(c - '0');
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + static_cast<unsigned>(c - 'A' + 10);
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + static_cast<unsigned>(c - 'a' + 10);
    else
      return {};
  }
  return static_cast<unsigned char>(value);
}

} // namespace detail

constexpr result<sentencepiece_bpe> sentencepiece_bpe::make(vocabulary_spec const& spec) {
  std::size_t const n = spec.pieces.size();
  if (spec.scores.size() != n || spec.kinds.size() != n)
    return fail(errc::mismatch, "vocabulary: ", n, " pieces need as many scores and kinds, found ", spec.scores.size(),
                " scores and ", spec.kinds.size(), " kinds");
  if (n >= pair_map::none) return fail(errc::unsupported, "vocabulary: more than ", pair_map::none - 1, " tokens: ", n);
  sentencepiece_bpe out;
  if (auto const ok = out.read_pieces(spec); !ok) return ok.error();
  if (auto const ok = out.learn_rules(spec); !ok) return ok.error();
  return out;
}

/// Checks the parts of `spec`, fills the vocabulary and finds the tokens that are not made by merging.
constexpr result<void> sentencepiece_bpe::read_pieces(vocabulary_spec const& spec) {
  add_begin_ = spec.add_begin && spec.begin != no_token;
  add_end_ = spec.add_end && spec.end != no_token;
  spaces_ = {spec.add_space_prefix, spec.remove_extra_whitespaces, invalid_utf8::replace};
  byte_tokens_.fill(no_token);
  std::size_t user_defined_bytes = 0, control_bytes = 0, all_bytes = 0;
  for (std::size_t i = 0; i < spec.pieces.size(); ++i) {
    std::size_t const bytes = spec.pieces[i].size();
    if (bytes > std::numeric_limits<std::uint32_t>::max() / 2 - all_bytes)
      return fail(errc::unsupported, "vocabulary: 2 GiB of pieces and more");
    all_bytes += bytes;
    if (spec.kinds[i] == token_kind::user_defined) user_defined_bytes += bytes;
    if (spec.kinds[i] == token_kind::control || spec.kinds[i] == token_kind::unknown) control_bytes += bytes;
  }
  if (user_defined_bytes >= prefix_trie::none - 1 || control_bytes >= prefix_trie::none - 1)
    return fail(errc::unsupported, "vocabulary: 2 MiB of user-defined or control tokens and more");
  vocabulary_.reserve(spec.pieces.size(), all_bytes + 8);
  user_defined_ = prefix_trie(user_defined_bytes);
  control_ = prefix_trie(control_bytes);

  std::vector<char> text;
  std::size_t bytes_found = 0;
  for (std::size_t i = 0; i < spec.pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto const piece = spec.pieces[i];
    constexpr float most = std::numeric_limits<float>::max();
    if (!(spec.scores[i] >= -most && spec.scores[i] <= most))
      return fail(errc::malformed, "vocabulary: the score of token ", i, " is no finite number");
    bool added = false;
    switch (spec.kinds[i]) {
    case token_kind::unknown:
      if (unknown_ == no_token) unknown_ = id;
      control_.insert(piece, id);
      added = vocabulary_.add(" \xE2\x81\x87 ", token_kind::unknown);
      break;
    case token_kind::control:
      control_.insert(piece, id);
      added = vocabulary_.add(piece, token_kind::control);
      break;
    case token_kind::byte: {
      auto const byte = detail::named_byte(piece);
      if (!byte) return fail(errc::malformed, "vocabulary: byte token ", i, " is named ", piece, ", not like <0x0A>");
      if (byte_tokens_[*byte] == no_token) {
        byte_tokens_[*byte] = id;
        ++bytes_found;
      }
      char const c = static_cast<char>(*byte);
      added = vocabulary_.add({&c, 1}, token_kind::byte);
      break;
    }
    default: {
      text.clear();
      for (std::size_t at = 0; at < piece.size();) {
        bool const space = piece.substr(at).starts_with(space_symbol);
        text.push_back(space ? ' ' : piece[at]);
        at += space ? space_symbol.size() : 1;
      }
      std::string_view const internal(text.data(), text.size());
      added = vocabulary_.add(internal, spec.kinds[i]);
      if (spec.kinds[i] == token_kind::user_defined && (spec.plain_spaces || piece.find(' ') == piece.npos))
        user_defined_.insert(internal, id);
    }
    }
    if (!added) return fail(errc::unsupported, "vocabulary: 4 GiB of pieces and more");
  }
  auto const role = [&](std::string_view name, token id) -> result<token> {
    if (id == no_token || vocabulary_.contains(id)) return id;
    return fail(errc::malformed, "vocabulary: the ", name, " token is ", id, ", but there are ", size(), " tokens");
  };
  auto const begin = role("begin", spec.begin), end = role("end", spec.end), unknown = role("unknown", spec.unknown);
  for (auto const* checked : {&begin, &end, &unknown})
    if (!*checked) return checked->error();
  begin_ = *begin;
  end_ = *end;
  if (*unknown != no_token) unknown_ = *unknown;
  has_bytes_ = bytes_found == byte_tokens_.size();
  if (!has_bytes_ && unknown_ == no_token)
    return fail(errc::malformed, "vocabulary: expected an unknown token or 256 byte tokens, found ", bytes_found,
                " byte tokens and no unknown one");
  return {};
}

/// Finds the rule of every piece that merging can produce.
constexpr result<void> sentencepiece_bpe::learn_rules(vocabulary_spec const& spec) {
  // Ids by length in bytes, in order within a length: counted, then placed. So each piece comes after all that it can
  // be made of, its single characters included, and the first of equal pieces before the others.
  std::vector<std::uint32_t> lengths(size(), 0); // 0: takes no part in merging
  std::size_t longest = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    auto const k = kind(static_cast<token>(i));
    if (k != token_kind::normal && k != token_kind::undefined && k != token_kind::unused) continue;
    if (spec.pieces[i].find(' ') != std::string_view::npos || !utf8::is_valid(spec.pieces[i])) continue;
    lengths[i] = static_cast<std::uint32_t>(piece(static_cast<token>(i)).size());
    longest = std::max<std::size_t>(longest, lengths[i]);
  }
  std::vector<std::uint32_t> first(longest + 2, 0);
  for (auto const length : lengths)
    if (length > 0) ++first[length + 1];
  for (std::size_t length = 1; length < first.size(); ++length) first[length] += first[length - 1];
  std::vector<token> by_length(first.back(), no_token);
  for (std::size_t i = 0; i < size(); ++i)
    if (lengths[i] > 0) by_length[first[lengths[i]]++] = static_cast<token>(i);

  symbols_ = static_cast<std::uint32_t>(size());
  ascii_.fill(pair_map::none);
  rules_ = merge_rules(spec.scores);
  adjacent_ = adjacency(by_length.size());
  words_ = word_index(by_length.size());
  std::vector<bpe_symbol> symbols(longest, bpe_symbol{});
  for (token const id : by_length) {
    learn_rule(id, symbols);
    if (symbols_ > pair_map::none)
      return fail(errc::unsupported, "vocabulary: more than ", pair_map::none, " tokens and characters");
  }
  std::sort(unused_.begin(), unused_.end(), [](halves const& a, halves const& b) { return a.whole < b.whole; });
  for (unsigned char c = 0; c < 128; ++c) plain_[c] = !user_defined_.begins(c) && !(c == ' ' && spaces_.remove_extra);
  return {};
}

/// Finds the rule of one piece; `symbols` is room to work in.
constexpr void sentencepiece_bpe::learn_rule(token id, std::span<bpe_symbol> symbols) {
  auto const text = piece(id);
  auto const whole = static_cast<std::uint32_t>(id);
  symbols = symbols.first(split(text, symbols));
  for (std::uint32_t begin = 0; auto& symbol : symbols) { // characters that are met for the first time
    if (symbol.id == pair_map::none) {
      auto const c = utf8::decode(text.substr(begin)).code_point;
      if (symbol_of(c) == pair_map::none) {
        auto const made = symbols.size() == 1 ? whole : symbols_++;
        if (c < 128)
          ascii_[c] = made;
        else
          characters_.insert(c, 0, made);
      }
      symbol.id = symbol_of(c);
    }
    begin = symbol.end;
  }
  if (symbols.size() == 1 || rules_.merge(symbols) != 2) return; // no rule; out of reach; the same as an earlier piece
  rules_.insert(symbols[0].id, symbols[1].id, whole);
  if (kind(id) == token_kind::unused)
    unused_.push_back({whole, symbols[0].id, symbols[1].id, symbols[0].end});
  else
    words_.insert(vocabulary_, id);
  std::uint32_t last = symbols[0].end - 1; // where the last character of the left symbol begins
  while ((static_cast<unsigned char>(text[last]) & 0xC0u) == 0x80u) --last;
  adjacent_.insert(utf8::decode(text.substr(last)).code_point, utf8::decode(text.substr(symbols[0].end)).code_point);
}

} // namespace loquat
