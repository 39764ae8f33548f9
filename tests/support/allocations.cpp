/// \file
/// Replaces the global allocation functions by counting ones. The array and the sized forms call these.

#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> count{0};

void* allocate(std::size_t size_bytes, std::size_t alignment) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  if (size_bytes >> 20 >> 26 != 0) return nullptr; // as any system says; sanitizers would end the program
  if (size_bytes == 0) size_bytes = 1;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size_bytes);
  return std::aligned_alloc(alignment, (size_bytes + alignment - 1) / alignment * alignment);
}

void* checked(void* memory) {
#if defined(__cpp_exceptions)
  if (!memory) throw std::bad_alloc();
#else
  if (!memory) std::abort();
#endif
  return memory;
}

} // namespace

std::size_t test::allocations() noexcept { return count.load(std::memory_order_relaxed); }

void* operator new(std::size_t size) { return checked(allocate(size, 1)); }
void* operator new[](std::size_t size) { return checked(allocate(size, 1)); }
void* operator new(std::size_t size, std::align_val_t a) {
  return checked(allocate(size, static_cast<std::size_t>(a)));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return checked(allocate(size, static_cast<std::size_t>(a)));
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return allocate(size, 1); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return allocate(size, 1); }

void* operator new(std::size_t size, std::align_val_t a, std::nothrow_t const&) noexcept {
  return allocate(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a, std::nothrow_t const&) noexcept {
  return allocate(size, static_cast<std::size_t>(a));
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete(void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
