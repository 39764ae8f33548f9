#pragma once
/// \file
/// UTF-8 (RFC 3629, Unicode 16 table 3-7): one code point at a time, strictly: no overlong forms, no surrogates,
/// nothing above U+10FFFF. Text is never assumed to be valid; a byte that begins no valid sequence is reported as one
/// bad byte.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat::utf8 {

inline constexpr char32_t replacement = 0xFFFD;                       ///< stands for a byte that is no UTF-8
inline constexpr std::string_view replacement_bytes = "\xEF\xBF\xBD"; ///< U+FFFD as UTF-8

/// The first character of a text.
struct character {
  char32_t code_point = replacement; ///< U+FFFD if `!valid`
  unsigned length = 0;               ///< bytes: 1 … 4; 1 if `!valid`; 0 at the end of the text
  bool valid = false;

  friend constexpr bool operator==(character const&, character const&) = default;
};

namespace detail {

/// The first character of the four bytes at `at`; bytes beyond the text are no continuation bytes.
template <class Bytes> [[gnu::always_inline]] constexpr character decode(Bytes const& bytes, std::size_t at) noexcept {
  char32_t const first = static_cast<unsigned char>(bytes[at]);
  // The six bits of a continuation byte; more than that if it is none.
  auto const bits = [&](std::size_t i) -> char32_t { return static_cast<unsigned char>(bytes[at + i]) ^ 0x80u; };
  if (first < 0x80) return {first, 1, true};
  if (first < 0xE0) {
    if (auto const b = bits(1); b < 0x40 && first >= 0xC2) return {(first & 0x1F) << 6 | b, 2, true};
  } else if (first < 0xF0) {
    char32_t const b = bits(1), c = bits(2), all = (first & 0xF) << 12 | b << 6 | c;
    if ((b | c) < 0x40 && all >= 0x800 && (all < 0xD800 || all > 0xDFFF)) return {all, 3, true};
  } else if (first < 0xF5) {
    char32_t const b = bits(1), c = bits(2), d = bits(3), all = (first & 0x7) << 18 | b << 12 | c << 6 | d;
    if ((b | c | d) < 0x40 && all >= 0x10000 && all <= 0x10FFFF) return {all, 4, true};
  }
  return {replacement, 1, false};
}

/// The character at `at`.
[[gnu::always_inline]] constexpr character decode_at(std::string_view text, std::size_t at) noexcept {
  if (text.size() - at >= 4) return decode(text, at);
  char bytes[4]{};
  for (std::size_t i = 0; at + i < text.size(); ++i) bytes[i] = text[at + i];
  return at == text.size() ? character{} : decode(bytes, 0);
}

} // namespace detail

/// Reads the first character of `text`.
constexpr character decode(std::string_view text) noexcept { return detail::decode_at(text, 0); }

/// A code point as bytes.
struct encoded {
  char bytes[4]{};
  unsigned length = 0; ///< 1 … 4

  constexpr std::string_view view() const noexcept { return {bytes, length}; } ///< the bytes in use
};

/// Writes a code point; one that UTF-8 cannot express (a surrogate, above U+10FFFF) becomes U+FFFD.
constexpr encoded encode(char32_t c) noexcept {
  auto const continuation = [c](unsigned shift) { return static_cast<char>(0x80u | ((c >> shift) & 0x3Fu)); };
  if (c < 0x80) return {{static_cast<char>(c)}, 1};
  if (c < 0x800) return {{static_cast<char>(0xC0u | (c >> 6)), continuation(0)}, 2};
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return encode(replacement);
  if (c < 0x10000) return {{static_cast<char>(0xE0u | (c >> 12)), continuation(6), continuation(0)}, 3};
  return {{static_cast<char>(0xF0u | (c >> 18)), continuation(12), continuation(6), continuation(0)}, 4};
}

namespace detail {

/// An automaton whose states are places in words: `rows[byte] >> state` ends in the next state (P. Vognsen,
/// "Shift-based DFAs", 2021). So a byte costs one shift, which nothing has to be predicted for.
struct automaton {
  static constexpr unsigned accept = 0, error = 6, mask = 63;

  static constexpr std::array<std::uint64_t, 256> rows = [] {
    // What is missing: one, two, three bytes that continue; those after E0, ED, F0, F4.
    constexpr unsigned one = 12, two = 18, three = 24, e0 = 30, ed = 36, f0 = 42, f4 = 48;
    std::array<std::uint64_t, 256> all{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      auto& row = all[byte];
      for (unsigned state = 0; state <= f4; state += 6) row |= std::uint64_t{error} << state;
      auto const leads = [&](unsigned from, unsigned first, unsigned last, unsigned to) {
        if (byte >= first && byte <= last) row ^= std::uint64_t{error ^ to} << from;
      };
      leads(accept, 0x00, 0x7F, accept);
      leads(accept, 0xC2, 0xDF, one);
      leads(accept, 0xE0, 0xE0, e0);
      leads(accept, 0xE1, 0xEC, two);
      leads(accept, 0xED, 0xED, ed);
      leads(accept, 0xEE, 0xEF, two);
      leads(accept, 0xF0, 0xF0, f0);
      leads(accept, 0xF1, 0xF3, three);
      leads(accept, 0xF4, 0xF4, f4);
      leads(one, 0x80, 0xBF, accept);
      leads(two, 0x80, 0xBF, one);
      leads(three, 0x80, 0xBF, two);
      leads(e0, 0xA0, 0xBF, one);
      leads(ed, 0x80, 0x9F, one);
      leads(f0, 0x90, 0xBF, two);
      leads(f4, 0x80, 0x8F, two);
    }
    return all;
  }();
};

/// The place of a character before which all is valid, near the end of the longest valid prefix. Characters beyond
/// ASCII are read one by one where they are few.
inline std::size_t valid_blocks(std::string_view text) noexcept {
  constexpr std::size_t block = 16, few = 4;
  std::uint64_t state = automaton::accept;
  std::size_t at = 0;
  while (text.size() - at >= block) {
    if (state == automaton::accept) {
      std::uint64_t words[2];
      std::memcpy(words, text.data() + at, block);
      auto const first = words[0] >> 7 & 0x0101010101010101u, second = words[1] >> 7 & 0x0101010101010101u;
      if ((first | second) == 0) {
        at += block;
        continue;
      }
      if ((first + second) * 0x0101010101010101u >> 56 <= few) {
        if constexpr (std::endian::native == std::endian::little)
          at += static_cast<unsigned>(first != 0 ? std::countr_zero(first) : 64 + std::countr_zero(second)) / 8;
        else
          while ((text[at] & 0x80) == 0) ++at;
        auto const c = decode_at(text, at);
        if (!c.valid) return at;
        at += c.length;
        continue;
      }
    }
    auto next = state;
    for (std::size_t i = at; i < at + block; ++i)
      next = automaton::rows[static_cast<unsigned char>(text[i])] >> (next & automaton::mask);
    next &= automaton::mask;
    if (next == automaton::error) break;
    state = next;
    at += block;
  }
  if (state == automaton::accept) return at;
  do --at; // to the lead of a character that has begun
  while ((static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u);
  return at;
}

} // namespace detail

/// Length in bytes of the longest prefix that is valid UTF-8; `text.size()` if all of it is.
constexpr std::size_t valid_prefix(std::string_view text) noexcept {
  std::size_t at = std::is_constant_evaluated() ? 0 : detail::valid_blocks(text);
  while (at < text.size()) {
    if ((text[at] & 0x80) == 0) {
      ++at;
      continue;
    }
    auto const c = detail::decode_at(text, at);
    if (!c.valid) break;
    at += c.length;
  }
  return at;
}

/// True if all of `text` is valid UTF-8.
constexpr bool is_valid(std::string_view text) noexcept { return valid_prefix(text) == text.size(); }

namespace detail {

/// What a lead byte promises: the bytes of the sequence (0 for a byte that is no lead) and the range of the second
/// byte, which is what excludes overlong forms, surrogates and code points above U+10FFFF.
struct lead {
  unsigned length, second_min, second_max;
};

constexpr lead read_lead(unsigned char byte) noexcept {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) return {3, byte == 0xE0 ? 0xA0u : 0x80u, byte == 0xED ? 0x9Fu : 0xBFu};
  if (byte < 0xF5) return {4, byte == 0xF0 ? 0x90u : 0x80u, byte == 0xF4 ? 0x8Fu : 0xBFu};
  return {0, 0, 0};
}

} // namespace detail

/// How many bytes in front of `text`, which begins with no valid character, are the longest start of one, at least 1:
/// what one U+FFFD stands for (Unicode 16, section 3.9).
constexpr std::size_t malformed_length(std::string_view text) noexcept {
  auto const [length, second_min, second_max] = detail::read_lead(static_cast<unsigned char>(text[0]));
  std::size_t n = 1;
  for (; n < length && n < text.size(); ++n) {
    auto const byte = static_cast<unsigned char>(text[n]);
    if (n == 1 ? byte < second_min || byte > second_max : (byte & 0xC0u) != 0x80u) break;
  }
  return n;
}

/// Replaces what is no UTF-8 in a string or vector of `char` from `begin` on by U+FFFD: each longest start of a
/// character, or with `each_byte` every byte.
template <class Out> constexpr void replace_invalid(Out& out, std::size_t begin, bool each_byte = false) {
  std::string_view const all(out.data() + begin, out.size() - begin);
  auto const good = valid_prefix(all);
  if (good == all.size()) return;
  std::vector<char> const raw(all.begin() + static_cast<std::ptrdiff_t>(good), all.end());
  out.resize(begin + good);
  for (std::string_view rest(raw.data(), raw.size()); !rest.empty();) {
    auto const c = decode(rest);
    auto const bytes = c.valid ? rest.substr(0, c.length) : replacement_bytes;
    out.insert(out.end(), bytes.begin(), bytes.end());
    rest.remove_prefix(c.valid || each_byte ? c.length : malformed_length(rest));
  }
}

/// Length in bytes of `text` without a character at its end that has begun but lacks bytes. Bytes that no further byte
/// could make valid count as complete: they need not be waited for.
constexpr std::size_t complete_prefix(std::string_view text) noexcept {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    std::size_t const start = text.size() - back;
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[start + i]); };
    if ((byte(0) & 0xC0u) == 0x80u) continue; // inside a character: look further back for its lead
    auto const [length, second_min, second_max] = detail::read_lead(byte(0));
    bool const waits = back < length && (back < 2 || (byte(1) >= second_min && byte(1) <= second_max));
    return waits ? start : text.size();
  }
  return text.size();
}

} // namespace loquat::utf8
