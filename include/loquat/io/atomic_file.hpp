#pragma once
/// \file
/// Writing a file so that its name never stands for half of it: the bytes go to a temporary file beside it, which takes
/// the name when all of them are on the disk.

#include <loquat/core/result.hpp>
#include <loquat/io/file_handle.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace loquat {

/// A file being written. Without a `commit` that succeeds, nothing of it remains and a former file keeps its contents.
class atomic_file {
 public:
  atomic_file(atomic_file&& other) noexcept
      : handle_(std::move(other.handle_)), path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, {})) {}
  atomic_file& operator=(atomic_file&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(path_, other.path_);
    std::swap(temporary_, other.temporary_);
    return *this;
  }
  ~atomic_file() { discard(); }

  /// Starts to write the file that will be at `path` (UTF-8).
  static result<atomic_file> create(std::string const& path) {
    constexpr int attempts = 100; // another writer, or one that was killed, may have left its own
    for (int attempt = 0;; ++attempt) {
      auto temporary = path + ".tmp" + std::to_string(attempt);
      auto handle = detail::file_handle::create(temporary);
      if (handle) return atomic_file(std::move(*handle), path, std::move(temporary));
      if (attempt == attempts) return std::move(handle).error();
    }
  }

  /// Appends bytes.
  result<void> write(std::span<std::byte const> bytes) { return handle_.write(temporary_, bytes); }

  /// Puts the file in place, once. It is there even after a power cut.
  result<void> commit() {
    if (auto synced = handle_.sync(temporary_); !synced) return synced;
    handle_.close(); // Windows renames no open file
    auto renamed = detail::rename_file(temporary_, path_);
    if (!renamed) return renamed;
    temporary_.clear();
    return detail::sync_folder(path_);
  }

 private:
  atomic_file(detail::file_handle handle, std::string path, std::string temporary)
      : handle_(std::move(handle)), path_(std::move(path)), temporary_(std::move(temporary)) {}

  void discard() noexcept {
    if (temporary_.empty()) return;
    handle_ = {}; // close first, for Windows
    detail::remove_file(temporary_);
  }

  detail::file_handle handle_;
  std::string path_;
  std::string temporary_; // empty once the file is in place
};

} // namespace loquat
