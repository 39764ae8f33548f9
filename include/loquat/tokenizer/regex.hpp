#pragma once
/// \file
/// Regular expressions as tokenizer.json and tiktoken write them, matched in linear time: literals, classes with
/// properties, nesting and intersection, groups, greedy, lazy and possessive repetition, anchors, lookahead and
/// lookbehind, atomic groups, case folding. What is found is what a backtracking search finds first (leftmost, then by
/// the order of alternatives), as with Oniguruma and fancy-regex.
///
/// Differences: no captures and backreferences; a lookahead of more than one character is worked out for the whole text
/// beforehand; case folding is character by character (`(?i)ss` is not U+00DF).

#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/regex/automaton.hpp>
#include <loquat/tokenizer/regex/lazy_dfa.hpp>
#include <loquat/tokenizer/regex/parser.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

class regex;

/// What a regex learns of texts while it searches: grown buffers of one thread, for any regexes in turn; fastest with
/// one.
class regex_cache {
  friend regex;
  std::vector<char> pattern_; // of the regex that it is used with
  regex_syntax syntax_{};
  bool used_ = false;
  regex_detail::symbol_table symbols_;
  regex_detail::lazy_dfa forwards_, backwards_;
  std::vector<regex_detail::lazy_dfa> conditions_;
  std::vector<std::uint8_t> holds_; // by position in the text: which conditions hold there
};

/// Where a match is.
struct regex_match {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t begin = none, end = none; ///< bytes

  constexpr explicit operator bool() const noexcept { return begin != none; } ///< true if there is one
  friend constexpr bool operator==(regex_match const&, regex_match const&) = default;
};

/// A compiled pattern. Const use is thread-safe, with a cache for each thread. Bytes that are no UTF-8 are read as
/// U+FFFD, one by one.
class regex {
 public:
  regex() = default; ///< matches nothing

  /// Reads a pattern. An error says where it is wrong, or what cannot be handled (`errc::unsupported`).
  static constexpr result<regex> compile(std::string_view pattern, regex_syntax syntax = regex_syntax::oniguruma) {
    auto parsed = regex_detail::parser(pattern, syntax).parse();
    if (!parsed) return parsed.error();
    auto program = regex_detail::compiler(parsed->tree).compile(parsed->root);
    if (!program) return program.error();
    regex made;
    made.pattern_.assign(pattern.begin(), pattern.end());
    made.syntax_ = syntax;
    made.program_ = static_cast<regex_detail::program&&>(*program);
    made.find_first_bytes();
    return made;
  }

  constexpr std::string_view pattern() const noexcept { return {pattern_.data(), pattern_.size()}; } ///< its text

  /// The first match that begins at `from` (bytes, between characters) or behind it. Assertions see what is before
  /// `from`. Linear in the text; for all matches `for_each` is quicker.
  constexpr regex_match find(std::string_view text, std::size_t from, regex_cache& cache) const {
    from = skip(text, from);
    if (from > text.size()) return {};
    prepare(text, cache);
    return search(text, from, cache);
  }
  constexpr regex_match find(std::string_view text, std::size_t from = 0) const { ///< \overload with a new cache
    regex_cache cache;
    return find(text, from, cache);
  }

  /// Calls `f(begin, end)` for all matches in turn; no empty one directly behind another match.
  template <class F> constexpr void for_each(std::string_view text, regex_cache& cache, F f) const {
    std::size_t at = skip(text, 0);
    if (at > text.size()) return;
    prepare(text, cache);
    std::size_t last_end = regex_match::none;
    for (; at <= text.size(); at = skip(text, at)) {
      auto const m = search(text, at, cache);
      if (!m) return;
      if (m.begin == m.end && m.end == last_end) {
        at += at < text.size() ? utf8::decode(text.substr(at)).length : 1;
        continue;
      }
      f(m.begin, m.end);
      at = last_end = m.end;
    }
  }

 private:
  using automaton = regex_detail::automaton;
  using lazy_dfa = regex_detail::lazy_dfa;
  using signature = regex_detail::signature;
  using symbol_table = regex_detail::symbol_table;

  /// Works out which bytes a match can begin with.
  constexpr void find_first_bytes() {
    auto const& code = program_.forwards.code;
    std::vector<unsigned char> seen(code.size(), 0);
    std::vector<std::uint32_t> open{program_.forwards.start};
    while (!open.empty()) {
      std::uint32_t const pc = open.back();
      open.pop_back();
      if (seen[pc]) continue;
      seen[pc] = 1;
      auto const& i = code[pc];
      using kind = regex_detail::instruction::kind;
      if (i.what == kind::set) {
        auto const& set = program_.sets[i.arg];
        bool const beyond_ascii = !set.written_in_ascii(); // what lead bytes stand for is not looked at
        for (unsigned c = 0; c < 256; ++c) first_[c] = first_[c] || (c < 128 ? set.contains(c) : beyond_ascii);
      } else if (i.what == kind::match) {
        may_be_empty_ = true;
      } else if (i.what != kind::fail) {
        open.push_back(i.next);
        if (i.what == kind::split || i.what == kind::loop) open.push_back(i.other);
      }
    }
  }
  /// The first position from `at` on where a match may begin, a character's begin if `at` is one; beyond the text if
  /// there is none.
  constexpr std::size_t skip(std::string_view text, std::size_t at) const noexcept {
    if (may_be_empty_) return at;
    while (at < text.size() && !first_[static_cast<unsigned char>(text[at])]) ++at;
    return at < text.size() ? at : text.size() + 1;
  }

  /// Makes `cache` one of this regex, and works out where conditions hold.
  constexpr void prepare(std::string_view text, regex_cache& cache) const;
  constexpr regex_match search(std::string_view text, std::size_t from, regex_cache& cache) const;

  /// The last character of a text.
  static constexpr utf8::character decode_last(std::string_view text) noexcept {
    for (unsigned n = 4; n > 1; --n)
      if (n <= text.size())
        if (auto const c = utf8::decode(text.substr(text.size() - n)); c.length == n) return c;
    if (text.empty()) return {};
    return utf8::decode(text.substr(text.size() - 1));
  }

  /// Reads from `at` to `limit` and calls `matched` wherever a match ends.
  template <class F>
  constexpr void run(automaton const& a, lazy_dfa& dfa, std::uint32_t start, std::string_view text, std::size_t at,
                     std::size_t limit, regex_cache& cache, F matched) const {
    utf8::character previous;
    if (!a.last_sets.empty()) previous = a.backwards ? utf8::decode(text.substr(at)) : decode_last(text.substr(0, at));
    auto state = dfa.start(a, start, a.last_sets.empty() ? signature{} : signature_of(previous));
    bool const simple = program_.conditions.empty() && !a.backwards;
    signature rare;
    for (;;) {
      symbol_table::symbol symbol = 0;
      unsigned length = 1;
      if (simple && at < limit && static_cast<unsigned char>(text[at]) < 128) {
        symbol = cache.symbols_.of_ascii(static_cast<unsigned char>(text[at]));
      } else {
        auto const c = a.backwards ? decode_last(text.substr(at > limit ? limit : 0, at > limit ? at - limit : at))
                                   : utf8::decode(text.substr(at));
        length = c.length;
        symbol = symbol_of(c, at, cache, rare);
      }
      auto t = dfa.known(state, symbol);
      if (t.unknown())
        t = dfa.step(a, state, symbol, symbol < symbol_table::max_symbols ? cache.symbols_.at(symbol) : rare);
      if (t.matched()) matched(at);
      state = t.next();
      if (state == lazy_dfa::dead || at == limit) return;
      at = a.backwards ? at - length : at + length;
    }
  }

  constexpr signature signature_of(utf8::character c) const noexcept {
    return c.length == 0 ? signature{} : regex_detail::signature_of(program_.sets, c.code_point);
  }
  /// The symbol of `c`, which is read from position `at`. If there is no number for it, `rare` is set to what it is.
  constexpr symbol_table::symbol symbol_of(utf8::character c, std::size_t at, regex_cache& cache,
                                           signature& rare) const {
    auto symbol = c.length == 0 ? 0 : cache.symbols_.of(program_.sets, c.code_point);
    bool const plain = program_.conditions.empty();
    if (plain && symbol < symbol_table::max_symbols) return symbol;
    rare = symbol < symbol_table::max_symbols ? cache.symbols_.at(symbol) : signature_of(c);
    if (plain) return symbol;
    rare.conditions = cache.holds_[at];
    return cache.symbols_.number(rare);
  }

  std::vector<char> pattern_;
  regex_syntax syntax_{};
  regex_detail::program program_;
  std::array<bool, 256> first_{}; // bytes that a match may begin with
  bool may_be_empty_ = false;
};

// Here, where the templates that they use are known: else Clang does not take them for constant expressions.

constexpr void regex::prepare(std::string_view text, regex_cache& cache) const {
  if (!cache.used_ || cache.syntax_ != syntax_ ||
      std::string_view(cache.pattern_.data(), cache.pattern_.size()) != pattern()) {
    cache.pattern_ = pattern_;
    cache.syntax_ = syntax_;
    cache.used_ = true;
    cache.symbols_.reset(program_.sets);
    cache.forwards_.reset(program_.forwards);
    cache.backwards_.reset(program_.backwards);
    cache.conditions_.resize(program_.conditions.size(), {});
    for (std::size_t i = 0; i < program_.conditions.size(); ++i) cache.conditions_[i].reset(program_.conditions[i]);
  }
  if (program_.conditions.empty()) return;
  cache.holds_.assign(text.size() + 1, 0);
  for (std::size_t i = 0; i < program_.conditions.size(); ++i) {
    auto const& a = program_.conditions[i];
    run(a, cache.conditions_[i], a.search, text, a.backwards ? text.size() : 0, a.backwards ? 0 : text.size(), cache,
        [&](std::size_t at) { cache.holds_[at] = static_cast<std::uint8_t>(cache.holds_[at] | 1u << i); });
  }
}

constexpr regex_match regex::search(std::string_view text, std::size_t from, regex_cache& cache) const {
  if (program_.forwards.code.empty() || from > text.size()) return {};
  auto const& a = program_.forwards;
  std::size_t end = regex_match::none;
  auto const note = [&end](std::size_t at) { end = at; };
  run(a, cache.forwards_, a.start, text, from, text.size(), cache, note);
  if (end != regex_match::none) return {from, end};
  run(a, cache.forwards_, a.search, text, from, text.size(), cache, note);
  if (end == regex_match::none) return {};
  std::size_t begin = end;
  auto const& b = program_.backwards;
  run(b, cache.backwards_, b.start, text, end, from, cache, [&begin](std::size_t at) { begin = at; });
  return {begin, end};
}

} // namespace loquat
