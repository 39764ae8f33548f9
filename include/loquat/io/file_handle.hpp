#pragma once
/// \file
/// The seam to the operating system: an open file, owned. Paths are UTF-8 everywhere. What maps or writes whole files
/// is built on it (`io/mmap.hpp`, `io/atomic_file.hpp`).

#include <loquat/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#  if !defined(WIN32_LEAN_AND_MEAN)
#    define WIN32_LEAN_AND_MEAN
#  endif
#  if !defined(NOMINMAX)
#    define NOMINMAX
#  endif
#  include <windows.h>
#else
#  include <cerrno>
#  include <cstdio>
#  include <fcntl.h>
#  include <sys/stat.h>
#  include <unistd.h>
#endif

namespace loquat::detail {

#if defined(_WIN32)

/// What the operating system says about the call that has just failed.
inline error system_error(std::string_view path, std::string_view what) {
  auto const code = GetLastError();
  bool const absent = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND;
  return fail(absent ? errc::missing : errc::io, path, ": ", what, ": ",
              std::string_view(std::system_category().message(static_cast<int>(code))));
}

inline std::wstring wide(std::string const& path) {
  int const size = static_cast<int>(path.size());
  int const length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), size, nullptr, 0);
  std::wstring out(static_cast<std::size_t>(length), L'\0');
  if (length > 0) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), size, out.data(), length);
  return out;
}

#else

/// What the operating system says about the call that has just failed.
inline error system_error(std::string_view path, std::string_view what) {
  int const code = errno;
  return fail(code == ENOENT || code == ENOTDIR ? errc::missing : errc::io, path, ": ", what, ": ",
              std::string_view(std::system_category().message(code)));
}

#endif

/// An open file. Move-only; closes itself.
class file_handle {
 public:
#if defined(_WIN32)
  using native_type = void*;
  static constexpr native_type closed = nullptr;
#else
  using native_type = int;
  static constexpr native_type closed = -1;
#endif

  constexpr file_handle() noexcept = default;
  constexpr explicit file_handle(native_type native) noexcept : native_(native) {} ///< owns it from now on
  constexpr file_handle(file_handle&& other) noexcept : native_(std::exchange(other.native_, closed)) {}
  constexpr file_handle& operator=(file_handle&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  constexpr ~file_handle() {
    if (native_ != closed) close();
  }

  constexpr native_type native() const noexcept { return native_; }

  /// Opens an existing regular file for reading. Does not wait, not even for the other end of a pipe.
  static result<file_handle> open(std::string const& path) {
    if (path.find('\0') != path.npos) return fail(errc::argument, path.c_str(), ": a path cannot contain a zero byte");
    file_handle file;
#if defined(_WIN32)
    // Without FILE_SHARE_WRITE nobody can change the file while it is open.
    auto const handle = CreateFileW(wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) return system_error(path, "cannot open");
    file.native_ = handle;
    if (GetFileType(handle) != FILE_TYPE_DISK) return fail(errc::io, path, ": not a regular file");
#else
    file.native_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file.native_ == closed) return system_error(path, "cannot open");
    struct ::stat about {};
    if (::fstat(file.native_, &about) != 0) return system_error(path, "cannot be examined");
    if (S_ISDIR(about.st_mode)) return fail(errc::io, path, ": is a directory, expected a file");
    if (!S_ISREG(about.st_mode)) return fail(errc::io, path, ": not a regular file");
#endif
    return file;
  }

  /// Makes a file that does not exist yet, for writing.
  static result<file_handle> create(std::string const& path) {
    file_handle file;
#if defined(_WIN32)
    auto const handle =
        CreateFileW(wide(path).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) return system_error(path, "cannot create");
    file.native_ = handle;
#else
    file.native_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file.native_ == closed) return system_error(path, "cannot create");
#endif
    return file;
  }

  /// Opens an existing file for writing behind its end.
  static result<file_handle> append(std::string const& path) {
    file_handle file;
#if defined(_WIN32)
    auto const handle = CreateFileW(wide(path).c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) return system_error(path, "cannot open");
    file.native_ = handle;
    if (!SetFilePointerEx(handle, LARGE_INTEGER{}, nullptr, FILE_END)) return system_error(path, "cannot open");
#else
    file.native_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file.native_ == closed) return system_error(path, "cannot open");
#endif
    return file;
  }

  /// Size of the file now, in bytes. `path` is for the message.
  result<std::uint64_t> size(std::string_view path) const {
#if defined(_WIN32)
    LARGE_INTEGER size{};
    if (!GetFileSizeEx(native_, &size)) return system_error(path, "cannot be examined");
    return static_cast<std::uint64_t>(size.QuadPart);
#else
    struct ::stat about {};
    if (::fstat(native_, &about) != 0) return system_error(path, "cannot be examined");
    return static_cast<std::uint64_t>(about.st_size);
#endif
  }

  /// Fills `bytes` with what follows what was read before; a file that ends before that is an error.
  result<void> read(std::string_view path, std::span<std::byte> bytes) {
    for (std::size_t const wanted = bytes.size(); !bytes.empty();) {
#if defined(_WIN32)
      DWORD some = 0;
      if (!ReadFile(native_, bytes.data(), static_cast<DWORD>(std::min(bytes.size(), most)), &some, nullptr))
        return system_error(path, "cannot be read");
#else
      auto const some = ::read(native_, bytes.data(), std::min(bytes.size(), most));
      if (some < 0 && errno == EINTR) continue;
      if (some < 0) return system_error(path, "cannot be read");
#endif
      if (some == 0)
        return fail(errc::io, path, ": the file has shrunk to ", wanted - bytes.size(), " bytes while it was read");
      bytes = bytes.subspan(static_cast<std::size_t>(some));
    }
    return {};
  }

  /// Writes all of `bytes` at the end of what was written before.
  result<void> write(std::string_view path, std::span<std::byte const> bytes) {
    while (!bytes.empty()) {
#if defined(_WIN32)
      DWORD written = 0;
      if (!WriteFile(native_, bytes.data(), static_cast<DWORD>(std::min(bytes.size(), most)), &written, nullptr))
        return system_error(path, "cannot write");
#else
      auto const written = ::write(native_, bytes.data(), std::min(bytes.size(), most));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return system_error(path, "cannot write");
#endif
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  /// Waits until what was written is on the disk.
  result<void> sync(std::string_view path) {
#if defined(_WIN32)
    if (!FlushFileBuffers(native_)) return system_error(path, "cannot write");
#else
    if (::fsync(native_) != 0) return system_error(path, "cannot write");
#endif
    return {};
  }

  /// Closes the file before its time.
  void close() noexcept {
#if defined(_WIN32)
    CloseHandle(native_);
#else
    ::close(native_);
#endif
    native_ = closed;
  }

 private:
  static constexpr std::size_t most = std::size_t{1} << 30; // more at once is refused or cut short by some systems

  native_type native_ = closed;
};

/// Gives a file another name, replacing what had it.
inline result<void> rename_file(std::string const& from, std::string const& to) {
#if defined(_WIN32)
  if (!MoveFileExW(wide(from).c_str(), wide(to).c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
    return system_error(to, "cannot be put in place");
#else
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_error(to, "cannot be put in place");
#endif
  return {};
}

/// Waits until the names in the folder of a file are on the disk, where systems make that a question of its own.
inline result<void> sync_folder([[maybe_unused]] std::string const& path) {
#if !defined(_WIN32) && !defined(__wasi__)
  auto const slash = path.find_last_of('/');
  std::string const folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  int const handle = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (handle < 0) return errno == EACCES ? result<void>() : system_error(folder, "cannot open");
  bool const done = ::fsync(handle) == 0 || errno == EINVAL || errno == ENOTSUP; // not every file system can
  auto failure = done ? error() : system_error(folder, "cannot write");
  ::close(handle);
  if (!done) return failure;
#endif
  return {};
}

/// Removes a file; one that is not there is no error.
inline void remove_file(std::string const& path) noexcept {
#if defined(_WIN32)
  DeleteFileW(wide(path).c_str());
#else
  ::unlink(path.c_str());
#endif
}

} // namespace loquat::detail
