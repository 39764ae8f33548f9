#pragma once
/// \file
/// Training a byte-pair encoding (R. Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare words with
/// subword units", 2016): the most frequent pair of neighbours becomes a piece, again and again. The tokens, their
/// order and the merges are those that the BpeTrainer of Hugging Face tokenizers 0.23 gives for the same counts,
/// wherever its result does not depend on the order of a hash table.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/train/characters.hpp>
#include <loquat/tokenizer/train/counts.hpp>
#include <loquat/tokenizer/train/key_index.hpp>
#include <loquat/tokenizer/train/new_vocabulary.hpp>
#include <loquat/tokenizer/train/progress.hpp>
#include <loquat/tokenizer/train/symbol_pairs.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What `train_bpe` is to make.
struct bpe_training {
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// Tokens, the special ones included. There are fewer if the words do not give so many, and more if special tokens
  /// and characters alone are more.
  std::size_t vocabulary = 30'000;
  std::uint64_t min_count = 0;             ///< of a pair that is merged
  bool bytes = false;                      ///< words are bytes, and all 256 are tokens; else words are characters
  std::vector<std::string_view> special{}; ///< the first tokens
  std::string_view unknown{};              ///< that of the special ones which stands for what has no token
  std::size_t alphabet = unlimited;        ///< characters at most; the others are left out of the words
  std::string_view characters{};           ///< are tokens in any case
  std::string_view continuing_prefix{};    ///< of pieces that do not begin a word
  std::string_view word_suffix{};          ///< of pieces that end one
  std::size_t longest_piece = unlimited;   ///< characters, or bytes; Hugging Face's `max_token_length` is one more
};

namespace detail {

/// Of pairs with equal counts that with the smallest ids comes first.
struct bpe_rules {
  static constexpr bool overlaps_count = true;
  std::size_t longest;
  std::vector<std::size_t> lengths{}; // by symbol, in characters

  constexpr bool may_merge(std::uint32_t left, std::uint32_t right) const {
    return lengths[left] + lengths[right] <= longest;
  }
  template <class Pair> constexpr bool comes_before(Pair const& a, Pair const& b) const noexcept {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  }
};

/// Forms of a character, at the end of a word and behind its first character: bits.
struct character_form {
  enum : unsigned { plain = 0, continuing = 1, last = 2, count = 4 };
};

/// Calls `f(char32_t, unsigned form)` for the characters of a word; forms differ only where they are spelled so.
template <class F> constexpr void each_symbol(std::string_view word, bpe_training const& how, F f) {
  unsigned form = character_form::plain;
  for (std::size_t at = 0; at < word.size();) {
    auto const c =
        how.bytes ? utf8::character{static_cast<unsigned char>(word[at]), 1, true} : utf8::decode(word.substr(at));
    at += c.length;
    if (at == word.size() && !how.word_suffix.empty()) form |= character_form::last;
    f(c.code_point, form);
    if (!how.continuing_prefix.empty()) form = character_form::continuing;
  }
}

/// The tokens that single characters are. At the end of a word, and behind its first character, one may be another
/// token than elsewhere.
class bpe_alphabet {
 public:
  using form = character_form;

  constexpr bpe_alphabet(bpe_training const& how, word_counts const& counts) : how_(how) {
    if (how.bytes) {
      for (char32_t c = 0; c < 256; ++c) chosen_.push_back(c);
      std::sort(chosen_.begin(), chosen_.end(), [](char32_t a, char32_t b) { // as in the alphabet of ByteLevel
        auto const order = [](char32_t c) { return utf8::decode(byte_alphabet[c].view()).code_point; };
        return order(a) < order(b);
      });
      for (auto const c : chosen_) index_.add(c);
    } else {
      choose(count_characters(counts));
    }
    seen_.assign(index_.size(), {});
    for (std::size_t i = 0; i < counts.size(); ++i)
      each_symbol(counts[i].word, how, [&](char32_t c, unsigned f) { seen_[index_.find(c)][f] = true; });
  }

  constexpr std::size_t most_tokens() const noexcept { return form::count * index_.size(); }

  /// Adds the characters as tokens, in the order of their code points, then their other forms.
  constexpr void add_to(new_vocabulary& pieces) {
    for (auto const c : chosen_) pieces.add(text(c).view());
    ids_.assign(index_.size(), {no_token, no_token, no_token, no_token});
    std::vector<std::uint32_t> order(index_.size(), 0);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    std::sort(order.begin(), order.end(), [this](auto a, auto b) { return index_[a] < index_[b]; });
    std::vector<char> spelled;
    for (auto const i : order) {
      auto const character = text(static_cast<char32_t>(index_[i]));
      if (pieces.find(character.view()) == no_token) continue;
      for (unsigned f = 0; f < form::count; ++f) {
        if (!seen_[i][f]) continue;
        spelled.clear();
        auto const append = [&](std::string_view part) { spelled.insert(spelled.end(), part.begin(), part.end()); };
        if ((f & form::continuing) != 0) append(how_.continuing_prefix);
        append(character.view());
        if ((f & form::last) != 0) append(how_.word_suffix);
        ids_[i][f] = pieces.add({spelled.data(), spelled.size()});
      }
    }
  }

  /// The symbols of a word; what is no token is left out.
  constexpr void spell(std::string_view word, std::vector<std::uint32_t>& out) {
    out.clear();
    each_symbol(word, how_, [&](char32_t c, unsigned f) {
      if (token const id = ids_[index_.find(c)][f]; id != no_token) out.push_back(static_cast<std::uint32_t>(id));
    });
  }

 private:
  constexpr void choose(std::vector<character_count> all) {
    key_index wanted;
    each_character(how_.characters, false, [&](char32_t c) { wanted.add(c); });
    std::size_t const room = how_.alphabet - std::min(how_.alphabet, wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) chosen_.push_back(static_cast<char32_t>(wanted[i]));
    for (auto const& c : all)
      if (wanted.find(c.character) == key_index::none && chosen_.size() < wanted.size() + room)
        chosen_.push_back(c.character);
    std::sort(chosen_.begin(), chosen_.end());
    for (auto const& c : all) index_.add(c.character);
  }
  constexpr utf8::encoded text(char32_t c) const noexcept {
    return how_.bytes ? utf8::encoded{{static_cast<char>(static_cast<unsigned char>(c))}, 1} : utf8::encode(c);
  }

  bpe_training const& how_;
  std::vector<char32_t> chosen_; // the alphabet
  key_index index_;              // of all characters of the words
  std::vector<std::array<bool, form::count>> seen_;
  std::vector<std::array<token, form::count>> ids_;
};

/// Where a pair was merged more than once, the last time counts.
constexpr void keep_last(std::vector<merge_rule>& merges) {
  key_index seen;
  std::size_t to = merges.size();
  for (std::size_t i = merges.size(); i-- > 0;) {
    auto const [left, right, merged] = merges[i];
    auto const known = seen.size();
    seen.add(std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right));
    if (seen.size() != known) merges[--to] = merges[i];
  }
  merges.erase(merges.begin(), merges.begin() + static_cast<std::ptrdiff_t>(to));
}

} // namespace detail

/// Trains a byte-pair encoding. Tokens are the special ones, the characters in the order of their code points (bytes in
/// that of ByteLevel's alphabet), their forms with prefix and suffix, and what is merged: the pair with the highest
/// count, of equals that with the smallest ids. `observer` is told of every hundredth token. Takes O(n log n) for n
/// characters of different words. Errors: `errc::argument`; `errc::capacity` for 4 G characters of different words and
/// for 4 GiB of pieces; `errc::cancelled` by the observer.
template <TrainObserver F = no_observer>
constexpr result<token_model::bpe> train_bpe_model(word_counts const& counts, bpe_training const& how,
                                                   F observer = {}) {
  if (auto good = detail::check_training(how.vocabulary, how.special, how.unknown); !good) return good.error();
  if (auto good = detail::check_counts(counts); !good) return good.error();
  detail::bpe_alphabet alphabet(how, counts);
  detail::new_vocabulary pieces(how.vocabulary + how.special.size() + how.characters.size() + alphabet.most_tokens());
  for (auto const piece : how.special) pieces.add(piece);
  alphabet.add_to(pieces);

  detail::bpe_rules rules{how.longest_piece};
  rules.lengths.assign(std::max(pieces.size(), how.vocabulary), 1);
  symbol_pairs pairs(rules);
  std::vector<std::uint32_t> symbols;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i % 4096 == 0 && !detail::goes_on(observer, {train_stage::seed, i, counts.size()}))
      return fail(errc::cancelled, "training: stopped");
    alphabet.spell(counts[i].word, symbols);
    if (!pairs.add_word(symbols, counts[i].count))
      return fail(errc::capacity, "training: different words of 4 G characters and more");
  }

  std::vector<merge_rule> merges;
  std::vector<char> spelled;
  while (pieces.size() < how.vocabulary) {
    auto const best = pairs.take_best();
    if (best == pairs.none || static_cast<std::uint64_t>(pairs[best].count) < how.min_count) break;
    auto const [left, right] = std::array{pairs[best].left, pairs[best].right};
    auto const head = pieces.piece(left);
    auto tail = pieces.piece(right);
    if (tail.starts_with(how.continuing_prefix)) tail.remove_prefix(how.continuing_prefix.size());
    spelled.assign(head.begin(), head.end());
    spelled.insert(spelled.end(), tail.begin(), tail.end());
    token const id = pieces.add({spelled.data(), spelled.size()});
    if (id == no_token) return fail(errc::capacity, "training: pieces of 4 GiB and more");
    auto const whole = static_cast<std::uint32_t>(id);
    rules.lengths[whole] = rules.lengths[left] + rules.lengths[right];
    merges.push_back({static_cast<token>(left), static_cast<token>(right), id});
    pairs.merge(best, whole);
    if (merges.size() % 100 == 0 && !detail::goes_on(observer, {train_stage::merge, pieces.size(), how.vocabulary}))
      return fail(errc::cancelled, "training: stopped");
  }
  detail::keep_last(merges);

  token_model::bpe model{.merges = std::move(merges), .bytes = how.bytes};
  model.unknown = how.unknown.empty() ? no_token : pieces.find(how.unknown);
  model.continuing_prefix = how.continuing_prefix;
  model.word_suffix = how.word_suffix;
  model.pieces = pieces.take();
  return model;
}

/// The same, as a definition that has the model and the special tokens. Normalizers, pre-tokenizers (those that gave
/// the words) and decoders are the caller's.
template <TrainObserver F = no_observer>
constexpr result<tokenizer_definition> train_bpe(word_counts const& counts, bpe_training const& how, F observer = {}) {
  return train_bpe_model(counts, how, std::move(observer)).transform([&how](token_model::bpe&& model) {
    return detail::define(how.special, std::move(model));
  });
}

} // namespace loquat
