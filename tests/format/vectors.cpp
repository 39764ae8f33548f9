/// \file
/// Files of vectors of every format: values, errors, constant evaluation, the fuzzer's corpus.
#include <loquat/format/vectors.hpp>

#include "vectors_fuzz.hpp"

#include <doctest/doctest.h>
#include <support/data.hpp>
#include <support/temporary.hpp>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace format_vectors_test {

using namespace loquat;
using enum vector_format;

template <class T> void append_row(std::vector<std::byte>& out, std::initializer_list<T> row) {
  append_little(out, static_cast<std::int32_t>(row.size()));
  for (T x : row) append_little(out, x);
}
std::vector<std::byte> numpy(std::string const& type, std::string const& shape, std::string const& order = "False",
                             unsigned char version = 1) {
  std::string const head = "{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }   \n";
  std::vector<std::byte> out;
  append_text(out, "\x93NUMPY");
  append_little(out, version);
  append_little(out, std::uint8_t{0});
  if (version == 1)
    append_little(out, static_cast<std::uint16_t>(head.size()));
  else
    append_little(out, static_cast<std::uint32_t>(head.size()));
  append_text(out, head);
  return out;
}
std::span<std::byte const> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<std::vector<float>> rows_of(vector_file const& file) {
  std::vector<std::vector<float>> all;
  for (auto row : file.rows()) all.emplace_back(row.begin(), row.end());
  return all;
}
using table = std::vector<std::vector<float>>;

void complains(std::span<std::byte const> bytes, vector_format format, std::string_view about) {
  auto const file = vector_file::parse(bytes, format, "file");
  std::string message;
  if (!file) {
    message = file.error().message();
  } else {
    std::optional<error> failure;
    for (auto row : file->rows(failure)) CHECK(row.size() == file->dimensions());
    if (failure) message = failure->message();
  }
  CAPTURE(message);
  CHECK(message.starts_with("file: "));
  CHECK(message.find(about) != message.npos);
}

TEST_CASE("fvecs, bvecs and ivecs are read as they were written") {
  std::vector<std::byte> f, b, i;
  append_row(f, {1.0f, 2.5f, -3.0f});
  append_row(f, {4.0f, 5.0f, 6.0f});
  for (std::uint8_t n = 0; n < 200; ++n) append_row(b, {n, std::uint8_t{255}});
  append_row(i, {-1, 1 << 24});
  CHECK(rows_of(vector_file::parse(f, fvecs, "f").value()) == table{{1, 2.5f, -3}, {4, 5, 6}});
  auto const bytes = vector_file::parse(b, bvecs, "b").value();
  CHECK(bytes.size() == 200);
  auto const rows = rows_of(bytes);
  for (std::size_t n = 0; n < 200; ++n) CHECK(rows[n] == std::vector<float>{static_cast<float>(n), 255});
  auto const integers = vector_file::parse(i, ivecs, "i").value();
  std::int32_t whole[2];
  REQUIRE(integers.read(0, std::span(whole)));
  CHECK(whole[0] == -1);
  CHECK(whole[1] == 1 << 24);
  CHECK(vector_file::parse(f, fvecs, "f")->read(0, std::span<std::int32_t>(whole)).error().code() == errc::mismatch);
  CHECK(vector_file::parse({}, fvecs, "nothing").value().size() == 0);
  float x[6];
  CHECK(!integers.read(0, std::span(x)));          // beyond the end
  CHECK(!integers.read(0, std::span(x).first(3))); // no whole rows
  CHECK(!integers.read(~std::size_t{0}, std::span(x).first(2)));
}

TEST_CASE("rows of other lengths are named") {
  std::vector<std::byte> f;
  append_row(f, {1.0f, 2.0f});
  append_row(f, {3.0f, 4.0f});
  complains(std::span(f).first(20), fvecs, "20 bytes are no rows of 2 elements");
  complains(std::span(f).first(3), fvecs, "byte 0");
  auto other = f;
  other[12] = std::byte{3};
  complains(other, fvecs, "byte 12: row 1 has 3 elements, where row 0 has 2");
  other = f, other[3] = std::byte{0x80};
  complains(other, fvecs, "row 0 has -2147483646 elements");
}

TEST_CASE("npy: types, axes, versions") {
  auto file = numpy("'<f4'", "(2, 2)");
  for (float x : {1.0f, 2.0f, 3.0f, -4.5f}) append_little(file, x);
  CHECK(rows_of(vector_file::parse(file, npy, "n").value()) == table{{1, 2}, {3, -4.5f}});
  file = numpy("\"<f2\"", "(2L, 1L)", "False", 2);
  append_little(file, std::uint16_t{0x3c00}), append_little(file, std::uint16_t{0xc000});
  CHECK(rows_of(vector_file::parse(file, npy, "n").value()) == table{{1}, {-2}});
  file = numpy("'<f8'", "(3,)", "False", 3);
  for (double x : {0.5, 1e300, -1e300}) append_little(file, x);
  auto const rows = rows_of(vector_file::parse(file, npy, "n").value());
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] ==
        std::vector<float>{0.5f, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
  file = numpy("'|i1'", "(1, 2)");
  append_text(file, "\xff\x7f");
  CHECK(rows_of(vector_file::parse(file, npy, "n").value()) == table{{-1, 127}});
  file = numpy("'|u1'", "(1, 2)");
  append_text(file, "\xff\x7f");
  CHECK(rows_of(vector_file::parse(file, npy, "n").value()) == table{{255, 127}});
  file = numpy("'<i8'", "(2, 1)");
  append_little(file, std::int64_t{7}), append_little(file, std::int64_t{1} << 40);
  auto const longs = vector_file::parse(file, npy, "n").value();
  std::int32_t whole[1];
  CHECK(longs.read(0, std::span(whole)).has_value());
  CHECK(whole[0] == 7);
  CHECK(!longs.read(1, std::span(whole)));
  CHECK(rows_of(longs) == table{{7}, {0x1p40f}});
}

TEST_CASE("npy: what is wrong is said") {
  auto const file = numpy("'<f4'", "(2, 2)");
  complains(file, npy, "0 bytes, where 2 rows of 8 bytes are expected");
  complains(bytes_of("\x93NUMPZ..........."), npy, "begins with");
  complains(std::span(file).first(30), npy, "bytes expected");
  complains(numpy("'<f4'", "(2, 2)", "True"), npy, "Fortran");
  complains(numpy("'>f4'", "(2, 2)"), npy, "'>f4'");
  complains(numpy("[('a', '<f4')]", "(2, 2)"), npy, "structures");
  complains(numpy("'<f4'", "(2, 2, 2)"), npy, "more than two axes");
  complains(numpy("'<f4'", "()"), npy, "no axis");
  complains(numpy("'<f4'", "(5, 0)"), npy, "no elements");
  complains(numpy("'<f4'", "(140737488355327, 140737488355327)"), npy, "are expected");
  complains(numpy("'<f4'", "(99999999999999999999, 1)"), npy, "below 2^48");
  complains(numpy("'<f4'", "(-1, 1)"), npy, "a size");
  complains(numpy("'<f4'", "(1, 1), 'x': 1"), npy, "the key");
  complains(numpy("'<f4'", "(1, 1"), npy, "expected");
}

TEST_CASE("csv: separators, names, empty lines, what is wrong") {
  auto const read = [](std::string_view text) { return rows_of(vector_file::parse(bytes_of(text), csv, "c").value()); };
  CHECK(read("1,2\n3,4\n") == table{{1, 2}, {3, 4}});
  CHECK(read("x,y\n1 , -2.5e1\r\n\n+3;.5\n5.\t6\n 7  8 ") == table{{1, -25}, {3, 0.5f}, {5, 6}, {7, 8}});
  CHECK(read("\xef\xbb\xbf"
             "1\n2\n") == table{{1}, {2}});
  CHECK(read("a\n") == table{});
  CHECK(read("1e999,-1e999\n")[0][0] == std::numeric_limits<float>::infinity());
  std::string many;
  for (int i = 0; i < 200; ++i) many += std::to_string(i) + "," + std::to_string(i * i) + "\n";
  auto const file = vector_file::parse(bytes_of(many), csv, "c").value();
  REQUIRE(file.size() == 200);
  float x[4];
  for (std::size_t i = 0; i < 199; ++i) {
    REQUIRE(file.read(i, std::span(x)));
    CHECK(x[0] == static_cast<float>(i));
    CHECK(x[3] == static_cast<float>((i + 1) * (i + 1)));
  }
  complains(bytes_of("1,2\n3\n"), csv, "byte 4: row 1 has 1 numbers, where row 0 has 2");
  complains(bytes_of("1,2\n3,4,5\n"), csv, "row 1 has more than 2 numbers, where row 0 has 2");
  complains(bytes_of("1,2\n3,four\n"), csv, "byte 6: row 1: \"four\" is no number");
  complains(bytes_of("1,2,\n"), csv, "row 0");
  complains(bytes_of("a\nb\n"), csv, "byte 2: row 0: \"b\" is no number");
  complains(bytes_of("1,nan\n"), csv, "\"nan\"");
  complains(bytes_of("1,0x10\n"), csv, "\"0x10\"");
}

constexpr bool reads_in_constants() {
  constexpr char text[] = "x y\n1 2\n3 4\n";
  std::vector<std::byte> bytes;
  append_text(bytes, {text, sizeof text - 1});
  auto const file = vector_file::parse(bytes, csv, "c");
  float sum = 0;
  for (auto row : file->rows()) sum = sum * 10 + row[0] + row[1];
  return file->size() == 2 && sum == 37;
}
static_assert(reads_in_constants());
static_assert(std::ranges::input_range<vector_rows> && std::ranges::view<vector_rows>);

TEST_CASE("files are opened by the ends of their names") {
  test::temporary_folder const folder;
  auto const file = vector_file::open(folder.put("x.csv", "1,2\n"));
  REQUIRE(file);
  CHECK(rows_of(*file) == table{{1, 2}});
  CHECK(vector_file::open(folder / "none.fvecs").error().code() == errc::missing);
  CHECK(vector_file::open("x.txt").error().message().find(".fvecs") != std::string_view::npos);
}

TEST_CASE("every file of the corpus is read or refused") {
  std::size_t inputs = 0, read = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/vectors")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const bytes = test::read(path);
    auto const outcome = test::fuzz_vectors(std::as_bytes(std::span(bytes)));
    CHECK(outcome != test::vectors_outcome::wrong);
    ++inputs;
    read += outcome == test::vectors_outcome::read;
    for (std::size_t cut = 1; cut < std::min<std::size_t>(bytes.size(), 120); ++cut)
      CHECK(test::fuzz_vectors(std::as_bytes(std::span(bytes).first(cut))) != test::vectors_outcome::wrong);
  }
  CHECK(inputs >= 20);
  CHECK(read >= 10);
  CHECK(read < inputs);
}

} // namespace format_vectors_test
