#pragma once
/// \file
/// The normalization forms of UAX #15 over whole texts: what is normalized already is passed over or copied, and only
/// the stretches between two characters that nothing can change are decomposed, sorted and composed. Origins are those
/// of Hugging Face tokenizers, whose forms are of Unicode 9.0.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/aligned_text.hpp>
#include <loquat/tokenizer/normalize/rewrite.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>
#include <loquat/tokenizer/unicode/normal.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::normalize {

/// What the forms need while they run.
struct form_workspace {
  /// A character of a form.
  struct character {
    char32_t code_point = 0;
    unsigned char combining_class = 0;
    int change = 0; ///< as `rewriter::put` has it
  };
  std::vector<character> characters, sorted;
};

/// Turns texts into one form.
template <unicode::normal_form Form, unicode::version Version = unicode::version::v9_0> class form_normalizer {
 public:
  /// True if `text` stays as it is. False may also be said of a text that does.
  static constexpr bool leaves(std::string_view text) noexcept {
    scanner scan(text);
    return !scan.next();
  }

  /// Normalizes `text`.
  static constexpr void apply(aligned_text& text, aligned_text& spare, form_workspace& work) {
    scanner scan(text.bytes());
    if (!scan.next()) return;
    rewriter out(text, spare);
    std::size_t kept = 0;
    do {
      out.copy(kept, scan.begin);
      kept = scan.end;
      auto const stretch = text.bytes().substr(scan.begin, scan.end - scan.begin);
      auto const first = decode_at(stretch, 0);
      if (!unicode::composes(Form) && first.length == stretch.size()) { // nothing to sort
        int change = 0;
        unicode::decompose(first.code_point, unicode::is_compatible(Form), Version, [&](char32_t d) {
          out.put(encode(d).view(), change);
          change = 1;
        });
        continue;
      }
      normalize(stretch, work);
      for (auto const& c : work.characters) out.put(encode(c.code_point).view(), c.change);
    } while (scan.next());
    out.copy(kept, text.size());
    text.swap(spare);
  }

 private:
  static constexpr unicode::normal_property property(text_character c) noexcept {
    return unicode::normal(c.code_point, Form, Version);
  }

  /// Finds stretches that are to be normalized, one after another.
  struct scanner {
    std::string_view text;
    std::size_t begin = 0, end = 0; // of the stretch

    constexpr explicit scanner(std::string_view t) noexcept : text(t) {}

    constexpr bool next() noexcept {
      begin = end;
      unsigned last = 0; // combining class
      for (std::size_t at = end; at < text.size();) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
          if (++at < text.size() && static_cast<unsigned char>(text[at]) < 0x80)
            at = find_byte<bytes::foreign>(text, at);
          begin = at - 1;
          last = 0;
          continue;
        }
        if (auto const n = unicode::inert_length(text, at, Form); n != 0) {
          begin = at;
          last = 0;
          at += n;
          continue;
        }
        auto const c = decode_at(text, at);
        auto const p = property(c);
        if (p.starts()) begin = at;
        at += c.length;
        if (p.stays() && (p.combining_class() == 0 || p.combining_class() >= last)) {
          last = p.combining_class();
          continue;
        }
        for (end = at; end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80;) {
          auto const following = decode_at(text, end);
          if (property(following).starts()) break;
          end += following.length;
        }
        return true;
      }
      return false;
    }
  };

  /// Fills `work.characters` with the form of a stretch.
  static constexpr void normalize(std::string_view text, form_workspace& work) {
    auto& out = work.characters;
    out.clear();
    std::size_t starter = 0; // behind the last starter, in `out`
    for (std::size_t at = 0; at < text.size();) {
      auto const c = decode_at(text, at);
      int change = 0;
      unicode::decompose(c.code_point, unicode::is_compatible(Form), Version, [&](char32_t d) {
        auto const k = unicode::combining_class(d, Version);
        if (k == 0) {
          sort(work, starter);
          starter = out.size() + 1;
        }
        out.push_back({d, k, change});
        change = 1;
      });
      at += c.length;
    }
    sort(work, starter);
    if constexpr (unicode::composes(Form)) compose(out);
  }

  /// Sorts characters from `begin` on by combining class; equals stay in order.
  static constexpr void sort(form_workspace& work, std::size_t begin) {
    auto& all = work.characters;
    auto const n = all.size() - begin;
    if (n <= 16) {
      for (std::size_t i = begin + 1; i < all.size(); ++i)
        for (std::size_t j = i; j > begin && all[j - 1].combining_class > all[j].combining_class; --j)
          std::swap(all[j - 1], all[j]);
      return;
    }
    std::array<std::size_t, 257> place{};
    for (std::size_t i = begin; i < all.size(); ++i) ++place[all[i].combining_class + 1u];
    for (std::size_t k = 1; k < place.size(); ++k) place[k] += place[k - 1];
    work.sorted.resize(n, {});
    for (std::size_t i = begin; i < all.size(); ++i) work.sorted[place[all[i].combining_class]++] = all[i];
    for (std::size_t i = 0; i < n; ++i) all[begin + i] = work.sorted[i];
  }

  /// Composes in place: what composes is one character, in the place of the first.
  static constexpr void compose(std::vector<form_workspace::character>& all) {
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::size_t starter = none, out = 0;
    unsigned last = 0; // the class of the last character that stayed between; 256: there is none
    for (auto const c : all) {
      if (starter != none && (last == 256 || last < c.combining_class)) {
        if (auto const both = unicode::compose(all[starter].code_point, c.code_point, Version); both != 0) {
          all[starter].code_point = both;
          all[starter].change += c.change - 1;
          continue;
        }
      }
      if (c.combining_class == 0) {
        starter = out;
        last = 256;
      } else {
        last = c.combining_class;
      }
      all[out++] = c;
    }
    all.resize(out, {});
  }
};

} // namespace loquat::normalize
