#pragma once
/// \file
/// Reads a regular expression into a tree: alternatives, groups, repetition, assertions. What is not known here
/// (backreferences, conditionals, …) is an error that says where.

#include <loquat/core/result.hpp>
#include <loquat/tokenizer/regex/reader.hpp>
#include <loquat/tokenizer/regex/syntax_tree.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace loquat::regex_detail {

/// A tree and its root.
struct parsed {
  syntax_tree tree;
  node_id root = no_node;
};

/// Reads one pattern: `parser(pattern, syntax).parse()`.
class parser : reader {
 public:
  constexpr parser(std::string_view pattern, regex_syntax syntax) : reader(pattern, syntax) {}

  /// The tree of the pattern, or what is wrong with it.
  constexpr result<parsed> parse() {
    if (pattern_.size() > max_pattern)
      return fail(errc::unsupported, "regex: a pattern of ", pattern_.size(), " bytes; at most ", max_pattern);
    flags f;
    f.multi_line = syntax_ == regex_syntax::oniguruma;
    node_id const root = alternatives(f, 0);
    if (!done()) stop(errc::malformed, at_, ") without (");
    if (failed()) return take_error();
    return parsed{static_cast<syntax_tree&&>(tree_), root};
  }

 private:
  static constexpr std::size_t max_pattern = 1 << 15;
  static constexpr std::uint32_t max_count = 1000;

  constexpr node_id alternatives(flags f, unsigned depth) {
    if (depth > max_depth) return stop(errc::unsupported, at_, "groups nested too deeply"), no_node;
    std::vector<node_id> branches;
    do {
      std::vector<node_id> parts;
      while (!done() && !next_is("|") && !next_is(")")) {
        std::size_t const begin = at_;
        node_id const part = quantified(atom(f, depth), begin);
        if (failed()) return no_node;
        parts.push_back(part);
      }
      branches.push_back(tree_.sequence(parts));
    } while (take("|"));
    return tree_.choice(branches);
  }

  constexpr node_id atom(flags& f, unsigned depth) {
    std::size_t const begin = at_;
    if (take("(")) return group(f, depth, begin);
    if (take("[")) return set_node(take_class(f, depth));
    if (take("\\")) return escape(f);
    if (take(".")) return f.dot_all ? anything() : complement_of('\n');
    if (take("^")) return f.multi_line ? line_begin() : text_begin();
    if (take("$")) return f.multi_line ? line_end() : text_end();
    if (next_is("*") || next_is("+") || next_is("?")) return stop(errc::malformed, begin, "nothing to repeat"), no_node;
    return character(take_character(), f);
  }

  constexpr node_id set_node(char_set const& set) {
    if (tree_.sets.size() >= max_sets) stop(errc::unsupported, at_, "more than ", max_sets, " different sets");
    return tree_.set(set);
  }

  constexpr node_id escape(flags f) {
    if (take("A")) return text_begin();
    if (take("z")) return text_end();
    if (take("b")) return word_boundary(false);
    if (take("B")) return word_boundary(true);
    char_set set;
    set.begin();
    std::size_t const begin = at_;
    if (next_is("Z") || next_is("G") || next_is("K") || next_is("R") || next_is("X"))
      return stop(errc::unsupported, begin, "cannot handle \\", rest().substr(0, 1)), no_node;
    if (!take_class_escape(set, false)) return character(take_character_escape(), f);
    if (f.fold && syntax_ == regex_syntax::rust) cases_.close(set); // Oniguruma folds classes in [ ] only
    return set_node(set);
  }

  constexpr node_id character(char32_t c, flags f) {
    char_set set;
    set.begin();
    set.add_range(c, c);
    if (f.fold) cases_.close(set);
    return set_node(set);
  }

  /// After `(`.
  constexpr node_id group(flags& f, unsigned depth, std::size_t begin) {
    flags inside = f;
    enum { plain, look, atomic } kind = plain;
    bool behind = false, negated = false;
    if (take("?")) {
      if (take(":")) {
      } else if (take(">")) {
        kind = atomic;
      } else if (take("=") || take("!")) {
        kind = look;
        negated = pattern_[at_ - 1] == '!';
      } else if (take("<=") || take("<!")) {
        kind = look;
        behind = true;
        negated = pattern_[at_ - 1] == '!';
      } else if (take("<") || take("P<")) { // a name, which nothing here can refer to
        auto const end = rest().find('>');
        if (end == std::string_view::npos) return stop(errc::malformed, begin, "(?< without >"), no_node;
        at_ += end + 1;
      } else {
        inside = changed_flags(f);
        if (take(")")) return rest_of_group(f, inside, depth);
        if (!take(":")) return stop(errc::unsupported, begin, "cannot handle this kind of group"), no_node;
      }
    } else if (next_is("*")) {
      return stop(errc::unsupported, begin, "cannot handle (*"), no_node;
    }
    node_id const body = alternatives(inside, depth + 1);
    if (failed()) return no_node;
    if (!take(")")) return stop(errc::malformed, begin, "( without )"), no_node;
    if (kind == plain) return body;
    return tree_.add({.kind = kind == atomic ? node_kind::atomic : node_kind::look,
                      .negated = negated,
                      .behind = behind,
                      .position = static_cast<std::uint32_t>(begin)},
                     {body});
  }

  constexpr flags changed_flags(flags f) {
    bool value = true;
    for (;;) {
      if (take("-"))
        value = false;
      else if (take("i"))
        f.fold = value;
      else if (syntax_ == regex_syntax::oniguruma && take("m"))
        f.dot_all = value;
      else if (syntax_ == regex_syntax::rust && take("s"))
        f.dot_all = value;
      else if (syntax_ == regex_syntax::rust && take("m"))
        f.multi_line = value;
      else
        return f;
    }
  }
  /// After `(?i)`: Oniguruma reads the rest of the group, alternatives included, as if it were in `(?i:…)`.
  constexpr node_id rest_of_group(flags& f, flags inside, unsigned depth) {
    if (syntax_ == regex_syntax::oniguruma) return alternatives(inside, depth + 1);
    f = inside;
    return nothing();
  }

  struct interval {
    std::uint32_t min = 0, max = unlimited;
  };
  /// After `{`: an interval, or nothing if it is an ordinary brace.
  constexpr std::optional<interval> take_interval() {
    std::size_t const begin = at_;
    auto const number = [&]() -> std::optional<std::uint32_t> {
      std::optional<std::uint32_t> value;
      while (auto const digit = take_digit(10))
        value = value.value_or(0) > 100000 ? 100001 : value.value_or(0) * 10 + *digit;
      return value;
    };
    auto const low = number();
    interval i{low.value_or(0), low.value_or(0)};
    bool good = low.has_value();
    if (take(",")) {
      auto const high = number();
      i.max = high.value_or(unlimited);
      good = good || (high && syntax_ == regex_syntax::oniguruma);
    }
    if (!good || !take("}")) return at_ = begin, std::nullopt;
    if (i.min > i.max) stop(errc::unsupported, begin, "an interval whose end is before its begin");
    if (i.min > max_count || (i.max > max_count && i.max != unlimited))
      stop(errc::unsupported, begin, "a count above ", max_count);
    return i;
  }

  /// Applies what follows the atom that began at `begin`: any number of quantifiers.
  constexpr node_id quantified(node_id what, std::size_t begin) {
    for (unsigned n = 0; !failed(); ++n) {
      interval i;
      bool braces = false;
      if (take("*")) {
      } else if (take("+")) {
        i.min = 1;
      } else if (take("?")) {
        i.max = 1;
      } else if (take("{")) {
        auto const read = take_interval();
        if (!read) { // an ordinary brace, which ends the atom
          --at_;
          return what;
        }
        i = *read;
        braces = true;
      } else {
        return what;
      }
      if (n >= max_depth) return stop(errc::unsupported, begin, "too many quantifiers"), no_node;
      bool const own_suffixes = !braces || syntax_ == regex_syntax::rust;
      if (braces && !own_suffixes && i.min == i.max && take("?")) // Oniguruma: all of it or nothing
        what = tree_.repeat(tree_.repeat(what, i.min, i.max, greed::greedy), 0, 1, greed::greedy);
      else if (take("?"))
        what = tree_.repeat(what, i.min, i.max, greed::lazy);
      else if (own_suffixes && take("+"))
        what = tree_.add({.kind = node_kind::atomic, .position = static_cast<std::uint32_t>(begin)},
                         {tree_.repeat(what, i.min, i.max, greed::greedy)});
      else
        what = tree_.repeat(what, i.min, i.max, greed::greedy);
    }
    return no_node;
  }

  // The assertions, each from looks at one character.
  constexpr node_id nothing() { return tree_.add({.kind = node_kind::sequence}, {}); }
  constexpr node_id anything() {
    char_set set;
    set.begin();
    set.complement();
    return set_node(set);
  }
  constexpr node_id complement_of(char32_t c) {
    char_set set;
    set.begin();
    set.add_range(c, c);
    set.complement();
    return set_node(set);
  }
  constexpr node_id text_begin() { return tree_.look(anything(), true, true); }
  constexpr node_id text_end() { return tree_.look(anything(), false, true); }
  /// At the begin of the text and behind every newline but one that ends the text, where Oniguruma sees no line;
  /// Rust does.
  constexpr node_id line_begin() {
    node_id const newline = character('\n', {});
    if (syntax_ == regex_syntax::rust) return tree_.look(complement_of('\n'), true, true);
    node_id const behind[]{tree_.look(newline, true, false), tree_.look(anything(), false, false)};
    node_id const either[]{text_begin(), tree_.sequence(behind)};
    return tree_.choice(either);
  }
  constexpr node_id line_end() { return tree_.look(complement_of('\n'), false, true); }
  constexpr node_id word_boundary(bool negated) {
    char_set set;
    set.begin();
    add_word_class(set, false);
    node_id const word = set_node(set);
    node_id const one[]{tree_.look(word, true, false), tree_.look(word, false, !negated)};
    node_id const other[]{tree_.look(word, true, true), tree_.look(word, false, negated)};
    node_id const either[]{tree_.sequence(one), tree_.sequence(other)};
    return tree_.choice(either);
  }

  syntax_tree tree_;
};

} // namespace loquat::regex_detail
