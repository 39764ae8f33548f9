#pragma once
/// \file
/// How many threads are worth starting: the CPUs this process may run on, cut down to its share under a container's
/// quota (Linux control groups, version 2 `cpu.max` and version 1 `cpu.cfs_quota_us`).

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#if defined(__linux__)
#  include <sched.h>
#endif

namespace loquat {

namespace detail {

#if defined(__linux__)
// CPUs of the quota in a control group's directory, 0 if there is none
inline unsigned cgroup_quota(char const* directory) noexcept {
  auto const number = [directory](char const* file, char* text, int size) noexcept {
    char path[600];
    std::snprintf(path, sizeof path, "%s/%s", directory, file);
    std::FILE* f = std::fopen(path, "re");
    if (!f) return false;
    bool const got = std::fgets(text, size, f) != nullptr;
    std::fclose(f);
    return got;
  };
  char text[64];
  double quota = 0, period = 0;
  if (number("cpu.max", text, sizeof text)) { // "max 100000" or "150000 100000"
    char* rest = nullptr;
    quota = std::strtod(text, &rest);
    period = std::strtod(rest, nullptr);
  } else if (number("cpu.cfs_quota_us", text, sizeof text)) {
    quota = std::strtod(text, nullptr);
    if (number("cpu.cfs_period_us", text, sizeof text)) period = std::strtod(text, nullptr);
  }
  return quota > 0 && period > 0 ? std::max(1u, static_cast<unsigned>(quota / period + 0.5)) : 0;
}

// the smallest quota from this process's control group up to the root
inline unsigned cgroup_quota() noexcept {
  unsigned least = 0;
  auto const consider = [&least](char const* directory) noexcept {
    if (unsigned const cpus = cgroup_quota(directory); cpus != 0) least = least == 0 ? cpus : std::min(least, cpus);
  };
  std::FILE* groups = std::fopen("/proc/self/cgroup", "re");
  char line[512];
  while (groups && std::fgets(line, sizeof line, groups)) { // "0::/path" or "4:cpu,cpuacct:/path"
    char* path = std::strrchr(line, ':');
    if (!path) continue;
    bool const unified = std::strncmp(line, "0::", 3) == 0;
    if (!unified && !std::strstr(line, "cpu")) continue;
    path[std::strcspn(path, "\n")] = '\0';
    for (++path; *path == '/'; *std::strrchr(path, '/') = '\0') {
      char directory[560];
      std::snprintf(directory, sizeof directory, "/sys/fs/cgroup%s%s", unified ? "" : "/cpu", path);
      consider(directory);
    }
  }
  if (groups) std::fclose(groups);
  consider("/sys/fs/cgroup");
  consider("/sys/fs/cgroup/cpu");
  return least;
}
#endif

} // namespace detail

/// CPUs that this process may use at once, at least 1.
inline unsigned usable_cpus() noexcept {
#if defined(__STDCPP_THREADS__)
  unsigned cpus = std::max(1u, std::thread::hardware_concurrency());
#else
  unsigned cpus = 1;
#endif
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = std::max(1u, static_cast<unsigned>(CPU_COUNT(&set)));
  if (unsigned const quota = detail::cgroup_quota(); quota != 0) cpus = std::min(cpus, quota);
#endif
  return cpus;
}

} // namespace loquat
