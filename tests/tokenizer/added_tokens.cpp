/// \file
/// Added tokens in texts.

#include <doctest/doctest.h>

#include <loquat/tokenizer/added_tokens.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tokenizer_added_tokens_test {

using loquat::added_token;
using loquat::added_tokens;
using loquat::no_token;
using loquat::token;

namespace {

constexpr added_tokens set(std::initializer_list<added_token> tokens) {
  added_tokens all(64);
  for (auto const& t : tokens) all.add(t, t.content);
  return all;
}
added_token named(std::string_view content, token id) { return {.content = loquat::owned_text(content), .id = id}; }

/// The text with every match as id(what it takes).
std::string marked(added_tokens const& tokens, std::string_view text) {
  std::string out;
  std::size_t done = 0;
  added_tokens::reader reader(tokens, text);
  for (auto m = reader.next(); m.id != no_token; m = reader.next()) {
    if (m.begin > done) out += text.substr(done, m.begin - done);
    out += std::to_string(m.id) + "(" + std::string(text.substr(m.begin, m.end - m.begin)) + ")";
    done = m.end;
  }
  CHECK(reader.next().begin == text.size());
  return out += text.substr(done);
}

static_assert([] {
  auto const all = set({{.content = loquat::owned_text("<a>"), .id = 7}});
  added_tokens::reader reader(all, "x<a>y");
  auto const first = reader.next(), second = reader.next();
  return first.id == 7 && first.begin == 1 && first.end == 4 && second.id == no_token && second.begin == 5;
}());

} // namespace

TEST_CASE("the leftmost added token wins, then the longest, then the search goes on behind it") {
  auto const all = set({named("<a>", 1), named("<a>b", 2), named("a>b<", 3), named("<", 4), named("<a>", 9)});
  CHECK(marked(all, "") == "");
  CHECK(marked(all, "x<a>y") == "x1(<a>)y");
  CHECK(marked(all, "<a>b<a>") == "2(<a>b)1(<a>)");
  CHECK(marked(all, "<a<a>") == "4(<)a1(<a>)");
  CHECK(marked(added_tokens(), "<a>") == "<a>");
}

TEST_CASE("a single word touches no letter, digit, mark or _, and is passed over where it does") {
  auto const all = set({{.content = loquat::owned_text("he"), .id = 1, .single_word = true}, named("e!", 2)});
  CHECK(marked(all, "he") == "1(he)");
  CHECK(marked(all, "a he, the he") == "a 1(he), the 1(he)");
  CHECK(marked(all, "he_") == "he_");
  CHECK(marked(all, "\xC3\xA9he") == "\xC3\xA9he");
  CHECK(marked(all, "the!") == "the!"); // "he" is found, does not count, and its text is used up
}

TEST_CASE("white space beside a token is taken, but not twice") {
  added_token left = named("<l>", 1), right = named("<r>", 2);
  left.strip_left = true;
  right.strip_right = true;
  auto const all = set({left, right});
  CHECK(marked(all, "a \t<l> b") == "a1( \t<l>) b");
  CHECK(marked(all, "a <r>\xE3\x80\x80\n b") == "a 2(<r>\xE3\x80\x80\n )b");
  CHECK(marked(all, "<r>  <l>") == "2(<r>  )1(<l>)");
  CHECK(marked(all, "  <l>") == "1(  <l>)");
  // a token that is white space is found again in what the one before took, as Hugging Face tokenizers do
  added_token space = named(" ", 3);
  space.strip_left = space.strip_right = true;
  CHECK(marked(set({right, space}), "a<r>  b") == "a2(<r>  )3()3()b");
  space.strip_left = false;
  CHECK(marked(set({space}), "a  b") == "a3(  )3( )b");
}

} // namespace tokenizer_added_tokens_test
