#pragma once
/// \file
/// A thread pool for short parallel loops, many thousands of them a second.
///
/// A loop is a number of chunks that the calling thread and the workers claim one by one from a shared counter, so an
/// absent worker costs speed, never progress: with more threads than cores the others do its chunks, and the caller
/// waits only for chunks that were begun. Between loops workers spin for some microseconds and then sleep.

#include <loquat/parallel/cpus.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

namespace loquat {

#if defined(__STDCPP_THREADS__)

/// Threads that share the chunks of a loop with the thread that runs it.
class pool {
 public:
  /// `threads` in all, the caller's included; 0 means one per usable CPU. If the system refuses a thread, fewer.
  explicit pool(unsigned threads = 0) : shared_(std::make_unique<shared>()) {
    unsigned const cpus = usable_cpus();
    unsigned const wanted = std::min(threads == 0 ? cpus : threads, most_threads);
    shared_->spins = wanted <= cpus ? 4000 : 0;
    workers_.reserve(wanted - 1);
    for (unsigned i = 1; i < wanted; ++i)
      if (!start(i)) break;
  }
  pool(pool&&) noexcept = default;
  pool& operator=(pool&& other) noexcept {
    std::swap(shared_, other.shared_);
    std::swap(workers_, other.workers_);
    return *this;
  }
  ~pool() {
    if (!shared_) return;
    shared_->stop.store(true);
    shared_->wake.fetch_add(1);
    shared_->wake.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  /// Threads that take part in a loop, the caller's included.
  unsigned size() const noexcept { return static_cast<unsigned>(workers_.size()) + 1; }

  /// Calls `f(chunk, thread)` once for every chunk in [0, chunks), with thread < size(), and returns when all are done.
  /// No two calls share a thread number at the same time. A loop that begins while another of this pool is running
  /// (from another thread, or from inside a chunk) runs on its caller alone. `f` must not throw.
  template <class F> void run(std::size_t chunks, F const& f) const noexcept {
    bool idle = false;
    if (chunks < 2 || workers_.empty() ||
        !shared_->busy.compare_exchange_strong(idle, true, std::memory_order_acquire)) {
      for (std::size_t i = 0; i < chunks; ++i) f(i, 0u);
      return;
    }
    struct job {
      F const* f;
      std::size_t chunks, per_claim;
    } const work{&f, chunks, (chunks + most_claims - 1) / most_claims};
    shared_->context = &work;
    shared_->call = [](void const* context, std::size_t claim, unsigned thread) {
      auto const& j = *static_cast<job const*>(context);
      std::size_t const first = claim * j.per_claim, last = std::min(first + j.per_claim, j.chunks);
      for (std::size_t i = first; i < last; ++i) (*j.f)(i, thread);
    };
    shared_->run((chunks + work.per_claim - 1) / work.per_claim);
    shared_->busy.store(false, std::memory_order_release);
  }

 private:
  static constexpr unsigned most_threads = 1024;
  static constexpr std::size_t most_claims = 1 << 16;

  static void pause() noexcept {
#  if defined(__x86_64__)
    __builtin_ia32_pause();
#  elif defined(__aarch64__)
    __asm__ volatile("isb"); // as long as a pause of x86; `yield` does nothing on most of them
#  endif
  }

  // The claim word holds how many claims the loop has (upper half) and how many were handed out (lower half). Whoever
  // is given a number below the count has claimed that part of the current loop, which cannot end before it is done:
  // only then are `call` and `context` read.
  struct shared {
    alignas(64) std::atomic<std::uint64_t> claims{0};
    alignas(64) std::atomic<std::uint32_t> done{0};
    alignas(64) std::atomic<std::uint32_t> wake{0};
    std::atomic<std::uint32_t> sleepers{0};
    std::atomic<bool> busy{false}, stop{false};
    void const* context = nullptr;
    void (*call)(void const*, std::size_t, unsigned) = nullptr;
    int spins = 0;

    static bool open(std::uint64_t word) noexcept { return (word & 0xffffffffu) < word >> 32; }

    void work(unsigned thread) noexcept {
      while (open(claims.load(std::memory_order_relaxed))) {
        std::uint64_t const word = claims.fetch_add(1, std::memory_order_acq_rel);
        if (!open(word)) return;
        call(context, static_cast<std::size_t>(word & 0xffffffffu), thread);
        done.fetch_add(1, std::memory_order_release);
      }
    }

    void run(std::size_t count) noexcept {
      done.store(0, std::memory_order_relaxed);
      claims.store(std::uint64_t{count} << 32, std::memory_order_seq_cst);
      if (sleepers.load(std::memory_order_seq_cst) != 0) {
        wake.fetch_add(1, std::memory_order_seq_cst);
        wake.notify_all();
      }
      work(0);
      for (int i = 0; done.load(std::memory_order_acquire) != count; ++i) {
        if (i < spins)
          pause();
        else
          std::this_thread::yield();
      }
    }

    void serve(unsigned thread) noexcept {
      while (!stop.load(std::memory_order_relaxed)) {
        work(thread);
        for (int i = 0; i < spins && !open(claims.load(std::memory_order_relaxed)); ++i) pause();
        if (open(claims.load(std::memory_order_relaxed))) continue;
        std::uint32_t const seen = wake.load(std::memory_order_seq_cst);
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        if (!open(claims.load(std::memory_order_seq_cst)) && !stop.load(std::memory_order_seq_cst)) wake.wait(seen);
        sleepers.fetch_sub(1, std::memory_order_seq_cst);
      }
    }
  };

  bool start(unsigned number) {
    auto const serve = [s = shared_.get(), number] { s->serve(number); };
#  if defined(__cpp_exceptions)
    try {
      workers_.emplace_back(serve);
    } catch (std::system_error const&) {
      return false;
    }
#  else
    workers_.emplace_back(serve);
#  endif
    return true;
  }

  std::unique_ptr<shared> shared_;
  std::vector<std::thread> workers_;
};

#else // such as WebAssembly: the caller does all of it

class pool {
 public:
  explicit pool(unsigned = 0) noexcept {}
  unsigned size() const noexcept { return 1; }
  template <class F> void run(std::size_t chunks, F const& f) const noexcept {
    for (std::size_t i = 0; i < chunks; ++i) f(i, 0u);
  }
};

#endif

} // namespace loquat
