#pragma once
/// \file
/// Which of the merges of a byte-pair encoding can ever happen, and how each piece is made.
///
/// Within the bytes of a piece, all that happens before they become that piece happens in the same order to these bytes
/// alone. So a piece that merging can make is made by one pair in any word: the two symbols that its own bytes come
/// down to. The others of its merges never happen, nor does any merge with a piece that cannot be made (Llama 3 has 588
/// of these). Whether two pieces side by side stay as they are can be told from what they are made of (H. van
/// Antwerpen, A. Neubeck, "So many tokens, so little time", 2024).

#include <loquat/core/token.hpp>
#include <loquat/tokenizer/models/merge_table.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat {

/// The merges that can happen. Every piece comes after those that it is made of, as in all vocabularies that are
/// trained; `merge_learner` sees to that.
class merge_history {
 public:
  /// Room for `tokens` tokens and as many rules.
  constexpr explicit merge_history(std::size_t tokens = 0) : rules_(tokens), made_by_(tokens, unmade) {}

  /// Says that words begin as such symbols.
  constexpr void add_single(token id) noexcept { made_by_[static_cast<std::size_t>(id)] = single; }
  /// Adds the next rule, by which its result is made from now on.
  constexpr void add(merge_rule const& rule) {
    rules_.insert(count_, rule);
    made_by_[static_cast<std::size_t>(rule.merged)] = ++count_;
  }

  constexpr merge_table const& rules() const& noexcept { return rules_; }   ///< in the order in which they apply
  constexpr merge_table&& rules() && noexcept { return std::move(rules_); } ///< \overload
  constexpr bool is_single(token id) const noexcept { return made_by(id) == single; } ///< a symbol that words begin as
  constexpr bool is_made(token id) const noexcept { return made_by(id) != unmade; }   ///< a symbol of any kind
  /// The rule that makes a token, which is made and not single.
  constexpr merge_rule const& rule_of(token id) const noexcept { return rules_[made_by(id) - 1]; }

  /// Fetches what is known of a rule's tokens and of its pair; that of tokens first, for what they are made of.
  constexpr void prefetch_rule(merge_rule const& rule) const noexcept {
    if (std::is_constant_evaluated()) return;
    for (token const id : {rule.left, rule.right, rule.merged})
      __builtin_prefetch(&made_by_[static_cast<std::size_t>(id)]);
    rules_.prefetch(rule.left, rule.right);
  }
  /// \overload
  constexpr void prefetch_parts(merge_rule const& rule) const noexcept {
    if (std::is_constant_evaluated()) return;
    for (token const id : {rule.left, rule.right})
      if (auto const by = made_by(id); by != unmade && by != single) __builtin_prefetch(&rules_[by - 1]);
  }

  /// Whether two made tokens side by side become just these: whether no merge across their border comes before those
  /// that complete them. Takes them apart again, what was merged last first.
  constexpr bool stay_apart(token left, token right) const noexcept {
    for (std::uint32_t limit = merge_table::none;;) {
      if (rules_.rank(left, right) < limit) return false;
      auto const l = made_by(left), r = made_by(right);
      if (l > r) {
        limit = l - 1;
        left = rules_[limit].right;
      } else if (r != single) { // of two equal merges the left one came first
        limit = r;
        right = rules_[limit - 1].left;
      } else {
        return true;
      }
    }
  }

 private:
  static constexpr std::uint32_t unmade = ~std::uint32_t{0}, single = 0;
  constexpr std::uint32_t made_by(token id) const noexcept { return made_by_[static_cast<std::size_t>(id)]; }

  merge_table rules_;
  std::uint32_t count_ = 0;
  std::vector<std::uint32_t> made_by_; // by token: rank + 1 of its rule
};

/// Takes merges in the order of their ranks and keeps those that can happen.
class merge_learner {
 public:
  /// Begins with the single symbols that are known to `history`.
  constexpr explicit merge_learner(merge_history& history) : history_(&history) {}

  /// Offers the next merge. False if not all merges fit the order.
  constexpr bool offer(merge_rule const& rule) {
    auto& known = *history_;
    if (known.is_single(rule.merged)) return false;
    if (known.is_made(rule.merged)) { // by another pair, unless the same one comes twice
      auto const& first = known.rule_of(rule.merged);
      return first.left != rule.left || first.right != rule.right;
    }
    if (!known.is_made(rule.left) || !known.is_made(rule.right))
      late_.push_back(rule);
    else if (known.stay_apart(rule.left, rule.right))
      known.add(rule);
    return true;
  }

  /// After the last merge: false if a merge whose parts were made after it can happen. `split(token)` gives the symbols
  /// that a piece begins as.
  template <class Split> constexpr bool finish(Split split, merge_table::workspace& room) const {
    for (auto const& rule : late_) {
      if (history_->is_made(rule.merged)) continue;
      std::vector<merge_symbol>& symbols = split(rule.merged);
      history_->rules().merge(symbols, room);
      if (symbols.size() == 2 && symbols[0].id == rule.left && symbols[1].id == rule.right) return false;
    }
    return true;
  }

 private:
  merge_history* history_;
  std::vector<merge_rule> late_; // merges whose parts were not made by then
};

} // namespace loquat
