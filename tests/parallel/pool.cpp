/// \file
/// The thread pool: every chunk once, whoever runs it.
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace parallel_pool_test {

using loquat::pool;

namespace {

TEST_CASE("every chunk of every loop runs once") {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    pool const p(threads);
    CHECK(p.size() == threads);
    for (std::size_t chunks : {0u, 1u, 2u, 7u, 1000u, 70'000u}) {
      std::vector<int> calls(chunks);
      for (int round = 0; round < 20; ++round) p.run(chunks, [&](std::size_t i, unsigned) { ++calls[i]; });
      CHECK(std::ranges::all_of(calls, [](int n) { return n == 20; }));
    }
  }
}

TEST_CASE("a thread number is used by one chunk at a time") {
  pool const p(4);
  std::array<std::atomic<int>, 4> inside{};
  std::atomic<bool> shared{false};
  for (int round = 0; round < 200; ++round)
    p.run(16, [&](std::size_t, unsigned thread) {
      if (inside[thread].fetch_add(1) != 0) shared = true;
      inside[thread].fetch_sub(1);
    });
  CHECK(!shared);
}

TEST_CASE("loops inside loops and from several threads run too") {
  pool const p(3);
  std::atomic<int> count{0};
  p.run(5, [&](std::size_t, unsigned) { p.run(3, [&](std::size_t, unsigned) { ++count; }); });
  CHECK(count == 15);
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u)
    users.emplace_back([&] {
      for (int round = 0; round < 300; ++round) p.run(10, [&](std::size_t, unsigned) { ++count; });
    });
  for (auto& user : users) user.join();
  CHECK(count == 15 + 4 * 300 * 10);
}

TEST_CASE("sleeping workers wake up") {
  pool const p(2);
  std::atomic<int> count{0};
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5)); // far beyond the time they spin
    p.run(100, [&](std::size_t, unsigned) { ++count; });
  }
  CHECK(count == 500);
}

TEST_CASE("a pool can be moved while it is idle") {
  pool p(3);
  pool q = std::move(p);
  pool r(2);
  r = std::move(q);
  std::atomic<int> count{0};
  r.run(10, [&](std::size_t, unsigned) { ++count; });
  CHECK(count == 10);
  CHECK(r.size() == 3);
}

TEST_CASE("by default there is one thread per usable CPU") {
  CHECK(loquat::usable_cpus() >= 1);
  CHECK(pool().size() == loquat::usable_cpus());
}

#if defined(__linux__)
TEST_CASE("the affinity mask bounds the usable CPUs") {
  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CPU_ZERO(&one);
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(loquat::usable_cpus() == 1);
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("quotas of both versions of control groups are read") {
  auto const folder = std::filesystem::temp_directory_path() / "loquat-cgroup-test";
  auto const quota = [&](char const* file, char const* text, char const* file2 = nullptr, char const* text2 = nullptr) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / file) << text;
    if (file2) std::ofstream(folder / file2) << text2;
    return loquat::detail::cgroup_quota(folder.c_str());
  };
  CHECK(quota("cpu.max", "250000 100000\n") == 3);
  CHECK(quota("cpu.max", "10000 100000\n") == 1);
  CHECK(quota("cpu.max", "max 100000\n") == 0);
  CHECK(quota("cpu.cfs_quota_us", "200000\n", "cpu.cfs_period_us", "100000\n") == 2);
  CHECK(quota("cpu.cfs_quota_us", "-1\n", "cpu.cfs_period_us", "100000\n") == 0);
  CHECK(quota("unrelated", "") == 0);
  std::filesystem::remove_all(folder);
}
#endif

} // namespace

} // namespace parallel_pool_test
