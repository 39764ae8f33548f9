#pragma once
/// \file
/// BERT's normalizer as Hugging Face tokenizers have it: control characters go, white space becomes spaces, ideographs
/// stand alone, accents go, all is lower case. Categories are those of Unicode 8.0, decompositions of 9.0.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/normalize/forms.hpp>
#include <loquat/tokenizer/normalize/rewrite.hpp>
#include <loquat/tokenizer/normalize/simple.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/unicode/category.hpp>

#include <cstddef>
#include <string_view>

namespace loquat::normalize {

namespace detail {

using nfd_normalizer = form_normalizer<unicode::normal_form::nfd>;

/// True for what BERT takes for Chinese characters: blocks of ideographs, as far as they went then.
constexpr bool is_ideograph(char32_t c) noexcept {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/// The first half of the work: cleaning, and spaces around ideographs.
class clean_character {
 public:
  constexpr explicit clean_character(bert const& how) noexcept : how_(how) {}

  constexpr std::string_view operator()(char32_t c) noexcept {
    if (how_.clean_text) {
      using enum unicode::general_category;
      if (c == '\t' || c == '\n' || c == '\r') return " ";
      switch (unicode::category(c, unicode::version::v8_0)) {
      case cc:
      case cf:
      case co:
        return removed;
      case zl:
      case zp:
      case zs:
        return c == ' ' ? unchanged : " ";
      default:
        if (c == utf8::replacement) return removed;
      }
    }
    if (!how_.chinese_characters || !is_ideograph(c)) return unchanged;
    auto const encoded = utf8::encode(c);
    for (std::size_t i = 0; i < encoded.length; ++i) bytes_[i + 1] = encoded.bytes[i];
    bytes_[encoded.length + 1] = ' ';
    return {bytes_, encoded.length + 2};
  }

 private:
  bert const& how_;
  char bytes_[6]{' '};
};

/// The second half: marks of decomposed characters, and case.
class fold_character {
 public:
  constexpr fold_character(bool strip, bool lower) noexcept : strip_(strip), lower_(lower) {}

  constexpr std::string_view operator()(char32_t c) noexcept {
    if (strip_ && unicode::category(c, unicode::version::v8_0) == unicode::general_category::mn) return removed;
    return lower_ ? lower_character_(c) : unchanged;
  }

 private:
  bool strip_, lower_;
  lower_character lower_character_;
};

constexpr bool strips_accents(bert const& how) noexcept { return how.strip_accents.value_or(how.lowercase); }

} // namespace detail

/// True if `text` stays as it is.
constexpr bool leaves(bert const& how, std::string_view text) noexcept {
  using namespace detail;
  bool const strips = strips_accents(how);
  using seen = bytes::either<control, bytes::upper>;
  if (find_byte<seen>(text, 0) == text.size()) return true; // the common case in one pass
  if ((how.clean_text || how.chinese_characters) && !keeps_all<control>(text, clean_character(how))) return false;
  if (strips && !nfd_normalizer::leaves(text)) return false;
  return keeps_all<bytes::upper>(text, fold_character(strips, how.lowercase));
}
/// Normalizes `text`.
constexpr void apply(bert const& how, aligned_text& text, aligned_text& spare, form_workspace& work) {
  using namespace detail;
  bool const strips = strips_accents(how);
  if (how.clean_text || how.chinese_characters)
    rewrite_characters(text, spare, to_byte<control>(), clean_character(how));
  if (strips) nfd_normalizer::apply(text, spare, work);
  if (how.lowercase)
    rewrite_characters(text, spare, lower_ascii(), fold_character(strips, true));
  else if (strips)
    rewrite_characters(text, spare, to_byte<bytes::foreign>(), fold_character(true, false));
}

} // namespace loquat::normalize
