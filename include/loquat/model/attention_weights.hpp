#pragma once
/// \file
/// Attention weights for people to look at. Kernels never have them all: they go through a cache tile by tile with a
/// running softmax. Here they are computed a second time, from the queries and the cache, by the plain definition.

#include <loquat/backend/backend.hpp>
#include <loquat/core/math.hpp>
#include <loquat/model/hooks.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace loquat {

/// The weights of an attention, [heads, n, length], 0 where a token does not look. Those of a token sum to 1, or to
/// less where a head has a sink. Kernels take them from the same scores in another order, so they differ in the last
/// digits; with a cache of integers they also round queries.
constexpr void attention_weights(kv_cache const& cache, attention_task const& task, std::span<float> weights) {
  std::size_t const dim = cache.head_dim, group = task.heads / cache.kv_heads;
  for (std::size_t head = 0; head < task.heads; ++head)
    for (std::size_t i = 0; i < task.n; ++i) {
      auto const row = weights.subspan((head * task.n + i) * task.length, task.length);
      auto const query = task.queries.subspan((i * task.heads + head) * dim, dim);
      auto const [from, to] = task.seen_by(i);
      std::ranges::fill(row, 0.0f);
      float most = task.sinks.empty() ? std::numeric_limits<float>::lowest() : task.sinks[head];
      for (std::size_t p = from; p < to; ++p) {
        float score = 0;
        for (std::size_t d = 0; d < dim; ++d)
          score = math::fma(query[d] * task.scale, cache.key_at(task.layer, head / group, p, d), score);
        if (task.cap != 0) score = math::tanh(score * (1.0f / task.cap)) * task.cap;
        if (!task.bias.empty()) // its middle is the token's own position
          score += task.bias[head * (2 * task.bias_reach - 1) + task.bias_reach - 1 + p - (task.length - task.n + i)];
        row[p] = score;
        most = std::max(most, score);
      }
      float sum = task.sinks.empty() ? 0.0f : math::exp(task.sinks[head] - most);
      for (std::size_t p = from; p < to; ++p) sum += row[p] = math::exp(row[p] - most);
      for (std::size_t p = from; p < to; ++p) row[p] /= sum;
    }
}

/// The output of an attention by weights [heads, n, length], whatever they are.
constexpr void mix_values(kv_cache const& cache, attention_task const& task, std::span<float const> weights) {
  std::size_t const dim = cache.head_dim, group = task.heads / cache.kv_heads;
  for (std::size_t head = 0; head < task.heads; ++head)
    for (std::size_t i = 0; i < task.n; ++i) {
      auto const row = weights.subspan((head * task.n + i) * task.length, task.length);
      auto const output = task.output.subspan((i * task.heads + head) * dim, dim);
      auto const [from, to] = task.seen_by(i); // what lies outside may not be in the cache any more
      for (std::size_t d = 0; d < dim; ++d) {
        float sum = 0;
        for (std::size_t p = from; p < to; ++p)
          sum = math::fma(row[p], cache.value_at(task.layer, head / group, p, d), sum);
        output[d] = sum;
      }
    }
}

namespace detail {

/// Calls the hook `attention_weights` after a backend's attention. `attention_room(at, count)` says where the `count`
/// weights go, or returns fewer floats where this layer is of no interest. A hook that takes `std::span<float const>`
/// only looks, and changes no bit of the output; after one that takes `std::span<float>` values are mixed again.
template <class H>
constexpr void show_attention(H& hooks, hook_site const& at, kv_cache const& cache, attention_task const& task) {
  if constexpr (requires(std::span<float> x) { hooks.attention_weights(at, x); }) {
    std::size_t const count = task.heads * task.n * task.length;
    std::span<float> room = hooks.attention_room(at, count);
    if (room.size() < count) return;
    room = room.first(count);
    attention_weights(cache, task, room);
    if constexpr (requires { hooks.attention_weights(at, std::span<float const>(room)); }) {
      hooks.attention_weights(at, std::span<float const>(room));
    } else {
      hooks.attention_weights(at, room);
      mix_values(cache, task, room);
    }
  }
}

} // namespace detail
} // namespace loquat
