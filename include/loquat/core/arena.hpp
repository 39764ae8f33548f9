#pragma once
/// \file
/// One block of memory that hands out aligned arrays until a cap is reached: everything a session needs is taken from
/// an arena while it is built, so that nothing allocates afterwards.

#include <loquat/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace loquat {

/// Counts the bytes that a sequence of `take` calls would need; saturates instead of wrapping around.
class arena_size {
 public:
  /// Adds an array of `count` elements of `T`.
  template <class T> constexpr arena_size& add(std::uint64_t count) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    if (count > (most - bytes_ - 64) / sizeof(T))
      bytes_ = most - 64;
    else
      bytes_ += (count * sizeof(T) + 63) / 64 * 64;
    return *this;
  }
  constexpr std::uint64_t bytes() const noexcept { return bytes_; } ///< so far; near 2⁶⁴ if it would overflow

 private:
  std::uint64_t bytes_ = 0;
};

/// A fixed amount of memory; arrays taken from it live as long as it does. Move-only.
class arena {
 public:
  static constexpr std::size_t alignment = 64; ///< of every array: a cache line

  constexpr arena() = default;
  /// An arena of `bytes`; more than `cap`, or more than the system gives, is an error (`errc::capacity`).
  static constexpr result<arena> make(std::uint64_t bytes,
                                      std::uint64_t cap = std::numeric_limits<std::uint64_t>::max()) {
    if (bytes > cap) return fail(errc::capacity, "needs ", bytes, " bytes, more than the cap of ", cap);
    arena a;
    a.left_ = bytes;
    if (!std::is_constant_evaluated()) {
      auto const granted = bytes <= std::numeric_limits<std::size_t>::max() / 2;
      if (granted)
        a.memory_ = static_cast<std::byte*>(
            ::operator new (static_cast<std::size_t>(bytes), std::align_val_t{alignment}, std::nothrow));
      if (!a.memory_) return fail(errc::capacity, "the system has no ", bytes, " bytes to give");
      a.next_ = a.memory_;
    }
    return a;
  }
  constexpr arena(arena&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), next_(std::exchange(other.next_, nullptr)),
        left_(std::exchange(other.left_, 0)), constants_(std::exchange(other.constants_, nullptr)) {}
  constexpr arena& operator=(arena&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
    std::swap(constants_, other.constants_);
    return *this;
  }
  constexpr ~arena() {
    if (memory_) ::operator delete (memory_, std::align_val_t{alignment});
    while (constants_) delete std::exchange(constants_, constants_->previous);
  }

  /// `count` elements of `T`, uninitialised at run time; empty when the arena is exhausted.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] constexpr std::span<T> take(std::size_t count) {
    auto const bytes = arena_size{}.add<T>(count).bytes();
    if (bytes > left_) return {};
    left_ -= bytes;
    if (std::is_constant_evaluated()) {
      auto* block = new constant_array<T>(count);
      block->previous = std::exchange(constants_, block);
      return {block->elements, count};
    }
    auto* first = std::launder(reinterpret_cast<T*>(std::exchange(next_, next_ + bytes)));
    return {first, count};
  }
  constexpr std::uint64_t left() const noexcept { return left_; } ///< bytes not yet taken

 private:
  // constant evaluation has no raw bytes: there each array is an object of its own
  struct constant_block {
    constant_block* previous = nullptr;
    constexpr virtual ~constant_block() = default;
  };
  template <class T> struct constant_array final : constant_block {
    constexpr explicit constant_array(std::size_t n) : elements(new T[n]{}) {}
    constexpr ~constant_array() override { delete[] elements; }
    constant_array(constant_array const&) = delete;
    constant_array& operator=(constant_array const&) = delete;
    T* elements;
  };

  std::byte* memory_ = nullptr;
  std::byte* next_ = nullptr;
  std::uint64_t left_ = 0;
  constant_block* constants_ = nullptr;
};

} // namespace loquat
