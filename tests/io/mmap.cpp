/// \file
/// Mapped files, and files that appear whole.

#include <doctest/doctest.h>

#include <loquat/io/atomic_file.hpp>
#include <loquat/io/mmap.hpp>

#include "../support/data.hpp"
#include "../support/temporary.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace io_mmap_test {

#if !defined(_WIN32)
#  include <sys/stat.h>
#endif

using loquat::errc;
using loquat::file_access;
using loquat::mapped_file;

namespace {

std::string text(mapped_file const& file) {
  return {reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size()};
}
std::vector<std::byte> bytes(std::string_view text) {
  auto const* const data = reinterpret_cast<std::byte const*>(text.data());
  return {data, data + text.size()};
}

static_assert(mapped_file().bytes().empty());

} // namespace

TEST_CASE("a mapped file has the bytes of the file, and keeps them in place when it is moved") {
  test::temporary_folder const folder;
  auto file = mapped_file::open(folder.put("a", "hello"));
  REQUIRE(file);
  CHECK(text(*file) == "hello");
  CHECK(file->path() == folder / "a");
  auto const* const before = file->bytes().data();
  mapped_file moved = std::move(*file);
  CHECK(moved.bytes().data() == before);
  CHECK(file->bytes().empty());
  mapped_file assigned;
  assigned = std::move(moved);
  CHECK(text(assigned) == "hello");
  assigned.prefetch();
  CHECK(assigned.intact());
}

TEST_CASE("a copied file has the bytes of the file, whatever becomes of it") {
  test::temporary_folder const folder;
  std::string const content(5'000'000, 'x');
  auto file = mapped_file::open(folder.put("a", content + "y"), file_access::copied);
  REQUIRE(file);
  std::filesystem::resize_file(folder / "a", 2);
  CHECK(file->intact());
  file->prefetch();
  mapped_file const moved = std::move(*file);
  CHECK(text(moved) == content + "y");
}

TEST_CASE("an empty file is mapped to no bytes") {
  test::temporary_folder const folder;
  for (auto const access : {file_access::mapped, file_access::copied}) {
    auto const file = mapped_file::open(folder.put("a", ""), access);
    REQUIRE(file);
    CHECK(file->bytes().empty());
    CHECK(file->intact());
  }
}

TEST_CASE("what cannot be mapped is an error that names the path") {
  test::temporary_folder const folder;
  auto const absent = mapped_file::open(folder / "none");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code() == errc::missing);
  CHECK(absent.error().message().starts_with(folder / "none: cannot open: "));

  auto const directory = mapped_file::open(folder / ".");
  REQUIRE_FALSE(directory);
  CHECK(directory.error().code() == errc::io);
  CHECK(directory.error().message() == folder / ".: is a directory, expected a file");

  auto const zero = mapped_file::open(std::string("a\0b", 3));
  REQUIRE_FALSE(zero);
  CHECK(zero.error().message() == "a: a path cannot contain a zero byte");
}

#if !defined(_WIN32)
TEST_CASE("a pipe is refused without waiting for its other end") {
  test::temporary_folder const folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  auto const pipe = mapped_file::open(folder / "pipe");
  REQUIRE_FALSE(pipe);
  CHECK(pipe.error().code() == errc::io);
  CHECK(pipe.error().message() == folder / "pipe: not a regular file");
}
#endif

TEST_CASE("a file that shrank is not intact, one that grew or was replaced is") {
  test::temporary_folder const folder;
  auto const file = mapped_file::open(folder.put("a", "hello"));
  REQUIRE(file);
  std::filesystem::resize_file(folder / "a", 9);
  CHECK(file->intact());
  std::filesystem::resize_file(folder / "a", 2);
  auto const shrunk = file->intact();
  REQUIRE_FALSE(shrunk);
  CHECK(shrunk.error().code() == errc::io);
  CHECK(shrunk.error().message() == folder / "a: the file has shrunk from 5 to 2 bytes since it was opened");

  auto const replaced = mapped_file::open(folder.put("b", "hello"));
  REQUIRE(replaced);
  std::filesystem::rename(folder.put("c", ""), folder / "b");
  CHECK(replaced->intact());
  CHECK(text(*replaced) == "hello");
}

TEST_CASE("an atomic file replaces the former one only when it is committed") {
  test::temporary_folder const folder;
  auto const path = folder.put("a", "old");
  {
    auto given_up = loquat::atomic_file::create(path);
    REQUIRE(given_up);
    REQUIRE(given_up->write(bytes("half")));
    auto const moved = std::move(*given_up);
    CHECK(folder.files() == 2);
  }
  CHECK(folder.files() == 1);
  CHECK(test::read(path) == "old");

  auto file = loquat::atomic_file::create(path);
  REQUIRE(file);
  REQUIRE(file->write(bytes("new ")));
  REQUIRE(file->write({}));
  REQUIRE(file->write(bytes("text")));
  CHECK(test::read(path) == "old");
  REQUIRE(file->commit());
  CHECK(test::read(path) == "new text");
  CHECK(folder.files() == 1);
}

TEST_CASE("two writers of one file do not write into each other") {
  test::temporary_folder const folder;
  auto one = loquat::atomic_file::create(folder / "a");
  auto two = loquat::atomic_file::create(folder / "a");
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(one->write(bytes("one")));
  REQUIRE(two->write(bytes("two")));
  REQUIRE(two->commit());
  CHECK(test::read(folder / "a") == "two");
  REQUIRE(one->commit());
  CHECK(test::read(folder / "a") == "one");
}

TEST_CASE("a file that cannot be written is an error and leaves nothing") {
  test::temporary_folder const folder;
  auto const nowhere = loquat::atomic_file::create(folder / "none/a");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code() == errc::missing);
  CHECK(nowhere.error().message().find("cannot create") != std::string_view::npos);

  std::filesystem::create_directory(folder / "taken");
  {
    auto file = loquat::atomic_file::create(folder / "taken");
    REQUIRE(file);
    auto const put = file->commit();
    REQUIRE_FALSE(put);
    CHECK(put.error().message().find("taken: cannot be put in place: ") != std::string_view::npos);
  }
  CHECK(folder.files() == 1);
}

} // namespace io_mmap_test
