#pragma once
/// \file
/// Finds the longest of a set of strings that a text begins with: the pieces that are matched before all others.

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/pair_map.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

/// A trie of bytes. Nodes are numbers; the root is 0.
class prefix_trie {
 public:
  static constexpr std::uint32_t none = pair_map::none; ///< no node

  /// Room for strings of `bytes` bytes together.
  constexpr explicit prefix_trie(std::size_t bytes = 0) : edges_(bytes), tokens_(1, no_token) {}

  constexpr bool empty() const noexcept { return tokens_.size() == 1; } ///< true if it holds no string
  /// True if some string begins with `byte`: a cheap look before `longest`.
  constexpr bool begins(unsigned char byte) const noexcept { return begins_[byte]; }

  /// Adds a string; the first of two equal ones stays. Empty strings are ignored.
  constexpr void insert(std::string_view text, token id) {
    if (text.empty()) return;
    begins_[static_cast<unsigned char>(text[0])] = true;
    std::uint32_t node = 0;
    for (char const c : text) {
      auto const byte = static_cast<unsigned char>(c);
      auto to = edges_.find(node, byte);
      if (to == none) {
        to = static_cast<std::uint32_t>(tokens_.size());
        edges_.insert(node, byte, to);
        tokens_.push_back(no_token);
      }
      node = to;
    }
    if (tokens_[node] == no_token) tokens_[node] = id;
  }

  /// The node after `bytes`, or `none`.
  constexpr std::uint32_t step(std::uint32_t node, std::string_view bytes) const noexcept {
    for (std::size_t i = 0; i < bytes.size() && node != none; ++i)
      node = edges_.find(node, static_cast<unsigned char>(bytes[i]));
    return node;
  }
  /// The token whose string ends at `node`, or `no_token`.
  constexpr token at(std::uint32_t node) const noexcept { return tokens_[node]; }

  struct match {
    token id = no_token;
    std::size_t length = 0; ///< bytes
  };
  /// The longest string that `text` begins with.
  constexpr match longest(std::string_view text) const noexcept {
    match found;
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = step(node, text.substr(i, 1));
      if (node == none) break;
      if (at(node) != no_token) found = {at(node), i + 1};
    }
    return found;
  }

 private:
  pair_map edges_;            // node, byte → node
  std::vector<token> tokens_; // by node
  std::array<bool, 256> begins_{};
};

} // namespace loquat
