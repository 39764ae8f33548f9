#pragma once
/// \file
/// Memory in huge pages, where the system has them: a processor finds its way in a large table more quickly.

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#if !defined(_WIN32) && !defined(__wasi__)
#  include <sys/mman.h>
#endif

namespace loquat::detail {

#if defined(__wasi__)
inline constexpr std::align_val_t huge_page{64}; // there are none
#else
inline constexpr std::align_val_t huge_page{std::size_t{2} << 20};
#endif

/// `length` bytes, rounded up to whole huge pages.
constexpr std::size_t whole_pages(std::size_t length) noexcept {
  auto const page = static_cast<std::size_t>(huge_page);
  return (length + page - 1) / page * page;
}
/// Asks for huge pages in memory that is not touched yet and begins where such a page may.
inline void use_huge_pages([[maybe_unused]] void* start, [[maybe_unused]] std::size_t length) noexcept {
#if defined(MADV_HUGEPAGE)
  ::madvise(start, whole_pages(length), MADV_HUGEPAGE);
#endif
}

/// An allocator for containers, of which the large ones get huge pages.
template <class T> struct huge_page_allocator {
  using value_type = T;

  constexpr huge_page_allocator() = default;
  template <class U> constexpr huge_page_allocator(huge_page_allocator<U> const&) noexcept {} ///< for other types

  [[nodiscard]] constexpr T* allocate(std::size_t n) {
    if (!is_large(n)) return std::allocator<T>().allocate(n);
    void* const start = ::operator new(whole_pages(n * sizeof(T)), huge_page);
    use_huge_pages(start, n * sizeof(T));
    return static_cast<T*>(start);
  }
  constexpr void deallocate(T* start, std::size_t n) noexcept {
    if (!is_large(n)) return std::allocator<T>().deallocate(start, n);
    ::operator delete(start, huge_page);
  }
  friend constexpr bool operator==(huge_page_allocator, huge_page_allocator) noexcept { return true; }

 private:
  static constexpr bool is_large(std::size_t n) noexcept {
    return !std::is_constant_evaluated() && n >= (std::size_t{1} << 21) / sizeof(T);
  }
};

} // namespace loquat::detail
