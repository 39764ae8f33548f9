#pragma once
/// \file
/// The steps of a pipeline as `tokenizer.json` has them: objects with a `type`. Part of `tokenizer_json.hpp`.

#include <loquat/tokenizer/sources/json_fields.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat::detail {

/// The objects of nested `Sequence`s, in order: calls `one(object, type)` for each that is none. `list` is the key of a
/// sequence's elements.
template <class One>
constexpr void each_step(json_fields& in, json::value root, std::string_view list, One const& one) {
  if (root.kind() == json::kind::absent || root.kind() == json::kind::null) return;
  std::vector<json::value> open{root}; // the next one last
  while (!open.empty() && in) {
    auto const v = open.back();
    open.pop_back();
    auto const type = in.text(v, "type");
    if (type != "Sequence") {
      one(v, type);
      continue;
    }
    if (v[list].kind() != json::kind::array) in.wrong(v, "a sequence's list of steps");
    std::size_t const first = open.size();
    for (auto const step : v[list].elements()) open.push_back(step);
    for (std::size_t i = first, j = open.size(); i + 1 < j; ++i) std::swap(open[i], open[--j]);
  }
}

constexpr void unknown_step(json_fields& in, json::value v, std::string_view what, std::string_view type) {
  in.wrong(fail(errc::unsupported, "JSON: ", what, " of type ", type, " at byte ", v.offset(), " is not supported"));
}

constexpr std::vector<normalize::step> read_normalizers(json_fields& in, json::value root) {
  std::vector<normalize::step> steps;
  each_step(in, root, "normalizers", [&](json::value v, std::string_view type) {
    namespace n = normalize;
    if (type == "NFC")
      steps.push_back(n::nfc{});
    else if (type == "NFD")
      steps.push_back(n::nfd{});
    else if (type == "NFKC")
      steps.push_back(n::nfkc{});
    else if (type == "NFKD")
      steps.push_back(n::nfkd{});
    else if (type == "Lowercase")
      steps.push_back(n::lowercase{});
    else if (type == "StripAccents")
      steps.push_back(n::strip_accents{});
    else if (type == "Nmt")
      steps.push_back(n::nmt{});
    else if (type == "ByteLevel")
      steps.push_back(n::byte_level{});
    else if (type == "Strip")
      steps.push_back(n::strip{in.flag(v, "strip_left", true), in.flag(v, "strip_right", true)});
    else if (type == "Replace")
      steps.push_back(n::replace{in.pattern(v, "pattern"), owned_text(in.text(v, "content"))});
    else if (type == "Prepend")
      steps.push_back(n::prepend{owned_text(in.text(v, "prepend"))});
    else if (type == "BertNormalizer")
      steps.push_back(n::bert{in.flag(v, "clean_text", true), in.flag(v, "handle_chinese_chars", true),
                              in.flag(v, "lowercase", true), in.optional_flag(v, "strip_accents")});
    else if (type == "Precompiled")
      steps.push_back(n::precompiled{in.base64(v, "precompiled_charsmap")});
    else
      unknown_step(in, v, "a normalizer", type);
  });
  return steps;
}

constexpr pretokenize::behavior read_behavior(json_fields& in, json::value v, pretokenize::behavior fallback) {
  using enum pretokenize::behavior;
  if (!in.is_given(v, "behavior")) return fallback;
  auto const name = in.text(v, "behavior");
  if (name == "Removed") return removed;
  if (name == "Isolated") return isolated;
  if (name == "MergedWithPrevious") return merged_with_previous;
  if (name == "MergedWithNext") return merged_with_next;
  if (name == "Contiguous") return contiguous;
  in.wrong(v["behavior"], "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
  return fallback;
}

/// `prepend_scheme`, or `add_prefix_space` in older files.
constexpr pretokenize::prepend_scheme read_prepend_scheme(json_fields& in, json::value v) {
  using enum pretokenize::prepend_scheme;
  if (!in.is_given(v, "prepend_scheme")) return in.flag(v, "add_prefix_space", true) ? always : never;
  auto const name = in.text(v, "prepend_scheme");
  if (name == "first") return first;
  if (name == "never") return never;
  if (name != "always") in.wrong(v["prepend_scheme"], "first, never or always");
  return always;
}

constexpr std::vector<pretokenize::step> read_pretokenizers(json_fields& in, json::value root) {
  std::vector<pretokenize::step> steps;
  each_step(in, root, "pretokenizers", [&](json::value v, std::string_view type) {
    namespace p = pretokenize;
    if (type == "ByteLevel")
      steps.push_back(p::byte_level{in.flag(v, "add_prefix_space", true), in.flag(v, "use_regex", true),
                                    in.flag(v, "trim_offsets", true)});
    else if (type == "BertPreTokenizer")
      steps.push_back(p::bert{});
    else if (type == "Metaspace")
      steps.push_back(
          p::metaspace{in.character(v, "replacement", 0x2581), read_prepend_scheme(in, v), in.flag(v, "split", true)});
    else if (type == "Whitespace")
      steps.push_back(p::whitespace{});
    else if (type == "WhitespaceSplit")
      steps.push_back(p::whitespace_split{});
    else if (type == "Digits")
      steps.push_back(p::digits{in.flag(v, "individual_digits", false)});
    else if (type == "Punctuation")
      steps.push_back(p::punctuation{read_behavior(in, v, p::behavior::isolated)});
    else if (type == "Split")
      steps.push_back(
          p::split{in.pattern(v, "pattern"), read_behavior(in, v, p::behavior::removed), in.flag(v, "invert", false)});
    else if (type == "UnicodeScripts")
      steps.push_back(p::unicode_scripts{});
    else if (type == "CharDelimiterSplit")
      steps.push_back(p::char_delimiter{in.character(v, "delimiter", U' ')});
    else if (type == "FixedLength")
      steps.push_back(p::fixed_length{static_cast<std::size_t>(in.number(v, "length", 5))});
    else
      unknown_step(in, v, "a pre-tokenizer", type);
  });
  return steps;
}

constexpr std::vector<postprocess::item> read_template(json_fields& in, json::value list, json::value special) {
  using kind = postprocess::item::kind;
  std::vector<postprocess::item> items;
  if (list.kind() != json::kind::array) in.wrong(list, "a template");
  for (auto const v : list.elements()) {
    postprocess::item item;
    if (auto const token = v["SpecialToken"]) {
      item.what = kind::special;
      item.type_id = static_cast<std::uint32_t>(in.number(token, "type_id", 0));
      auto const ids = special[in.text(token, "id")]["ids"];
      if (ids.kind() != json::kind::array) in.wrong(token, "a special token that special_tokens lists");
      for (auto const id : ids.elements()) item.ids.push_back(in.id(id));
    } else {
      auto const sequence = v["Sequence"];
      item.what = in.text(sequence, "id") == "B" ? kind::second : kind::first;
      item.type_id = static_cast<std::uint32_t>(in.number(sequence, "type_id", 0));
    }
    items.push_back(std::move(item));
  }
  return items;
}

constexpr std::vector<postprocess::step> read_postprocessors(json_fields& in, json::value root) {
  std::vector<postprocess::step> steps;
  each_step(in, root, "processors", [&](json::value v, std::string_view type) {
    namespace p = postprocess;
    if (type == "TemplateProcessing") {
      steps.push_back(p::template_processing{read_template(in, v["single"], v["special_tokens"]),
                                             read_template(in, v["pair"], v["special_tokens"])});
    } else if (type == "BertProcessing") {
      steps.push_back(p::bert(in.id(v["cls"][1]), in.id(v["sep"][1])));
    } else if (type == "RobertaProcessing") {
      steps.push_back(p::roberta{in.id(v["cls"][1]), in.id(v["sep"][1]), in.flag(v, "trim_offsets", true),
                                 in.flag(v, "add_prefix_space", true)});
    } else if (type == "ByteLevel") {
      steps.push_back(p::byte_level{in.flag(v, "add_prefix_space", true), in.flag(v, "trim_offsets", true)});
    } else {
      unknown_step(in, v, "a post-processor", type);
    }
  });
  return steps;
}

constexpr std::vector<decode_step::step> read_decoders(json_fields& in, json::value root) {
  std::vector<decode_step::step> steps;
  each_step(in, root, "decoders", [&](json::value v, std::string_view type) {
    namespace d = decode_step;
    if (type == "ByteLevel")
      steps.push_back(d::byte_level{});
    else if (type == "ByteFallback")
      steps.push_back(d::byte_fallback{});
    else if (type == "Fuse")
      steps.push_back(d::fuse{});
    else if (type == "WordPiece")
      steps.push_back(d::wordpiece{owned_text(in.text_or(v, "prefix", "##")), in.flag(v, "cleanup", true)});
    else if (type == "Metaspace")
      steps.push_back(d::metaspace{in.character(v, "replacement", 0x2581), read_prepend_scheme(in, v)});
    else if (type == "BPEDecoder")
      steps.push_back(d::bpe{owned_text(in.text_or(v, "suffix", "</w>"))});
    else if (type == "Strip")
      steps.push_back(d::strip{in.character(v, "content", U' '), static_cast<std::size_t>(in.number(v, "start", 0)),
                               static_cast<std::size_t>(in.number(v, "stop", 0))});
    else if (type == "Replace")
      steps.push_back(d::replace{in.pattern(v, "pattern"), owned_text(in.text(v, "content"))});
    else if (type == "CTC")
      steps.push_back(d::ctc{owned_text(in.text_or(v, "pad_token", "<pad>")),
                             owned_text(in.text_or(v, "word_delimiter_token", "|")), in.flag(v, "cleanup", true)});
    else
      unknown_step(in, v, "a decoder", type);
  });
  return steps;
}

} // namespace loquat::detail
