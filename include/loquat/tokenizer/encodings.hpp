#pragma once
/// \file
/// Texts and pairs of texts as a model wants them: ids with offsets and type ids, cut to a length, with special tokens
/// around and between, padded; and many at a time. In this order and with these results Hugging Face tokenizers do it.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/tokenizer/encoding.hpp>
#include <loquat/tokenizer/pipeline.hpp>
#include <loquat/tokenizer/unicode/category.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// How a text becomes an encoding. A definition may have a `truncation` and `padding` that its model wants:
/// `{.truncation = tok.definition().truncation, .padding = tok.definition().padding}`.
struct encoding_options {
  encode_options text{};
  offset_rule offsets = offset_rule::characters;
  std::optional<loquat::truncation> truncation{};
  std::optional<loquat::padding> padding{};
  /// Read no further than truncation from the right needs, as Hugging Face tokenizers do since 0.22. What is cut off
  /// then ends with the word in which the text is full.
  bool stop_when_full = false;
};

namespace detail {

/// RoBERTa's tokens around texts, as a template.
constexpr postprocess::template_processing as_template(postprocess::roberta const& r) {
  using enum postprocess::item::kind;
  postprocess::template_processing t;
  t.single = {{special, 0, {r.begin}}, {first, 0, {}}, {special, 0, {r.end}}};
  t.pair = {
      {special, 0, {r.begin}}, {first, 0, {}}, {special, 0, {r.end, r.end}}, {second, 0, {}}, {special, 0, {r.end}}};
  return t;
}

/// Counts white space from an end of a token's name, in characters.
constexpr std::uint32_t white_space(std::string_view name, bool bytes, bool at_end) noexcept {
  std::uint32_t n = 0;
  if (bytes) { // of a byte-level piece only 0x20 is a character that counts
    while (n < name.size() && (at_end ? name[name.size() - 1 - n] : name[n]) == ' ') ++n;
    return n;
  }
  while (!name.empty()) {
    std::size_t size = 1;
    if (at_end)
      while (size < 4 && size < name.size() && !utf8::decode(name.substr(name.size() - size)).valid) ++size;
    auto const c = utf8::decode(at_end ? name.substr(name.size() - size) : name);
    if (!c.valid || !unicode::is_whitespace(c.code_point)) break;
    at_end ? name.remove_suffix(size) : name.remove_prefix(c.length);
    ++n;
  }
  return n;
}

/// Takes white space out of the offsets. The space that was put before the text was never there. A token's white space
/// is counted in characters, as Hugging Face tokenizers count all offsets.
constexpr void trim_offsets(encoding& e, std::string_view text, tokenizer const& t, bool add_prefix_space) {
  for (std::size_t i = 0; i < e.size(); ++i) {
    auto const name = t.name(e.ids[i]);
    bool const bytes = t.spells_bytes(e.ids[i]);
    auto& [begin, end] = e.offsets[i];
    auto forwards = white_space(name, bytes, false);
    if (forwards == 1 && add_prefix_space && (i == 0 || begin == 0)) forwards = 0; // of more none was put there
    for (std::uint32_t n = 0; n < forwards && begin < end; ++n) begin += utf8::decode(text.substr(begin)).length;
    begin = std::min(begin, end);
    auto at = end;
    auto backwards = white_space(name, bytes, true);
    for (; backwards > 0 && at > 0; --backwards)
      while (--at > 0 && continues_character(text[at])) {
      }
    if (backwards == 0) end = std::max(at, begin);
  }
  for (auto& part : e.overflow) trim_offsets(part, text, t, add_prefix_space);
}

inline constexpr auto no_limit = static_cast<std::size_t>(-1);

constexpr result<encoding> encode_one(tokenizer const& t, std::string_view text, tokenizer::workspace& room,
                                      encoding_options const& how, std::uint32_t type_id) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max())
    return fail(errc::unsupported, "a text of 4 GiB and more has no offsets");
  if (auto const found = t.refuses(text, how.text))
    return fail(errc::argument, "the text has a special token at byte ", found->begin, ": ", t.name(found->id));
  auto options = how.text;
  options.add_special = false;
  bool const stops = how.stop_when_full && how.truncation && !how.truncation->from_left;
  auto const ids = t.encode_some(text, stops ? how.truncation->max_length : no_limit, room, options, how.offsets);
  encoding e;
  e.ids.assign(ids.begin(), ids.end());
  auto const offsets = room.tokens.offsets();
  e.offsets.assign(offsets.begin(), offsets.end());
  e.offsets.resize(ids.size(), byte_range{});
  e.type_ids.assign(ids.size(), type_id);
  e.special.assign(ids.size(), std::uint8_t{0});
  e.attended.assign(ids.size(), std::uint8_t{1});
  return e;
}

constexpr result<encoding> encode_unpadded(tokenizer const& t, std::string_view first, std::string_view const* second,
                                           tokenizer::workspace& room, encoding_options const& how) {
  auto const& steps = t.definition().postprocessors;
  auto a = encode_one(t, first, room, how, 0);
  if (!a) return a;
  std::optional<encoding> b;
  if (second) {
    auto made = encode_one(t, *second, room, how, 1);
    if (!made) return made;
    b = *std::move(made);
  }
  auto const template_of = [](postprocess::step const& step) -> std::optional<postprocess::template_processing> {
    if (auto const* const r = step.get_if<postprocess::roberta>()) return as_template(*r);
    if (auto const* const p = step.get_if<postprocess::template_processing>()) return *p;
    return {};
  };
  if (how.truncation) {
    std::size_t added = 0;
    for (auto const& step : steps)
      if (auto const p = template_of(step); p && how.text.add_special) added += added_tokens_of(*p, b.has_value());
    if (auto const done = truncate(*a, b ? &*b : nullptr, *how.truncation, added); !done) return done.error();
  }
  for (auto const& step : steps) {
    auto const trim = [&](bool add_prefix_space) {
      if (how.offsets == offset_rule::none) return;
      trim_offsets(*a, first, t, add_prefix_space);
      if (b) trim_offsets(*b, *second, t, add_prefix_space);
    };
    if (auto const* const l = step.get_if<postprocess::byte_level>(); l && l->trim_offsets) trim(l->add_prefix_space);
    if (auto const* const r = step.get_if<postprocess::roberta>(); r && r->trim_offsets) trim(r->add_prefix_space);
    if (auto const p = template_of(step)) {
      a = fill(*p, *a, b ? &*b : nullptr, how.text.add_special);
      b.reset();
    }
  }
  if (b) append(*a, *b);
  return a;
}

constexpr result<encoding> encode_padded(tokenizer const& t, std::string_view first, std::string_view const* second,
                                         tokenizer::workspace& room, encoding_options const& how) {
  auto made = encode_unpadded(t, first, second, room, how);
  if (made && how.padding) pad(std::span(&*made, 1), *how.padding);
  return made;
}

} // namespace detail

/// A text with all that a model may want to know of its tokens. Errors: `errc::argument` for a special token in a text
/// that must not have any, and those of `truncate`; `errc::unsupported` from 4 GiB on.
constexpr result<encoding> tokenize(tokenizer const& t, std::string_view text, tokenizer::workspace& room,
                                    encoding_options const& how = {}) {
  return detail::encode_padded(t, text, nullptr, room, how);
}
/// The same of two texts, such as a question and a passage.
constexpr result<encoding> tokenize_pair(tokenizer const& t, std::string_view first, std::string_view second,
                                         tokenizer::workspace& room, encoding_options const& how = {}) {
  return detail::encode_padded(t, first, &second, room, how);
}

/// The ids of many texts (a range of what converts to `std::string_view`), in their order. The threads of `executor`
/// share the texts out. `special_text::error` counts as plain.
template <std::ranges::random_access_range Texts, Executor E>
requires std::ranges::sized_range<Texts> && std::convertible_to<std::ranges::range_reference_t<Texts>, std::string_view>
    std::vector<std::vector<token>> encode_batch(tokenizer const& t, Texts&& texts, E const& executor,
                                                 encode_options options = {}) {
  std::vector<std::vector<token>> out(std::ranges::size(texts));
  std::vector<tokenizer::workspace> rooms(executor.size());
  auto const begin = std::ranges::begin(texts);
  executor.run(out.size(), [&](std::size_t i, unsigned thread) {
    auto const ids = t.encode(begin[static_cast<std::ranges::range_difference_t<Texts>>(i)], rooms[thread], options);
    out[i].assign(ids.begin(), ids.end());
  });
  return out;
}

/// Many texts with all that a model may want to know of their tokens, padded as a batch. Of several errors that of the
/// first text is returned.
template <std::ranges::random_access_range Texts, Executor E>
requires std::ranges::sized_range<Texts> && std::convertible_to<std::ranges::range_reference_t<Texts>, std::string_view>
    result<std::vector<encoding>> tokenize_batch(tokenizer const& t, Texts&& texts, E const& executor,
                                                 encoding_options const& how = {}) {
  std::vector<encoding> out(std::ranges::size(texts));
  std::vector<std::optional<error>> errors(out.size());
  std::vector<tokenizer::workspace> rooms(executor.size());
  auto const begin = std::ranges::begin(texts);
  executor.run(out.size(), [&](std::size_t i, unsigned thread) {
    auto made = detail::encode_unpadded(t, begin[static_cast<std::ranges::range_difference_t<Texts>>(i)], nullptr,
                                        rooms[thread], how);
    if (made)
      out[i] = *std::move(made);
    else
      errors[i] = std::move(made).error();
  });
  for (std::size_t i = 0; i < errors.size(); ++i)
    if (errors[i]) return fail(errors[i]->code(), "text ", i, ": ", errors[i]->message());
  if (how.padding) pad(std::span(out), *how.padding);
  return out;
}

} // namespace loquat
