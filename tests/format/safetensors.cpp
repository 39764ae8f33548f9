/// \file
/// SafeTensors files, read and written.

#include <loquat/core/float8.hpp>
#include <loquat/format/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include "../support/data.hpp"
#include "../support/temporary.hpp"
#include "safetensors_fuzz.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace format_safetensors_test {

namespace st = loquat::safetensors;
using loquat::errc;

/// A file of a header as text, and data.
constexpr std::vector<std::byte> file_of(std::string_view header, std::size_t data) {
  std::vector<std::byte> out;
  loquat::append_little(out, std::uint64_t{header.size()});
  loquat::append_text(out, header);
  for (std::size_t i = 0; i < data; ++i) out.push_back(static_cast<std::byte>(i));
  return out;
}

constexpr std::string_view two = R"({"__metadata__":{"format":"pt"},)"
                                 R"("a\n":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                                 R"("b":{"dtype":"I8","shape":[],"data_offsets":[8,9]}})";

constexpr bool reads_two() {
  auto const bytes = file_of(two, 9);
  auto const file = st::file::parse(bytes);
  if (!file || file->tensors().size() != 2 || file->metadata().size() != 1) return false;
  auto const* const a = file->find("a\n");
  auto const* const b = file->find("b");
  return a && b && a->type == st::element::f32 && a->shape == std::vector<std::uint64_t>{2, 1} && a->data.size() == 8 &&
         b->shape.empty() && b->data[0] == std::byte{8} && !file->find("c") && file->metadata()[0].key == "format" &&
         file->metadata()[0].value == "pt";
}
static_assert(reads_two());

constexpr bool writes_and_reads() {
  std::array<std::byte, 8> const data{std::byte{1}, std::byte{2}};
  st::writer out;
  out.add(st::note{"format", "pt"});
  out.add({"z", st::element::f16, {2, 2}, data});
  out.add({"n", st::element::f32, {2}, data});
  out.add({"a", st::element::f32, {1, 2}, data});
  out.add({"none", st::element::f32, {0, 2}, {}});
  auto const bytes = out.bytes();
  auto const file = st::file::parse(*bytes);
  auto const header = loquat::load_little<std::uint64_t>(bytes->data());
  return file && header % 8 == 0 && file->tensors().size() == 4 && file->tensors()[0].name == "a" &&
         file->tensors()[3].name == "z" && file->find("z")->data[1] == std::byte{2} && file->find("none")->data.empty();
}
static_assert(writes_and_reads());

TEST_CASE("headers that contradict themselves or the file say where") {
  struct {
    std::string_view header;
    std::size_t data;
    std::string_view message;
  } const cases[]{
      {"", 0, "header: JSON: expected a value"},
      {"[]", 0, "expected an object"},
      {R"({"a":1})", 0, "a: dtype"},
      {R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4, "dtype F99 is not known"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "a: shape: expected an array"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "a: shape"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "a: shape"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]}})", 4, "overflow"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "overflow"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, "no whole bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "expected two numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "a part of the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "a part of the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "expected 8 bytes for its shape, found 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "5 bytes of data, of which tensors take 4"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})", 2, "leave a gap at byte 0"},
      {R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
       3, "overlap at byte 1"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
       2, "tensor a is there twice"},
      {R"({"__metadata__":{"k":1}})", 0, "__metadata__"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.header);
    auto const bytes = file_of(c.header, c.data);
    auto const file = st::file::parse(bytes, "name");
    REQUIRE_FALSE(file);
    CAPTURE(file.error().message());
    CHECK(file.error().message().starts_with("name: "));
    CHECK(file.error().message().find(c.message) != std::string_view::npos);
  }
  auto bytes = file_of(two, 9);
  bytes.pop_back();
  CHECK_FALSE(st::file::parse(bytes));
  CHECK_FALSE(st::file::parse(std::span(bytes).first(7)));
  bytes[7] = std::byte{0xff}; // a header of 2^63 bytes
  auto const huge = st::file::parse(bytes);
  REQUIRE_FALSE(huge);
  CHECK(huge.error().code() == errc::malformed);
}

TEST_CASE("mistakes of writers are errors") {
  std::array<std::byte, 4> const data{};
  st::writer twice;
  twice.add({"a", st::element::f32, {1}, data});
  twice.add({"a", st::element::f16, {2}, data});
  CHECK(twice.bytes().error().message() == "tensor a is there twice");
  st::writer less;
  less.add({"a", st::element::f32, {2}, data});
  CHECK(less.bytes().error().message() == "tensor a: expected 8 bytes of data, found 4");
  test::temporary_folder const folder;
  CHECK_FALSE(less.write(folder / "x"));
  CHECK(folder.files() == 0);
}

TEST_CASE("an index opens the files that it names") {
  test::temporary_folder const folder;
  std::array<std::byte, 4> const data{};
  for (std::string_view const part : {"1", "2"}) {
    st::writer out;
    out.add({part, st::element::f32, {1}, data});
    out.add({"both", st::element::i32, {1}, data});
    REQUIRE(out.write(folder / (std::string(part) + ".safetensors")));
  }
  auto const open = [&](std::string_view map) {
    return st::open(folder.put("i.json", R"({"metadata":{},"weight_map":)" + std::string(map) + "}"));
  };
  auto const both = open(R"({"1":"1.safetensors","2":"2.safetensors","both":"2.safetensors"})");
  REQUIRE(both);
  CHECK(both->tensors().size() == 3);
  CHECK(both->find("1"));
  CHECK(both->find("2"));
  CHECK(both->intact());
  auto const complains = [&](std::string_view map, std::string_view about) {
    auto const file = open(map);
    REQUIRE_FALSE(file);
    CAPTURE(file.error().message());
    CHECK(file.error().message().find(about) != std::string_view::npos);
  };
  complains(R"({"1":"3.safetensors"})", "3.safetensors");
  complains(R"({"3":"1.safetensors"})", "1.safetensors has no tensor 3");
  complains(R"({"1":"i.json"})", "expected the name of a .safetensors file"); // itself
  complains(R"({"1":"../1.safetensors"})", "in the same folder");
  complains(R"({"1":"1.safetensors","1":"1.safetensors"})", "tensor 1 is there twice");
  complains("[]", "weight_map: expected an object");
  complains("{}", "weight_map: expected an object");
  complains("1} 2", "JSON");
}

TEST_CASE("every file of the corpus is read, and written back") {
  std::size_t inputs = 0, opened = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/safetensors")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const bytes = test::read(path);
    auto const outcome = test::fuzz_safetensors(std::as_bytes(std::span(bytes)));
    CHECK(outcome != test::safetensors_outcome::wrong);
    ++inputs;
    opened += outcome == test::safetensors_outcome::opened;
  }
  CHECK(inputs >= 5);
  CHECK(opened >= 2);
  CHECK(opened < inputs);
}

TEST_CASE("8-bit floats have the values of their fields") {
  for (unsigned bits = 0; bits < 256; ++bits) {
    CAPTURE(bits);
    double const sign = bits & 0x80 ? -1 : 1;
    auto const value = [&](int exponent_bits, int mantissa_bits, int bias) {
      int const exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
      double const mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1)) / (1 << mantissa_bits);
      return sign * (exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1 + mantissa, exponent - bias));
    };
    auto const byte = static_cast<std::uint8_t>(bits);
    if ((bits & 0x7f) == 0x7f)
      CHECK(std::isnan(loquat::float_from_e4m3(byte)));
    else
      CHECK(static_cast<double>(loquat::float_from_e4m3(byte)) == value(4, 3, 7));
    if ((bits & 0x7f) > 0x7c)
      CHECK(std::isnan(loquat::float_from_e5m2(byte)));
    else if ((bits & 0x7f) == 0x7c)
      CHECK(std::isinf(loquat::float_from_e5m2(byte)));
    else
      CHECK(static_cast<double>(loquat::float_from_e5m2(byte)) == value(5, 2, 15));
  }
}

} // namespace format_safetensors_test
