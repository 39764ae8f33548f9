/// \file
/// Writing GGUF files, and reading them back.

#include <doctest/doctest.h>

#include <loquat/format/gguf_writer.hpp>

#include "../support/data.hpp"
#include "../support/temporary.hpp"
#include "gguf_bytes.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace format_gguf_writer_test {

namespace gguf = loquat::gguf;
using gguf::writer;
using loquat::errc;
using loquat::tensor_type;
using loquat::tensor_view;

namespace {

constexpr std::array<std::byte, 24> data{std::byte{1}, std::byte{2}, std::byte{3}};

constexpr tensor_view tensor(std::string_view name, std::uint64_t columns, std::uint64_t rows) {
  return {name, tensor_type::f32, 2, {columns, rows, 1, 1}, std::span(data).first(4 * columns * rows)};
}

constexpr writer everything() {
  writer out;
  out.add("general.architecture", "toy");
  out.add("a.u8", std::uint8_t{200});
  out.add("a.i8", std::int8_t{-100});
  out.add("a.u16", std::uint16_t{60000});
  out.add("a.i16", std::int16_t{-30000});
  out.add("a.u32", std::uint32_t{4000000000});
  out.add("a.i32", std::int32_t{-2000000000});
  out.add("a.f32", 1.5F);
  out.add("a.bool", true);
  out.add("a.u64", std::uint64_t{1} << 63);
  out.add("a.i64", -(std::int64_t{1} << 62));
  out.add("a.f64", 1e300);
  out.add("b.i32", std::array{7, 8, 9});
  out.add("b.texts", std::vector<std::string_view>{"<s>", "", "caf\xc3\xa9"});
  out.add("b.bools", std::array{false, true});
  out.add("b.empty", std::span<float const>());
  out.add("b.nested", std::vector<std::vector<std::uint8_t>>{{1, 2}, {}, {3}});
  out.add(tensor("first", 2, 3));
  out.add(tensor("second", 1, 1));
  return out;
}

constexpr bool round_trip() {
  auto const bytes = everything().bytes();
  if (!bytes || bytes->size() % 32 != 0) return false;
  auto const file = gguf::file::parse(*bytes);
  if (!file || file->metadata().size() != 17 || file->tensors().size() != 2) return false;
  auto const nested = file->array<gguf::value>("b.nested").value();
  return file->get<std::string_view>("general.architecture").value() == "toy" &&
         file->get<std::uint8_t>("a.u8").value() == 200 && file->get<double>("a.f64").value() == 1e300 &&
         file->array<int>("b.i32").value()[2] == 9 && file->array<bool>("b.bools").value()[1] && nested.size() == 3 &&
         nested.front().array<int>().value()[1] == 2 && file->tensor("first")->data[2] == std::byte{3} &&
         writer(*file).bytes().value() == *bytes;
}
static_assert(round_trip());

static_assert(gguf::Storable<std::string_view> && gguf::Storable<std::vector<std::vector<double>>>);
static_assert(!gguf::Storable<void*> && !gguf::Storable<std::vector<void*>>);

template <class T> std::string why(loquat::result<T> const& result) {
  return result ? "no error" : std::string(result.error().message());
}

std::span<std::byte const> bytes_of(std::string const& text) { return std::as_bytes(std::span(text)); }

} // namespace

TEST_CASE("every kind of value is stored as the kind of its C++ type") {
  auto const bytes = everything().bytes();
  REQUIRE(bytes);
  auto const file = gguf::file::parse(*bytes);
  REQUIRE(file);
  for (auto const& [key, value] : file->metadata()) {
    auto const name = key.substr(2);
    if (key.starts_with("a.")) CHECK(gguf::name(value.kind()) == name);
  }
  CHECK(file->find("b.empty")->element_kind() == gguf::value_kind::f32);
  CHECK(file->find("b.nested")->element_kind() == gguf::value_kind::array);
  CHECK(round_trip());
}

TEST_CASE("the writer's bytes are those of the specification") {
  writer out;
  out.add("k", std::uint16_t{258});
  out.add("n", std::vector<std::vector<std::string_view>>{{"x"}});
  out.add(tensor("t", 2, 1));
  test::raw expected;
  expected.head(1, 2).key("k", gguf::value_kind::u16).u8(2).u8(1);
  expected.key("n", gguf::value_kind::array).kind(gguf::value_kind::array).u64(1);
  expected.kind(gguf::value_kind::string).u64(1).text("x");
  expected.tensor("t", {2, 1}, 0, 0).align().u8(1).u8(2).u8(3).zeros(5).align();
  CHECK(out.bytes().value() == expected.bytes);
}

TEST_CASE("the key general.alignment aligns the tensors") {
  auto out = everything();
  out.add("general.alignment", std::uint32_t{256});
  auto const bytes = out.bytes();
  REQUIRE(bytes);
  CHECK(bytes->size() % 256 == 0);
  auto const file = gguf::file::parse(*bytes);
  REQUIRE(file);
  CHECK(file->tensors()[1].data.data() - file->tensors()[0].data.data() == 256);
}

TEST_CASE("mistakes come back from the writing") {
  auto const with = [](auto const& key, auto const& value) {
    writer out;
    out.add(key, value);
    return why(out.bytes());
  };
  CHECK(with("general.alignment", 3U) == "key general.alignment: expected a power of two from 8 to 16777216, found 3");
  CHECK(with("general.alignment", 32) == "key general.alignment: expected u32, found i32");

  auto twice = everything();
  twice.add("a.u8", 1);
  CHECK(why(twice.bytes()) == "key a.u8 is there twice");
  auto same = everything();
  same.add(tensor("first", 1, 1));
  CHECK(why(same.bytes()) == "tensor first is there twice");

  auto const one = [](tensor_view const& t) {
    writer out;
    out.add(t);
    return why(out.bytes());
  };
  auto bad = tensor("t", 2, 3);
  bad.data = bad.data.first(23);
  CHECK(one(bad) == "tensor t: expected 24 bytes of data, found 23");
  bad = tensor("t", 2, 3);
  bad.rank = 1; // and so three rows would get lost
  CHECK(one(bad) == "tensor t: expected 8 bytes of data, found 24");
  bad.rank = 5;
  CHECK(one(bad) == "tensor t: expected at most 4 dimensions, found 5");
  bad = tensor("t", 2, 3);
  bad.type = tensor_type{31};
  CHECK(one(bad) == "tensor t: type 31 was retired from the format");
  bad.type = tensor_type::q8_0;
  CHECK(one(bad) == "tensor t: 2 columns are not a multiple of the 32 elements in a block of Q8_0");
}

TEST_CASE("a file is written whole or not at all") {
  test::temporary_folder const folder;
  auto const path = folder / "x.gguf";
  REQUIRE(everything().write(path));
  CHECK(folder.files() == 1);
  auto const former = test::read(path);
  CHECK(std::ranges::equal(bytes_of(former), everything().bytes().value()));

  auto wrong = everything();
  wrong.add("a.u8", 1);
  CHECK(why(wrong.write(path)) == "key a.u8 is there twice");
  CHECK(folder.files() == 1);
  CHECK(test::read(path) == former);
  CHECK(wrong.write(folder / "new.gguf").error().code() == errc::malformed);
  CHECK(folder.files() == 1);
  CHECK(everything().write(folder / "none/x.gguf").error().code() == errc::missing);
}

TEST_CASE("data may come tensor by tensor, while the file is written") {
  test::temporary_folder const folder;
  auto const path = folder / "x.gguf";
  auto const expected = everything().bytes().value();
  auto const whole = gguf::file::parse(expected).value();
  writer later;
  for (auto const& [key, value] : whole.metadata()) later.add(key, value);
  for (auto tensor : whole.tensors()) {
    tensor.data = {};
    later.add(tensor);
  }
  std::vector<std::byte> buffer; // one for all
  std::size_t missing = 0;
  auto const data_of = [&](tensor_view const& t) -> loquat::result<std::span<std::byte const>> {
    auto const from = whole.tensor(t.name)->data;
    buffer.assign(from.begin(), from.end() - static_cast<std::ptrdiff_t>(missing));
    return buffer;
  };
  REQUIRE(later.write(path, data_of));
  CHECK(std::ranges::equal(bytes_of(test::read(path)), expected));
  missing = 1;
  CHECK(why(later.write(folder / "y.gguf", data_of)) == "tensor first: expected 24 bytes of data, found 23");
  auto const refuse = [](tensor_view const& t) -> loquat::result<std::span<std::byte const>> {
    return loquat::fail(errc::cancelled, "no data for ", t.name);
  };
  CHECK(why(later.write(folder / "y.gguf", refuse)) == "no data for first");
  CHECK(why(later.write(path)) == "tensor first: expected 24 bytes of data, found 0");
  CHECK(folder.files() == 1);
  CHECK(std::ranges::equal(bytes_of(test::read(path)), expected));
}

TEST_CASE("a file can be replaced while it is mapped") {
  test::temporary_folder const folder;
  auto const path = folder / "x.gguf";
  REQUIRE(everything().write(path));
  auto const file = gguf::open(path);
  REQUIRE(file);
  writer longer(*file);
  longer.add("more", 1);
  REQUIRE(longer.write(path));
  CHECK(file->intact());
  CHECK(file->tensor("first")->data[1] == std::byte{2});
  CHECK(gguf::open(path)->get<int>("more").value() == 1);
}

TEST_CASE("every reference model is written back byte by byte") {
  auto const folder = test::data("models");
  if (!folder) return;
  for (auto const& model : std::filesystem::directory_iterator(*folder)) {
    if (model.path().extension() != ".gguf") continue;
    auto const path = model.path().string();
    CAPTURE(path);
    auto const file = gguf::open(path);
    REQUIRE(file);
    auto const written = writer(*file).bytes();
    REQUIRE(written);
    auto const read = test::read(path);
    CHECK(std::ranges::equal(*written, bytes_of(read)));
  }
}

} // namespace format_gguf_writer_test
