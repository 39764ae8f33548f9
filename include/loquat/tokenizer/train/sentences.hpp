#pragma once
/// \file
/// Texts as SentencePiece's trainers see them: words that begin with a space sign, and characters too rare to matter.

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/train/characters.hpp>
#include <loquat/tokenizer/train/counts.hpp>
#include <loquat/tokenizer/train/new_vocabulary.hpp>
#include <loquat/tokenizer/train/piece_rule.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What `train_unigram` and `train_scored_bpe` are to make; the defaults are those of SentencePiece.
struct sentencepiece_training {
  /// Tokens, the special ones included. There are fewer if the words do not give so many.
  std::size_t vocabulary = 8000;
  std::vector<std::string_view> special{"<unk>", "<s>", "</s>"}; ///< the first tokens
  std::string_view unknown = "<unk>";                            ///< one of them
  bool byte_fallback = false;                                    ///< 256 tokens of bytes follow
  double coverage = 0.9995; ///< the share of all characters for whose sake a character becomes a token; 0.98 … 1
  piece_rule pieces{};

  std::size_t seeds = 1'000'000; ///< unigram: pieces to begin with
  double shrinking = 0.75;       ///< unigram: the share of pieces that a round keeps; 0.5 … 0.95
  unsigned rounds = 2;           ///< unigram: of expectation and maximization between two prunings
  /// Unigram: a string that the text always ends behind can be a seed. For counts of single words; SentencePiece, which
  /// sees whole lines, has no such thing.
  bool word_ends = false;
};

namespace detail {

inline constexpr char32_t rare_character = 0x2585; ///< stands for each character that gets no token

/// Words, cut before every space sign, with what follows them: the next space sign, or 0 at the end of a text.
struct sentences {
  struct word {
    std::uint32_t begin = 0, end = 0; // of `text`, where the next character is what follows
    std::uint64_t count = 0;
  };
  std::vector<char32_t> text{};
  std::vector<word> words{};
  std::vector<character_count> characters{}; // that get tokens, the most frequent first

  constexpr bool is_end(std::size_t at, std::size_t begin) const noexcept {
    return text[at] == 0 || (text[at] == space_sign && at > begin);
  }

  /// Error: `errc::capacity` for 4 G characters of different words.
  static constexpr result<sentences> make(word_counts const& counts, double coverage) {
    sentences out;
    out.choose(count_characters(counts), coverage);
    key_index kept;
    for (auto const& c : out.characters) kept.add(c.character);

    constexpr std::string_view sign = "\xE2\x96\x81";
    word_counts words; // each with what follows
    std::vector<char> spelled;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      auto const [text, count] = counts[i];
      for (std::size_t at = 0, end = 0; at < text.size(); at = end) {
        end = text.find(sign, at + 1);
        bool const is_last = end == text.npos;
        if (is_last) end = text.size();
        spelled.assign(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end));
        spelled.push_back(is_last ? 'e' : ' ');
        words.add_word({spelled.data(), spelled.size()}, count);
      }
    }
    out.words.reserve(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      auto [word, count] = words[i];
      if (word.size() >= std::numeric_limits<std::uint32_t>::max() - out.text.size())
        return fail(errc::capacity, "training: different words of 4 G characters and more");
      auto const begin = static_cast<std::uint32_t>(out.text.size());
      each_character(word.substr(0, word.size() - 1), false,
                     [&](char32_t c) { out.text.push_back(kept.find(c) == key_index::none ? rare_character : c); });
      out.words.push_back({begin, static_cast<std::uint32_t>(out.text.size()), count});
      out.text.push_back(word.back() == ' ' ? space_sign : 0);
    }
    return out;
  }

 private:
  constexpr void choose(std::vector<character_count> all, double coverage) {
    std::uint64_t sum = 0, covered = 0;
    for (auto const& c : all) sum += c.count;
    for (auto const& c : all) {
      auto const share = static_cast<double>(covered) / static_cast<double>(sum);
      if (static_cast<float>(share) >= static_cast<float>(coverage)) break;
      covered += c.count;
      if (c.character != 0 && c.character != rare_character) characters.push_back(c);
    }
  }
};

/// Checks what SentencePiece's trainers are told, and that there is room for the characters.
constexpr result<void> check_training(sentencepiece_training const& how) {
  if (auto good = check_training(how.vocabulary, how.special, how.unknown); !good) return good.error();
  if (!(how.coverage >= 0.98 && how.coverage <= 1))
    return fail(errc::argument, "training: expected a coverage of 0.98 to 1");
  if (!(how.shrinking >= 0.5 && how.shrinking <= 0.95))
    return fail(errc::argument, "training: expected a share of 0.5 to 0.95 of pieces that stay");
  if (how.rounds == 0 || how.pieces.longest == 0 || how.pieces.longest > 64)
    return fail(errc::argument, "training: expected a round or more, and pieces of 1 to 64 characters");
  return {};
}

/// Begins a vocabulary: special tokens and bytes. Error: `errc::argument` if the characters do not fit in as well.
constexpr result<new_vocabulary> begin_vocabulary(sentencepiece_training const& how, sentences const& text) {
  new_vocabulary pieces(how.vocabulary + how.special.size() + 256);
  for (auto const piece : how.special)
    pieces.add(piece, piece == how.unknown ? token_kind::unknown : token_kind::control);
  for (unsigned byte = 0; how.byte_fallback && byte < 256; ++byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    char const name[]{'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'};
    pieces.add({name, sizeof name}, token_kind::byte);
  }
  if (pieces.size() + text.characters.size() > how.vocabulary)
    return fail(errc::argument, "training: a vocabulary of ", how.vocabulary, " has no room for ", pieces.size(),
                " special tokens and bytes and ", text.characters.size(),
                " characters; expected more tokens or a lower coverage");
  return pieces;
}

/// A piece as UTF-8.
constexpr void spell(std::span<char32_t const> piece, std::vector<char>& out) {
  out.clear();
  for (auto const c : piece) {
    auto const bytes = utf8::encode(c);
    out.insert(out.end(), bytes.bytes, bytes.bytes + bytes.length);
  }
}

} // namespace detail
} // namespace loquat
