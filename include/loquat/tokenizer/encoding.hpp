#pragma once
/// \file
/// What encoding a text gives besides ids, and what happens to it afterwards: cutting, special tokens around it,
/// padding. As Hugging Face tokenizers do it.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

/// The tokens of a text (or of two). All arrays are as long as `ids`.
struct encoding {
  std::vector<token> ids;
  std::vector<byte_range> offsets;     ///< in the text that the token is of; empty ranges for special tokens
  std::vector<std::uint32_t> type_ids; ///< of which of two texts, as models want it
  std::vector<std::uint8_t> special;   ///< 1: put there, not found in the text
  std::vector<std::uint8_t> attended;  ///< 0: padding
  std::vector<encoding> overflow;      ///< the parts that were cut off, in order

  constexpr std::size_t size() const noexcept { return ids.size(); } ///< tokens

  /// Drops everything; buffers stay.
  constexpr void clear() noexcept {
    ids.clear();
    offsets.clear();
    type_ids.clear();
    special.clear();
    attended.clear();
    overflow.clear();
  }
  /// Appends a token.
  constexpr void add(token id, byte_range where, std::uint32_t type_id = 0, bool is_special = false) {
    ids.push_back(id);
    offsets.push_back(where);
    type_ids.push_back(type_id);
    special.push_back(is_special);
    attended.push_back(1);
  }
};

namespace detail {

/// f(array of `to`, array of `from`) for all arrays.
template <class To, class From, class F> constexpr void each_array(To& to, From& from, F const& f) {
  f(to.ids, from.ids);
  f(to.offsets, from.offsets);
  f(to.type_ids, from.type_ids);
  f(to.special, from.special);
  f(to.attended, from.attended);
}

constexpr encoding part(encoding const& all, std::size_t begin, std::size_t end) {
  encoding out;
  each_array(out, all, [&](auto& to, auto const& from) {
    to.assign(from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end));
  });
  return out;
}

constexpr void append_tokens(encoding& to, encoding const& from) {
  each_array(to, from, [](auto& a, auto const& b) { a.insert(a.end(), b.begin(), b.end()); });
}

/// Appends `next`. Every part that was cut off of one goes with the whole and with every part of the other.
constexpr void append(encoding& all, encoding const& next) {
  std::vector<encoding> parts;
  auto const combine = [&](encoding const& a, encoding const& b) {
    parts.push_back(part(a, 0, a.size()));
    append_tokens(parts.back(), b);
  };
  for (auto const& mine : all.overflow) {
    combine(mine, next);
    for (auto const& other : next.overflow) combine(mine, other);
  }
  for (auto const& other : next.overflow) combine(all, other);
  append_tokens(all, next);
  all.overflow = std::move(parts);
}

/// Cuts `e` into parts of `length` tokens, of which neighbours have `stride` in common; the first part stays.
constexpr void cut(encoding& e, std::size_t length, std::size_t stride, bool from_left) {
  if (length >= e.size()) return;
  if (length == 0) {
    encoding all = std::exchange(e, {});
    e.overflow.push_back(std::move(all));
    return;
  }
  std::size_t const step = length - stride, total = e.size();
  std::vector<encoding> rest;
  for (std::size_t first = step; first - step + length < total; first += step) { // tokens before the part, or behind it
    std::size_t const some = std::min(length, total - first);
    rest.push_back(from_left ? part(e, total - first - some, total - first) : part(e, first, first + some));
  }
  e = from_left ? part(e, total - length, total) : part(e, 0, length);
  e.overflow = std::move(rest);
}

} // namespace detail

/// Cuts one encoding, or two that will be put together (`second` may be null), to `how.max_length` tokens less `added`.
/// Errors: `errc::argument` when the special tokens or the stride leave no room, when only the second is to be cut and
/// there is none, or when what may be cut is too short.
constexpr result<void> truncate(encoding& first, encoding* second, truncation const& how, std::size_t added = 0) {
  if (how.max_length < added || (how.stride != 0 && how.stride >= how.max_length - added))
    return fail(errc::argument, "truncation to ", how.max_length, " tokens leaves no room for ", added,
                " special tokens and a stride of ", how.stride);
  std::size_t const most = how.max_length - added, total = first.size() + (second ? second->size() : 0);
  if (total <= most) return {};
  if (most == 0) {
    detail::cut(first, 0, 0, how.from_left);
    if (second) detail::cut(*second, 0, 0, how.from_left);
    return {};
  }
  auto const cut = [&](encoding& e, std::size_t length) -> result<void> {
    if (length < e.size() && length != 0 && how.stride >= length)
      return fail(errc::argument, "truncation to ", length, " tokens with a stride of ", how.stride);
    detail::cut(e, length, how.stride, how.from_left);
    return {};
  };
  if (how.how != truncation::strategy::longest_first) {
    bool const is_first = how.how == truncation::strategy::only_first;
    if (!is_first && !second) return fail(errc::argument, "truncation of the second text only, but there is one text");
    encoding& target = is_first ? first : *second;
    if (target.size() <= total - most)
      return fail(errc::argument, "truncation: the text that may be cut has ", target.size(), " tokens, and ",
                  total - most, " are too many");
    return cut(target, target.size() - (total - most));
  }
  if (!second) return cut(first, most);
  std::size_t shorter = std::min(first.size(), second->size()), longer = 0;
  longer = shorter > most ? shorter : std::max(shorter, most - shorter);
  if (shorter + longer > most) shorter = most / 2, longer = most - most / 2;
  bool const swapped = first.size() > second->size();
  if (auto const done = cut(first, swapped ? longer : shorter); !done) return done;
  return cut(*second, swapped ? shorter : longer);
}

/// Makes an encoding `length` tokens long, and the parts that were cut off of it.
constexpr void pad(encoding& e, std::size_t length, padding const& how) {
  for (auto& part : e.overflow) pad(part, length, how);
  if (e.size() >= length) return;
  std::size_t const missing = length - e.size();
  auto const fill = [&](auto& array, auto value) {
    array.insert(how.on_left ? array.begin() : array.end(), missing, value);
  };
  fill(e.ids, how.id);
  fill(e.offsets, byte_range{});
  fill(e.type_ids, how.type_id);
  fill(e.special, std::uint8_t{1});
  fill(e.attended, std::uint8_t{0});
}
/// Makes the encodings of a batch as long as the longest one, or as long as `how` says.
constexpr void pad(std::span<encoding> batch, padding const& how) {
  std::size_t length = how.length.value_or(0);
  if (!how.length)
    for (auto const& e : batch) length = std::max(length, e.size());
  if (how.multiple_of > 0 && length % how.multiple_of != 0) length += how.multiple_of - length % how.multiple_of;
  for (auto& e : batch) pad(e, length, how);
}

/// How many tokens a template puts around one text, or two.
constexpr std::size_t added_tokens_of(postprocess::template_processing const& how, bool pair) noexcept {
  std::size_t n = 0;
  for (auto const& item : pair ? how.pair : how.single)
    if (item.what == postprocess::item::kind::special) n += item.ids.size();
  return n;
}
/// Puts one encoding, or two (`second` may be null), into a template, with the special tokens if `add_special`.
constexpr encoding fill(postprocess::template_processing const& how, encoding const& first, encoding const* second,
                        bool add_special = true) {
  encoding all;
  for (auto const& item : second ? how.pair : how.single) {
    encoding next;
    if (item.what == postprocess::item::kind::special) {
      if (!add_special) continue;
      for (token const id : item.ids) next.add(id, {}, item.type_id, true);
    } else {
      next = item.what == postprocess::item::kind::first || !second ? first : *second;
      std::ranges::fill(next.type_ids, item.type_id);
    }
    detail::append(all, next);
  }
  return all;
}

} // namespace loquat
