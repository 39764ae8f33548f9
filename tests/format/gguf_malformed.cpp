/// \file
/// Reading GGUF files that are wrong: each is an error that says what and where, whatever it claims.

#include <doctest/doctest.h>

#include <loquat/format/gguf.hpp>

#include "gguf_bytes.hpp"
#include "gguf_walk.hpp"

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace format_gguf_malformed_test {

using loquat::errc;
using test::raw;
using enum test::value_kind;

namespace {

constexpr std::uint64_t huge = std::uint64_t{1} << 62;

/// The message of the error that a file is, without the file's name.
std::string why(raw const& file) {
  auto const result = file.parse();
  if (result) return "no error";
  auto const message = std::string(result.error().message());
  return message.starts_with("x.gguf: ") ? message.substr(8) : "no name: " + message;
}
errc code(raw const& file) {
  auto const result = file.parse();
  REQUIRE_FALSE(result);
  return result.error().code();
}

/// A file of one tensor of `shape` and `type` with `size` bytes of data.
raw one(std::vector<std::uint64_t> const& shape, std::uint32_t type, std::size_t size) {
  return raw{}.head(1, 0).tensor("t", shape, type, 0).align().zeros(size);
}
raw aligned(std::uint32_t alignment) { return raw{}.head(0, 1).key("general.alignment", u32).u32(alignment); }

} // namespace

TEST_CASE("what is no GGUF file is called so") {
  CHECK(why(raw{}.plain("PK\3\4").zeros(40)) == "not a GGUF file: does not begin with \"GGUF\"");
  for (std::string_view const old : {"lmgg", "fmgg", "tjgg", "algg", "ggml", "ggmf", "ggjt", "ggla"})
    CHECK(why(raw{}.plain(old).zeros(40)).starts_with("a ggml file from before GGUF (" + std::string(old) + ")"));
  CHECK(why(raw{}) == "at byte 0: 4 bytes expected, 0 left");
  CHECK(why(raw{}.plain("GGU")) == "at byte 0: 4 bytes expected, 3 left");
  CHECK(why(raw{}.plain("GGUF").u32(3).u64(0).u32(0)) == "at byte 16: 8 bytes expected, 4 left");
}

TEST_CASE("other versions and byte orders are not supported") {
  CHECK(why(raw{}.head(0, 0, 1)) == "GGUF version 1; versions 2 and 3 can be read");
  CHECK(why(raw{}.head(0, 0, 4)) == "GGUF version 4; versions 2 and 3 can be read");
  CHECK(why(raw{}.head(0, 0, 0)) == "GGUF version 0; versions 2 and 3 can be read");
  CHECK(why(raw{}.head(0, 0, 0x03000000)) == "a big-endian GGUF file; only little-endian ones can be read");
  CHECK(code(raw{}.head(0, 0, 1)) == errc::unsupported);
  CHECK(code(raw{}.head(0, 0, 0x03000000)) == errc::unsupported);
}

TEST_CASE("counts that the file has no room for are errors before anything is read") {
  CHECK(why(raw{}.head(0, huge).zeros(13)) == "at byte 16: 4611686018427387904 keys do not fit the 13 bytes left");
  CHECK(why(raw{}.head(huge, 0).zeros(24)) == "at byte 8: 4611686018427387904 tensors do not fit the 24 bytes left");
}

TEST_CASE("absurd lengths of texts and arrays are errors") {
  CHECK(why(raw{}.head(0, 1).u64(huge).zeros(20)) ==
        "metadata: at byte 32: 4611686018427387904 bytes expected, 20 left");
  CHECK(why(raw{}.head(0, 1).key("k", string).u64(~0ULL)) ==
        "key k: at byte 45: 18446744073709551615 bytes expected, 0 left");
  CHECK(why(raw{}.head(0, 1).key("k", array).kind(f64).u64(huge).zeros(8)) ==
        "key k: at byte 41: an array of 4611686018427387904 f64 does not fit the 8 bytes left");
  CHECK(why(raw{}.head(0, 1).key("k", array).kind(string).u64(2).zeros(15)) ==
        "key k: at byte 41: an array of 2 string does not fit the 15 bytes left");
  CHECK(why(raw{}.head(0, 1).key("k", array).kind(string).u64(2).text("abc").zeros(6)) ==
        "key k: at byte 60: 8 bytes expected, 6 left");
  CHECK(why(raw{}.head(1, 0).text("a long enough name").u32(1)) == "tensor a long enough name: at byte 54: 8 bytes "
                                                                   "expected, 0 left");
}

TEST_CASE("kinds that the format does not define are errors") {
  CHECK(why(raw{}.head(0, 1).text("k").u32(13)) == "key k: at byte 37: 13 is no kind of value");
  CHECK(why(raw{}.head(0, 1).text("k").u32(~0U)) == "key k: at byte 37: 4294967295 is no kind of value");
  CHECK(why(raw{}.head(0, 1).key("k", array).u32(99).u64(0)) == "key k: at byte 37: 99 is no kind of element");
}

TEST_CASE("a bool is 0 or 1, also in an array") {
  CHECK(why(raw{}.head(0, 1).key("k", boolean).u8(2)) == "key k: at byte 37: a bool is 0 or 1, found 2");
  CHECK(why(raw{}.head(0, 1).key("k", array).kind(boolean).u64(3).u8(1).u8(0).u8(255)) ==
        "key k: at byte 51: a bool is 0 or 1, found 255");
}

TEST_CASE("arrays nest only so deep") {
  auto const nested = [](unsigned depth) {
    raw file;
    file.head(0, 1).key("k", array);
    for (unsigned i = 1; i < depth; ++i) file.kind(array).u64(1);
    return file.kind(u8).u64(0);
  };
  CHECK(why(nested(loquat::gguf::max_array_depth)) == "no error");
  CHECK(why(nested(loquat::gguf::max_array_depth + 1)) == "key k: at byte 133: arrays nest deeper than 8");
  CHECK(code(nested(100'000)) == errc::unsupported);
}

TEST_CASE("a key or tensor that is there twice is an error") {
  CHECK(why(raw{}.head(0, 3).key("k", u8).u8(1).key("a", u8).u8(1).key("k", boolean).u8(1)) == "key k is there twice");
  CHECK(why(raw{}.head(2, 0).tensor("t", {1}, 0, 0).tensor("t", {1}, 0, 32).align().zeros(36)) ==
        "tensor t is there twice");
}

TEST_CASE("an alignment is a u32 and a power of two within reason") {
  for (std::uint32_t const wrong : {0U, 1U, 3U, 4U, 24U, 1U << 25, 1U << 31, ~0U})
    CHECK(why(aligned(wrong)) ==
          "key general.alignment: expected a power of two from 8 to 16777216, found " + std::to_string(wrong));
  for (std::uint32_t const right : {8U, 32U, 1U << 24}) CHECK(why(aligned(right)) == "no error");
  CHECK(why(raw{}.head(0, 1).key("general.alignment", u64).u64(32)) ==
        "key general.alignment: expected u32, found u64");
  CHECK(why(raw{}.head(0, 1).key("general.alignment", string).text("32")) ==
        "key general.alignment: expected u32, found string");
}

TEST_CASE("dimensions that overflow, in elements or in bytes, are errors") {
  constexpr std::uint64_t half = std::uint64_t{1} << 32;
  CHECK(why(one({half, half}, 0, 64)) == "tensor t: dimensions 4294967296 x 4294967296 x 1 x 1 overflow 64 bits");
  CHECK(why(one({half, half, half, half}, 24, 64)) ==
        "tensor t: dimensions 4294967296 x 4294967296 x 4294967296 x 4294967296 overflow 64 bits");
  CHECK(why(one({huge}, 0, 64)) == "tensor t: 4611686018427387904 elements of F32 overflow 64 bits");
  CHECK(why(one({huge, 2}, 24, 64)) ==
        "tensor t: dimensions 4611686018427387904 x 2 x 1 x 1 overflow 64 bits"); // 2^63 is one too many
  CHECK(why(one({huge}, 24, 64)) == "tensor t: the file ends 4611686018427387840 bytes before the tensor does");
}

TEST_CASE("a tensor has at most four dimensions and none of length 0") {
  CHECK(why(one({1, 1, 1, 1}, 0, 4)) == "no error");
  CHECK(why(one({1, 1, 1, 1, 1}, 0, 4)) == "tensor t: expected at most 4 dimensions, found 5");
  CHECK(why(one({4, 0}, 0, 4)) == "tensor t: a dimension has length 0");
  CHECK(why(one({0}, 2, 4)) == "tensor t: a dimension has length 0");
}

TEST_CASE("types that are unknown or retired are errors that name the number") {
  CHECK(why(one({32}, 99, 64)) == "tensor t: type 99 is not known");
  CHECK(why(one({32}, ~0U, 64)) == "tensor t: type 4294967295 is not known");
  for (std::uint32_t const retired : {4U, 5U, 31U, 32U, 33U, 37U, 38U})
    CHECK(why(one({32}, retired, 64)) == "tensor t: type " + std::to_string(retired) + " was retired from the format");
  CHECK(code(one({32}, 99, 64)) == errc::unsupported);
}

TEST_CASE("columns are whole blocks") {
  CHECK(why(one({33}, 8, 64)) == "tensor t: 33 columns are not a multiple of the 32 elements in a block of Q8_0");
}

TEST_CASE("truncated tensor data is an error that says how much is missing") {
  CHECK(why(one({10}, 0, 40)) == "no error");
  CHECK(why(one({10}, 0, 39)) == "tensor t: the file ends 1 bytes before the tensor does");
  CHECK(why(one({10}, 0, 0)) == "tensor t: the file ends 40 bytes before the tensor does");
  CHECK(why(raw{}.head(1, 0).tensor("t", {10}, 0, 64).align().zeros(40)) ==
        "tensor t: the file ends 64 bytes before the tensor does");
  CHECK(why(raw{}.head(1, 0).tensor("t", {10}, 0, 0)) == "tensor t: the file ends 40 bytes before the tensor does");
}

TEST_CASE("an offset is aligned and cannot wrap around") {
  CHECK(why(raw{}.head(1, 0).tensor("t", {1}, 0, 4).align().zeros(40)) ==
        "tensor t: offset 4 is not a multiple of the alignment 32");
  CHECK(why(raw{}.head(1, 0).tensor("t", {16}, 0, ~31ULL).align().zeros(64)) ==
        "tensor t: offset 18446744073709551584 is beyond 2^63 - 1");
}

TEST_CASE("tensors that overlap are an error, tensors out of order are none") {
  CHECK(why(raw{}.head(2, 0).tensor("a", {9}, 0, 0).tensor("b", {1}, 0, 32).align().zeros(64)) ==
        "tensors a and b overlap at byte 128");
  CHECK(why(raw{}.head(2, 0).tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 0).align().zeros(64)).starts_with("tensors "));
  CHECK(why(raw{}.head(2, 0).tensor("b", {1}, 0, 32).tensor("a", {8}, 0, 0).align().zeros(64)) == "no error");
}

TEST_CASE("every prefix of a file is a value or an error") {
  auto const whole = test::sample();
  REQUIRE(whole.parse());
  std::size_t header = whole.bytes.size(); // the shortest prefix that parses
  for (std::size_t n = whole.bytes.size(); n-- > 0;) {
    std::vector<std::byte> const prefix(whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(n));
    auto const file = loquat::gguf::file::parse(prefix, "x.gguf");
    CAPTURE(n);
    CHECK_FALSE(file);
    if (file) header = n;
  }
  CHECK(header == whole.bytes.size()); // its last byte belongs to a tensor
}

TEST_CASE("random damage gives a value that can be walked over, or an error") {
  auto const whole = test::sample();
  std::mt19937 random(20240601);
  std::size_t opened = 0;
  std::uint64_t sum = 0;
  for (int round = 0; round < 100'000; ++round) {
    auto damaged = whole.bytes;
    for (auto flips = 1 + random() % 3; flips-- > 0;)
      damaged[random() % damaged.size()] ^= static_cast<std::byte>(1U << random() % 8);
    auto const file = loquat::gguf::file::parse(damaged);
    if (!file) {
      if (file.error().message().size() < 10) FAIL("an error without a message");
      continue;
    }
    ++opened;
    sum += test::walk(*file);
  }
  CHECK(opened > 1000);
  CHECK(opened < 99'000);
  CHECK(sum > 0);
}

} // namespace format_gguf_malformed_test
