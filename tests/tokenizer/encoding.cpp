/// \file
/// Encodings cut, put into templates and padded.

#include <doctest/doctest.h>

#include <loquat/tokenizer/encoding.hpp>

#include <array>
#include <string>
#include <vector>

namespace tokenizer_encoding_test {

using namespace loquat;

namespace {

/// Tokens from `first` on.
constexpr encoding counting(token first, std::size_t n, std::uint32_t type_id = 0) {
  encoding e;
  for (std::size_t i = 0; i < n; ++i)
    e.add(first + static_cast<token>(i), {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + 1)}, type_id);
  return e;
}

using ids = std::vector<token>;

static_assert([] {
  auto e = counting(0, 2);
  pad(e, 3, {.id = 9});
  return e.ids == ids{0, 1, 9} && e.attended == std::vector<std::uint8_t>{1, 1, 0};
}());

} // namespace

TEST_CASE("a long encoding is cut into parts that share tokens") {
  auto e = counting(0, 10);
  REQUIRE(truncate(e, nullptr, {.max_length = 4, .stride = 1}));
  CHECK(e.ids == ids{0, 1, 2, 3});
  REQUIRE(e.overflow.size() == 2);
  CHECK(e.overflow[0].ids == ids{3, 4, 5, 6});
  CHECK(e.overflow[1].ids == ids{6, 7, 8, 9});

  e = counting(0, 10);
  REQUIRE(truncate(e, nullptr, {.max_length = 6, .stride = 1, .from_left = true}, 2));
  CHECK(e.ids == ids{6, 7, 8, 9});
  REQUIRE(e.overflow.size() == 2);
  CHECK(e.overflow[0].ids == ids{3, 4, 5, 6});
  CHECK(e.overflow[1].ids == ids{0, 1, 2, 3});

  e = counting(0, 3);
  REQUIRE(truncate(e, nullptr, {.max_length = 3}));
  CHECK(e.overflow.empty());
  REQUIRE(truncate(e, nullptr, {.max_length = 2}, 2));
  CHECK(e.ids.empty());
  CHECK(e.overflow.at(0).ids == ids{0, 1, 2});
}

TEST_CASE("of two encodings the longer one is cut first") {
  auto const lengths = [](std::size_t a, std::size_t b, truncation const& how) {
    auto first = counting(0, a), second = counting(100, b);
    REQUIRE(truncate(first, &second, how));
    return std::array{first.size(), second.size()};
  };
  CHECK(lengths(2, 10, {.max_length = 8}) == std::array<std::size_t, 2>{2, 6});
  CHECK(lengths(10, 2, {.max_length = 8}) == std::array<std::size_t, 2>{6, 2});
  CHECK(lengths(10, 9, {.max_length = 7}) == std::array<std::size_t, 2>{4, 3});
  CHECK(lengths(9, 10, {.max_length = 7}) == std::array<std::size_t, 2>{3, 4});
  CHECK(lengths(9, 3, {.max_length = 7, .how = truncation::strategy::only_first}) == std::array<std::size_t, 2>{4, 3});
  CHECK(lengths(3, 9, {.max_length = 7, .how = truncation::strategy::only_second}) == std::array<std::size_t, 2>{3, 4});
}

TEST_CASE("truncations that cannot be are errors") {
  auto e = counting(0, 10), two = counting(0, 2);
  CHECK(truncate(e, nullptr, {.max_length = 1}, 2).error().code() == errc::argument);
  CHECK(truncate(e, nullptr, {.max_length = 4, .stride = 2}, 2).error().code() == errc::argument);
  CHECK(truncate(e, nullptr, {.max_length = 4, .how = truncation::strategy::only_second}).error().message() ==
        "truncation of the second text only, but there is one text");
  CHECK(truncate(two, &e, {.max_length = 4, .how = truncation::strategy::only_first}).error().message() ==
        "truncation: the text that may be cut has 2 tokens, and 8 are too many");
  CHECK(e.size() == 10);
}

TEST_CASE("a template puts special tokens around texts and around what was cut off") {
  auto const how = postprocess::bert(1, 2);
  CHECK(added_tokens_of(how, false) == 2);
  CHECK(added_tokens_of(how, true) == 3);
  auto first = counting(10, 5), second = counting(20, 2, 9);
  REQUIRE(truncate(first, nullptr, {.max_length = 5}, 2));
  auto const one = fill(how, first, nullptr);
  CHECK(one.ids == ids{1, 10, 11, 12, 2});
  CHECK(one.special == std::vector<std::uint8_t>{1, 0, 0, 0, 1});
  CHECK(one.offsets[1] == byte_range{0, 1});
  REQUIRE(one.overflow.size() == 1);
  CHECK(one.overflow[0].ids == ids{1, 13, 14, 2});
  auto const both = fill(how, first, &second);
  CHECK(both.ids == ids{1, 10, 11, 12, 2, 20, 21, 2});
  CHECK(both.type_ids == std::vector<std::uint32_t>{0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(fill(how, second, nullptr, false).ids == ids{20, 21});
}

TEST_CASE("padding makes a batch one length") {
  std::array<encoding, 2> batch{counting(10, 3), counting(20, 5)};
  pad(batch, {.multiple_of = 4, .id = 7, .type_id = 3});
  CHECK(batch[0].ids == ids{10, 11, 12, 7, 7, 7, 7, 7});
  CHECK(batch[1].size() == 8);
  CHECK(batch[0].attended == std::vector<std::uint8_t>{1, 1, 1, 0, 0, 0, 0, 0});
  CHECK(batch[0].special[3]);
  CHECK(batch[0].type_ids[7] == 3);
  encoding cut = counting(0, 5);
  REQUIRE(truncate(cut, nullptr, {.max_length = 4}));
  pad(std::span(&cut, 1), {.length = 6, .on_left = true, .id = 9});
  CHECK(cut.ids == ids{9, 9, 0, 1, 2, 3});
  CHECK(cut.overflow.at(0).ids == ids{9, 9, 9, 9, 9, 4});
}

} // namespace tokenizer_encoding_test
