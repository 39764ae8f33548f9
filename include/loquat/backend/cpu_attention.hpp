#pragma once
/// \file
/// Attention of the `cpu` backend: which thread does which queries and which tiles of the cache.
///
/// Tiles of a key-value head are attended to one by one and merged in ascending order, whoever does it: where there are
/// many queries a thread takes some of them through all tiles; where there are few, threads share the tiles of each
/// head and leave what they find for a second, small loop that merges. The bits are the same.

#include <loquat/backend/backend.hpp>
#include <loquat/kernel/attention.hpp>
#include <loquat/parallel/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace loquat::detail {

/// Attention on an executor with the kernels of a target.
class cpu_attention {
 public:
  /// What it writes besides results.
  struct workspace {
    std::span<float> floats;          ///< [threads, thread_floats]
    std::span<std::int16_t> integers; ///< [threads, rows, padded head_dim]
    std::span<float> states;          ///< [tiles, tokens up to `shared_tokens`, heads, state floats]
  };

  static constexpr void reserve(workspace_limits const& limits, unsigned threads, arena_size& size) noexcept {
    std::uint64_t const each = threads;
    size.add<float>(each * thread_floats(limits.head_dim))
        .add<std::int16_t>(each * thread_integers(limits.head_dim))
        .add<float>(state_floats(limits));
  }
  static workspace make_workspace(workspace_limits const& limits, unsigned threads, arena& memory) {
    workspace work;
    work.floats = memory.take<float>(threads * thread_floats(limits.head_dim));
    work.integers = memory.take<std::int16_t>(threads * thread_integers(limits.head_dim));
    work.states = memory.take<float>(static_cast<std::size_t>(state_floats(limits)));
    return work;
  }

  template <Executor E>
  static void run(E const& threads, simd::target target, workspace const& work, kv_cache const& cache,
                  attention_task const& task) noexcept {
    auto const with = [&]<kv_type T>() {
      kernel::attention_functions<T> functions{};
      simd::dispatch<kernel::attentions>(target, [&](auto kernels) {
        using k = decltype(kernels);
        functions = {&k::template prepare<T>, &k::template attend<T>, &k::merge, &k::add_sink, &k::finish};
      });
      attend(threads, functions, work, cache, task);
    };
    switch (cache.type) {
    case kv_type::f16:
      return with.template operator()<kv_type::f16>();
    case kv_type::f32:
      return with.template operator()<kv_type::f32>();
    case kv_type::q8_0:
      return with.template operator()<kv_type::q8_0>();
    case kv_type::q4_0:
      return with.template operator()<kv_type::q4_0>();
    }
  }

 private:
  static constexpr std::size_t most_rows = kernel::attention_rows<kv_type::f32>::most;
  static constexpr std::size_t shared_tokens = 8;  // up to which threads share the tiles
  static constexpr std::size_t units_a_thread = 8; // below which they do

  static constexpr std::size_t padded(std::size_t head_dim) noexcept { return kv_layout{{}, head_dim}.padded(); }
  static constexpr std::size_t thread_integers(std::size_t head_dim) noexcept { return most_rows * padded(head_dim); }
  static constexpr std::size_t thread_floats(std::size_t head_dim) noexcept {
    return most_rows * (padded(head_dim) + 2 * kernel::attention_state_floats(head_dim));
  }
  static constexpr std::uint64_t state_floats(workspace_limits const& limits) noexcept {
    std::uint64_t const tiles = limits.context / kv_layout::positions + 1;
    std::uint64_t const each = std::uint64_t{std::min(limits.tokens, shared_tokens)} * limits.heads *
                               kernel::attention_state_floats(limits.head_dim);
    constexpr auto most = std::numeric_limits<std::uint64_t>::max(); // what an arena refuses
    return each > most / tiles ? most : tiles * each;
  }

  // Some rows, that is, queries of one key-value head: row r is query head r mod group of token r / group.
  struct rows_of_head {
    attention_task const& task;
    std::size_t head, group, first, rows, dim; // `first` row

    std::size_t at(std::size_t r) const noexcept { // in queries and output
      return ((first + r) / group * task.heads + head_of(r)) * dim;
    }
    std::size_t from(std::size_t r) const noexcept { return task.seen_by((first + r) / group).first; }
    std::size_t to(std::size_t r) const noexcept { return task.seen_by((first + r) / group).second; }
    std::size_t head_of(std::size_t r) const noexcept { return head * group + (first + r) % group; } // of queries
    // what is added to the scores of positions from `start` on, or null
    float const* bias(std::size_t r, std::size_t start) const noexcept {
      if (task.bias.empty()) return nullptr;
      std::size_t const position = task.length - task.n + (first + r) / group;
      return task.bias.data() + head_of(r) * (2 * task.bias_reach - 1) + task.bias_reach - 1 + start - position;
    }
    std::size_t first_tile(std::size_t r) const noexcept { return from(r) / kv_layout::positions; }
    std::size_t last_tile(std::size_t r) const noexcept { return (to(r) - 1) / kv_layout::positions; }
  };

  // One thread's memory: prepared queries, and states [rows, state floats] so far and of a tile.
  template <kv_type T> struct worker {
    kernel::attention_functions<T> const& kernels;
    kv_cache const& cache;
    float *floats, *so_far, *next; // floats: queries, or scales of integers
    std::int16_t* integers;

    worker(kernel::attention_functions<T> const& k, workspace const& work, unsigned thread, kv_cache const& c) noexcept
        : kernels(k), cache(c), floats(work.floats.data() + thread * thread_floats(c.head_dim)),
          so_far(floats + most_rows * padded(c.head_dim)),
          next(so_far + most_rows * kernel::attention_state_floats(c.head_dim)),
          integers(work.integers.data() + thread * thread_integers(c.head_dim)) {}

    kernel::kv_factor<T>* queries() const noexcept {
      if constexpr (has_scales(T))
        return integers;
      else
        return floats;
    }
    void prepare(rows_of_head const& h) const noexcept {
      for (std::size_t r = 0; r < h.rows; ++r)
        kernels.prepare(h.task.queries.data() + h.at(r), h.dim, h.task.scale, queries() + r * padded(h.dim),
                        floats + r * cache.layout().blocks());
    }
    // states of what the rows see in a tile
    void attend(rows_of_head const& h, std::size_t tile, float* states) const noexcept {
      std::size_t const start = tile * kv_layout::positions, at = cache.tile(h.task.layer, h.head, start);
      kernel::attention_rows<T> rows{queries(), floats, 0, h.dim, h.task.cap, {}, {}, {}};
      for (std::size_t r = 0; r < h.rows && h.first_tile(r) <= tile; ++r, ++rows.rows) { // later ones see nothing of it
        rows.starts[r] = std::max(h.from(r), start) - start;
        rows.counts[r] = std::min(kv_layout::positions, std::max(h.to(r), start) - start);
        rows.biases[r] = h.bias(r, start);
      }
      kernels.attend(rows, in(at), states);
    }
    kernel::attention_tile<T> in(std::size_t tile) const noexcept {
      std::size_t const k = cache.keys_offset(tile), v = cache.values_offset(tile);
      if constexpr (T == kv_type::f32) {
        return {cache.floats.data() + k, cache.floats.data() + v, nullptr, nullptr};
      } else if constexpr (T == kv_type::f16) {
        return {cache.halves.data() + k, cache.halves.data() + v, nullptr, nullptr};
      } else {
        std::size_t const each = T == kv_type::q4_0 ? 2 : 1; // elements in a byte
        return {cache.quants.data() + k / each, cache.quants.data() + v / each,
                cache.halves.data() + cache.key_scales_offset(tile),
                cache.halves.data() + cache.value_scales_offset(tile)};
      }
    }
  };

  template <kv_type T, Executor E>
  static void attend(E const& threads, kernel::attention_functions<T> const& kernels, workspace const& work,
                     kv_cache const& cache, attention_task const& task) noexcept {
    std::size_t const dim = cache.head_dim, stride = kernel::attention_state_floats(dim);
    std::size_t const group = task.heads / cache.kv_heads, rows = task.n * group;
    std::size_t const parts = (rows + most_rows - 1) / most_rows, units = parts * cache.kv_heads;
    std::size_t const tiles = (task.length + kv_layout::positions - 1) / kv_layout::positions;
    auto const part = [&](std::size_t unit) { // head by head, whose keys and values stay in a cache
      std::size_t const first = (parts - 1 - unit % parts) * most_rows; // the last tokens see most: they begin
      return rows_of_head{task, unit / parts, group, first, std::min(most_rows, rows - first), dim};
    };
    auto const finish = [&](rows_of_head const& h, std::size_t r, float* state) {
      if (!task.sinks.empty()) kernels.add_sink(state, task.sinks[h.head_of(r)], dim);
      kernels.finish(state, dim, task.output.data() + h.at(r));
    };
    auto const run = [&](std::size_t chunks, std::size_t elements, auto const& f) {
      if (elements < 1 << 14)
        for (std::size_t i = 0; i < chunks; ++i) f(i, 0u);
      else
        threads.run(chunks, f);
    };

    if (tiles == 1 || task.n > shared_tokens || units >= units_a_thread * threads.size())
      return run(units, rows * cache.kv_heads * dim * task.length, [&](std::size_t unit, unsigned thread) {
        rows_of_head const h = part(unit);
        worker<T> const w(kernels, work, thread, cache);
        w.prepare(h);
        w.attend(h, h.first_tile(0), w.so_far);
        for (std::size_t t = h.first_tile(0) + 1; t <= h.last_tile(h.rows - 1); ++t) {
          w.attend(h, t, w.next);
          for (std::size_t r = 0; r < h.rows; ++r) {
            if (t < h.first_tile(r) || t > h.last_tile(r)) continue;
            if (t == h.first_tile(r))
              std::copy_n(w.next + r * stride, stride, w.so_far + r * stride);
            else
              kernels.merge(w.so_far + r * stride, w.next + r * stride, dim);
          }
        }
        for (std::size_t r = 0; r < h.rows; ++r) finish(h, r, w.so_far + r * stride);
      });

    auto const state = [&](std::size_t tile, rows_of_head const& h, std::size_t r) {
      return work.states.data() + ((tile * cache.kv_heads + h.head) * rows + h.first + r) * stride;
    };
    threads.run(units * tiles, [&](std::size_t i, unsigned thread) {
      rows_of_head const h = part(i / tiles);
      worker<T> const w(kernels, work, thread, cache);
      if (i % tiles < h.first_tile(0) || i % tiles > h.last_tile(h.rows - 1)) return;
      w.prepare(h);
      w.attend(h, i % tiles, state(i % tiles, h, 0));
    });
    run(units, rows * cache.kv_heads * dim * tiles, [&](std::size_t unit, unsigned) {
      rows_of_head const h = part(unit);
      for (std::size_t r = 0; r < h.rows; ++r) {
        float* const all = state(h.first_tile(r), h, r);
        for (std::size_t t = h.first_tile(r) + 1; t <= h.last_tile(r); ++t) kernels.merge(all, state(t, h, r), dim);
        finish(h, r, all);
      }
    });
  }
};

} // namespace loquat::detail
