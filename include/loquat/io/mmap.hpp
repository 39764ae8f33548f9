#pragma once
/// \file
/// A file mapped read-only into memory: opening costs the same for a kilobyte and for a terabyte, pages are read when
/// they are first touched, and processes that map the same file share them. Or read into memory, where that is wanted.

#include <loquat/core/result.hpp>
#include <loquat/io/file_handle.hpp>
#include <loquat/io/huge_pages.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if !defined(_WIN32) && !defined(__wasi__)
#  include <sys/mman.h>
#endif

namespace loquat {

/// How the bytes of a file get into memory.
enum class file_access : unsigned char {
  mapped, ///< in place; where a system cannot map (WASI), copied
  copied, ///< read at once into memory of the process: in huge pages, where the system has them, decoding is faster
};

/// A read-only mapping of a regular file. Move-only; the bytes stay where they are when it is moved.
///
/// The file must not get shorter while it is mapped, unless it is copied: touching a page behind its new end stops the
/// process (SIGBUS; Windows forbids it, so there it cannot happen). Nothing but a copy of the file can rule that out;
/// `intact()` notices it when asked before the bytes are used, and leaves only a shortening between that question and
/// the use.
class mapped_file {
 public:
  constexpr mapped_file() noexcept = default; ///< maps nothing: `bytes()` is empty
  constexpr mapped_file(mapped_file&& other) noexcept
      : handle_(std::move(other.handle_)), path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})),
        copied_(other.copied_) {}
  constexpr mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(path_, other.path_);
    std::swap(bytes_, other.bytes_);
    std::swap(copied_, other.copied_);
    return *this;
  }
  constexpr ~mapped_file() {
    if (!bytes_.empty()) release();
  }

  /// Maps or reads the file at `path` (UTF-8). An empty file is no error. Errors: `errc::missing` when there is none,
  /// `errc::io` for a directory, a pipe or device, no permission, or a file system that cannot map; `errc::capacity`
  /// when memory is short.
  static result<mapped_file> open(std::string const& path, [[maybe_unused]] file_access access = file_access::mapped) {
    auto handle = detail::file_handle::open(path);
    if (!handle) return std::move(handle).error();
    auto const size = handle->size(path);
    if (!size) return size.error();
    mapped_file file;
    file.handle_ = std::move(*handle);
    file.path_.assign(path.begin(), path.end());
    if (*size == 0) return file; // systems refuse to map nothing
    if (*size > std::uint64_t(std::numeric_limits<std::ptrdiff_t>::max()))
      return fail(errc::capacity, path, ": ", *size, " bytes do not fit the address space");
    auto const length = static_cast<std::size_t>(*size);
    if (!can_map || access == file_access::copied) {
      auto* const start = static_cast<std::byte*>(
          ::operator new(detail::whole_pages(length), detail::huge_page, std::nothrow));
      if (start == nullptr) return fail(errc::capacity, path, ": the system has no ", length, " bytes to give");
      file.bytes_ = {start, length};
      file.copied_ = true;
      detail::use_huge_pages(start, length);
      if (auto read = file.handle_.read(path, {start, length}); !read) return read.error();
      return file;
    }
#if defined(_WIN32)
    auto const mapping = CreateFileMappingW(file.handle_.native(), nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping == nullptr) return detail::system_error(path, "cannot be mapped");
    void const* const start = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, length);
    auto failure = start ? error() : detail::system_error(path, "cannot be mapped");
    CloseHandle(mapping); // the view keeps it alive
    if (start == nullptr) return failure;
    file.bytes_ = {static_cast<std::byte const*>(start), length};
#elif !defined(__wasi__)
    void const* const start = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, file.handle_.native(), 0);
    if (start == MAP_FAILED) return detail::system_error(path, "cannot be mapped");
    file.bytes_ = {static_cast<std::byte const*>(start), length};
#endif
    return file;
  }

  constexpr std::span<std::byte const> bytes() const noexcept { return bytes_; }            ///< the whole file
  constexpr std::string_view path() const noexcept { return {path_.data(), path_.size()}; } ///< as given to `open`

  /// Whether the file still has the bytes that were mapped; `errc::io` when it has become shorter.
  result<void> intact() const {
    if (bytes_.empty() || copied_) return {};
    auto const size = handle_.size(path());
    if (!size) return size.error();
    if (*size < bytes_.size())
      return fail(errc::io, path(), ": the file has shrunk from ", bytes_.size(), " to ", *size,
                  " bytes since it was opened");
    return {};
  }

  /// Asks the system to read all of it ahead, because all of it is going to be used. Returns at once.
  void prefetch() const noexcept {
#if !defined(_WIN32) && !defined(__wasi__)
    if (!bytes_.empty() && !copied_) ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_WILLNEED);
#endif
  }

 private:
#if defined(__wasi__)
  static constexpr bool can_map = false;
#else
  static constexpr bool can_map = true;
#endif

  void release() noexcept {
    auto* const start = const_cast<std::byte*>(bytes_.data());
    if (copied_) return ::operator delete(start, detail::huge_page);
#if defined(_WIN32)
    UnmapViewOfFile(start);
#elif !defined(__wasi__)
    ::munmap(start, bytes_.size());
#endif
  }

  detail::file_handle handle_; // kept open: `intact` asks about this very file, whatever the path names by then
  std::vector<char> path_;
  std::span<std::byte const> bytes_;
  bool copied_ = false;
};

} // namespace loquat
