#pragma once
/// \file
/// A regular expression as a nondeterministic automaton (Thompson 1968) with priorities, for reading text forwards or
/// backwards. Assertions about one character are instructions; longer ones become automata of their own, which say
/// beforehand at which positions they hold.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/regex/atomic.hpp>
#include <loquat/tokenizer/regex/syntax_tree.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace loquat::regex_detail {

inline constexpr std::size_t max_conditions = 8; ///< of more than one character

/// A step of an automaton.
struct instruction {
  /// What it does.
  enum class kind : unsigned char {
    set,       ///< reads a character of set `arg`
    split,     ///< goes on at `next` and, less gladly, at `other`
    loop,      ///< the same, and after a turn that read nothing at `other` only
    next_in,   ///< if the character to be read next is in set `arg`
    last_in,   ///< if the character read before is in `last_sets[arg]`
    condition, ///< if condition `arg` holds here
    match,
    fail,
  } what = kind::fail;
  bool negated = false;
  std::uint32_t arg = 0, next = 0, other = 0;
};

/// Instructions, and where to begin.
struct automaton {
  std::vector<instruction> code;
  std::vector<std::uint32_t> last_sets; ///< at most 64
  std::uint32_t start = 0, search = 0;  ///< where to begin for a match here, and here or further on
  bool backwards = false;
  bool all = false; ///< any match counts, not only the first in order of priority
};

/// Everything a pattern is compiled to.
struct program {
  std::vector<char_set> sets;
  automaton forwards, backwards;
  std::vector<automaton> conditions; ///< each may use those before it
};

/// Makes automata of a tree.
class compiler {
 public:
  constexpr explicit compiler(syntax_tree& tree) : tree_(tree) {}

  /// The automata of a tree with this root.
  constexpr result<program> compile(node_id root) {
    program p;
    p.forwards = make(root, false, false);
    p.backwards = make(root, true, true);
    if (failed_) return static_cast<error&&>(error_);
    p.sets = static_cast<std::vector<char_set>&&>(tree_.sets);
    p.conditions = static_cast<std::vector<automaton>&&>(conditions_);
    return p;
  }

 private:
  static constexpr std::size_t max_work = 1 << 16, max_code = 1 << 13;
  using op = instruction::kind;

  constexpr automaton make(node_id root, bool backwards, bool all) {
    automaton built;
    built.backwards = backwards;
    built.all = all;
    automaton* const outer = to_;
    to_ = &built;
    built.start = emit(root, add({.what = op::match}));
    std::uint32_t const loop = add({.what = op::split});
    std::uint32_t const any = add({.what = op::set, .arg = anything(), .next = loop});
    if (!failed_) {
      built.code[loop].next = built.start;
      built.code[loop].other = any;
    }
    built.search = loop;
    to_ = outer;
    return built;
  }

  constexpr void stop(errc code, std::string_view message, std::size_t position = 0) {
    if (failed_) return;
    failed_ = true;
    error_ = fail(code, "regex, offset ", position, ": ", message);
  }
  constexpr std::uint32_t add(instruction i) {
    if (to_->code.size() >= max_code) return stop(errc::unsupported, "the pattern repeats too much"), 0;
    to_->code.push_back(i);
    return static_cast<std::uint32_t>(to_->code.size() - 1);
  }
  constexpr std::uint32_t anything() {
    char_set set;
    set.begin();
    set.complement();
    return tree_.at(tree_.set(set)).set;
  }

  /// Code that matches `n` and goes on at `next`; returns where it begins.
  constexpr std::uint32_t emit(node_id n, std::uint32_t next) {
    if (++work_ > max_work) stop(errc::unsupported, "the pattern repeats too much");
    if (failed_) return 0;
    node const x = tree_.at(n);
    switch (x.kind) {
    case node_kind::set:
      return add({.what = op::set, .arg = x.set, .next = next});
    case node_kind::look:
      return emit_look(tree_.child(n), x.behind, x.negated, next);
    case node_kind::repeat:
      return emit_repeat(n, next);
    case node_kind::sequence: {
      for (std::size_t i = 0; i < x.count; ++i)
        next = emit(tree_.lists[x.first + (to_->backwards ? i : x.count - 1 - i)], next);
      return next;
    }
    case node_kind::choice: {
      std::uint32_t entry = 0;
      for (std::size_t i = x.count; i-- > 0;) {
        std::uint32_t const branch = emit(tree_.lists[x.first + i], next);
        entry = i + 1 == x.count ? branch : add({.what = op::split, .next = branch, .other = entry});
      }
      return entry;
    }
    case node_kind::atomic: {
      node_id const first = first_match_of(tree_, tree_.child(n));
      if (first == no_node) return stop(errc::unsupported, "cannot handle this atomic group", x.position), 0;
      tree_.nodes[n].kind = node_kind::sequence; // for the next time
      tree_.nodes[n].unique = true;
      tree_.lists[x.first] = first;
      return emit(first, next);
    }
    }
    return next;
  }

  constexpr std::uint32_t split(bool lazy, std::uint32_t more, std::uint32_t enough) {
    return add({.what = op::split, .next = lazy ? enough : more, .other = lazy ? more : enough});
  }
  constexpr std::uint32_t emit_times(node_id n, std::uint32_t times, std::uint32_t next) {
    for (std::uint32_t i = 0; i < times && !failed_; ++i) next = emit(n, next);
    return next;
  }
  /// At most `times` of `n`, each of which may end at `enough`.
  constexpr std::uint32_t emit_up_to(node_id n, std::uint32_t times, bool lazy, std::uint32_t next,
                                     std::uint32_t enough) {
    for (std::uint32_t i = 0; i < times && !failed_; ++i) next = split(lazy, emit(n, next), enough);
    return next;
  }
  constexpr std::uint32_t emit_repeat(node_id n, std::uint32_t next) {
    node const x = tree_.at(n);
    node_id const what = tree_.child(n);
    bool const lazy = x.mode == greed::lazy, possessive = x.mode == greed::possessive;
    // A possessive loop may end only where there is no more; read backwards, that comes first.
    std::uint32_t entry = next;
    if (x.max != unlimited) {
      std::uint32_t const more = x.max - x.min;
      if (!possessive || more == 0) {
        entry = emit_up_to(what, more, lazy, next, next);
      } else if (!to_->backwards) {
        entry = emit_up_to(what, more, lazy, next, emit_look(what, false, true, next));
      } else {
        std::uint32_t const before = emit_times(what, x.min, next);
        std::uint32_t const full = emit_times(what, x.max, next);
        return split(false, full, emit_look(what, false, true, emit_up_to(what, more - 1, false, before, before)));
      }
    } else {
      if (possessive && !to_->backwards) next = emit_look(what, false, true, next);
      std::uint32_t const loop = add({.what = lazy ? op::split : op::loop});
      std::uint32_t const body = emit(what, loop);
      if (failed_) return 0;
      to_->code[loop].next = lazy ? next : body;
      to_->code[loop].other = lazy ? body : next;
      entry = loop;
      if (possessive && to_->backwards) return emit_look(what, false, true, emit_times(what, x.min, entry));
    }
    return emit_times(what, x.min, entry);
  }

  /// Code that goes on at `next` where `n` matches ahead or behind, or does not.
  constexpr std::uint32_t emit_look(node_id n, bool behind, bool negated, std::uint32_t next) {
    if (++work_ > max_work) stop(errc::unsupported, "the pattern repeats too much");
    if (failed_) return 0;
    node const x = tree_.at(n);
    auto const fixed = [&](bool holds) { return holds != negated ? next : add({.what = op::fail}); };
    switch (x.kind) {
    case node_kind::set:
      return emit_look_at(x.set, behind, negated, next);
    case node_kind::look:
      return emit_look(tree_.child(n), x.behind, x.negated != negated, next);
    case node_kind::atomic:
      return emit_look(tree_.child(n), behind, negated, next);
    case node_kind::repeat:
      if (x.mode == greed::possessive) break;
      if (x.min == 0) return fixed(true);
      if (x.min == 1) return emit_look(tree_.child(n), behind, negated, next); // one is enough
      break;
    case node_kind::sequence:
      if (x.count == 0) return fixed(true);
      if (x.count == 1) return emit_look(tree_.child(n), behind, negated, next);
      break;
    case node_kind::choice: {
      if (x.count == 0) return fixed(false);
      std::uint32_t entry = next;
      for (std::size_t i = x.count; i-- > 0;) {
        node_id const branch = tree_.lists[x.first + i];
        if (negated)
          entry = emit_look(branch, behind, true, entry);
        else if (i + 1 == x.count)
          entry = emit_look(branch, behind, false, next);
        else
          entry = add({.what = op::split, .next = emit_look(branch, behind, false, next), .other = entry});
      }
      return entry;
    }
    }
    return add({.what = op::condition, .negated = negated, .arg = condition(n, behind), .next = next});
  }

  constexpr std::uint32_t emit_look_at(std::uint32_t set, bool behind, bool negated, std::uint32_t next) {
    if (behind == to_->backwards) return add({.what = op::next_in, .negated = negated, .arg = set, .next = next});
    auto& last = to_->last_sets;
    std::uint32_t i = 0;
    while (i < last.size() && last[i] != set) ++i;
    if (i == last.size()) last.push_back(set);
    if (i >= 64) stop(errc::unsupported, "too many assertions");
    return add({.what = op::last_in, .negated = negated, .arg = i, .next = next});
  }

  /// The number of the condition that `n` matches ahead of, or behind, a position.
  constexpr std::uint32_t condition(node_id n, bool behind) {
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (known_[i].what == n && known_[i].behind == behind) return static_cast<std::uint32_t>(i);
    automaton built = make(n, !behind, true);
    if (conditions_.size() == max_conditions)
      stop(errc::unsupported, "too many assertions about more than one character");
    conditions_.push_back(static_cast<automaton&&>(built));
    known_.push_back({n, behind});
    return static_cast<std::uint32_t>(conditions_.size() - 1);
  }

  struct known {
    node_id what;
    bool behind;
  };

  syntax_tree& tree_;
  automaton* to_ = nullptr;
  std::vector<automaton> conditions_;
  std::vector<known> known_;
  std::size_t work_ = 0;
  bool failed_ = false;
  loquat::error error_;
};

} // namespace loquat::regex_detail
