#pragma once
/// \file
/// One encoding under way: SentencePiece BPE, lazily. Part of `sentencepiece_bpe.hpp`.

#include <loquat/tokenizer/sentencepiece_bpe.hpp>

namespace loquat {

/// Hands out the ids of a text. It holds one stretch between two cuts at a time, of up to 256 characters without
/// allocation; longer ones, and unused pieces that have to be split again, take memory that the cursor owns, in proportion
/// to the stretch. A stretch of 2^28 characters is cut.
class sentencepiece_cursor {
 public:
  constexpr sentencepiece_cursor(sentencepiece_bpe const& tokenizer, std::string_view text, encode_options options)
      : tokenizer_(&tokenizer), rest_(text), options_(options), ready_(options.add_special && tokenizer.add_begin_ ? tokenizer.begin_ : no_token) {}

  /// The next id; after the last one `no_token` for ever.
  constexpr token next() {
    auto const& t = *tokenizer_;
    while (true) {
      if (ready_ != no_token) return std::exchange(ready_, no_token);
      if (byte_ != byte_end_) return t.byte_tokens_[static_cast<unsigned char>(text()[byte_++])];
      if (next_ != count_ || !parts_.empty()) {
        take_symbol();
      } else if (in_section_) {
        if (!read_stretch()) {
          in_section_ = false;
          after_unknown_ = false;
          ready_ = std::exchange(control_, no_token);
        }
      } else if (!rest_.empty()) {
        begin_section();
      } else if (!ended_) {
        ended_ = true;
        if (options_.add_special && t.add_end_) ready_ = t.end_;
      } else {
        return no_token;
      }
    }
  }

 private:
  /// Sets `section_` to read what comes before the next control token, and `control_` to that.
  constexpr void begin_section() {
    std::size_t length = rest_.size(), skip = 0;
    auto const& names = tokenizer_->control_;
    if (options_.parse_special) {
      for (std::size_t at = 0; at < rest_.size(); ++at) {
        if (!names.begins(static_cast<unsigned char>(rest_[at]))) continue;
        if (auto const found = names.longest(rest_.substr(at)); found.id != no_token) {
          control_ = found.id;
          length = at;
          skip = found.length;
          break;
        }
      }
    }
    auto spaces = tokenizer_->spaces_;
    spaces.invalid = options_.invalid;
    section_ = space_normalizer(rest_.substr(0, length), spaces);
    in_section_ = true;
    rest_.remove_prefix(length + skip);
  }

  /// Reads up to the next cut and merges. False at the end of the section.
  constexpr bool read_stretch() {
    auto const& t = *tokenizer_;
    long_ = false;
    size_ = 0;
    next_ = count_ = 0;
    begin_ = 0;
    std::size_t characters = 0;
    char32_t previous = 0;
    while (characters < max_characters) {
      auto after = section_;
      auto const c = after.next();
      if (c.bytes.empty()) break;
      if (t.user_defined_.begins(static_cast<unsigned char>(c.bytes[0]))) {
        after = section_;
        if (auto const id = match_user_defined(after); id != no_token) {
          if (characters > 0) break;
          section_ = after;
          return take(id);
        }
        after = section_;
        after.next();
      }
      if (characters > 0 && !t.adjacent_.contains(previous, c.code_point)) break;
      section_ = after;
      previous = c.code_point;
      append(c.bytes);
      ++characters;
    }
    if (characters == 0) return false;
    if (token const id = t.words_.find(t.vocabulary_, text()); id != no_token) return take(id);
    merge(characters);
    return true;
  }
  constexpr bool take(token id) noexcept {
    ready_ = id;
    after_unknown_ = false;
    return true;
  }

  /// The longest user-defined piece that comes next. Moves `from` behind it.
  constexpr token match_user_defined(space_normalizer& from) const {
    token found = no_token;
    auto reader = from;
    std::uint32_t node = 0;
    while (true) {
      auto const c = reader.next();
      if (c.bytes.empty()) break;
      node = tokenizer_->user_defined_.step(node, c.bytes);
      if (node == prefix_trie::none) break;
      if (auto const id = tokenizer_->user_defined_.at(node); id != no_token) {
        found = id;
        from = reader;
      }
    }
    return found;
  }

  constexpr void append(std::string_view bytes) {
    if (!long_ && size_ + bytes.size() > short_text_.size()) {
      long_ = true;
      long_text_.assign(short_text_.begin(), short_text_.begin() + static_cast<std::ptrdiff_t>(size_));
    }
    if (long_) long_text_.insert(long_text_.end(), bytes.begin(), bytes.end());
    else
      for (char const c : bytes) short_text_[size_++] = c;
  }
  constexpr std::string_view text() const noexcept {
    if (long_) return {long_text_.data(), long_text_.size()};
    return {short_text_.data(), size_};
  }

  constexpr void merge(std::size_t characters) {
    auto const whole = text();
    if (characters > short_symbols_.size()) long_symbols_.resize(characters, bpe_symbol{});
    many_ = characters > short_symbols_.size();
    auto const out = symbols().first(characters);
    std::size_t at = 0;
    for (auto& symbol : out) {
      auto const c = utf8::decode(whole.substr(at));
      at += c.length;
      symbol.id = c.valid ? tokenizer_->symbol_of(c.code_point) : pair_map::none;
      symbol.end = static_cast<std::uint32_t>(at);
    }
    count_ = tokenizer_->rules_.merge(out);
  }
  constexpr std::span<bpe_symbol> symbols() noexcept {
    return many_ ? std::span<bpe_symbol>(long_symbols_) : std::span<bpe_symbol>(short_symbols_);
  }

  /// Turns the next symbol into ids: itself, the halves of an unused piece, bytes, or the unknown token once in a row.
  constexpr void take_symbol() {
    auto const& t = *tokenizer_;
    bpe_symbol symbol;
    if (parts_.empty()) {
      symbol = symbols()[next_++];
    } else {
      symbol = parts_.back();
      parts_.pop_back();
    }
    while (t.kind(static_cast<token>(symbol.id)) == token_kind::unused) {
      auto const found = std::lower_bound(t.unused_.begin(), t.unused_.end(), symbol.id,
                                          [](auto const& piece, std::uint32_t id) { return piece.whole < id; });
      if (found == t.unused_.end() || found->whole != symbol.id) break; // one character: nothing to split
      symbol.id = found->right;
      parts_.push_back(symbol);
      symbol.id = found->left;
      symbol.end = begin_ + found->left_size;
    }
    auto const from = std::exchange(begin_, symbol.end);
    if (symbol.id < t.size()) {
      ready_ = static_cast<token>(symbol.id);
      after_unknown_ = false;
    } else if (t.has_bytes_) {
      byte_ = from;
      byte_end_ = symbol.end;
    } else if (!std::exchange(after_unknown_, true)) {
      ready_ = t.unknown_;
    }
  }

  static constexpr std::size_t max_characters = std::size_t{1} << 28;

  sentencepiece_bpe const* tokenizer_;
  std::string_view rest_; // after the section
  encode_options options_;
  space_normalizer section_;      // what of it is not read yet
  token control_ = no_token;      // after the section
  token ready_;                   // to be handed out before all else
  bool in_section_ = false, ended_ = false, after_unknown_ = false;

  // The stretch: its text, and its symbols that are not handed out yet.
  bool long_ = false, many_ = false;
  std::size_t size_ = 0;
  std::size_t next_ = 0, count_ = 0;
  std::uint32_t begin_ = 0;                // where the bytes of the next symbol begin
  std::uint32_t byte_ = 0, byte_end_ = 0;  // bytes of an unknown character
  std::array<char, 4 * merge_rules::short_length> short_text_{};
  std::array<bpe_symbol, merge_rules::short_length> short_symbols_{};
  std::vector<char> long_text_;
  std::vector<bpe_symbol> long_symbols_;
  std::vector<bpe_symbol> parts_; // halves of unused pieces, the leftmost last
};

constexpr sentencepiece_cursor sentencepiece_bpe::start(std::string_view text, encode_options options) const {
  return {*this, text, options};
}

} // namespace loquat
