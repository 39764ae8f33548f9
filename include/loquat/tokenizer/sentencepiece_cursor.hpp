#pragma once
/// \file
/// One encoding under way: SentencePiece BPE, lazily. Part of `sentencepiece_bpe.hpp`.

#include <loquat/tokenizer/sentencepiece_tables.hpp>

namespace loquat {

namespace detail {

/// The bytes of a character, taken one by one.
class spelled_character {
 public:
  constexpr spelled_character() = default;
  constexpr spelled_character(std::string_view bytes) noexcept : size_(bytes.size()) {
    for (std::size_t i = 0; i < size_; ++i) bytes_[i] = static_cast<unsigned char>(bytes[i]);
  }
  constexpr bool empty() const noexcept { return next_ == size_; }
  constexpr unsigned char take() noexcept { return bytes_[next_++]; }

 private:
  std::array<unsigned char, 4> bytes_{};
  std::size_t next_ = 0, size_ = 0;
};

} // namespace detail

/// Hands out the ids of a text. It holds one stretch between two cuts at a time, of up to 256 characters without
/// allocation; longer ones, and unused pieces that have to be split again, take memory that the cursor owns, in
/// proportion to the stretch. A stretch of 2^28 characters is cut.
class sentencepiece_cursor {
 public:
  constexpr sentencepiece_cursor(sentencepiece_bpe const& tokenizer, std::string_view text, encode_options options)
      : tokenizer_(&tokenizer), rest_(text), options_(options) {
    if (options.add_special && tokenizer.add_begin_) ready_ = tokenizer.begin_;
  }

  /// The next id; after the last one `no_token` for ever.
  constexpr token next() {
    auto const& t = *tokenizer_;
    while (true) {
      if (ready_ != no_token) return std::exchange(ready_, no_token);
      if (!spelled_.empty()) return t.byte_tokens_[spelled_.take()];
      if (next_ != count_ || !parts_.empty()) {
        take_symbol();
      } else if (in_section_) {
        if (read_stretch()) continue;
        in_section_ = false;
        after_unknown_ = false;
        ready_ = std::exchange(control_, no_token);
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
    prefix_trie::match found;
    std::size_t at = options_.parse_special ? 0 : rest_.size();
    for (; at < rest_.size(); ++at) {
      if (!tokenizer_->control_.begins(static_cast<unsigned char>(rest_[at]))) continue;
      found = tokenizer_->control_.longest(rest_.substr(at));
      if (found.id != no_token) break;
    }
    auto spaces = tokenizer_->spaces_;
    spaces.invalid = options_.invalid;
    section_ = space_normalizer(rest_.substr(0, at), spaces);
    in_section_ = true;
    control_ = found.id;
    rest_.remove_prefix(at + found.length);
  }

  /// Reads up to the next cut and merges. False at the end of the section.
  constexpr bool read_stretch() {
    auto const& t = *tokenizer_;
    auto const rest = section_.rest();
    std::size_t characters = t.plain_run(rest);
    char32_t last = 0;
    if (characters > 0 && characters <= max_characters &&
        (characters == rest.size() || t.plain_[static_cast<unsigned char>(rest[characters])])) {
      direct_ = rest.substr(0, characters); // nothing to normalise, and a cut behind it
      last = static_cast<unsigned char>(rest[characters - 1]);
      section_.skip(characters);
    } else {
      characters = read_normalized(last);
      if (characters == 0) return ready_ != no_token;
    }
    next_ = count_ = 0;
    if (characters == 1) {
      if (auto const symbol = t.symbol_of(last); symbol < t.size()) return take(static_cast<token>(symbol));
    } else if (token const id = t.words_.find(t.vocabulary_, text()); id != no_token) {
      return take(id);
    }
    begin_ = 0;
    long_ = characters > short_symbols_.size();
    if (long_) long_symbols_.resize(characters, bpe_symbol{});
    count_ = t.rules_.merge(symbols().first(t.split(text(), symbols())));
    return true;
  }

  /// Reads a stretch character by character into the buffer. Returns how many; none at the end of the section, and
  /// before a user-defined piece, which it takes.
  constexpr std::size_t read_normalized(char32_t& last) {
    auto const& t = *tokenizer_;
    direct_ = {};
    short_size_ = 0;
    long_text_.clear();
    std::size_t characters = 0;
    while (characters < max_characters) {
      auto after = section_;
      auto const c = after.next();
      if (c.bytes.empty()) break;
      if (t.user_defined_.begins(static_cast<unsigned char>(c.bytes[0]))) {
        auto behind = section_;
        if (auto const id = match_user_defined(behind); id != no_token) {
          if (characters > 0) break;
          section_ = behind;
          take(id);
          break;
        }
      }
      if (characters > 0 && !t.adjacent_.contains(last, c.code_point)) break;
      section_ = after;
      append(c.bytes);
      last = c.code_point;
      ++characters;
    }
    return characters;
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
    if (long_text_.empty() && short_size_ + bytes.size() <= short_text_.size()) {
      for (char const c : bytes) short_text_[short_size_++] = c;
      return;
    }
    if (long_text_.empty()) long_text_.assign(short_text_.data(), short_text_.data() + short_size_);
    long_text_.insert(long_text_.end(), bytes.begin(), bytes.end());
  }
  constexpr std::string_view text() const noexcept {
    if (!direct_.empty()) return direct_;
    if (!long_text_.empty()) return {long_text_.data(), long_text_.size()};
    return {short_text_.data(), short_size_};
  }
  constexpr std::span<bpe_symbol> symbols() noexcept {
    return long_ ? std::span<bpe_symbol>(long_symbols_) : std::span<bpe_symbol>(short_symbols_);
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
    while (!t.unused_.empty()) {
      auto const found = std::lower_bound(t.unused_.begin(), t.unused_.end(), symbol.id,
                                          [](auto const& piece, std::uint32_t id) { return piece.whole < id; });
      if (found == t.unused_.end() || found->whole != symbol.id) break; // used, or a single character
      symbol.id = found->right;
      parts_.push_back(symbol);
      symbol.id = found->left;
      symbol.end = begin_ + found->left_size;
    }
    auto const begin = std::exchange(begin_, symbol.end);
    if (symbol.id < t.size()) {
      take(static_cast<token>(symbol.id));
    } else if (t.has_bytes_) {
      auto const character = text().substr(begin, symbol.end - begin);
      spelled_ = {character == " " ? space_symbol : character};
    } else if (!std::exchange(after_unknown_, true)) {
      ready_ = t.unknown_;
    }
  }

  static constexpr std::size_t max_characters = std::size_t{1} << 28;

  sentencepiece_bpe const* tokenizer_;
  std::string_view rest_; // after the section
  encode_options options_;
  space_normalizer section_; // what of it is not read yet
  token control_ = no_token; // after the section
  token ready_ = no_token;   // to be handed out before all else
  bool in_section_ = false, ended_ = false, after_unknown_ = false;

  // The stretch: its text (in the source, the long buffer or the short one), and its symbols.
  std::string_view direct_;
  std::vector<char> long_text_;
  std::size_t short_size_ = 0;
  std::array<char, 4 * merge_rules::short_length> short_text_{};
  bool long_ = false;                 // the symbols are in long_symbols_
  std::size_t next_ = 0, count_ = 0;  // symbols that are not handed out yet
  std::uint32_t begin_ = 0;           // where the bytes of the next symbol begin
  detail::spelled_character spelled_; // a character without a piece
  std::array<bpe_symbol, merge_rules::short_length> short_symbols_{};
  std::vector<bpe_symbol> long_symbols_;
  std::vector<bpe_symbol> parts_; // halves of unused pieces, the leftmost last
};

constexpr sentencepiece_cursor sentencepiece_bpe::start(std::string_view text, encode_options options) const {
  return {*this, text, options};
}

} // namespace loquat
