#include <loquat/tokenizer/text.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace tokenizer_concept_test {

namespace {

/// The smallest tokenizer: one id per byte.
struct byte_tokenizer {
  struct cursor {
    std::string_view rest;
    constexpr loquat::token next() {
      if (rest.empty()) return loquat::no_token;
      auto const byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      return byte;
    }
  };
  static constexpr auto bytes = [] {
    std::array<char, 256> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i);
    return all;
  }();
  static constexpr std::size_t size() { return 256; }
  static constexpr cursor start(std::string_view text, loquat::encode_options = {}) { return {text}; }
  static constexpr std::string_view piece(loquat::token id) {
    return id >= 0 && id < 256 ? std::string_view(&bytes[static_cast<std::size_t>(id)], 1) : std::string_view();
  }
  static constexpr bool is_special(loquat::token) { return false; }
};
static_assert(loquat::Tokenizer<byte_tokenizer>);
static_assert(!loquat::Tokenizer<std::string_view>);

constexpr std::size_t count(std::string_view text, std::size_t room) {
  std::array<loquat::token, 8> ids{};
  return loquat::encode_into(byte_tokenizer{}, text, std::span(ids).first(room)).value_or(99);
}
static_assert(count("abc", 3) == 3);
static_assert(count("", 0) == 0);
static_assert(count("abc", 2) == 99);

} // namespace

TEST_CASE("tokenizer: a span that is too short is an error that names the number needed") {
  std::array<loquat::token, 4> ids{};
  auto const done = loquat::encode_into(byte_tokenizer{}, "hello", ids);
  REQUIRE_FALSE(done);
  CHECK(done.error().code() == loquat::errc::capacity);
  CHECK(done.error().message() == "encode: 5 tokens do not fit a span of 4");
  CHECK(ids[3] == 'l');
}

TEST_CASE("tokenizer: whole texts go there and back with any tokenizer") {
  std::string const text = "aé中\xFF!";
  auto const ids = loquat::encode(byte_tokenizer{}, text);
  CHECK(ids.size() == text.size());
  CHECK(loquat::decode(byte_tokenizer{}, ids, {.invalid = loquat::invalid_utf8::bytes}) == text);
  CHECK(loquat::decode(byte_tokenizer{}, ids) == "aé中\uFFFD!");
  CHECK(loquat::decode(byte_tokenizer{}, std::vector<loquat::token>{' ', 'a'}) == " a");
}

} // namespace tokenizer_concept_test
