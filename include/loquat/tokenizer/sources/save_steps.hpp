#pragma once
/// \file
/// The steps of a pipeline as `tokenizer.json` has them: what `json_steps.hpp` reads. Part of `save_json.hpp`.

#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/sources/base64.hpp>
#include <loquat/tokenizer/sources/json_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat::detail {

/// Writes steps. Names of tokens are `name(id)`.
template <class Out, class Name> class step_writer {
 public:
  constexpr step_writer(json_writer<Out>& out, Name const& name) : out_(out), name_(name) {}

  /// null, a step, or a sequence of them, whose key for the list is `list`.
  template <class Step> constexpr void operator()(std::vector<Step> const& steps, std::string_view list) {
    auto const one = [this](Step const& s) { s.visit([this](auto const& step) { this->write(step); }); };
    if (steps.empty()) return out_.value(json_null{});
    if (steps.size() == 1) return one(steps[0]);
    out_.typed("Sequence", list, [&] { out_.array(steps, one); });
  }

 private:
  constexpr void write(normalize::nfc) { out_.typed("NFC"); }
  constexpr void write(normalize::nfd) { out_.typed("NFD"); }
  constexpr void write(normalize::nfkc) { out_.typed("NFKC"); }
  constexpr void write(normalize::nfkd) { out_.typed("NFKD"); }
  constexpr void write(normalize::lowercase) { out_.typed("Lowercase"); }
  constexpr void write(normalize::strip_accents) { out_.typed("StripAccents"); }
  constexpr void write(normalize::nmt) { out_.typed("Nmt"); }
  constexpr void write(normalize::byte_level) { out_.typed("ByteLevel"); }
  constexpr void write(normalize::strip const& s) { out_.typed("Strip", "strip_left", s.left, "strip_right", s.right); }
  constexpr void write(normalize::replace const& s) { out_.typed("Replace", "pattern", s.what, "content", s.content); }
  constexpr void write(normalize::prepend const& s) { out_.typed("Prepend", "prepend", s.text); }
  constexpr void write(normalize::bert const& s) {
    out_.typed("BertNormalizer", "clean_text", s.clean_text, "handle_chinese_chars", s.chinese_characters,
               "strip_accents", s.strip_accents, "lowercase", s.lowercase);
  }
  constexpr void write(normalize::precompiled const& s) {
    std::vector<char> digits;
    append_base64({s.charsmap.data(), s.charsmap.size()}, digits);
    out_.typed("Precompiled", "precompiled_charsmap", std::string_view(digits.data(), digits.size()));
  }
  constexpr void write(normalize::sentencepiece const&) {} // none is left

  static constexpr std::string_view name(pretokenize::behavior b) noexcept {
    constexpr std::string_view names[]{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    return names[static_cast<std::size_t>(b)];
  }
  static constexpr std::string_view name(pretokenize::prepend_scheme s) noexcept {
    constexpr std::string_view names[]{"first", "never", "always"};
    return names[static_cast<std::size_t>(s)];
  }
  constexpr void write(pretokenize::byte_level const& s) {
    out_.typed("ByteLevel", "add_prefix_space", s.add_prefix_space, "trim_offsets", s.trim_offsets, "use_regex",
               s.use_regex);
  }
  constexpr void write(pretokenize::bert) { out_.typed("BertPreTokenizer"); }
  constexpr void write(pretokenize::metaspace const& s) {
    out_.typed("Metaspace", "replacement", s.replacement, "prepend_scheme", name(s.prepend), "split", s.split);
  }
  constexpr void write(pretokenize::whitespace) { out_.typed("Whitespace"); }
  constexpr void write(pretokenize::whitespace_split) { out_.typed("WhitespaceSplit"); }
  constexpr void write(pretokenize::digits const& s) { out_.typed("Digits", "individual_digits", s.individual); }
  constexpr void write(pretokenize::punctuation const& s) { out_.typed("Punctuation", "behavior", name(s.behavior)); }
  constexpr void write(pretokenize::split const& s) {
    out_.typed("Split", "pattern", s.pattern, "behavior", name(s.behavior), "invert", s.invert);
  }
  constexpr void write(pretokenize::unicode_scripts) { out_.typed("UnicodeScripts"); }
  constexpr void write(pretokenize::char_delimiter const& s) {
    out_.typed("CharDelimiterSplit", "delimiter", s.delimiter);
  }
  constexpr void write(pretokenize::fixed_length const& s) { out_.typed("FixedLength", "length", s.length); }

  constexpr void write(postprocess::template_processing const& s) {
    std::vector<postprocess::item const*> specials; // of different tokens
    auto const number = [&](postprocess::item const& item) {
      std::size_t i = 0;
      while (i < specials.size() && specials[i]->ids != item.ids) ++i;
      if (i == specials.size()) specials.push_back(&item);
      return i;
    };
    auto const items = [&](std::vector<postprocess::item> const& all) {
      return [&] {
        out_.array(all, [&](postprocess::item const& item) {
          using enum postprocess::item::kind;
          if (item.what == special)
            out_.object("SpecialToken", [&] {
              out_.object(
                  "id", [&] { out_.value(label(specials, number(item))); }, "type_id", item.type_id);
            });
          else
            out_.object("Sequence",
                        [&] { out_.object("id", item.what == first ? "A" : "B", "type_id", item.type_id); });
        });
      };
    };
    out_.typed("TemplateProcessing", "single", items(s.single), "pair", items(s.pair), "special_tokens", [&] {
      out_.raw("{");
      for (std::size_t i = 0; i < specials.size(); ++i) {
        auto const& item = *specials[i];
        out_.raw(i == 0 ? "" : ",");
        out_.value(label(specials, i));
        out_.raw(":");
        out_.object(
            "id", [&] { out_.value(label(specials, i)); }, "ids",
            [&] { out_.array(item.ids, [&](token id) { out_.value(id); }); }, "tokens",
            [&] { out_.array(item.ids, [&](token id) { out_.value(name_(id)); }); });
      }
      out_.raw("}");
    });
  }
  /// What a template calls tokens: by the name of the only one, or by a number (a token without text, too, and one
  /// whose name may be that of others).
  constexpr std::string_view label(std::vector<postprocess::item const*> const& specials, std::size_t number) {
    constexpr std::string_view numbered = "special ";
    auto const name = [&](std::size_t i) {
      return specials[i]->ids.size() == 1 ? name_(specials[i]->ids[0]) : std::string_view();
    };
    auto const own = name(number);
    bool is_label = !own.empty() && !own.starts_with(numbered);
    for (std::size_t i = 0; i < number && is_label; ++i) is_label = name(i) != own;
    if (is_label) return own;
    label_.clear();
    loquat::detail::append(label_, numbered);
    loquat::detail::append(label_, number);
    return {label_.data(), label_.size()};
  }
  constexpr void write(postprocess::byte_level const& s) {
    out_.typed("ByteLevel", "add_prefix_space", s.add_prefix_space, "trim_offsets", s.trim_offsets, "use_regex", true);
  }
  constexpr void write(postprocess::roberta const& s) {
    auto const named = [&](token id) {
      return [this, id] {
        out_.raw("[");
        out_.value(name_(id));
        out_.raw(",");
        out_.value(id);
        out_.raw("]");
      };
    };
    out_.typed("RobertaProcessing", "sep", named(s.end), "cls", named(s.begin), "trim_offsets", s.trim_offsets,
               "add_prefix_space", s.add_prefix_space);
  }

  constexpr void write(decode_step::byte_level) {
    out_.typed("ByteLevel", "add_prefix_space", true, "trim_offsets", true, "use_regex", true);
  }
  constexpr void write(decode_step::byte_fallback) { out_.typed("ByteFallback"); }
  constexpr void write(decode_step::fuse) { out_.typed("Fuse"); }
  constexpr void write(decode_step::wordpiece const& s) {
    out_.typed("WordPiece", "prefix", s.prefix, "cleanup", s.cleanup);
  }
  constexpr void write(decode_step::metaspace const& s) {
    out_.typed("Metaspace", "replacement", s.replacement, "prepend_scheme", name(s.prepend), "split", true);
  }
  constexpr void write(decode_step::bpe const& s) { out_.typed("BPEDecoder", "suffix", s.suffix); }
  constexpr void write(decode_step::strip const& s) {
    out_.typed("Strip", "content", s.content, "start", s.start, "stop", s.stop);
  }
  constexpr void write(decode_step::replace const& s) {
    out_.typed("Replace", "pattern", s.what, "content", s.content);
  }
  constexpr void write(decode_step::ctc const& s) {
    out_.typed("CTC", "pad_token", s.pad, "word_delimiter_token", s.word_delimiter, "cleanup", s.cleanup);
  }

  json_writer<Out>& out_;
  Name const& name_;
  std::vector<char> label_;
};

} // namespace loquat::detail
