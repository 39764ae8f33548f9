#pragma once
/// \file
/// A vocabulary that grows while a tokenizer is trained.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/vocabulary.hpp>
#include <loquat/tokenizer/train/word_index.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::detail {

/// Pieces of which no two are equal.
class new_vocabulary {
 public:
  static constexpr std::size_t most = std::size_t{1} << 21; ///< tokens that models take

  constexpr explicit new_vocabulary(std::size_t capacity) : index_(capacity) {}

  constexpr std::size_t size() const noexcept { return pieces_.size(); }
  constexpr std::string_view piece(std::size_t id) const noexcept { return pieces_.piece(static_cast<token>(id)); }
  constexpr token find(std::string_view piece) const noexcept { return index_.find(pieces_, piece); }
  /// The token of `piece`, added if it is not there; `no_token` if all pieces would take 4 GiB.
  constexpr token add(std::string_view piece, token_kind kind = token_kind::normal) {
    if (token const id = find(piece); id != no_token) return id;
    auto const id = static_cast<token>(pieces_.size());
    if (!pieces_.add(piece, kind)) return no_token;
    index_.insert(pieces_, id);
    return id;
  }
  constexpr vocabulary take() { return std::move(pieces_); }

 private:
  vocabulary pieces_;
  word_index index_;
};

/// Checks what all trainers are told: how many tokens, the special ones, and which of these is the unknown one.
constexpr result<void> check_training(std::size_t tokens, std::span<std::string_view const> special,
                                      std::string_view unknown) {
  if (tokens > new_vocabulary::most)
    return fail(errc::argument, "training: ", tokens, " tokens; expected at most ", new_vocabulary::most);
  bool is_special = unknown.empty();
  for (auto const piece : special) {
    if (piece.empty()) return fail(errc::argument, "training: a special token is empty");
    is_special = is_special || piece == unknown;
  }
  if (!is_special) return fail(errc::argument, "training: the unknown token ", unknown, " is no special token");
  return {};
}

/// A definition with a trained model, and with the special tokens as a tokenizer finds them in texts.
template <class Model> constexpr tokenizer_definition define(std::span<std::string_view const> special, Model&& model) {
  std::vector<added_token> added;
  for (auto const piece : special) {
    token const id = model.pieces.find(piece);
    bool is_there = false;
    for (auto const& a : added) is_there = is_there || a.id == id;
    if (!is_there) added.push_back({.content = piece, .id = id, .special = true});
  }
  return {.added = std::move(added), .model = std::move(model)};
}

} // namespace loquat::detail
