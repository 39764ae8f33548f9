#pragma once
/// \file
/// How a SentencePiece BPE tokenizer is built from a vocabulary. Part of `sentencepiece_bpe.hpp`.

#include <loquat/tokenizer/sentencepiece_bpe.hpp>

#include <limits>
#include <optional>

namespace loquat {

namespace detail {

/// The byte that "<0x41>" names.
constexpr std::optional<unsigned char> named_byte(std::string_view name) noexcept {
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return {};
  unsigned value = 0;
  for (char const c : name.substr(3, 2)) {
    if (c >= '0' && c <= '9') value = value * 16 + static_cast<unsigned>(c - '0');
    else if (c >= 'A' && c <= 'F') value = value * 16 + static_cast<unsigned>(c - 'A' + 10);
    else if (c >= 'a' && c <= 'f') value = value * 16 + static_cast<unsigned>(c - 'a' + 10);
    else return {};
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

/// Gives every character of `text` a symbol, which is `id` if it is the only one. False if there are too many symbols.
constexpr bool sentencepiece_bpe::learn_characters(std::string_view text, std::vector<float>& scores, token id) {
  auto const assign = [&](char32_t c, std::uint32_t symbol) {
    if (c < 128) ascii_[c] = symbol;
    else characters_.insert(c, 0, symbol);
  };
  auto const first = utf8::decode(text);
  if (first.length == text.size()) { // the first of equal pieces wins, and any piece wins over a mere character
    if (symbol_of(first.code_point) == pair_map::none) assign(first.code_point, static_cast<std::uint32_t>(id));
    return true;
  }
  while (!text.empty()) {
    auto const c = utf8::decode(text);
    text.remove_prefix(c.length);
    if (symbol_of(c.code_point) != pair_map::none) continue;
    if (symbols_ >= pair_map::none) return false;
    assign(c.code_point, symbols_++);
    scores.push_back(0);
  }
  return true;
}

/// Finds the rule of every piece that merging can produce.
constexpr result<void> sentencepiece_bpe::learn_rules(vocabulary_spec const& spec) {
  auto const mergeable = [&](token id) {
    auto const k = kind(id);
    if (k != token_kind::normal && k != token_kind::undefined && k != token_kind::unused) return false;
    auto const original = spec.pieces[static_cast<std::size_t>(id)];
    return !original.empty() && original.find(' ') == original.npos && utf8::is_valid(original);
  };
  // Ids by length in bytes, in order within a length: counted, then placed. Pieces of one character come first, since
  // they must be known as such before longer pieces ask for their characters.
  std::vector<token> by_length;
  std::size_t longest = 0, characters = 0;
  for (std::size_t i = 0; i < size(); ++i) longest = std::max(longest, piece(static_cast<token>(i)).size());
  std::vector<std::uint32_t> first(longest + 2, 0);
  for (std::size_t i = 0; i < size(); ++i) {
    auto const id = static_cast<token>(i);
    if (!mergeable(id)) continue;
    ++first[piece(id).size() + 1];
    for (char const c : piece(id)) characters += (static_cast<unsigned char>(c) & 0xC0u) == 0xC0u;
  }
  for (std::size_t length = 1; length < first.size(); ++length) first[length] += first[length - 1];
  by_length.resize(first.back());
  for (std::size_t i = 0; i < size(); ++i)
    if (auto const id = static_cast<token>(i); mergeable(id)) by_length[first[piece(id).size()]++] = id;

  symbols_ = static_cast<std::uint32_t>(size());
  ascii_.fill(pair_map::none);
  characters_ = pair_map(std::min(characters, std::size_t{0x110000}));
  std::vector<float> scores(spec.scores.begin(), spec.scores.end());
  for (bool const single : {true, false})
    for (token const id : by_length)
      if ((utf8::decode(piece(id)).length == piece(id).size()) == single && !learn_characters(piece(id), scores, id))
        return fail(errc::unsupported, "vocabulary: more than ", pair_map::none - 1, " tokens and characters");
  rules_ = merge_rules(scores);
  adjacent_ = adjacency(by_length.size());
  words_ = word_index(by_length.size());

  std::vector<bpe_symbol> symbols;
  for (token const id : by_length) {
    symbols.clear();
    append_symbols(symbols, piece(id));
    bool const unused = kind(id) == token_kind::unused;
    if (symbols.size() == 1 && symbols[0].id == static_cast<std::uint32_t>(id)) words_.insert(vocabulary_, id);
    if (rules_.merge(symbols) != 2) continue; // out of reach, or the same as an earlier piece
    auto const whole = static_cast<std::uint32_t>(id);
    rules_.insert(symbols[0].id, symbols[1].id, whole);
    if (!unused) words_.insert(vocabulary_, id);
    else unused_.push_back({whole, symbols[0].id, symbols[1].id, symbols[0].end});
    auto last = symbols[0].end; // of the left symbol: where its last character begins
    do --last;
    while ((static_cast<unsigned char>(piece(id)[last]) & 0xC0u) == 0x80u);
    adjacent_.insert(utf8::decode(piece(id).substr(last)).code_point,
                     utf8::decode(piece(id).substr(symbols[0].end)).code_point);
  }
  std::sort(unused_.begin(), unused_.end(), [](halves const& a, halves const& b) { return a.whole < b.whole; });
  return {};
}

/// Appends one symbol for each character of `text`. Bytes that are no UTF-8 are part of no piece.
constexpr void sentencepiece_bpe::append_symbols(std::vector<bpe_symbol>& out, std::string_view text) const {
  for (std::size_t at = 0; at < text.size();) {
    auto const c = utf8::decode(text.substr(at));
    at += c.length;
    out.push_back({c.valid ? symbol_of(c.code_point) : pair_map::none, static_cast<std::uint32_t>(at)});
  }
}

} // namespace loquat
