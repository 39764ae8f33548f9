#pragma once
/// \file
/// What becomes of the parts that a pattern finds in a text, and of those between them.

#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loquat::pretokenize {

/// Turns the parts of one word, in turn and without gaps, into words. Call `finish` behind the last.
class splitter {
 public:
  /// Appends to `words`. `invert`: what the pattern matches counts as not matched, and the other way round.
  constexpr splitter(behavior how, bool invert, std::vector<byte_range>& words)
      : how_(how), invert_(invert), words_(&words) {}

  /// The next part, empty ones too.
  constexpr void part(std::size_t begin, std::size_t end, bool matched) {
    matched = matched != invert_;
    bool joins = false; // with the word before
    switch (how_) {
    case behavior::removed:
      if (matched) return;
      break;
    case behavior::isolated:
      break;
    case behavior::merged_with_previous:
      joins = matched && !previous_;
      break;
    case behavior::merged_with_next:
      joins = !matched && previous_;
      break;
    case behavior::contiguous:
      joins = matched == previous_;
      break;
    }
    previous_ = matched;
    if (joins && open_) {
      word_.end = static_cast<std::uint32_t>(end);
      return;
    }
    finish();
    word_ = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
    open_ = true;
  }
  /// Hands over the last word.
  constexpr void finish() {
    if (open_ && word_.size() != 0) words_->push_back(word_);
    open_ = false;
  }

 private:
  behavior how_;
  bool invert_;
  bool previous_ = false, open_ = false;
  byte_range word_;
  std::vector<byte_range>* words_;
};

} // namespace loquat::pretokenize
