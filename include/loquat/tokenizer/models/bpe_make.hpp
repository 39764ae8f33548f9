#pragma once
/// \file
/// How a byte-pair encoding is built from a definition. Part of `bpe.hpp`.

#include <loquat/tokenizer/models/bpe_model.hpp>

namespace loquat {

constexpr result<bpe> bpe::make(token_model::bpe definition) {
  bpe out;
  out.model_ = std::move(definition);
  auto& model = out.model_;
  auto const& pieces = model.pieces;
  auto const n = pieces.size();
  bool const affixes = !model.continuing_prefix.view().empty() || !model.word_suffix.view().empty();
  if (n >= merge_table::none || model.merges.size() >= merge_table::none)
    return fail(errc::unsupported, "bpe: more than ", merge_table::none - 1, " tokens or merges: ", n, " and ",
                model.merges.size());
  if (model.unknown != no_token && !pieces.contains(model.unknown))
    return fail(errc::malformed, "bpe: the unknown token is ", model.unknown, ", but there are ", n, " tokens");
  if (model.ranked && (affixes || model.byte_fallback || !model.merges.empty()))
    return fail(errc::unsupported, "bpe: ranked pieces go with no merges, no prefix, no suffix and no byte fallback");

  if (model.index && model.index->size() == n)
    out.index_ = *std::move(model.index);
  else
    out.index_ = piece_index(pieces);
  model.index.reset();
  for (std::size_t b = 0; b < out.characters_.size(); ++b) {
    char const byte = static_cast<char>(b);
    auto const id = out.find({&byte, 1});
    out.characters_[b] = id != no_token && out.is_found(id) ? id : no_token;
  }
  out.plain_ = model.bytes && !affixes &&
               std::find(out.characters_.begin(), out.characters_.end(), no_token) == out.characters_.end();
  if (model.byte_fallback)
    out.byte_tokens_ = find_byte_tokens(pieces, [&](std::string_view name) { return out.find(name); });

  out.words_.assign(n / 64 + 1, 0);
  if (model.ranked) {
    if (!out.learn_ranks()) out.rank_pieces();
    return out;
  }
  if (auto const ok = out.check_merges(model.merges); !ok) return ok.error();
  auto merges = std::exchange(model.merges, {});
  if (!affixes && !model.whole_words && out.learn(merges)) return out; // else the words need not be known
  out.merges_ = merge_table(std::move(merges));
  if (!model.whole_words) out.find_words();
  return out;
}

/// Finds the merge that makes each ranked piece, by encoding it without itself. (Why there is no other:
/// `merge_history.hpp`.) False, and nothing changes, if that takes pieces of higher ids.
constexpr bool bpe::learn_ranks() {
  if (!plain_) return false;
  auto const& pieces = model_.pieces;
  merge_history history(pieces.size());
  for (token const id : characters_) history.add_single(id);
  workspace room;
  auto const& row = room.symbols;
  auto const encode = [&](token id) {
    split(pieces.piece(id), room);
    history.rules().merge(room.symbols, room.merging);
  };
  std::vector<token> others;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    if (pieces.piece(id).size() < 2 || !is_found(id) || find(pieces.piece(id)) != id) continue;
    encode(id);
    if (row.size() == 2)
      history.add({row[0].id, row[1].id, id});
    else
      others.push_back(id);
  }
  for (token const id : others)
    if (encode(id); row.size() == 2) return false;
  keep(std::move(history));
  return true;
}

/// The same for pieces in any order; shorter ones come first.
constexpr void bpe::rank_pieces() {
  auto const& pieces = model_.pieces;
  std::vector<std::uint32_t> begins; // of the pieces of each length in `order`
  auto const length = [&](std::size_t i) { return pieces.piece(static_cast<token>(i)).size(); };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (length(i) + 2 > begins.size()) begins.resize(length(i) + 2, 0);
    ++begins[length(i) + 1];
  }
  for (std::size_t n = 1; n < begins.size(); ++n) begins[n] += begins[n - 1];
  std::vector<token> order(pieces.size(), no_token);
  for (std::size_t i = 0; i < pieces.size(); ++i) order[begins[length(i)]++] = static_cast<token>(i);

  merges_ = merge_table(pieces.size());
  workspace room;
  auto const& symbols = room.symbols;
  for (token const id : order) {
    if (!is_found(id) || find(pieces.piece(id)) != id) continue;
    split(pieces.piece(id), room);
    merges_.merge(room.symbols, room.merging);
    std::size_t size = 0;
    for (auto const& symbol : symbols) size += symbol.size;
    if (symbols.size() > 2 || size != pieces.piece(id).size()) continue; // out of reach, or of bytes without a piece
    if (symbols.size() == 2) merges_.insert(static_cast<std::uint32_t>(id), {symbols[0].id, symbols[1].id, id});
    add_word(id);
  }
}

/// Whether words may begin with this token as a symbol.
constexpr bool bpe::is_single(token id) const noexcept {
  auto const piece = model_.pieces.piece(id);
  return !piece.empty() && piece.size() == (model_.bytes ? 1 : utf8::decode(piece).length) && is_found(id) &&
         find(piece) == id;
}

/// Checks the merges and finds what they make, unless that is said.
constexpr result<void> bpe::check_merges(std::span<merge_rule> merges) const {
  auto const& pieces = model_.pieces;
  auto const prefix = model_.continuing_prefix.view().size();
  std::vector<char> text;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    auto& [left, right, merged] = merges[i];
    if (!pieces.contains(left) || !pieces.contains(right))
      return fail(errc::malformed, "bpe: merge ", i, " is of tokens ", left, " and ", right, " of ", pieces.size());
    if (pieces.contains(merged) && !index_.has_equals()) continue;
    auto const head = pieces.piece(left), tail = pieces.piece(right);
    if (head.empty() || tail.empty() || tail.size() < prefix)
      return fail(errc::malformed, "bpe: merge ", i, ": expected text in both tokens: ", left, ", ", right);
    auto const rest = tail.substr(prefix);
    text.assign(head.begin(), head.end());
    text.insert(text.end(), rest.begin(), rest.end());
    merged = find({text.data(), text.size()});
    if (merged == no_token)
      return fail(errc::malformed, "bpe: merge ", i, ": expected a piece of the text of ", head, " and ", rest);
  }
  return {};
}

/// Keeps the merges that can happen. False, and nothing changes, if that is not easily known.
constexpr bool bpe::learn(std::span<merge_rule const> merges) {
  auto const n = model_.pieces.size();
  auto const is_fallback = [&](token id) { // a symbol with more or other text than its piece
    return id == model_.unknown || std::find(byte_tokens_.begin(), byte_tokens_.end(), id) != byte_tokens_.end();
  };
  merge_history history(n);
  for (std::size_t i = 0; i < n; ++i)
    if (is_single(static_cast<token>(i))) history.add_single(static_cast<token>(i));
  merge_learner learner(history);
  bool const fallback = model_.unknown != no_token || model_.byte_fallback;
  constexpr std::size_t ahead = 16; // memory is asked for so many merges before it is used
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (i + 2 * ahead < merges.size()) history.prefetch_rule(merges[i + 2 * ahead]);
    if (i + ahead < merges.size()) history.prefetch_parts(merges[i + ahead]);
    auto const& rule = merges[i];
    if (fallback && (is_fallback(rule.left) || is_fallback(rule.right) || is_fallback(rule.merged))) return false;
    if (!learner.offer(rule)) return false;
  }
  workspace room;
  auto const pieces_of = [&](token id) -> std::vector<merge_symbol>& {
    split(model_.pieces.piece(id), room);
    return room.symbols;
  };
  if (!learner.finish(pieces_of, room.merging)) return false;
  keep(std::move(history));
  return true;
}

/// Keeps how each piece is made, and prepares `find_row` unless there are pieces that are found as others or not at
/// all.
constexpr void bpe::keep(merge_history&& history) {
  auto const& pieces = model_.pieces;
  history_ = std::move(history);
  learned_ = true;
  rows_ = plain_; // else not every byte is a token, even if none is made
  prefixes_ = longest_prefix(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto const piece = pieces.piece(id);
    if (!history_.is_made(id)) continue;
    add_word(id);
    rows_ = rows_ && piece.size() <= longest_prefix::longest && !(index_.has_equals() && find(piece) != id);
    if (rows_) prefixes_.add(piece);
  }
}

/// Finds the words that are one token by encoding every piece.
constexpr void bpe::find_words() {
  auto const& pieces = model_.pieces;
  auto const suffix = model_.word_suffix.view();
  workspace room;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    auto const id = static_cast<token>(i);
    auto word = pieces.piece(id);
    if (!is_found(id) || word.size() <= suffix.size() || !word.ends_with(suffix)) continue;
    word.remove_suffix(suffix.size());
    split(word, room);
    merges_.merge(room.symbols, room.merging);
    if (room.symbols.size() == 1 && room.symbols[0].id == id) add_word(id);
  }
}

} // namespace loquat
