#pragma once
/// \file
/// A lock that one holder has at a time, whatever process it is in: an empty file that is there while it is held. The
/// system releases it at the end of a process, however that comes about.

#include <loquat/core/result.hpp>
#include <loquat/io/file_handle.hpp>

#include <string>
#include <utility>

#if !defined(_WIN32) && !defined(__wasi__)
#  include <sys/file.h>
#endif

namespace loquat {

/// Holds the lock that a path stands for while it lives. Move-only. Nothing is locked where the system (WASI) or the
/// file system knows no locks.
class file_lock {
 public:
  file_lock(file_lock&& other) noexcept : handle_(std::move(other.handle_)), path_(std::exchange(other.path_, {})) {}
  file_lock& operator=(file_lock&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~file_lock() {
    // before the lock goes: another holder's file would not be this one
    if (!path_.empty()) detail::remove_file(path_);
  }

  /// Takes the lock, with an empty file at `path` (UTF-8). Does not wait: `errc::io` if somebody has it, in this
  /// process or another, or if the file cannot be made.
  static result<file_lock> take([[maybe_unused]] std::string const& path) {
    file_lock lock;
#if defined(_WIN32)
    // Nobody else can open it, and the system removes it with its handle.
    auto const handle = CreateFileW(detail::wide(path).c_str(), GENERIC_WRITE, 0, nullptr, OPEN_ALWAYS,
                                    FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
    if (handle == INVALID_HANDLE_VALUE)
      return GetLastError() == ERROR_SHARING_VIOLATION ? in_use(path) : detail::system_error(path, "cannot create");
    lock.handle_ = detail::file_handle(handle);
#elif !defined(__wasi__)
    for (;;) {
      lock.handle_ = detail::file_handle(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
      if (lock.handle_.native() == detail::file_handle::closed) return detail::system_error(path, "cannot create");
      int done = ::flock(lock.handle_.native(), LOCK_EX | LOCK_NB);
      while (done != 0 && errno == EINTR) done = ::flock(lock.handle_.native(), LOCK_EX | LOCK_NB);
      if (done != 0 && errno == EWOULDBLOCK) return in_use(path);
      struct ::stat mine {};
      struct ::stat there {};
      if (::fstat(lock.handle_.native(), &mine) != 0) return detail::system_error(path, "cannot be examined");
      // The one who had it may have removed the file in between: then this is a lock on nothing.
      if (::stat(path.c_str(), &there) == 0 && there.st_dev == mine.st_dev && there.st_ino == mine.st_ino) break;
    }
    lock.path_ = path;
#endif
    return lock;
  }

 private:
  file_lock() = default;
  static error in_use(std::string const& path) {
    return fail(errc::io, path, ": in use: somebody holds this lock, in this process or another");
  }

  detail::file_handle handle_;
  std::string path_; // of the file to remove, if any
};

} // namespace loquat
