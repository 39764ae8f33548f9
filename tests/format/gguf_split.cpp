/// \file
/// GGUF files in several parts, and files that change under the map.

#include <doctest/doctest.h>

#include <loquat/format/gguf_writer.hpp>

#include "../support/temporary.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace format_gguf_split_test {

namespace gguf = loquat::gguf;
using gguf::writer;
using loquat::errc;
using loquat::tensor_type;
using loquat::tensor_view;

namespace {

constexpr std::array<float, 16> numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::array<std::string_view, 5> names{"a", "b", "c", "d", "e"};

/// Five tensors of 16, 32, … 64 bytes and some metadata.
writer five() {
  writer out;
  out.add("general.architecture", "toy");
  out.add("general.alignment", std::uint32_t{64});
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::size_t const columns = 4 * std::min<std::size_t>(i + 1, 4);
    out.add(tensor_view{
        names[i], tensor_type::f32, 1, {columns, 1, 1, 1}, std::as_bytes(std::span(numbers).first(columns))});
  }
  return out;
}

/// A part whose split keys say what they are told to.
void put_part(std::string const& path, int number, int count, int tensors, std::string_view tensor) {
  writer out;
  out.add("split.no", static_cast<std::uint16_t>(number));
  out.add("split.count", static_cast<std::uint16_t>(count));
  out.add("split.tensors.count", std::int32_t{tensors});
  out.add(tensor_view{tensor, tensor_type::f32, 1, {1, 1, 1, 1}, std::as_bytes(std::span(numbers).first(1))});
  REQUIRE(out.write(path));
}

template <class T> std::string why(loquat::result<T> const& result) {
  return result ? "no error" : std::string(result.error().message());
}

} // namespace

TEST_CASE("paths of parts") {
  CHECK(gguf::split_path("dir/m", 0, 3) == "dir/m-00001-of-00003.gguf");
  CHECK(gguf::split_path("m", 65534, 65535) == "m-65535-of-65535.gguf");
  CHECK(gguf::split_prefix("dir/m-00002-of-00003.gguf", 3).value() == "dir/m");
  for (auto const* wrong : {"m.gguf", "", "m-00002-of-00004.gguf", "m-0000x-of-00003.gguf", "m_00001-of-00003.gguf"})
    CHECK(gguf::split_prefix(wrong, 3).error().code() == errc::mismatch);
  CHECK(why(gguf::split_prefix("m.gguf", 3)) ==
        "m.gguf: one of 3 parts, whose name must end in -00001-of-00003.gguf or another number");
}

TEST_CASE("any part of a split file opens all of them") {
  test::temporary_folder const folder;
  auto const whole = five().bytes().value();
  auto const original = gguf::file::parse(whole).value();
  auto const count = five().write_split(folder / "m", 100);
  REQUIRE(count);
  CHECK(*count == 3); // 16 + 32 + 48, 64, 64
  CHECK(folder.files() == 3);
  for (std::uint16_t part = 0; part < 3; ++part) {
    CAPTURE(part);
    auto file = gguf::open(gguf::split_path(folder / "m", part, 3));
    CHECK(why(file) == "no error");
    REQUIRE(file);
    CHECK(file->name() == folder / "m-00001-of-00003.gguf");
    CHECK(file->get<std::string_view>("general.architecture").value() == "toy");
    CHECK(file->get<int>("split.count").value() == 3);
    CHECK(file->get<int>("split.tensors.count").value() == 5);
    REQUIRE(file->tensors().size() == 5);
    auto const moved = std::move(*file);
    for (auto const& tensor : original.tensors()) {
      auto const* found = moved.find_tensor(tensor.name);
      REQUIRE(found);
      CHECK(found->shape == tensor.shape);
      CHECK(std::ranges::equal(found->data, tensor.data));
    }
    CHECK(moved.intact());
    CHECK(writer(moved).bytes().value() == whole); // joined again
  }
}

TEST_CASE("a tensor that is larger than a part gets one for itself, and no tensors make one part") {
  test::temporary_folder const folder;
  CHECK(five().write_split(folder / "m", 0).value() == 5);
  CHECK(gguf::open(folder / "m-00004-of-00005.gguf")->tensors().size() == 5);
  CHECK(five().write_split(folder / "n", ~std::uint64_t{0}).value() == 1);
  CHECK(gguf::open(folder / "n-00001-of-00001.gguf")->tensors().size() == 5);
  CHECK(writer().write_split(folder / "o", 1).value() == 1);
}

TEST_CASE("a missing part is an error that names it") {
  test::temporary_folder const folder;
  REQUIRE(five().write_split(folder / "m", 100));
  std::filesystem::remove(folder / "m-00002-of-00003.gguf");
  auto const file = gguf::open(folder / "m-00001-of-00003.gguf");
  REQUIRE_FALSE(file);
  CHECK(file.error().code() == errc::missing);
  CHECK(file.error().message().starts_with("part 2 of 3: " + folder / "m-00002-of-00003.gguf: cannot open"));
}

TEST_CASE("a part under another name is an error that says which names are looked for") {
  test::temporary_folder const folder;
  REQUIRE(five().write_split(folder / "m", 100));
  std::filesystem::rename(folder / "m-00001-of-00003.gguf", folder / "m.gguf");
  CHECK(why(gguf::open(folder / "m.gguf")) ==
        folder / "m.gguf: one of 3 parts, whose name must end in -00001-of-00003.gguf or another number");
}

TEST_CASE("parts that do not belong together are errors") {
  test::temporary_folder const folder;
  auto const first = folder / "m-00001-of-00002.gguf", second = folder / "m-00002-of-00002.gguf";
  put_part(first, 0, 2, 2, "a");
  put_part(second, 1, 2, 2, "b");
  CHECK(why(gguf::open(first)) == "no error");
  put_part(second, 0, 2, 2, "b");
  CHECK(why(gguf::open(first)) == second + ": key split.no: expected 1, found 0");
  put_part(second, 1, 3, 2, "b");
  CHECK(why(gguf::open(first)) == second + ": key split.count: expected 2, found 3");
  put_part(second, 1, 2, 2, "a");
  CHECK(why(gguf::open(first)) == first + ": tensor a is in two parts");
  put_part(second, 1, 2, 2, "b");
  put_part(first, 0, 2, 7, "a");
  CHECK(why(gguf::open(first)) == first + ": key split.tensors.count: expected 2 as in the 2 parts, found 7");
  writer plain;
  plain.add("k", 1);
  REQUIRE(plain.write(second));
  CHECK(why(gguf::open(first)) == second + ": no key split.no (expected u16)");
  CHECK(gguf::open(first).error().code() == errc::missing);
}

TEST_CASE("parts that cannot all be written are not written at all") {
  test::temporary_folder const folder;
  auto wrong = five();
  wrong.add(tensor_view{"a", tensor_type::f32, 1, {1, 1, 1, 1}, std::as_bytes(std::span(numbers).first(2))});
  CHECK(why(wrong.write_split(folder / "m", 64)) == "tensor a: expected 4 bytes of data, found 8");
  CHECK(folder.files() == 0);
}

TEST_CASE("a file that shrinks under the map is noticed, in any part") {
  test::temporary_folder const folder;
  REQUIRE(five().write_split(folder / "m", 100));
  auto const file = gguf::open(folder / "m-00001-of-00003.gguf");
  REQUIRE(file);
  CHECK(file->intact());
  auto const last = folder / "m-00003-of-00003.gguf";
  std::filesystem::resize_file(last, 10);
  auto const intact = file->intact();
  REQUIRE_FALSE(intact);
  CHECK(intact.error().code() == errc::io);
  CHECK(intact.error().message().starts_with(last + ": the file has shrunk from "));
}

} // namespace format_gguf_split_test
