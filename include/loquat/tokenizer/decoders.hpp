#pragma once
/// \file
/// The decoders of a tokenizer: steps from the texts of its tokens to a text, as Hugging Face tokenizers have them.
/// Each makes a list of strings of a list of strings; what is left at the end is joined.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/token_texts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::decode_step {

namespace detail {

/// Appends `text` with every `what` replaced.
constexpr void append_replaced(token_texts& out, std::string_view text, std::string_view what, std::string_view with) {
  while (!what.empty()) {
    auto const at = text.find(what);
    if (at == text.npos) break;
    out.extend(text.substr(0, at));
    out.extend(with);
    text.remove_prefix(at + what.size());
  }
  out.extend(text);
}

/// English punctuation and contractions lose the space before them: eleven replacements, one after another.
class cleanup {
 public:
  constexpr std::string_view operator()(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> rules{{{" .", "."},
                                                                                   {" ?", "?"},
                                                                                   {" !", "!"},
                                                                                   {" ,", ","},
                                                                                   {" ' ", "'"},
                                                                                   {" n't", "n't"},
                                                                                   {" 'm", "'m"},
                                                                                   {" do not", " don't"},
                                                                                   {" 's", "'s"},
                                                                                   {" 've", "'ve"},
                                                                                   {" 're", "'re"}}};
    for (auto const& [what, with] : rules) {
      if (text.find(what) == text.npos) continue;
      other_.clear();
      append_replaced(other_, text, what, with);
      now_.swap(other_);
      text = now_.joined();
    }
    return text;
  }

 private:
  token_texts now_, other_;
};

/// The byte that `<0x0A>` names, or −1.
constexpr int fallback_byte(std::string_view token) noexcept {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  auto const digit = [&](std::size_t i) {
    char const c = token[i];
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : 16;
  };
  int const high = digit(3), low = digit(4);
  return high < 16 && low < 16 ? high * 16 + low : -1;
}

/// Calls `put` with the texts that bytes in a row are: one if they are UTF-8, or else U+FFFD for each.
template <class Put> constexpr void each_text_of(std::string_view bytes, Put put) {
  if (bytes.empty()) return;
  if (utf8::is_valid(bytes)) return put(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) put(utf8::replacement_bytes);
}

} // namespace detail

/// Buffers that steps work in, kept from text to text.
struct workspace {
  std::vector<char> bytes;
  token_texts spaced, unpadded;
  detail::cleanup clean;
};

/// Bytes of the alphabet, of all tokens together. A token with a character of another kind is its own bytes. What is no
/// UTF-8 then stays so.
constexpr void apply(byte_level, token_texts const& in, token_texts& out, workspace& room) {
  auto& bytes = room.bytes;
  for (std::size_t i = 0; i < in.size(); ++i) {
    bytes.clear();
    out.extend(append_bytes(in[i], bytes) ? std::string_view(bytes.data(), bytes.size()) : in[i]);
  }
  out.close();
}
/// Tokens for bytes in a row that together are UTF-8 are that, or else U+FFFD each.
constexpr void apply(byte_fallback, token_texts const& in, token_texts& out, workspace& room) {
  auto& bytes = room.bytes;
  bytes.clear();
  auto const end_bytes = [&] {
    detail::each_text_of({bytes.data(), bytes.size()}, [&](std::string_view text) { out.add(text); });
    bytes.clear();
  };
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (int const byte = detail::fallback_byte(in[i]); byte >= 0) {
      bytes.push_back(static_cast<char>(byte));
      continue;
    }
    end_bytes();
    out.add(in[i]);
  }
  end_bytes();
}
/// One text of all.
constexpr void apply(fuse, token_texts const& in, token_texts& out, workspace&) { out.add(in.joined()); }
/// A space before what does not go on with a word.
constexpr void apply(wordpiece const& how, token_texts const& in, token_texts& out, workspace& room) {
  auto& clean = room.clean;
  auto& spaced = room.spaced;
  for (std::size_t i = 0; i < in.size(); ++i) {
    auto text = in[i];
    spaced.clear();
    if (i > 0 && text.starts_with(how.prefix.view()))
      text.remove_prefix(how.prefix.view().size());
    else if (i > 0)
      spaced.extend(' ');
    spaced.extend(text);
    out.add(how.cleanup ? clean(spaced.joined()) : spaced.joined());
  }
}
/// Spaces for the character that stands for them; those of the first token were put before the text.
constexpr void apply(metaspace const& how, token_texts const& in, token_texts& out, workspace&) {
  auto const space = utf8::encode(how.replacement);
  bool const drops = how.prepend != pretokenize::prepend_scheme::never;
  for (std::size_t i = 0; i < in.size(); ++i) {
    detail::append_replaced(out, in[i], space.view(), i == 0 && drops ? "" : " ");
    out.close();
  }
}
/// A space for the suffix that ends words, nothing for the last one.
constexpr void apply(bpe const& how, token_texts const& in, token_texts& out, workspace&) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    detail::append_replaced(out, in[i], how.suffix, i + 1 == in.size() ? "" : " ");
    out.close();
  }
}
/// Takes characters from both ends of each string.
constexpr void apply(strip const& how, token_texts const& in, token_texts& out, workspace&) {
  auto const content = utf8::encode(how.content);
  for (std::size_t i = 0; i < in.size(); ++i) {
    auto text = in[i];
    for (std::size_t n = 0; n < how.start && text.starts_with(content.view()); ++n) text.remove_prefix(content.length);
    for (std::size_t n = 0; n < how.stop && text.ends_with(content.view()); ++n) text.remove_suffix(content.length);
    out.add(text);
  }
}
/// Tokens in a row that are the same are one (Graves et al. 2006); padding is nothing.
constexpr void apply(ctc const& how, token_texts const& in, token_texts& out, workspace& room) {
  auto& clean = room.clean;
  auto &unpadded = room.unpadded, &spaced = room.spaced;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (i > 0 && in[i] == in[i - 1]) continue;
    unpadded.clear();
    detail::append_replaced(unpadded, in[i], how.pad, "");
    auto text = unpadded.joined();
    if (how.cleanup) {
      spaced.clear();
      detail::append_replaced(spaced, clean(text), how.word_delimiter, " ");
      text = spaced.joined();
    }
    if (!text.empty()) out.add(text);
  }
}

} // namespace loquat::decode_step
