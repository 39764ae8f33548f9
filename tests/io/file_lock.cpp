/// \file
/// Locks of files: one holder at a time, whatever happens to the file.
#include <loquat/io/file_lock.hpp>

#include <doctest/doctest.h>
#include <support/temporary.hpp>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace io_file_lock_test {

using loquat::errc;
using loquat::file_lock;

TEST_CASE("a lock has one holder at a time, and its file goes with it") {
  test::temporary_folder const folder;
  auto const path = folder / "a.lock";
  {
    auto first = file_lock::take(path).value();
    CHECK(folder.files() == 1);
    auto const second = file_lock::take(path);
    REQUIRE(!second);
    CHECK(second.error().code() == errc::io);
    CHECK(second.error().message().find("a.lock: in use") != std::string_view::npos);
    CHECK(file_lock::take(folder / "b.lock"));
    auto moved = std::move(first);
    CHECK(!file_lock::take(path));
    auto other = file_lock::take(folder / "c.lock").value();
    std::swap(moved, other);
    CHECK(!file_lock::take(path));
  }
  CHECK(folder.files() == 0);
  folder.put("a.lock", "left by a crash");
  CHECK(file_lock::take(path));
  CHECK(file_lock::take(path));
  CHECK(folder.files() == 0);
  CHECK(file_lock::take(folder / "no folder/a.lock").error().code() == errc::missing);
}

TEST_CASE("threads that take and release a lock all the time are never two inside") {
  test::temporary_folder const folder;
  auto const path = folder / "it.lock";
  std::atomic<int> inside{0}, wrong{0}, taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 3000; ++i) {
        auto const lock = file_lock::take(path);
        if (!lock) continue;
        if (++inside != 1) ++wrong;
        ++taken;
        for (int n = 0; n < 20; ++n) std::this_thread::yield(); // so that others come
        --inside;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(taken > 10);
}

} // namespace io_file_lock_test
