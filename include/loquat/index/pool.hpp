#pragma once
/// \file
/// The flat arrays an index is made of: at a cache line's boundary, in huge pages where they are large, growing by whole
/// reallocations; or somebody else's memory (a mapped file), which can only be read.

#include <loquat/core/arena.hpp>
#include <loquat/core/result.hpp>
#include <loquat/io/huge_pages.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace loquat::detail {

/// A number that others write meanwhile; what they wrote before it is seen.
template <class T> constexpr T load_word(T const& word) noexcept {
  return std::is_constant_evaluated() ? word : __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
/// Writes a number that others read meanwhile.
template <class T> constexpr void store_word(T& word, std::type_identity_t<T> value) noexcept {
  if (std::is_constant_evaluated())
    word = value;
  else
    __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}

/// The error of a file whose arrays take so many bytes, if the system would not give them. When they are made, a
/// failure would be an exception.
inline result<void> check_memory(std::uint64_t bytes) {
  auto const given = arena::make(bytes); // and given back
  return given ? result<void>() : given.error();
}

/// What arrays are allocated in.
struct alignas(64) cache_line {
  std::byte bytes[64];
};

/// An array of numbers or plain structs, zero at first. `Allocator` is for any type (it is rebound); a copy is kept.
template <class T, class Allocator> class pool_of {
  static_assert(std::is_trivially_copyable_v<T>);
  using lines = typename std::allocator_traits<Allocator>::template rebind_alloc<cache_line>;
  using line_traits = std::allocator_traits<lines>;

 public:
  constexpr explicit pool_of(Allocator const& allocator = {}) : allocator_(allocator) {}
  constexpr pool_of(pool_of&& other) noexcept
      : allocator_(other.allocator_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
        owned_(std::exchange(other.owned_, false)) {}
  constexpr pool_of& operator=(pool_of&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  constexpr ~pool_of() { release(); }

  constexpr T* data() noexcept { return data_; }              ///< the first element
  constexpr T const* data() const noexcept { return data_; }  ///< \overload
  constexpr std::size_t size() const noexcept { return size_; } ///< elements there are
  constexpr T& operator[](std::size_t i) noexcept { return data_[i]; }             ///< the i-th
  constexpr T const& operator[](std::size_t i) const noexcept { return data_[i]; } ///< \overload
  constexpr bool owned() const noexcept { return owned_ || size_ == 0; } ///< false for somebody else's memory
  /// What it takes, in whole cache lines; nothing for somebody else's memory.
  constexpr std::size_t bytes() const noexcept { return owned_ ? lines_of(size_) * sizeof(cache_line) : 0; }

  /// Makes room for `size` elements; new ones are zero. Never shrinks.
  constexpr void grow(std::size_t size) {
    if (size <= size_) return;
    T* const fresh = allocate(size);
    std::copy_n(data_, size_, fresh);
    if (!std::is_constant_evaluated()) std::fill_n(fresh + size_, size - size_, T{});
    release();
    data_ = fresh, size_ = size, owned_ = true;
  }
  /// Refers to somebody else's elements, which live longer.
  void refer(std::span<T const> elements) noexcept {
    release();
    data_ = const_cast<T*>(elements.data()), size_ = elements.size(), owned_ = false;
  }

 private:
  static constexpr std::size_t lines_of(std::size_t n) noexcept { return (n * sizeof(T) + 63) / 64; }
  constexpr T* allocate(std::size_t n) {
    if (std::is_constant_evaluated()) {
      T* const start = std::allocator<T>().allocate(n);
      for (std::size_t i = 0; i < n; ++i) std::construct_at(start + i);
      return start;
    }
    lines from(allocator_);
    return reinterpret_cast<T*>(line_traits::allocate(from, lines_of(n)));
  }
  constexpr void release() noexcept {
    if (!owned_) return;
    if (std::is_constant_evaluated()) return std::allocator<T>().deallocate(data_, size_);
    lines to(allocator_);
    line_traits::deallocate(to, reinterpret_cast<cache_line*>(data_), lines_of(size_));
  }

  [[no_unique_address]] Allocator allocator_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  bool owned_ = false;
};

} // namespace loquat::detail
