#pragma once
/// \file
/// The texts of tokens under way through decoders: a list of strings in one buffer.

#include <cstddef>
#include <string_view>
#include <vector>

namespace loquat {

/// Strings, one behind the other. Buffers are kept from use to use.
class token_texts {
 public:
  constexpr std::size_t size() const noexcept { return ends_.size(); }  ///< how many
  constexpr std::string_view operator[](std::size_t i) const noexcept { ///< one of them
    std::size_t const begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }
  constexpr std::string_view joined() const noexcept { return {bytes_.data(), bytes_.size()}; } ///< all of them

  /// Drops all.
  constexpr void clear() noexcept {
    bytes_.clear();
    ends_.clear();
  }
  /// Adds a string.
  constexpr void add(std::string_view text) {
    extend(text);
    close();
  }
  /// Adds to a string that `close` then ends.
  constexpr void extend(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  constexpr void extend(char c) { bytes_.push_back(c); }     ///< the same
  constexpr void close() { ends_.push_back(bytes_.size()); } ///< ends a string
  /// How many bytes of a string that is not ended yet there are.
  constexpr std::size_t open() const noexcept { return bytes_.size() - (ends_.empty() ? 0 : ends_.back()); }
  /// Exchanges contents.
  constexpr void swap(token_texts& other) noexcept {
    bytes_.swap(other.bytes_);
    ends_.swap(other.ends_);
  }

 private:
  std::vector<char> bytes_;
  std::vector<std::size_t> ends_;
};

} // namespace loquat
