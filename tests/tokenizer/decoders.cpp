/// \file
/// Decoders: from the texts of tokens to a text.

#include <doctest/doctest.h>

#include <loquat/tokenizer/decoders.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

namespace tokenizer_decoders_test {

using namespace loquat;
using namespace std::string_view_literals;

namespace {

/// The strings that a step makes, with | behind each.
template <class Step> std::string decoded(Step const& step, std::initializer_list<std::string_view> tokens) {
  token_texts in, out;
  for (auto const t : tokens) in.add(t);
  decode_step::workspace room;
  decode_step::apply(step, in, out, room);
  CHECK(out.open() == 0);
  std::string all;
  for (std::size_t i = 0; i < out.size(); ++i) all += std::string(out[i]) + "|";
  return all;
}

static_assert([] {
  token_texts in, out;
  in.add("a");
  in.add("<0x62>");
  decode_step::workspace room;
  decode_step::apply(decode_step::byte_fallback{}, in, out, room);
  return out.size() == 2 && out[1] == "b" && out.joined() == "ab";
}());

} // namespace

TEST_CASE("bytes of the byte alphabet are one text; other tokens are what they are") {
  CHECK(decoded(decode_step::byte_level{}, {"\xC4\xA0"
                                            "a",
                                            "\xC3\xA9"}) == " a\xE9|"); // U+0120 is a space, U+00E9 a byte
  CHECK(decoded(decode_step::byte_level{}, {"a b", "\xE2\x82\xAC"}) == "a b\xE2\x82\xAC|");
}

TEST_CASE("byte tokens in a row are a character or as many replacements") {
  CHECK(decoded(decode_step::byte_fallback{}, {"x", "<0xE2>", "<0x82>", "<0xac>", "y"}) == "x|\xE2\x82\xAC|y|");
  CHECK(decoded(decode_step::byte_fallback{}, {"<0xE2>", "<0x82>"}) == "\xEF\xBF\xBD|\xEF\xBF\xBD|");
  CHECK(decoded(decode_step::byte_fallback{}, {"<0xG0>", "<0x0A", "<0x41>"}) == "<0xG0>|<0x0A|A|");
}

TEST_CASE("word pieces are joined, and English punctuation is moved to its word") {
  CHECK(decoded(decode_step::wordpiece{}, {"he", "##llo", "##", "wor", "##ld", "!"}) == "he|llo|| wor|ld|!|");
  CHECK(decoded(decode_step::wordpiece{.cleanup = false}, {"a", "!", "n't"}) == "a| !| n't|");
  CHECK(decoded(decode_step::wordpiece{}, {"##a", "n't", "do not", "'", "'s"}) == "##a|n't| don't| '|'s|");
}

TEST_CASE("spaces come back, but for that before the text") {
  CHECK(decoded(decode_step::metaspace{}, {"\xE2\x96\x81"
                                           "a\xE2\x96\x81",
                                           "\xE2\x96\x81"
                                           "b"}) == "a| b|");
  CHECK(decoded(decode_step::metaspace{.prepend = pretokenize::prepend_scheme::never}, {"\xE2\x96\x81"
                                                                                        "a"}) == " a|");
  CHECK(decoded(decode_step::bpe{}, {"a</w>", "b", "c</w>"}) == "a |b|c|");
}

TEST_CASE("strip, fuse and CTC") {
  CHECK(decoded(decode_step::strip{.start = 1, .stop = 2}, {"  a   ", " ", "b"}) == " a ||b|");
  CHECK(decoded(decode_step::fuse{}, {"a", "", "b"}) == "ab|");
  CHECK(decoded(decode_step::ctc{}, {"<pad>", "h", "h", "<pad>", "h", "|", "|", "i"}) == "h|h| |i|");
}

} // namespace tokenizer_decoders_test
