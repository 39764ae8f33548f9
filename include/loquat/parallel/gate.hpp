#pragma once
/// \file
/// A gate that many pass at once, until somebody closes it to be alone: a lock for readers and writers that lets writers
/// first, so that a stream of readers cannot hold one off (a reader pays two atomic additions); and a mutex. Both can be
/// members of constants and of what is moved.

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace loquat {

#if defined(__STDCPP_THREADS__)

/// Readers `enter` and `leave`; one writer at a time (a mutex sees to that) calls `close`, which returns when all have
/// left, and `open`. Moving an index moves no gate: the new one is open. In constant evaluation there is one thread.
class gate {
 public:
  constexpr gate() noexcept = default;
  constexpr gate(gate&&) noexcept {}
  constexpr gate& operator=(gate&&) noexcept { return *this; }

  constexpr void enter() const noexcept {
    if (std::is_constant_evaluated()) return;
    while ((state_.fetch_add(1, std::memory_order_acquire) & closed) != 0) {
      leave();
      for (auto state = state_.load(std::memory_order_relaxed); (state & closed) != 0;
           state = state_.load(std::memory_order_relaxed))
        state_.wait(state, std::memory_order_relaxed);
    }
  }
  constexpr void leave() const noexcept {
    if (std::is_constant_evaluated()) return;
    if (((state_.fetch_sub(1, std::memory_order_release) - 1) & closed) != 0) state_.notify_all();
  }
  constexpr void close() noexcept {
    if (std::is_constant_evaluated()) return;
    for (auto state = state_.fetch_or(closed, std::memory_order_acquire) | closed; state != closed;
         state = state_.load(std::memory_order_acquire))
      state_.wait(state, std::memory_order_acquire);
  }
  constexpr void open() noexcept {
    if (std::is_constant_evaluated()) return;
    state_.fetch_and(~closed, std::memory_order_release);
    state_.notify_all();
  }

 private:
  static constexpr std::uint32_t closed = std::uint32_t{1} << 31;
  mutable std::atomic<std::uint32_t> state_{0}; // readers inside, and whether it is closed
};

/// A mutex that can be a member of what is moved and of constants. Moving moves no lock.
class turnstile {
 public:
  constexpr turnstile() noexcept = default;
  constexpr turnstile(turnstile&&) noexcept {}
  constexpr turnstile& operator=(turnstile&&) noexcept { return *this; }

  constexpr void lock() noexcept {
    if (std::is_constant_evaluated()) return;
    for (std::uint32_t seen = 0; !state_.compare_exchange_strong(seen, 1, std::memory_order_acquire); seen = 0)
      state_.wait(1, std::memory_order_relaxed);
  }
  constexpr void unlock() noexcept {
    if (std::is_constant_evaluated()) return;
    state_.store(0, std::memory_order_release);
    state_.notify_one();
  }

 private:
  std::atomic<std::uint32_t> state_{0};
};

#else // such as WebAssembly: there is one thread

class gate {
 public:
  constexpr void enter() const noexcept {}
  constexpr void leave() const noexcept {}
  constexpr void close() noexcept {}
  constexpr void open() noexcept {}
};
class turnstile {
 public:
  constexpr void lock() noexcept {}
  constexpr void unlock() noexcept {}
};

#endif

/// Inside of a gate while it lives.
class passage {
 public:
  constexpr explicit passage(gate const& g) noexcept : gate_(g) { gate_.enter(); }
  constexpr ~passage() { gate_.leave(); }
  passage(passage const&) = delete;
  passage& operator=(passage const&) = delete;

 private:
  gate const& gate_;
};
/// Alone inside of a gate while it lives.
class closure {
 public:
  constexpr explicit closure(gate& g) noexcept : gate_(g) { gate_.close(); }
  constexpr ~closure() { gate_.open(); }
  closure(closure const&) = delete;
  closure& operator=(closure const&) = delete;

 private:
  gate& gate_;
};

/// Holds a turnstile while it lives.
class turn {
 public:
  constexpr explicit turn(turnstile& t) noexcept : turnstile_(t) { turnstile_.lock(); }
  constexpr ~turn() { turnstile_.unlock(); }
  turn(turn const&) = delete;
  turn& operator=(turn const&) = delete;

 private:
  turnstile& turnstile_;
};

} // namespace loquat
