/// \file
/// The checked little-endian reader.

#include <doctest/doctest.h>

#include <loquat/io/bytes.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace io_bytes_test {

using loquat::append_little;
using loquat::byte_reader;

namespace {

constexpr std::array<std::byte, 8> eight{std::byte{0x01}, std::byte{0x02}, std::byte{0x03}, std::byte{0x84},
                                         std::byte{0x05}, std::byte{0x06}, std::byte{0x07}, std::byte{0xf8}};
constexpr std::span<std::byte const> bytes = eight;

template <class T> constexpr T first() { return byte_reader<std::byte>(bytes).template read<T>(); }

template <class T> constexpr bool survives(T value) {
  std::vector<std::byte> out;
  append_little(out, value);
  byte_reader reader(std::span<std::byte const>{out});
  return out.size() == sizeof(T) && reader.template read<T>() == value && reader.ok() && reader.remaining() == 0;
}

static_assert(first<std::uint8_t>() == 0x01 && first<std::uint16_t>() == 0x0201);
static_assert(first<std::uint32_t>() == 0x84030201 && first<std::int32_t>() == -0x7bfcfdff);
static_assert(first<std::uint64_t>() == 0xf807060584030201);
static_assert(first<float>() == std::bit_cast<float>(0x84030201U));
static_assert(first<bool>());
static_assert(survives(true) && survives(false) && survives(std::int8_t{-1}) && survives(std::int16_t{-300}));
static_assert(survives(-1.5F) && survives(1e300) && survives(std::numeric_limits<std::int64_t>::min()));
static_assert(survives(std::numeric_limits<std::uint64_t>::max()) && survives(std::uint16_t{0xfffe}));

constexpr bool reads_in_order() {
  byte_reader reader(bytes);
  return reader.read<std::uint8_t>() == 1 && reader.offset() == 1 && reader.take(2).size() == 2 &&
         reader.since(1).size() == 2 && reader.remaining() == 5 && (reader.skip(5), reader.ok()) &&
         reader.take(0).empty() && reader.ok();
}
static_assert(reads_in_order());

constexpr bool reads_text() {
  using namespace std::string_view_literals;
  byte_reader reader("\3\0\0\0abcde"sv);
  return reader.text<std::uint32_t>() == "abc" && reader.text(2) == "de" && reader.ok();
}
static_assert(reads_text());

} // namespace

TEST_CASE("numbers read at run time are those read at compile time") {
  CHECK(first<std::uint16_t>() == 0x0201);
  CHECK(first<std::uint64_t>() == 0xf807060584030201);
  CHECK(first<double>() == std::bit_cast<double>(0xf807060584030201));
  CHECK(survives(-1.5F));
  CHECK(survives(std::int64_t{-5}));
}

TEST_CASE("the first read past the end is remembered with its offset, and nothing is read after it") {
  byte_reader reader(bytes);
  reader.skip(5);
  CHECK(reader.read<std::uint32_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.remaining() == 0);
  CHECK(reader.read<std::uint8_t>() == 0); // would fit
  CHECK(reader.take(1).empty());
  CHECK(reader.failure().code() == loquat::errc::malformed);
  CHECK(reader.failure().message() == "at byte 5: 4 bytes expected, 3 left");
}

TEST_CASE("a length near 2^64 does not wrap around") {
  byte_reader reader(bytes);
  reader.skip(1);
  CHECK(reader.take(std::numeric_limits<std::uint64_t>::max()).empty());
  CHECK(reader.failure().message() == "at byte 1: 18446744073709551615 bytes expected, 7 left");
}

TEST_CASE("text whose length is a lie is an error at the text") {
  using namespace std::string_view_literals;
  byte_reader reader("\4\0abc"sv);
  CHECK(reader.text<std::uint16_t>().empty());
  CHECK(reader.failure().message() == "at byte 2: 4 bytes expected, 3 left");
}

TEST_CASE("bytes are read as text in place") {
  std::vector<char> copy;
  auto const text = loquat::as_text(bytes, copy);
  CHECK(static_cast<void const*>(text.data()) == bytes.data());
  CHECK(text.size() == bytes.size());
  CHECK(copy.empty());
  CHECK(byte_reader(bytes).text(3) == text.substr(0, 3));
}

} // namespace io_bytes_test
