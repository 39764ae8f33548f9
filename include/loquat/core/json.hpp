#pragma once
/// \file
/// JSON (RFC 8259): a strict reader that turns a text into one flat array of values, and the escaping that a writer
/// needs. Reading is linear in the text whatever it holds; nesting is limited and uses no stack of the machine.

#include <loquat/core/bytes16.hpp>
#include <loquat/core/json_value.hpp>
#include <loquat/core/result.hpp>
#include <loquat/core/utf8.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::json {

/// How much a text may ask for.
struct parse_options {
  std::size_t max_depth = 256; ///< arrays and objects within each other
};

namespace detail {

/// Reads values one after another; arrays and objects that are still open wait in a stack of their node numbers.
class parser {
 public:
  constexpr parser(std::string_view text, parse_options options) : options_(options), text_(text) { out_.text_ = text; }

  constexpr result<document> run() {
    if (text_.size() >= UINT32_MAX) return fail(errc::unsupported, "JSON: a text of 4 GiB or more");
    if (auto const valid = utf8::valid_prefix(text_); valid != text_.size())
      return fail(errc::malformed, "JSON: expected UTF-8 at byte ", valid);
    out_.nodes_.reserve(text_.size() / 16); // values of the files that are large are about as long
    enum class next { value, first_element, first_key, key, separator } state = next::value;
    while (true) {
      skip_space();
      bool const closes = !open_.empty() && peek() == (in_object() ? '}' : ']');
      if (closes && (state == next::first_element || state == next::first_key || state == next::separator)) {
        ++at_;
        out_.nodes_[open_.back()].next = size();
        open_.pop_back();
        state = next::separator;
      } else if (state == next::separator) {
        if (open_.empty()) break;
        if (!accept(',')) return expected(in_object() ? "',' or '}'" : "',' or ']'");
        state = in_object() ? next::key : next::value;
      } else if (state == next::first_key || state == next::key) {
        if (peek() != '"') return expected(state == next::key ? "a key in quotes" : "a key in quotes or '}'");
        if (auto const e = read_string()) return *e;
        skip_space();
        if (!accept(':')) return expected("':'");
        state = next::value;
      } else {
        if (!open_.empty()) ++out_.nodes_[open_.back()].size;
        std::size_t const depth = open_.size();
        if (auto const e = read_value()) return *e;
        state = open_.size() == depth ? next::separator : in_object() ? next::first_key : next::first_element;
      }
    }
    if (at_ != text_.size()) return expected("the end of the text");
    return std::move(out_);
  }

 private:
  using failure = std::optional<error>;

  constexpr std::uint32_t size() const { return static_cast<std::uint32_t>(out_.nodes_.size()); }
  constexpr bool in_object() const { return out_.nodes_[open_.back()].kind == kind::object; }
  constexpr char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; } // which is no JSON either
  constexpr bool accept(char c) { return peek() == c && at_ < text_.size() ? (++at_, true) : false; }
  constexpr void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }
  constexpr error expected(std::string_view what) const {
    return fail(errc::malformed, "JSON: expected ", what, " at byte ", at_);
  }
  constexpr void add(kind k, std::size_t begin, std::size_t bytes, bool flag, std::size_t offset) {
    out_.nodes_.push_back({static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(begin),
                           static_cast<std::uint32_t>(bytes), size() + 1, k, flag});
  }

  constexpr failure read_value() {
    std::size_t const start = at_;
    auto const literal = [&](std::string_view word, kind k, bool flag) -> failure {
      if (!text_.substr(at_).starts_with(word)) return expected("a value");
      at_ += word.size();
      add(k, start, word.size(), flag, start);
      return {};
    };
    switch (peek()) {
    case '"':
      return read_string();
    case 'n':
      return literal("null", kind::null, false);
    case 't':
      return literal("true", kind::boolean, true);
    case 'f':
      return literal("false", kind::boolean, false);
    case '[':
    case '{':
      if (open_.size() >= options_.max_depth)
        return fail(errc::malformed, "JSON: expected at most ", options_.max_depth, " nested values at byte ", at_);
      open_.push_back(size());
      add(peek() == '[' ? kind::array : kind::object, start, 0, false, start);
      ++at_;
      return {};
    default:
      return read_number();
    }
  }

  constexpr failure read_number() {
    std::size_t const start = at_;
    auto const digits = [&] {
      std::size_t const first = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      return at_ != first;
    };
    bool const negative = accept('-');
    if (!accept('0') && !digits()) return expected(negative ? "a digit" : "a value");
    if (accept('.') && !digits()) return expected("a digit");
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      if (!digits()) return expected("a digit");
    }
    add(kind::number, start, at_ - start, false, start);
    return {};
  }

  /// Reads a string from its opening quote on. Without escapes it stays where it is.
  constexpr failure read_string() {
    std::size_t const start = at_++;
    std::size_t run = at_; // bytes since here are not copied yet
    std::size_t const first = out_.unescaped_.size();
    bool escaped = false;
    auto const copy_run = [&] {
      auto const part = text_.substr(run, at_ - run);
      out_.unescaped_.insert(out_.unescaped_.end(), part.begin(), part.end());
    };
    while (true) {
      skip_plain();
      if (accept('"')) break;
      if (peek() != '\\') return expected(at_ == text_.size() ? "'\"'" : "a control character to be escaped");
      copy_run();
      escaped = true;
      if (auto const e = read_escape()) return *e;
      run = at_;
    }
    if (!escaped) {
      add(kind::string, start + 1, at_ - start - 2, false, start);
    } else {
      --at_; // the closing quote is no part of the run
      copy_run();
      ++at_;
      add(kind::string, first, out_.unescaped_.size() - first, true, start);
    }
    return {};
  }

  /// Passes over what stands for itself in a string.
  constexpr void skip_plain() {
#if defined(__SSE2__)
    if (!std::is_constant_evaluated()) at_ = skip_plain_blocks(at_);
#endif
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20)
      ++at_;
  }
#if defined(__SSE2__)
  std::size_t skip_plain_blocks(std::size_t at) const noexcept {
    constexpr std::size_t block = 16;
    for (; text_.size() - at >= block; at += block) {
      bytes16 const here(text_.data() + at);
      if (auto const ends = here.between('"', '"') | here.between('\\', '\\') | here.between(0, 0x1F); ends != 0)
        return at + static_cast<std::size_t>(std::countr_zero(ends));
    }
    return at;
  }
#endif

  constexpr failure read_escape() {
    std::size_t const start = at_++;
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (auto const simple = from.find(peek()); at_ < text_.size() && simple != from.npos) {
      ++at_;
      out_.unescaped_.push_back(to[simple]);
      return {};
    }
    auto unit = read_unit();
    if (unit >= 0xD800 && unit < 0xDC00 && accept('\\')) { // the first half of a surrogate pair
      auto const low = read_unit();
      unit = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00) : no_unit;
    }
    if (unit == no_unit || (unit >= 0xD800 && unit < 0xE000)) {
      at_ = start;
      return expected("a known escape, \\u with four hexadecimal digits or a pair of surrogates");
    }
    auto const bytes = utf8::encode(unit);
    out_.unescaped_.insert(out_.unescaped_.end(), bytes.bytes, bytes.bytes + bytes.length);
    return {};
  }

  static constexpr char32_t no_unit = 0xFFFFFFFF;

  /// Reads "uXXXX".
  constexpr char32_t read_unit() {
    if (!accept('u')) return no_unit;
    char32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char const c = peek();
      if (c >= '0' && c <= '9')
        unit = unit * 16 + static_cast<char32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        unit = unit * 16 + static_cast<char32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        unit = unit * 16 + static_cast<char32_t>(c - 'A' + 10);
      else
        return no_unit;
    }
    return unit;
  }

  parse_options options_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::uint32_t> open_;
  document out_;
};

} // namespace detail

/// Reads a whole text: one value and white space around it. Errors (`errc::malformed`; `errc::unsupported` for a text
/// of 4 GiB or more) name the byte offset. Text that is no UTF-8 and escaped halves of surrogate pairs are errors.
constexpr result<document> parse(std::string_view text, parse_options options = {}) {
  return detail::parser(text, options).run();
}

/// Appends `text` as a JSON string, quotes included, to a `std::string` or vector of `char`. Bytes that are no UTF-8
/// become U+FFFD.
template <class Out> constexpr void append_string(Out& out, std::string_view text) {
  auto const add = [&](std::string_view part) { out.insert(out.end(), part.begin(), part.end()); };
  constexpr std::string_view hex = "0123456789abcdef";
  out.push_back('"');
  while (!text.empty()) {
    auto const c = utf8::decode(text);
    auto const unit = static_cast<std::size_t>(c.code_point);
    if (!c.valid)
      add(utf8::replacement_bytes);
    else if (unit == '"' || unit == '\\')
      add({std::string_view(unit == '"' ? "\\\"" : "\\\\")});
    else if (unit == '\n')
      add("\\n");
    else if (unit == '\t')
      add("\\t");
    else if (unit == '\r')
      add("\\r");
    else if (unit < 0x20)
      add("\\u00"), out.push_back(hex[unit >> 4]), out.push_back(hex[unit & 15]);
    else
      add(text.substr(0, c.length));
    text.remove_prefix(c.length);
  }
  out.push_back('"');
}

} // namespace loquat::json
