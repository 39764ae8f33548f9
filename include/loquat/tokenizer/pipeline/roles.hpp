#pragma once
/// \file
/// Which tokens are more than pieces of text: added ones, special ones, and those around a text. Part of
/// `pipeline.hpp`.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// The added tokens of a tokenizer, by id and by text.
class token_roles {
 public:
  constexpr token_roles() = default;

  /// Gives ids to the tokens that have none, and adds the pieces of the kind `control`. `find` gives the token of a
  /// piece of the model.
  template <class Find>
  static constexpr result<token_roles> make(std::vector<added_token> tokens, vocabulary const& pieces, Find find) {
    constexpr std::size_t most_tokens = std::size_t{1} << 22;
    token_roles made;
    made.size_ = pieces.size();
    for (auto& t : tokens) {
      if (t.content.view().empty()) continue;
      if (made.find_unsorted(t.content) != no_token && t.id == no_token) continue;
      if (t.id == no_token) t.id = find(t.content.view());
      if (t.id == no_token) t.id = static_cast<token>(made.size_);
      if (t.id < 0 || static_cast<std::size_t>(t.id) >= std::max(most_tokens, 2 * pieces.size()))
        return fail(errc::malformed, "added token ", t.content.view(), ": its id is ", t.id);
      made.size_ = std::max(made.size_, static_cast<std::size_t>(t.id) + 1);
      made.tokens_.push_back(std::move(t));
    }
    std::size_t const given = made.tokens_.size();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto const id = static_cast<token>(i);
      if (pieces.kind(id) != token_kind::control || pieces.piece(id).empty()) continue;
      auto const known = std::span(made.tokens_).first(given);
      if (std::ranges::find(known, id, &added_token::id) == known.end())
        made.tokens_.push_back({.content = owned_text(pieces.piece(id)), .id = id, .special = true});
    }
    made.index();
    return made;
  }

  constexpr std::size_t size() const noexcept { return size_; } ///< ids are below
  /// The added tokens, in the order of the definition.
  constexpr std::span<added_token const> tokens() const noexcept { return tokens_; }
  /// The added token of this id, or null.
  constexpr added_token const* added(token id) const noexcept {
    if (!is_added(id)) return nullptr;
    auto const at = std::ranges::lower_bound(by_id_, id, {}, [this](std::uint32_t i) { return tokens_[i].id; });
    return at != by_id_.end() && tokens_[*at].id == id ? &tokens_[*at] : nullptr;
  }
  /// Whether there is one.
  constexpr bool is_added(token id) const noexcept { return has(added_, id); }
  /// The added token of this text, or `no_token`.
  constexpr token find(std::string_view text) const noexcept {
    auto const at = std::ranges::lower_bound(by_text_, text, {}, [this](std::uint32_t i) { return content(i); });
    return at != by_text_.end() && content(*at) == text ? tokens_[*at].id : no_token;
  }
  /// True for tokens that are no text.
  constexpr bool is_special(token id) const noexcept { return has(special_, id); }

  /// Takes the tokens around one text from post-processors.
  constexpr void read(std::span<postprocess::step const> steps) {
    for (auto const& step : steps) {
      if (auto const* const r = step.get_if<postprocess::roberta>()) {
        before_.push_back(r->begin);
        behind_.insert(behind_.begin(), r->end);
      } else if (auto const* const t = step.get_if<postprocess::template_processing>()) {
        bool is_behind = false;
        for (auto const& item : t->single)
          if (item.what != postprocess::item::kind::special)
            is_behind = true;
          else
            for (token const id : item.ids) (is_behind ? behind_ : before_).push_back(id);
      }
    }
  }
  constexpr std::span<token const> before() const noexcept { return before_; } ///< a text
  constexpr std::span<token const> behind() const noexcept { return behind_; } ///< a text
  token unknown = no_token;                                                    ///< for what has no piece

 private:
  static constexpr bool has(std::vector<std::uint64_t> const& set, token id) noexcept {
    auto const i = static_cast<std::size_t>(id);
    return id >= 0 && i / 64 < set.size() && (set[i / 64] >> (i % 64) & 1) != 0;
  }
  constexpr std::string_view content(std::uint32_t i) const noexcept { return tokens_[i].content; }
  constexpr token find_unsorted(std::string_view text) const noexcept {
    auto const at = std::ranges::find(tokens_, text, [](added_token const& t) { return t.content.view(); });
    return at == tokens_.end() ? no_token : at->id;
  }
  constexpr void index() {
    special_.assign(size_ / 64 + 1, 0);
    added_.assign(size_ / 64 + 1, 0);
    for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
      by_id_.push_back(i);
      by_text_.push_back(i);
      auto const id = static_cast<std::size_t>(tokens_[i].id);
      added_[id / 64] |= std::uint64_t{1} << (id % 64);
      if (tokens_[i].special) special_[id / 64] |= std::uint64_t{1} << (id % 64);
    }
    std::ranges::sort(by_id_, {}, [this](std::uint32_t i) { return std::pair(tokens_[i].id, i); });
    std::ranges::sort(by_text_, {}, [this](std::uint32_t i) { return std::pair(content(i), i); });
  }

  std::vector<added_token> tokens_;
  std::vector<std::uint32_t> by_id_, by_text_; // numbers of tokens_
  std::vector<std::uint64_t> special_, added_; // bits by id
  std::vector<token> before_, behind_;
  std::size_t size_ = 0;
};

} // namespace loquat
