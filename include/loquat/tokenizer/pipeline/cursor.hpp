#pragma once
/// \file
/// Ids of a text one by one. Part of `pipeline.hpp`.

#include <loquat/tokenizer/pipeline/encode.hpp>

namespace loquat {

/// One encoding under way, which hands out ids one by one. A copy goes on by itself, unless it shares a workspace of
/// the caller's, which serves one at a time.
class tokenizer_cursor {
 public:
  constexpr tokenizer_cursor(tokenizer const& t, std::string_view text, encode_options options,
                             tokenizer::workspace* room)
      : tokenizer_(&t), borrowed_(room), own_(room ? std::nullopt : std::optional<tokenizer::workspace>(std::in_place)),
        under_way_(t.begin(text, this->room(), options, offset_rule::none)) {}

  constexpr tokenizer_cursor(tokenizer_cursor&&) = default;
  constexpr tokenizer_cursor(tokenizer_cursor const& other)
      : tokenizer_(other.tokenizer_), borrowed_(other.borrowed_), own_(other.own_), under_way_(other.under_way_),
        next_(other.next_), more_(other.more_) {
    under_way_.move_to(room());
  }
  constexpr tokenizer_cursor& operator=(tokenizer_cursor&&) = default;
  constexpr tokenizer_cursor& operator=(tokenizer_cursor const& other) { return *this = tokenizer_cursor(other); }

  /// The next id; after the last one `no_token` for ever.
  constexpr token next() {
    auto& tokens = room().tokens;
    while (next_ == tokens.size()) {
      if (!more_) return no_token;
      tokens.clear(false);
      next_ = 0;
      more_ = tokenizer_->advance(under_way_, room(), 64);
    }
    return tokens.ids()[next_++];
  }

 private:
  constexpr tokenizer::workspace& room() noexcept { return borrowed_ ? *borrowed_ : *own_; }

  tokenizer const* tokenizer_;
  tokenizer::workspace* borrowed_;
  std::optional<tokenizer::workspace> own_;
  encoding_progress under_way_;
  std::size_t next_ = 0;
  bool more_ = true;
};

constexpr tokenizer_cursor tokenizer::start(std::string_view text, encode_options options) const {
  return {*this, text, options, nullptr};
}
constexpr tokenizer_cursor tokenizer::start(std::string_view text, encode_options options, workspace& room) const {
  return {*this, text, options, &room};
}

} // namespace loquat
